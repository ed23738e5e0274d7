"""What the tests of shadow traffic ask a server for, beside `server.py` and `admin.py`.

Apart because a shadow request comes later than its response: each question waits until all of them are over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from admin import Admin
from server import Server, wait_until
from wire import get

OLD, NEW = ("--wsgi", "shadow_apps:old"), ("--asgi", "/new=shadow_apps:new")
ADMIN = ("--admin", "127.0.0.1:0")
# The new application has no routes that can be read: all goes to the old one, and all is sent to the new one too.
ALL = (*OLD, *NEW, *ADMIN, "--shadow", "/{rest:path}=asgi:100%")


def count(server: Server, name: str, **labels: str) -> int:
    """One number of the metrics of shadow traffic."""
    numbers = Admin(server).numbers()
    return int(numbers.get((f"rsgi_shadow_{name}_total", frozenset(labels.items())), 0))


def wait_for_count(server: Server, wanted: int, name: str, **labels: str) -> None:
    """Wait until a number is as wanted; it must not be more."""
    wait_until(lambda: count(server, name, **labels) >= wanted, 15, f"{wanted} {name} {labels}")
    assert count(server, name, **labels) == wanted


def document(server: Server) -> dict[str, Any]:
    """What `/shadow.json` says."""
    response = Admin(server).get("/shadow.json")
    assert (response.status, response.header("content-type")) == (200, "application/json"), response.text
    read: dict[str, Any] = response.json()
    return read


def by_route(server: Server) -> dict[str, dict[str, Any]]:
    """The results so far, by their routes."""
    return {route["route"]: route for route in document(server).get("routes", ())}


def compared(server: Server, wanted: int) -> dict[str, dict[str, Any]]:
    """Wait until so many requests were compared, and give the results by their routes."""
    wait_for_count(server, wanted, "compared")

    def routes() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = document(server)["routes"]
        return found if sum(route["n"] for route in found) >= wanted else []

    return {route["route"]: route for route in wait_until(routes, 5, "the document is as new as the numbers")}


def paths(route: dict[str, Any]) -> list[str]:
    """Where the responses of a route differ."""
    return sorted(each["path"] for each in route["differences"])


def seen(server: Server, app: str, *, times: int = 1) -> list[Sequence[str | None]]:
    """What an application has got, of every worker that answers one of `times` requests."""
    by_process: dict[int, list[Sequence[str | None]]] = {}
    for _ in range(times):
        read = get(server, "/seen").json()
        by_process[read["pid"]] = read[app]
    return [each for listed in by_process.values() for each in listed]
