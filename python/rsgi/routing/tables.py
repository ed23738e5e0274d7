"""The route table of a served application: read from it, or from the object that `--routes-from` names.

The commands that show and compare routes need the tables of all applications. The plan needs only one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from rsgi.apps.importer import load_target
from rsgi.errors import StartupError
from rsgi.routing.introspect import Route, RouteTable, read_table
from rsgi.routing.plan import App
from rsgi.settings.config import Config

_log = logging.getLogger("rsgi")


def table_of(app: App, config: Config) -> RouteTable | None:
    """The routes of `app`; `None` when neither it nor anything it wraps is of a framework that is known.

    Raises:
        StartupError: when `--routes-from` names something for it from which nothing can be read.
    """
    target = next((target for owner, target in _given(config) if _is_meant(app, owner)), None)
    if target is None:
        return read_table(app.application)
    table = read_table(load_target(target, config.app_dir))
    if table is not None:
        table = replace(table, through=())  # who names the application to read knows what is around it
    if table is None:
        message = f"`--routes-from` names `{target}`, but rsgi cannot read its routes"
        raise StartupError(message, "name the application object of the framework, such as what `FastAPI()` returns")
    return table


def own_rows(apps: Sequence[App], config: Config) -> tuple[tuple[Route, ...] | None, ...]:
    """The rows of the routes of each application, for its numbers and for `--name-routes`; nothing when nobody asks."""
    return () if config.admin is None and not config.name_routes else tuple(_rows_of(app, config) for app in apps)


def _rows_of(app: App, config: Config) -> tuple[Route, ...] | None:
    """The rows of the routes of `app`; `None` when they cannot be read."""
    try:
        table = table_of(app, config)
    except StartupError:
        raise
    # Frameworks can raise anything, and the numbers can do without.
    except Exception as error:
        _log.warning("cannot read the routes of %s for the metrics: %s: %s", app.name, type(error).__name__, error)
        return None
    return None if table is None else table.for_router()


def check_routes_from(apps: Sequence[App], config: Config) -> None:
    """See that each `--routes-from` is for one application that is served.

    Raises:
        StartupError: when it is not.
    """
    for owner, target in _given(config):
        meant = [app for app in apps if _is_meant(app, owner)]
        if len(meant) == 1:
            continue
        named = ", ".join(f"`{app.name}`" for app in apps)
        number = "which is not served" if not meant else f"of which there are {len(meant)}"
        message = f"`--routes-from {target}` is for `{owner}`, {number}"
        raise StartupError(message, f"name the application, `--routes-from APP={target}`: {named}")


def catch_all_warnings(table: RouteTable, new: str, old: str) -> tuple[str, ...]:
    """A sentence for each route that leaves the old application nothing, or no request of its methods."""
    return tuple(
        f"`{route.path}` of {new}{f' ({route.defined})' if route.defined else ''} takes every path: "
        f"{old} gets {'nothing' if route.methods is None else 'no ' + ' and no '.join(route.methods)} "
        "unless a `--route` rule gives them back"
        for route in table.catch_alls()
        if not route.files
    )


def notes_on(table: RouteTable, name: str) -> tuple[str, ...]:
    """What is not known of a table that requests are routed by."""
    if not table.through:
        return ()
    through = ", ".join(f"`{each}`" for each in table.through)
    which = "it answers itself" if len(table.through) == 1 else "they answer themselves"
    return (
        f"the routes of {name} are read through {through}: the table does not have paths that {which}. Add a rule for "
        f"them: `--route '/path={name}'`. If there are none, name the inner application with `--routes-from`",
    )


def built_in_pages_kept(new: RouteTable, old: RouteTable | None) -> tuple[str, ...]:
    """The paths of the pages that the new framework adds by itself, where the old application has that path.

    What lies below such a page goes with it. A parameter or a catch-all of the old one does not count: it names no page.
    """
    if old is None:
        return ()
    named = {
        template.rstrip("/")
        for route in old.routes
        if route.kind != "websocket" and (route.methods is None or "GET" in route.methods)
        for template in route.matched
        if "{" not in template
    }
    pages = sorted({route.path for route in new.routes if route.built_in})
    kept = [page for page in pages if page.rstrip("/") in named]
    return tuple(page for page in pages if page in kept or page.startswith(tuple(f"{each}/" for each in kept)))


def _given(config: Config) -> list[tuple[str, str]]:
    """Each `--routes-from` as the application it is for and the target."""
    split = (text.rpartition("=") for text in config.routes_from)
    return [(owner.strip() or "asgi", target.strip()) for owner, _, target in split]


def _is_meant(app: App, owner: str) -> bool:
    return owner in (app.interface, app.name)
