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
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rsgi._rsgi import Server
from rsgi._types import ASGIApp, WSGIApp
from rsgi.banner import banner
from rsgi.config import AppTarget, Config
from rsgi.errors import StartupError
from rsgi.loops import new_event_loop
from rsgi.plan import build_plan

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

# The signals that change how the server serves, where the system has them.
_RELOAD_SIGNALS = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()

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
        settings: The fields of `Config`.

    Returns:
        The exit code: 0 after an orderly end.

    Raises:
        StartupError: when the server cannot start.
    """
    if config is None:
        named = [AppTarget("wsgi", wsgi)] if wsgi is not None else []
        named += [AppTarget("asgi", asgi)] if asgi is not None else []
        apps = (*settings.pop("apps", ()), *named)  # type: ignore[misc]
        config = Config(apps=apps, **settings)  # type: ignore[arg-type]
    plan = build_plan(config)
    _set_up_logging(config.log_level)
    server = Server(config, plan)
    print(banner(config, plan), file=sys.stderr, flush=True)
    with _signals(server), _reload(server, config):
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


def _run_loop(server: Server, config: Config) -> None:
    """Run the asyncio loop on this thread until the server has ended."""
    loop = new_event_loop(config.loop)
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
def _reload(server: Server, config: Config) -> Iterator[None]:
    """Read the TLS certificates again at SIGHUP. Without TLS the signal keeps its meaning: the terminal has gone."""
    on_main_thread = threading.current_thread() is threading.main_thread()
    if not config.tls_cert or not _RELOAD_SIGNALS or not on_main_thread:
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        try:
            server.reload_tls()
        except StartupError as error:
            print(f"error: {error.message}; the certificates stay as they were", file=sys.stderr, flush=True)
        else:
            print("read the TLS certificates again", file=sys.stderr, flush=True)

    before = signal.signal(signal.SIGHUP, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@contextmanager
def _signals(server: Server) -> Iterator[None]:
    """Drain at the first SIGINT or SIGTERM, end at once at the second."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if came:
            print("warning: a second signal: stopped at once", file=sys.stderr)
            _exit_now(1)
        came = True
        server.stop()

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_stuck_calls() -> None:
    """End the process when WSGI calls are still running: the interpreter cannot be taken down under them."""
    stuck = Server.wait_for_calls(_STUCK_TIMEOUT)
    if stuck:
        print(f"warning: {stuck} WSGI calls were still running at the end", file=sys.stderr)
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
        handler.setFormatter(_LowerCaseLevel("%(levelname)s: %(message)s"))
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
