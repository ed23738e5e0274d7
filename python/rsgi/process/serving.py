"""Serves: turns a plan into a running server, until a signal ends it.

The command line and `rsgi.serve(...)` use it. Python's main thread belongs to this module: it runs the asyncio loop (or
waits, if there is no ASGI application) and handles signals. Everything else is on other threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from rsgi._rsgi import Listeners, Server
from rsgi.bridge.forked import ending_children, in_children, leave_sockets
from rsgi.dashboard.listing import RouteListing
from rsgi.errors import StartupError
from rsgi.history import keep_history
from rsgi.observe.console import columns, name_process, say, write_json
from rsgi.observe.log import set_up_logging
from rsgi.observe.log_config import set_up_from
from rsgi.process.banner import banner
from rsgi.process.green_threads import refuse_green_threads
from rsgi.process.link import Link
from rsgi.process.main_thread import Calls, run_loop, wait
from rsgi.process.openapi import OpenapiDocument
from rsgi.process.reload import RuleReload
from rsgi.process.service_manager import ServiceManager
from rsgi.process.shadow import comparing
from rsgi.process.signals import SignalHandlers, ending_handlers, exit_now, reopening_handlers, worker_handlers
from rsgi.process.stopping import Stopping
from rsgi.process.system.listening import listening
from rsgi.routing.plan import Plan
from rsgi.routing.planning import build_plan
from rsgi.routing.served import ServedPlan
from rsgi.settings.config import Config

# How long WSGI calls whose clients were cut may take to see it, in seconds.
_STUCK_TIMEOUT = 1.0


def serve_here(config: Config, reread: Callable[[], Config] | None, *, owns_process: bool = False) -> int:
    """Serve in this process alone.

    Args:
        config: All settings.
        reread: Gives the settings as their file has them later, for rules that change while the server runs.
        owns_process: Whether the process is there to serve, and ends after it.

    Returns:
        The exit code: 0 after an orderly end, 1 when an application has stopped the event loop.

    Raises:
        StartupError: when the server cannot start.
    """
    if config.log_format == "json":
        write_json()
    with listening(config) as listeners, in_children(partial(leave_sockets, listeners.urls(False))):
        ended = _serve_plan(config, reread, load_plan(config), listeners, None)
    return _end(ended, owns_process=owns_process)


def serve_worker(config: Config, reread: Callable[[], Config] | None, link: Link, plan: Plan | None) -> int:
    """Serve as one of several processes.

    Args:
        config: All settings.
        reread: Gives the settings as their file has them later.
        link: Goes to the supervisor.
        plan: Who serves what, when the applications are imported already.

    Returns:
        The exit code, as of `serve_here`.

    Raises:
        StartupError: when the server cannot start.
    """
    name_process(f"[{os.getpid()}] ")
    if config.log_format == "json":
        write_json()
    with in_children(partial(leave_sockets, link.listeners.urls(False))):
        plan = load_plan(config) if plan is None else plan
        ended = _serve_plan(config, reread, plan, link.listeners, link)
    return _end(ended, owns_process=True)


def load_plan(config: Config) -> Plan:
    """Import the applications, and find out who serves what.

    Raises:
        StartupError: when one cannot be imported.
    """
    if config.log_config is not None:
        set_up_from(config.log_config)
    with ending_children():
        plan = build_plan(config)
    if any(app.interface == "wsgi" for app in plan.apps):
        refuse_green_threads()
    return plan


@dataclass(frozen=True)
class _Ended:
    """A server that has ended: what its process ends with."""

    stopping: Stopping
    code: int


def _end(ended: _Ended, *, owns_process: bool) -> int:
    """Leave what applications have not ended; gives the exit code."""
    _leave_stuck_calls()
    if owns_process:
        ended.stopping.leave_threads(ended.code)
    return ended.code


def _serve_plan(
    config: Config, reread: Callable[[], Config] | None, plan: Plan, listeners: Listeners, link: Link | None
) -> _Ended:
    """Serve until the end of the server."""
    set_up_logging(config.log_level)
    server = Server(config, plan, listeners, link is not None)
    if link is None:
        say(banner(config, plan, server.io, width=columns()))
    else:
        link.introduce(banner(config, plan, server.io, link.orders.supervisor, columns()))
    manager = ServiceManager()

    def stop() -> None:
        manager.stopping()
        server.stop()

    stopping = Stopping(config, stop)
    code = 0
    listing, document = RouteListing(server.dashboard), OpenapiDocument(server)

    def changed(config: Config, plan: Plan) -> None:
        listing.make(config, plan)
        document.make(config, plan)

    served = ServedPlan(server, config, plan, changed)
    admin = [] if server.admin_address is None else [server.admin_address]
    with in_children(partial(leave_sockets, admin)), _reloading(served, config, reread, manager) as reload:
        reopen = server.reopen_access_log if config.access_log_file is not None else None
        handlers = _handlers(stopping, _reloads(server, config, reload, manager), reopen, link)
        if link is not None:
            link.follow(server, stopping.begin)
        else:
            threading.Thread(target=_tell_when_ready, args=(server, manager), name="rsgi-ready", daemon=True).start()

        def check() -> None:
            handlers.keep()
            manager.feed_watchdog()

        calls = Calls(manager.interval, check, partial(read_again, served, link))
        alone = server.dashboard if link is None else None
        with comparing(server, config), handlers, in_children(handlers.undo), keep_history(config, alone):
            if any(app.interface == "asgi" for app in plan.apps):
                code = run_loop(server, config, stopping, handlers, calls)
            else:
                wait(server, calls)
            server.finish()
    stopping.over()
    return _Ended(stopping, code or handlers.exit_code)


def _tell_when_ready(server: Server, manager: ServiceManager) -> None:
    if server.wait_until_ready():
        manager.ready(f"serving on {', '.join(server.addresses)}")


def read_again(served: ServedPlan, link: Link | None) -> None:
    """Take the routes over that the applications have added in their startup."""
    lines = served.divide().lines()
    if lines and (link is None or link.orders.introduces):
        say("\n".join(["the routes changed in the startup:", *lines]))


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
        say(f"error: {error.message}; the old certificates stay in use")
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
