"""Finds what the new application takes from the old one as a whole: a folder of files, or a mount without readable routes.

It compares routes of both applications. The router says who gets a path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rsgi._rsgi import Router
from rsgi.routing.introspect import Route, RouteTable
from rsgi.routing.introspect.sample import sample
from rsgi.routing.plan import Plan

_MOST_NAMED = 3


def takes_pieces(table: RouteTable) -> bool:
    """Whether anything in the table of the new application takes paths in one piece."""
    return any(route.opaque or route.files for route in table.routes)


def with_shared_folders(plan: Plan, old: RouteTable | None, old_name: str, new_name: str) -> Plan:
    """The plan in which folders of the new application leave what they have not to the old one, and what to know of it.

    Args:
        plan: A plan in `table` mode.
        old: The routes of the old application; `None` when nothing is known of them.
        old_name: The name of the old application.
        new_name: The name of the new application.
    """
    covered = _covered(plan, old)
    everywhere = old is None or not old.complete  # it may have routes below any of them
    table = tuple(
        replace(row, falls_through=True) if row.files and (everywhere or index in covered) else row
        for index, row in enumerate(plan.table)
    )
    said = tuple(_warning(plan.table[index], routes, old_name, new_name) for index, routes in sorted(covered.items()))
    return replace(plan, table=table, warnings=(*plan.warnings, *said))


def _covered(plan: Plan, old: RouteTable | None) -> dict[int, list[Route]]:
    """The routes of the old application by the row of the table that takes them in one piece."""
    router = Router(plan)
    covered: dict[int, list[Route]] = {}
    for route in old.routes if old is not None else ():
        for index in _rows(router, route):
            row = plan.table[index]
            # What owns every path is warned of by itself.
            if row.files or (row.opaque and not row.owns_everything()):
                found = covered.setdefault(index, [])
                found += [route] if route not in found else []
    return covered


def _rows(router: Router, route: Route) -> Iterator[int]:
    """The rows of the table that get the requests of a route of the old application."""
    headers = [] if route.host is None else [("host", sample(route.host).lower())]
    for path in route.matched:
        for method in route.methods or ("GET",):
            if route.kind != "websocket" and path.startswith("/"):
                explained = router.explain(method, sample(path), headers)
                if explained.kind == "table" and explained.index is not None:
                    yield explained.index


def _warning(row: Route, routes: list[Route], old: str, new: str) -> str:
    # A folder of the old application comes first: it is what a rule should give back.
    paths = list(dict.fromkeys(route.path for route in sorted(routes, key=lambda route: not route.files)))
    named = ", ".join(f"`{path}`" for path in paths[:_MOST_NAMED])
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    what = f"`{row.path}` of {new}{f' ({row.defined})' if row.defined else ''} covers {named}{more} of {old}"
    back = f"`--route '{paths[0]}={old}'` gives {'it' if len(paths) == 1 else 'the first'} back"
    if row.files:
        return f"{what}: {new} serves files that both have, and {old} serves files that only it has; {back}"
    return f"{what}, which no longer gets these requests; {back}"
