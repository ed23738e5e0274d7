"""The map as a table in the terminal.

A terminal may be narrow and without colours. So every status also has a sign and a word.
"""

from __future__ import annotations

import time

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rsgi.routing.coverage.dead import Handler, emptied
from rsgi.routing.coverage.lines import Line, lines_of
from rsgi.routing.coverage.map import MEANINGS, CoverageMap, Row, Status
from rsgi.routing.coverage.quiet import QuietHandlers
from rsgi.routing.coverage.survey import Survey
from rsgi.routing.introspect.table import counted

SIGNS: dict[Status, tuple[str, str]] = {
    "migrated": ("✓", "green"),
    "type differs": ("≠", "yellow"),
    "method missing": ("◐", "yellow"),
    "only old": ("○", "blue"),
    "only new": ("+", "cyan"),
    "built in": ("·", "dim"),
    "hidden": ("!", "red"),
    "kept": ("=", "magenta"),
    "opaque": ("?", "yellow"),
}

# Below the first width notes go under their row, below the second each path has a line of its own.
_ROOMY = 100
_NARROW = 72
_BAR = 30


def print_map(console: Console, survey: Survey, drawn: CoverageMap, rows: tuple[Row, ...]) -> None:
    """Print `rows` of the map, then its totals."""
    print_about(console, survey)
    if rows:
        shown = lines_of(rows)
        if console.width < _NARROW:
            _print_stacked(console, shown.lines)
        else:
            console.print(_table(shown.lines, roomy=console.width >= _ROOMY))
        for number, note, times in shown.notes:
            console.print(Text(f"  {number} {note} ({times} lines)", "dim"), overflow="fold")
        console.print()
    if len(rows) < len(drawn.rows):
        console.print(Text(f"  {len(rows)} of {len(drawn.rows)} rows shown", "dim"))
    print_summary(console, drawn)


def print_replaced(console: Console, survey: Survey, handlers: tuple[Handler, ...]) -> None:
    """Print the handlers that no request reaches, then those that only HEAD reaches."""
    print_about(console, survey)
    for head_only, title in ((False, "no request reaches:"), (True, "only HEAD reaches:")):
        listed = [each for each in handlers if each.head_only == head_only]
        if listed:
            console.print(Text(f"  {title}", "bold"))
            for handler in listed:
                _print_handler(console, handler)
            console.print()
    dead = sum(not each.head_only for each in handlers)
    console.print(Text(f"  {counted(dead, 'dead handler')}", "bold"), soft_wrap=True)
    for app, files in emptied(survey, handlers):
        rest = f", except its static files: {', '.join(files)}" if files else ""
        console.print(Text(f"  no request reaches a route of {app} any more{rest}", "bold"), soft_wrap=True)


def print_quiet(console: Console, quiet: QuietHandlers) -> None:
    """Print the handlers that no request has reached for a while."""
    console.print()
    console.print(Text(f"  no request for a day (counted since {_moment(quiet.since)}):", "bold"), soft_wrap=True)
    for each in quiet.listed:
        when = "never" if each.last_seen is None else _moment(each.last_seen)
        _print_handler(console, each.handler, f", last request: {when}")
    console.print()
    console.print(Text(f"  {counted(len(quiet.listed), 'quiet handler')}", "bold"), soft_wrap=True)


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _print_handler(console: Console, handler: Handler, more: str = "") -> None:
    where = "?" if handler.source is None else handler.source.shown
    console.print(Text(f"    {where}  {handler.defined or '?'} of {handler.app}{more}"), overflow="fold")
    for route in dict.fromkeys(handler.routes):
        methods = ",".join(route.methods or ("*",))
        console.print(Text(f"      {methods} {route.host or ''}{route.path}", "dim"), overflow="fold")


def print_about(console: Console, survey: Survey) -> None:
    """Print which applications there are, and how they share the paths."""
    for line in _about(survey):
        console.print(line, soft_wrap=True)
    console.print()


def print_summary(console: Console, drawn: CoverageMap) -> None:
    """Print how many there are of each status, and how far it is."""
    counts = {status: count for status, count in drawn.counts().items() if count}
    for status, count in counts.items():
        sign, colour = SIGNS[status]
        line = Text.assemble(("  " + sign, colour), f" {count:>4} {status:<15} ", (MEANINGS[status], "dim"))
        console.print(line, soft_wrap=True)
    if counts:
        console.print()
    moved, total = drawn.progress()
    if total and not drawn.by_protocol:
        filled = _BAR * moved // total
        console.print(Text.assemble("  ", ("█" * filled, "green"), ("░" * (_BAR - filled), "dim")))
    console.print(Text(f"  {drawn.summary()}", "bold"), soft_wrap=True)


def _about(survey: Survey) -> list[Text]:
    lines: list[Text] = []
    for app, table in zip(survey.plan.apps, survey.tables, strict=True):
        what = "routes unknown" if table is None else f"{table.framework}, {table.size()}"
        lines.append(Text(f"  {app.interface}  {app.name}  {app.prefix or '/'}  {what}"))
        if table is not None and not table.complete:
            lines.append(Text(f"        some are missing: {table.why}", "yellow"))
    for folder in survey.plan.static_folders:
        lines.append(Text(f"  static  {folder.place}  {folder.dir}, before all applications"))
    lines += [Text(f"  rule  {rule.shown}") for rule in survey.plan.rules]
    lines.append(Text(f"  {survey.plan.mode}: {survey.plan.reason}", "dim"))
    return lines


def _table(lines: tuple[Line, ...], *, roomy: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("  path", overflow="fold", ratio=None)
    table.add_column("method", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("served by", overflow="fold")
    if roomy:
        table.add_column("note", overflow="fold", style="dim")
    before: tuple[str | None, str] | None = None
    for line in lines:
        row = line.row
        place = (row.host, row.path)
        path = "" if place == before else f"  {row.host or ''}{row.path}"
        before = place
        cells = [Text(path), Text(line.methods), _status(row.status), Text(served(row))]
        table.add_row(*cells, *([Text(line.note)] if roomy else []))
        if line.note and not roomy:
            table.add_row(Text(f"    {line.note}", "dim"))
    return table


def _print_stacked(console: Console, lines: tuple[Line, ...]) -> None:
    before: tuple[str | None, str] | None = None
    for each in lines:
        row = each.row
        if (row.host, row.path) != before:
            console.print(Text(f"  {row.host or ''}{row.path}"), overflow="fold")
        before = (row.host, row.path)
        line = Text.assemble(f"    {each.methods:<7} ", _status(row.status), f"  {served(row)}")
        console.print(line, overflow="fold")
        if each.note:
            console.print(Text(f"      {each.note}", "dim"), overflow="fold")


def served(row: Row) -> str:
    """Who answers, in words."""
    if row.served_by is None:
        return "nobody"
    return row.served_by if row.then is None else f"{row.served_by}, then {row.then}"


def _status(status: Status) -> Text:
    sign, colour = SIGNS[status]
    return Text(f"{sign} {status}", colour)
