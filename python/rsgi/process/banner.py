"""The text that the server prints at start: who serves what, and why.

It is separate from serving because it is text for people, and other commands show the same.
"""

from __future__ import annotations

import os
import platform
import textwrap
from typing import Literal

from rsgi._rsgi import VERSION
from rsgi.process.loops import loop_name
from rsgi.routing.database_lines import database_lines
from rsgi.routing.plan import App, Plan
from rsgi.routing.static_folders import StaticFolder
from rsgi.settings.config import Config
from rsgi.settings.rollback import in_full
from rsgi.settings.values import write_value

_SOCKETS = {
    "loop": "the event loop drives them",
    "pool": "the WSGI threads drive them, in turn",
    "thread": "a separate thread drives them",
}


def banner(
    config: Config,
    plan: Plan,
    io: Literal["thread", "loop", "pool"],
    supervisor: int | None = None,
    width: int | None = None,
) -> str:
    """The lines before `listening on …`, without a line end.

    Args:
        config: All settings.
        plan: Who serves what.
        io: Who drives the sockets.
        supervisor: The process that signals go to, when this is one of its workers.
        width: The columns of the terminal; `None` where programs read the lines, which then stay whole.
    """
    lines = [f"rsgi {VERSION}, CPython {platform.python_version()}, {_processes(config, supervisor)}", ""]
    lines += _table([(app.interface, _name(app), _place(app, plan), _how(app, config, io)) for app in plan.apps])
    lines += [f"  static  {_static(folder)}" for folder in plan.static_folders]
    lines += [f"  rule  {in_full(rule)}" for rule in plan.rules]
    lines += [f"  shadow  {rule.shown}" for rule in plan.shadow]
    lines += ["", *(f"  {line}" for line in _who(plan)), f"  sockets: {_SOCKETS[io]}"]
    lines += [f"  {line}" for line in database_lines(config, plan)]
    lines += [f"  settings: {config.config}"] if config.config is not None else []
    lines.append("")
    said = [*(f"warning: {each}" for each in plan.warnings), *(f"note: {each}" for each in plan.notes)]
    lines += [line for each in said for line in (each, "")]
    return "\n".join(lines if width is None else (_folded(line, width) for line in lines))


def _folded(line: str, width: int) -> str:
    indent = len(line) - len(line.lstrip())
    return textwrap.fill(
        line,
        width,
        subsequent_indent=" " * (indent + 4),
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _static(folder: StaticFolder) -> str:
    rest = ", then the applications" if folder.fallback_to_app else ""
    return f"{folder.place}  {folder.dir}{rest}"


def _processes(config: Config, supervisor: int | None) -> str:
    if supervisor is None:
        return f"process {os.getpid()}"
    if config.reload:
        return f"process {supervisor}, which restarts when files change"
    return f"process {supervisor} with {'1 worker' if config.workers == 1 else f'{config.workers} workers'}"


def _name(app: App) -> str:
    return app.name if app.name == app.target else f"{app.name} = {app.target}"


def _table(rows: list[tuple[str, str, str, str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    cells = [[text.ljust(width) for text, width in zip(row[:3], widths, strict=True)] + [row[3]] for row in rows]
    return ["  " + "  ".join(row) for row in cells]


def _place(app: App, plan: Plan) -> str:
    if app.prefix:
        return f"{app.prefix}/…"
    both = sum(not other.prefix for other in plan.apps) > 1
    if not both:
        return "everything else" if len(plan.apps) > 1 else "everything"
    if plan.mode == "websocket":
        return "HTTP" if app.interface == "wsgi" else "WebSocket"
    if plan.mode == "probe":
        return "asked first" if app.interface == "asgi" else "asked after a 404"
    if plan.wsgi_table is not None:
        return "its other routes" if app.interface == "asgi" else "its own routes, and the rest"
    return "its own routes" if app.interface == "asgi" else "everything else"


def _how(app: App, config: Config, io: str) -> str:
    if app.interface == "wsgi":
        count = app.own_threads or config.wsgi_threads
        threads = "1 thread" if count == 1 else f"{count} threads"
        own = " of its own" if app.own_threads is not None else ""
        how = f"{threads}{own}, queue {config.wsgi_queue}"
    else:
        how = f"{'asyncio' if io == 'loop' else loop_name(config.loop)} loop, lifespan {config.lifespan}"
    if app.limit_concurrency is not None:
        how += f", at most {app.limit_concurrency} at a time"
    if app.request_timeout is not None:
        how += f", answers within {write_value(app.request_timeout, 'duration')}"
    return how


def _who(plan: Plan) -> list[str]:
    """Why the applications share the paths as they do, and who gets WebSockets."""
    # One application alone has nothing to share; the table above says what it gets.
    lines = [f"{plan.mode}: {plan.reason}"] if len(plan.apps) > 1 else []
    asgi = [app for app in plan.apps if app.interface == "asgi"]
    if not asgi:
        lines.append("WebSocket: none, there is no ASGI application")
    elif len(asgi) < len(plan.apps):
        lines.append(f"WebSocket: {', '.join(app.name for app in asgi)}")
    return lines
