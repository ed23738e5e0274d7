"""Serves: the plan becomes a running server, until a signal ends it.

Apart from the command line because `rsgi.serve(...)` leads here too. Python's main thread belongs to this module: it runs
the asyncio loop (or waits, when there is no ASGI application) and takes the signals; everything else is on other threads.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeAlias

from rsgi._rsgi import Server
from rsgi._types import ASGIApp, WSGIApp
from rsgi.banner import banner
from rsgi.config import AppTarget, Config
from rsgi.config_file import load_config, reread_of
from rsgi.console import name_process, process_name, say
from rsgi.errors import StartupError
from rsgi.loops import new_event_loop, serving_event_loop
from rsgi.plan import Plan, build_plan
from rsgi.reload import RuleReload
from rsgi.worker import Link

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

# Not every system has it.
_RELOAD_SIGNALS = tuple(getattr(signal, name) for name in ("SIGHUP",) if hasattr(signal, name))

# How late a signal may be seen that did not wake the main thread, in seconds.
_SIGNAL_LATENCY = 1.0

# How long tasks that were cancelled at the end may take to see it, in seconds.
_CANCEL_TIMEOUT = 5.0

# How long WSGI calls whose clients were cut may take to see it, in seconds.
_STUCK_TIMEOUT = 1.0


def serve(
    config: Config | None = None,
    /,
    *,
    wsgi: str | WSGIApp | None = None,
    asgi: str | ASGIApp | None = None,
    **settings: object,
) -> int:
    """Serve until SIGINT or SIGTERM.

    Args:
        config: All settings. Without it they are made of the keyword arguments.
        wsgi: A WSGI application or its target, without a prefix.
        asgi: An ASGI application or its target, without a prefix.
        settings: The fields of `Config`; with `config`, a file's settings are taken where there are none here.

    Returns:
        The exit code: 0 after an orderly end.

    Raises:
        StartupError: when the server cannot start.
    """
    if config is not None:
        return serve_config(config)
    given = _given(settings, wsgi, asgi)
    config = load_config(given)
    return serve_config(config, reread_of(given, config))


def serve_config(config: Config, reread: Callable[[], Config] | None = None) -> int:
    """Serve with settings that have been made, in this process or in several.

    Args:
        config: All settings.
        reread: Gives the settings as their file has them later.

    Raises:
        StartupError: when the server cannot start.
    """
    if config.workers == 1:
        return serve_here(config, reread)
    from rsgi.supervisor import supervise

    return supervise(config, reread)


def serve_here(config: Config, reread: Callable[[], Config] | None, link: Link | None = None) -> int:
    """Serve in this process.

    Args:
        config: All settings.
        reread: Gives the settings as their file has them later, for rules that change while the server runs.
        link: Goes to the supervisor, when this process is one of its workers.

    Raises:
        StartupError: when the server cannot start.
    """
    if link is not None:
        name_process(f"[{os.getpid()}] ")
    plan = build_plan(config)
    _set_up_logging(config.log_level)
    if link is None:
        server = Server(config, plan)
        say(banner(config, plan, server.io))
    else:
        server = Server(config, plan, link.listeners)
        link.introduce(banner(config, plan, server.io, link.orders.supervisor))
    with _reloading(server, config, plan, reread) as reload, _handling(server, _reloads(server, config, reload), link):
        if any(app.interface == "asgi" for app in plan.apps):
            _run_loop(server, config)
        else:
            ended = threading.Event()
            server.start(None, ended.set)
            # A signal that reaches another thread does not end a wait of this one.
            while not ended.wait(_SIGNAL_LATENCY):
                pass
        server.finish()
    _leave_stuck_calls()
    return 0


def _given(settings: dict[str, object], wsgi: object, asgi: object) -> dict[str, object]:
    """What `serve` was given, as `load_config` takes it; nothing is left out."""
    chosen = {"wsgi": wsgi, "asgi": asgi}
    targets = {name: [AppTarget(name, app)] for name, app in chosen.items() if app is not None}  # type: ignore[arg-type]
    if "apps" in settings:
        apps = (*settings["apps"], *(each for listed in targets.values() for each in listed))  # type: ignore[misc]
        return {**settings, "apps": apps}
    return {**settings, **targets}


def _run_loop(server: Server, config: Config) -> None:
    """Run the asyncio loop on this thread until the server has ended."""
    loop = serving_event_loop(server) if server.io == "loop" else new_event_loop(config.loop)
    asyncio.set_event_loop(loop)
    try:
        _wake_for_signals(loop)
        server.start(loop, lambda: loop.call_soon_threadsafe(loop.stop))
        loop.run_forever()
        server.detach(loop)
        _close(loop)
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what still runs, and let the loop's own things end."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=_CANCEL_TIMEOUT))
    loop.run_until_complete(loop.shutdown_asyncgens())


def _wake_for_signals(loop: asyncio.AbstractEventLoop) -> None:
    """Let a signal wake the loop, whichever thread it reaches; the handlers stay as they are."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (*_SIGNALS, *_RELOAD_SIGNALS):
        handler = signal.getsignal(number)
        if not callable(handler):
            continue
        loop.add_signal_handler(number, lambda: None)
        signal.signal(number, handler)


@contextmanager
def _reloading(
    server: Server, config: Config, plan: Plan, reread: Callable[[], Config] | None
) -> Iterator[RuleReload | None]:
    """Rules can be read again, if there is a file to read them from."""
    if reread is None:
        yield None
        return
    reload = RuleReload(server, config, plan, reread)
    try:
        yield reload
    finally:
        reload.stop()


def _reloads(server: Server, config: Config, rules: RuleReload | None) -> list[Callable[[], None]]:
    """What SIGHUP does: rules are read again if they have a file, certificates if there are any."""
    asked = [] if rules is None else [rules.ask]
    return asked + ([lambda: _reload_tls(server)] if config.tls_cert else [])


def _reload_tls(server: Server) -> None:
    try:
        server.reload_tls()
    except StartupError as error:
        say(f"error: {error.message}; the certificates stay as they were")
    else:
        say("read the TLS certificates again")


_Handlers: TypeAlias = dict[signal.Signals, Callable[[int, FrameType | None], object]]


@contextmanager
def _handling(server: Server, reloads: list[Callable[[], None]], link: Link | None) -> Iterator[None]:
    """Take the signals while the server runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = _handlers(server, reloads) if link is None else _worker_handlers(server)
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    if link is not None:
        link.follow(server)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _worker_handlers(server: Server) -> _Handlers:
    """A worker drains at SIGTERM. What a terminal sends to all its processes is for the supervisor to act on."""
    deaf: _Handlers = {number: lambda *_: None for number in (signal.SIGINT, *_RELOAD_SIGNALS)}
    return {**deaf, signal.SIGTERM: lambda *_: server.stop()}


def _handlers(server: Server, reloads: list[Callable[[], None]]) -> _Handlers:
    """Drain at the first SIGINT or SIGTERM, end at once at the second; reload what can be at SIGHUP.

    Where nothing can be reloaded SIGHUP keeps its meaning: the terminal has gone.
    """
    came = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if came:
            say("warning: a second signal: stopped at once")
            _exit_now(1)
        came = True
        server.stop()

    handlers: _Handlers = dict.fromkeys(_SIGNALS, handle)
    if reloads:
        handlers |= {number: lambda *_: [ask() for ask in reloads] for number in _RELOAD_SIGNALS}
    return handlers


def _leave_stuck_calls() -> None:
    """End the process when WSGI calls are still running: the interpreter cannot be taken down under them."""
    stuck = Server.wait_for_calls(_STUCK_TIMEOUT)
    if stuck:
        say(f"warning: {stuck} WSGI calls were still running at the end")
        _exit_now(0)


def _exit_now(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _set_up_logging(level: str) -> None:
    """Give the `rsgi` logger a handler, unless the applications have set up logging themselves."""
    logger = logging.getLogger("rsgi")
    logger.setLevel(level.upper())
    if not logger.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_LowerCaseLevel(f"{process_name()}%(levelname)s: %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False


class _LowerCaseLevel(logging.Formatter):
    """`error: …`, like the lines that the server writes itself."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of one record."""
        level, record.levelname = record.levelname, record.levelname.lower()
        try:
            return super().format(record)
        finally:
            record.levelname = level
