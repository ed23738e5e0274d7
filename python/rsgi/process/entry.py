"""Starts a server: in this process alone, or as the supervisor of several.

The command line and `rsgi.serve(...)` use it. `serving.py` is one process that serves. `embedding.py` is a server inside
another program.
"""

from __future__ import annotations

from collections.abc import Callable

from rsgi._types import ASGIApp, WSGIApp
from rsgi.history import check_history
from rsgi.observe.console import say
from rsgi.process.serving import serve_here
from rsgi.process.system.process_title import set_process_title
from rsgi.process.workers.replacement import check_limits, needs_supervisor, warn_of_limits
from rsgi.settings.config import AppTarget, Config
from rsgi.settings.config_file import load_config, reread_of
from rsgi.settings.env_file import apply_env_file


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
        config: All settings. Without it, the keyword arguments are the settings.
        wsgi: A WSGI application or its target, without a prefix.
        asgi: An ASGI application or its target, without a prefix.
        settings: The fields of `Config`. If they name a `config` file, it has the settings that are missing here.

    Returns:
        The exit code. 0 means an orderly shutdown.

    Raises:
        StartupError: when the server cannot start.
    """
    made, reread = config_of(config, settings, wsgi, asgi)
    return _serve(made, reread, owns_process=False)


def config_of(
    config: Config | None, settings: dict[str, object], wsgi: object, asgi: object
) -> tuple[Config, Callable[[], Config] | None]:
    """The settings that a call has given, and what gives them as their file has them later.

    Raises:
        StartupError: when one is invalid.
    """
    env_file = settings.get("env_file") if config is None else config.env_file
    if env_file is not None:
        apply_env_file(str(env_file))
    if config is not None:
        return config, None
    given = _given(settings, wsgi, asgi)
    made = load_config(given)
    return made, reread_of(given, made)


def serve_config(config: Config, reread: Callable[[], Config] | None = None) -> int:
    """Serve with settings that have been made, in a process that is there for it and ends after it, or in several.

    Args:
        config: All settings.
        reread: Gives the settings as their file has them later.

    Raises:
        StartupError: when the server cannot start.
    """
    return _serve(config, reread, owns_process=True)


def _serve(config: Config, reread: Callable[[], Config] | None, *, owns_process: bool) -> int:
    check_limits(config)
    check_history(config)
    alone = config.workers == 1 and not needs_supervisor(config)
    if config.preload and (config.reload or alone):
        say("warning: `--preload` has no effect here: it needs several workers")
    if alone and not config.reload:
        return serve_here(config, reread, owns_process=owns_process)
    if owns_process:
        set_process_title("rsgi: supervisor")
    if config.reload:
        from rsgi.process.workers.code_reload import serve_reloading

        warn_of_limits(config)
        return serve_reloading(config, reread)
    from rsgi.process.workers.supervisor import supervise

    return supervise(config, reread)


def _given(settings: dict[str, object], wsgi: object, asgi: object) -> dict[str, object]:
    """What `serve` was given, as `load_config` takes it; nothing is left out."""
    chosen = {"wsgi": wsgi, "asgi": asgi}
    targets = {name: [AppTarget(name, app)] for name, app in chosen.items() if app is not None}  # type: ignore[arg-type]
    if "apps" in settings:
        apps = (*settings["apps"], *(each for listed in targets.values() for each in listed))  # type: ignore[misc]
        return {**settings, "apps": apps}
    return {**settings, **targets}
