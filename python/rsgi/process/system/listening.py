"""What a server gets from the system while it runs: its sockets, its user, its pid file.

A supervisor has the same for all its workers. The order matters: addresses that only root may bind come first, and
everything of the applications comes after that.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rsgi._rsgi import Listeners
from rsgi.observe.console import say
from rsgi.process.system.account import Account, account_of
from rsgi.process.system.inherited import SCHEME, adopt, numbers_of, passed_sockets
from rsgi.process.system.pid_file import pid_file
from rsgi.settings.config import Config, settings

# The settings that say where to listen, and how; none of them changes while a server runs.
ADDRESSES = ("host", "port", "bind", "uds", "uds_mode", "backlog", "reuse_port", "admin", "admin_token")

# The others that count once, at the start.
ONCE = ("user", "group", "pid_file")

_MOST_WAITING = Path("/proc/sys/net/core/somaxconn")


@contextmanager
def listening(config: Config) -> Iterator[Listeners]:
    """Bind the addresses, write the process id, and become the user, in this order; what is left is undone at the end.

    Args:
        config: All settings.

    Raises:
        StartupError: when something of that cannot be had.
    """
    account = account_of(config.user, config.group)
    listeners = Listeners()
    try:
        _open(listeners, config)
        with pid_file(config.pid_file) as written:
            if account is not None:
                _become(account, listeners, config, written)
            yield listeners
    finally:
        listeners.close()


def _open(listeners: Listeners, config: Config) -> None:
    passed = passed_sockets()
    addresses = config.addresses()
    if passed and _names_no_address(config):
        addresses = tuple(f"{SCHEME}{number}" for number in passed)
    _check(config, addresses)
    for address in addresses:
        if address.startswith(SCHEME):
            for number in numbers_of(address, passed):
                adopt(listeners, number)
                passed.pop(number, None)
        else:
            listeners.listen(address, config)
    _leave(passed)


def _names_no_address(config: Config) -> bool:
    """Whether everything that says where to listen is as it is without a word."""
    defaults = {each.name: each.default for each, _ in settings()}
    return all(getattr(config, name) == defaults[name] for name in ("host", "port", "bind", "uds"))


def _leave(passed: Mapping[int, str]) -> None:
    """Close sockets that were passed and that nobody has named."""
    if passed:
        shown = ", ".join(f"`{SCHEME}{number}`{f' ({name})' if name else ''}" for number, name in passed.items())
        say(f"warning: not used, because other addresses are set: {shown}; add them with `--bind`")
    for number in passed:
        with contextlib.suppress(OSError):
            os.close(number)


def _check(config: Config, addresses: tuple[str, ...]) -> None:
    """Say what settings about sockets do not do here."""
    if config.uds_mode is not None and not any(_socket_file(address) for address in addresses):
        say("warning: `--uds-mode` has no effect here: there is no Unix socket with a file")
    most = _most_waiting()
    default = next(each.default for each, _ in settings() if each.name == "backlog")
    if most is not None and config.backlog > most and config.backlog != default:
        say(f"warning: the system lets {most} connections wait, not {config.backlog}: see `sysctl net.core.somaxconn`")


def _most_waiting() -> int | None:
    try:
        return int(_MOST_WAITING.read_text())
    except (OSError, ValueError):
        return None


def _socket_file(address: str) -> str | None:
    """The path of a Unix socket that is a file; none for other addresses."""
    path = address.removeprefix("unix:")
    return None if path == address or path.startswith("@") else path


def _become(account: Account, listeners: Listeners, config: Config, written: str | None) -> None:
    """Become the user, who gets what it has to open, connect to or remove."""
    bound = {address for address in config.addresses() if _socket_file(address) is not None}
    sockets = [path for url in listeners.urls(False) if url in bound and (path := _socket_file(url)) is not None]
    for path in (*sockets, *([] if written is None else [written])):
        account.give(path)
    if config.access_log_file not in (None, "-"):
        account.make(str(config.access_log_file))
    account.become()
