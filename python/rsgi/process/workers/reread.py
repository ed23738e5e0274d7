"""The settings for worker processes, at start and when they are read again.

The supervisor and `--reload` both use it. If something is wrong, it is logged and nothing changes. Settings that count
only at start keep their values.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace

from rsgi.errors import StartupError
from rsgi.observe.console import say
from rsgi.process.system.listening import ADDRESSES, ONCE
from rsgi.process.workers.replacement import check_limits
from rsgi.settings.config import Config
from rsgi.settings.env_file import apply_env_file

# What no signal changes.
FIXED = (*ADDRESSES, *ONCE)


def read_again(config: Config, reread: Callable[[], Config] | None, fixed: Sequence[str]) -> Config | None:
    """The settings as their files have them now; `None` when something in these is wrong, which is said.

    Args:
        config: The settings as they are.
        reread: Reads the configuration file, if there is one. The file of environment variables is read here.
        fixed: The settings that stay as they are.
    """
    name = config.env_file
    try:
        if config.env_file is not None:
            _warn_of(apply_env_file(config.env_file), config.env_file)
        if reread is None:
            return config
        name = config.config
        read = reread()
        check_named(read, "by workers")
        check_limits(read)
    except StartupError as error:
        say(f"error: {name} was not reloaded, and nothing has changed: {error.message}")
        if error.hint is not None:
            say(f"hint: {error.hint}")
        return None
    changed = [name for name in fixed if getattr(read, name) != getattr(config, name)]
    if changed:
        what = "the addresses" if set(changed) <= set(ADDRESSES) else ", ".join(f"`{name}`" for name in changed)
        say(f"warning: {what} changed in the settings: this needs a restart")
    return replace(read, **{name: getattr(config, name) for name in fixed})


def _warn_of(variables: list[str], path: str) -> None:
    """Say which settings have changed in the environment, which is looked at once."""
    changed = [f"`{name}`" for name in variables if name.startswith("RSGI_")]
    if changed:
        say(f"warning: {', '.join(changed)} changed in {path}: this needs a restart")


def check_named(config: Config, how: str) -> None:
    """See that other processes can be told what to serve.

    Args:
        config: All settings.
        how: How it is to be served, for people.

    Raises:
        StartupError: when they cannot.
    """
    if not config.apps:
        raise StartupError("there is no application to serve", "for example `rsgi serve --wsgi old:app --asgi new:app`")
    for app in config.apps:
        if not isinstance(app.target, str):
            raise StartupError(
                f"an application object cannot be served {how}: each worker process imports the application",
                'name it, for example `wsgi="old:app"`, or set `workers=1` (`WEB_CONCURRENCY` may ask for more) and no '
                "`reload`, nor limits of workers such as `max_requests`",
            )
    try:
        pickle.dumps(config)
    except Exception as error:
        raise StartupError(f"the settings cannot be sent to workers: {error}", "serve with one worker") from error
