"""The dashboard in a terminal, 80 columns wide and wider. Colours only repeat what words and signs say."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rsgi.dashboard.status import Numbers, RouteStatus, duration, percent, rate, routes_of, uptime
from rsgi.routing.coverage.terminal import SIGNS

_BAR = 24
_MOST_TROUBLES = 5
# From so many columns on, there is room for long names and more times.
_ROOMY = 110


def render(document: dict[str, Any], *, width: int, most: int | None) -> RenderableType:
    """All of it.

    Args:
        document: `/routes.json`.
        width: The columns of the terminal.
        most: How many routes are shown, the busiest first; `None` for all, by path.
    """
    routes = routes_of(document)
    apps = Padding(_apps(document), (0, 0, 0, 1))
    parts: list[RenderableType] = [_head(document), Text(), _progress(document), Text(), apps]
    troubles = [(each, what) for each in routes if (what := each.trouble()) is not None]
    if troubles:
        parts += [Text(), _troubles(troubles)]
    shown = routes if most is None else sorted(routes, key=lambda each: (-each.rate, -each.requests))[:most]
    if shown:
        wide = width >= _ROOMY
        names = {} if wide else _short_names(document)
        parts += [Text(), Padding(_routes(shown, names, wide=wide), (0, 0, 0, 1))]
    if len(shown) < len(routes):
        parts.append(Text(f"  {len(shown)} of {len(routes)} routes, the busiest; --all shows all", "dim"))
    parts += _foot(document, routes)
    return Group(*parts)


def _head(document: dict[str, Any]) -> Text:
    server = document["server"]
    text = Text.assemble("  ", ("rsgi", "bold"), f" {server['version']}  ", _state(server["state"]))
    text.append(f"  up {uptime(server['uptime_seconds'])}  {' '.join(server['addresses'])}")
    return text


def _state(state: str) -> tuple[str, str]:
    return state, "green" if state == "serving" else "yellow"


def _progress(document: dict[str, Any]) -> Group:
    lines = []
    moved, old = document["migrated"], document["old"]
    if not document["ready"]:
        lines.append(Text("  rsgi is still listing the routes"))
    elif old and not document["by_protocol"]:
        lines.append(_bar("routes", moved, old, f"{moved} of {old} migrated"))
    else:
        lines.append(Text(f"  {document['summary']}"))
    traffic = document["traffic"]["recent"]
    total = traffic["old"] + traffic["new"]
    if total:
        minutes = max(1, round(document["recent_seconds"] / 60))
        lines.append(_bar("traffic", traffic["new"], total, f"on new, of {total:,} requests in {minutes} min"))
    lines.append(Text(f"  {_workers(document['server']['workers'])}"))
    return Group(*lines)


def _bar(name: str, part: int, whole: int, words: str) -> Text:
    filled = _BAR * part // whole
    bar = [("█" * filled, "green"), ("░" * (_BAR - filled), "dim")]
    return Text.assemble(f"  {name:<8} ", *bar, f" {percent(part, whole):>5}  {words}")


def _workers(workers: list[dict[str, Any]]) -> str:
    states = Counter(each["state"] for each in workers)
    said = [", ".join(f"{count} {state}" for state, count in states.items()) or "none"]
    pools = [each["wsgi_threads"] for each in workers if each["wsgi_threads"] is not None]
    if pools:
        count = {name: sum(pool[name] for pool in pools) for name in pools[0]}
        stuck = "".join(f", {count[name]} {name}" for name in ("orphaned", "stalled") if count[name])
        said.append(f"threads {count['busy']} busy, {count['idle']} idle{stuck}")
        said.append(f"queue {count['queue_length']}")
    lags = [each["event_loop_lag_seconds"] for each in workers if each["event_loop_lag_seconds"] is not None]
    if lags:
        said.append(f"loop lag {duration(max(lags))}")
    silent = sum(not each["answered"] for each in workers)
    if silent:
        said.append(f"{silent} not answering")
    return f"workers  {'   '.join(said)}"


def _table() -> Table:
    return Table(box=None, padding=(0, 1, 0, 1), header_style="bold")


def _apps(document: dict[str, Any]) -> Table:
    table = _table()
    table.add_column("application", overflow="fold")
    table.add_column("kind", no_wrap=True)
    for name in ("requests", "errors", "p50", "p99"):
        table.add_column(name, no_wrap=True, justify="right")
    for app in document["apps"]:
        cells = [f"{app['requests']:,}", f"{app['errors']:,}", duration(app["p50"]), duration(app["p99"])]
        table.add_row(Text(app["name"]), app["interface"], *cells)
    rest = sum(each["requests"] for each in document["rest"] if each["app"] == "none")
    if rest:
        table.add_row(Text("none (refused, or files)"), "", f"{rest:,}", "", "", "")
    return table


def _troubles(troubles: list[tuple[RouteStatus, str]]) -> Group:
    lines = [Text.assemble("  ", (f"{len(troubles)} in trouble", "bold red"))]
    for route, what in troubles[:_MOST_TROUBLES]:
        lines.append(Text(f"  ! {route.methods} {route.path}: {what}"))
    if len(troubles) > _MOST_TROUBLES:
        lines.append(Text(f"    and {len(troubles) - _MOST_TROUBLES} more", "dim"))
    return Group(*lines)


def _short_names(document: dict[str, Any]) -> dict[str, str]:
    """The interface of each application for its name, where no other one has it: a name may be long."""
    interfaces = Counter(app["interface"] for app in document["apps"])
    return {app["name"]: app["interface"] for app in document["apps"] if interfaces[app["interface"]] == 1}


def _served(route: RouteStatus, names: dict[str, str]) -> str:
    return ", then ".join(names.get(name, name) for name in route.served_by.split(", then "))


def _routes(routes: list[RouteStatus], names: dict[str, str], *, wide: bool) -> Table:
    table = _table()
    table.add_column("route", overflow="fold", ratio=1)
    for name in ("on", "share"):
        table.add_column(name, no_wrap=name == "share", overflow="fold")
    for name in ("rate", "5xx", "p99 old", "p99 new"):
        table.add_column(name, no_wrap=True, justify="right")
    if wide:
        table.add_column("p50 old", no_wrap=True, justify="right")
        table.add_column("p50 new", no_wrap=True, justify="right")
    for route in routes:
        sign, colour = SIGNS[route.status]  # type: ignore[index]  # the words of the same program
        path = Text.assemble((sign, colour), f" {route.methods} {route.path}")
        share = "stopped" if route.rolled_back else route.share or ""
        cells: list[RenderableType] = [Text(_served(route, names)), share, rate(route.rate), str(route.errors or "-")]
        cells += [_time(route.old, "p99"), _time(route.new, "p99")]
        if wide:
            cells += [_time(route.old, "p50"), _time(route.new, "p50")]
        table.add_row(path, *cells)
    return table


def _time(side: Numbers | None, name: str) -> str:
    return "" if side is None else duration(getattr(side, name))


def _foot(document: dict[str, Any], routes: list[RouteStatus]) -> list[RenderableType]:
    history = document["history"]
    if history is None:
        return [Text("  all numbers are since the start; --history-folder keeps them over restarts", "dim")]
    safe = [route for route in routes if route.safe_to_delete]
    days, enough = history["counted_days"], history["quiet_days"]
    if not safe:
        return [
            Text(f"  the history covers {days:.1f} days; {enough:g} without requests make a route deletable", "dim")
        ]
    lines: list[RenderableType] = [Text(f"  {len(safe)} safe to delete: no requests for {enough:g} days", "bold")]
    lines += [Text(f"  - {route.methods} {route.path}") for route in safe[:_MOST_TROUBLES]]
    return lines
