"""Serves: the plan becomes a running server, until a signal ends it.

Apart from the command line because `rsgi.serve(...)` leads here too. Python's main thread belongs to this module: it runs
the asyncio loop (or waits, when there is no ASGI application) and takes the signals; everything else is on other threads.
"""

from __future__ import annotations

import asyncio
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from rsgi._rsgi import Server
from rsgi._types import ASGIApp, WSGIApp
from rsgi.banner import banner
from rsgi.config import AppTarget, Config
from rsgi.config_file import load_config, reread_of
from rsgi.console import name_process, say, write_json
from rsgi.env_file import apply_env_file
from rsgi.errors import StartupError
from rsgi.forked import ending_children, in_children, leave_loop, leave_sockets
from rsgi.green_threads import refuse_green_threads
from rsgi.log import set_up_logging
from rsgi.log_config import set_up_from
from rsgi.loops import end_tasks, new_event_loop, serving_event_loop
from rsgi.plan import build_plan
from rsgi.reload import RuleReload
from rsgi.replacement import check_limits, needs_supervisor, warn_of_limits
from rsgi.served import ServedPlan
from rsgi.service_manager import ServiceManager
from rsgi.signals import SignalHandlers, ending_handlers, exit_now, reopening_handlers, worker_handlers
from rsgi.stopping import Stopping
from rsgi.worker import Link

# How long WSGI calls whose clients were cut may take to see it, in seconds.
_STUCK_TIMEOUT = 1.0

# How often the loop may fail on its way to the end of the server.
_MOST_FAILURES = 100


@dataclass(frozen=True)
class _Calls:
    """What the main thread does for the server while it runs.

    Attributes:
        interval: How often `check` is called, in seconds.
        check: Sees that all is as it should be.
        on_started: Called when the ASGI applications have started, before the first request.
    """

    interval: float
    check: Callable[[], None]
    on_started: Callable[[], None]


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
    env_file = settings.get("env_file") if config is None else config.env_file
    if env_file is not None:
        apply_env_file(str(env_file))
    if config is not None:
        return _serve(config, None, owns_process=False)
    given = _given(settings, wsgi, asgi)
    config = load_config(given)
    return _serve(config, reread_of(given, config), owns_process=False)


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
    if config.reload:
        from rsgi.code_reload import serve_reloading

        warn_of_limits(config)
        return serve_reloading(config, reread)
    if config.workers == 1 and not needs_supervisor(config):
        return serve_here(config, reread, owns_process=owns_process)
    from rsgi.supervisor import supervise

    return supervise(config, reread)


def serve_here(
    config: Config,
    reread: Callable[[], Config] | None,
    link: Link | None = None,
    *,
    owns_process: bool = False,
) -> int:
    """Serve in this process.

    Args:
        config: All settings.
        reread: Gives the settings as their file has them later, for rules that change while the server runs.
        link: Goes to the supervisor, when this process is one of its workers.
        owns_process: Whether the process is there to serve, and ends after it.

    Returns:
        The exit code: 0 after an orderly end, 1 when an application has stopped the event loop.

    Raises:
        StartupError: when the server cannot start.
    """
    if link is not None:
        name_process(f"[{os.getpid()}] ")
    if config.log_format == "json":
        write_json()
    if config.log_config is not None:
        set_up_from(config.log_config)
    with ending_children():
        plan = build_plan(config)
    if any(app.interface == "wsgi" for app in plan.apps):
        refuse_green_threads()
    set_up_logging(config.log_level)
    if link is None:
        server = Server(config, plan)
        say(banner(config, plan, server.io))
    else:
        server = Server(config, plan, link.listeners)
        link.introduce(banner(config, plan, server.io, link.orders.supervisor))
    manager = ServiceManager()

    def stop() -> None:
        manager.stopping()
        server.stop()

    stopping = Stopping(config, stop)
    code = 0
    served = ServedPlan(server, config, plan)
    sockets = [*server.addresses, *([] if server.admin_address is None else [server.admin_address])]
    with in_children(partial(leave_sockets, sockets)), _reloading(served, config, reread, manager) as reload:
        reopen = server.reopen_access_log if config.access_log_file is not None else None
        handlers = _handlers(stopping, _reloads(server, config, reload, manager), reopen, link)
        if link is not None:
            link.follow(server, stopping.begin)
        else:
            threading.Thread(target=_tell_when_ready, args=(server, manager), name="rsgi-ready", daemon=True).start()

        def check() -> None:
            handlers.keep()
            manager.alive()

        calls = _Calls(manager.interval, check, partial(_read_again, served, link))
        with handlers, in_children(handlers.undo):
            if any(app.interface == "asgi" for app in plan.apps):
                code = _run_loop(server, config, stopping, handlers, calls)
            else:
                _wait(server, calls)
            server.finish()
    stopping.over()
    _leave_stuck_calls()
    code = code or handlers.exit_code
    if owns_process:
        stopping.leave_threads(code)
    return code


def _given(settings: dict[str, object], wsgi: object, asgi: object) -> dict[str, object]:
    """What `serve` was given, as `load_config` takes it; nothing is left out."""
    chosen = {"wsgi": wsgi, "asgi": asgi}
    targets = {name: [AppTarget(name, app)] for name, app in chosen.items() if app is not None}  # type: ignore[arg-type]
    if "apps" in settings:
        apps = (*settings["apps"], *(each for listed in targets.values() for each in listed))  # type: ignore[misc]
        return {**settings, "apps": apps}
    return {**settings, **targets}


def _tell_when_ready(server: Server, manager: ServiceManager) -> None:
    if server.wait_until_ready():
        manager.ready(f"serving on {', '.join(server.addresses)}")


def _wait(server: Server, calls: _Calls) -> None:
    """Wait on this thread until the server has ended, and check every now and then."""
    ended = threading.Event()
    server.start(None, ended.set)
    # A signal that reaches another thread does not end a wait of this one.
    while not ended.wait(calls.interval):
        calls.check()


def _read_again(served: ServedPlan, link: Link | None) -> None:
    """Take the routes over that the applications have added in their startup."""
    lines = served.divide().lines()
    if lines and (link is None or link.orders.introduces):
        say("\n".join(["the routes are others after the startup:", *lines]))


def _run_loop(server: Server, config: Config, stopping: Stopping, handlers: SignalHandlers, calls: _Calls) -> int:
    """Run the asyncio loop on this thread until the server has ended; gives the exit code.

    Args:
        server: The server.
        config: All settings.
        stopping: Begins when the loop stops by itself.
        handlers: Those of the application come after them, whenever it sets any.
        calls: What is called in the loop.
    """
    loop = serving_event_loop(server) if server.io == "loop" else new_event_loop(config.loop)
    asyncio.set_event_loop(loop)
    ended = threading.Event()

    def end() -> None:
        ended.set()
        loop.call_soon_threadsafe(loop.stop)

    def check_again() -> None:
        calls.check()
        loop.call_later(calls.interval, check_again)

    try:
        handlers.keep_in(loop)
        check_again()
        server.start(loop, end, calls.on_started)
        with in_children(partial(leave_loop, loop, threading.get_ident())):
            code = _run_to_the_end(loop, ended, stopping)
        server.detach(loop)
        end_tasks(loop)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return code


def _run_to_the_end(loop: asyncio.AbstractEventLoop, ended: threading.Event, stopping: Stopping) -> int:
    """Run the loop until the server has ended. One that stops before is run again, for the server to end in order."""
    code = 0
    for _ in range(_MOST_FAILURES):
        reason = "the application stopped the event loop"
        try:
            with ending_children():
                loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            reason = f"a task of the application raised {type(error).__name__}, which ends the event loop"
        except BaseException:
            reason = f"the event loop failed\n{traceback.format_exc()}"
        if ended.is_set():
            return code
        if code == 0:
            say(f"error: {reason}; the server drains and ends")
            code = 1
        stopping.begin()
    say("error: the event loop stops again and again; the server ends at once")
    exit_now(1)
    return code


@contextmanager
def _reloading(
    served: ServedPlan, config: Config, reread: Callable[[], Config] | None, manager: ServiceManager
) -> Iterator[RuleReload | None]:
    """Rules can be read again, if there is a file to read them from."""
    if reread is None:
        yield None
        return
    reload = RuleReload(served, config, reread, manager.reload)
    try:
        yield reload
    finally:
        reload.stop()


def _reloads(
    server: Server, config: Config, rules: RuleReload | None, manager: ServiceManager
) -> list[Callable[[], None]]:
    """What SIGHUP does: rules are read again if they have a file, certificates if there are any."""
    asked = [] if rules is None else [rules.ask]
    return asked + ([lambda: _reload_tls(server, manager)] if config.tls_cert else [])


def _reload_tls(server: Server, manager: ServiceManager) -> None:
    try:
        with manager.reload():
            server.reload_tls()
    except StartupError as error:
        say(f"error: {error.message}; the certificates stay as they were")
    else:
        say("read the TLS certificates again")


def _handlers(
    stopping: Stopping, reloads: list[Callable[[], None]], reopen: Callable[[], object] | None, link: Link | None
) -> SignalHandlers:
    """The signals that this process takes."""
    reopening = reopening_handlers(reopen)
    if link is not None:
        return SignalHandlers({**worker_handlers(stopping.begin), **reopening})

    def reload() -> None:
        for ask in reloads:
            ask()

    return SignalHandlers({**ending_handlers(stopping.begin, reload if reloads else None), **reopening})


def _leave_stuck_calls() -> None:
    """End the process when WSGI calls are still running: the interpreter cannot be taken down under them."""
    stuck = Server.wait_for_calls(_STUCK_TIMEOUT)
    if stuck:
        say(f"warning: {stuck} WSGI calls were still running at the end")
        exit_now(0)
