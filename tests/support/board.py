"""The dashboard of a server under test: starts two applications with a share between them, and asks for its data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from admin import Admin
from server import Server, wait_until
from wire import get, request

OLD, NEW = "dashboard_old:app", "dashboard_new:app"
RULE = "/users/{number}=asgi"
APPS = ("--wsgi", OLD, "--asgi", NEW, "--prefer", "wsgi", "--route", f"{RULE}:25%")
# Half of the paths of the new application, so that both answer.
MORE = ("--route", "/failing=asgi:50%", "--route", "/slow=asgi:50%")
ADMIN = ("--admin", "127.0.0.1:0")
TOKEN = "sesame-0123456789"

# In the share of 25 %, and outside of it.
INSIDE, OUTSIDE = ("Cookie", "rsgi_bucket=7"), ("Cookie", "rsgi_bucket=9000")

Start = Callable[..., Server]


class Board:
    """What a dashboard shows."""

    def __init__(self, server: Server, *headers: tuple[str, str]) -> None:
        self.served = server
        self.admin = Admin(server, *headers)
        wait_until(lambda: self.routes()["ready"], 20, "the routes are listed")

    def routes(self) -> Any:
        """`/routes.json`."""
        response = self.admin.get("/routes.json")
        assert (response.status, response.header("content-type")) == (200, "application/json"), response.text
        return response.json()

    def route(self, path: str, method: str = "GET") -> Any:
        """The entry of one route."""
        (found,) = (each for each in self.routes()["routes"] if each["path"] == path and method in each["methods"])
        return found

    def requests(self, path: str, method: str = "GET") -> tuple[int, int]:
        """How many requests of a route the old and the new application had."""
        route = self.route(path, method)
        old, new = (0 if route[side] is None else route[side]["requests"] for side in ("old", "new"))
        return old, new

    def ask(self, path: str, times: int, *headers: tuple[str, str], method: str = "GET") -> None:
        """Ask the applications."""
        for _ in range(times):
            if method == "GET":
                get(self.served, path, *headers)
            else:
                request(self.served, method, path, headers, b"x")


def rolled_back(start: Start, folder: Path) -> Board:
    """A server whose share was stopped by its rollback: a Flask and a FastAPI application, of which the second fails."""
    file = folder / "rsgi.toml"
    apps = 'prefer = "wsgi"\n[apps.old]\nwsgi = "rollback_apps:old"\n[apps.new]\nasgi = "rollback_apps:new"\n'
    rule = '[[routes]]\npath = "/x"\napp = "new"\nshare = "50%"\nrollback = { window = "1s", minimum = 20 }\n'
    file.write_text(apps + rule)
    board = Board(start("--config", str(file), *ADMIN))

    def stopped() -> bool:
        for bucket in range(0, 10_000, 250):
            board.ask("/x?fail=new", 1, ("Cookie", f"rsgi_bucket={bucket}"))
        return bool(board.route("/x")["share"]["rollback"]["state"] == "rolled back")

    wait_until(stopped, 30, "the share is stopped")
    return board


def everything(document: Any) -> int:
    """All requests that a document of routes has."""
    sides = [each[side] for each in document["routes"] for side in ("old", "new") if each[side] is not None]
    return sum(side["requests"] for side in sides) + sum(each["requests"] for each in document["rest"])


def run_status(
    *arguments: str, environment: Mapping[str, str] | None = None, columns: int = 80
) -> subprocess.CompletedProcess[str]:
    """Run `rsgi status`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RSGI_")}
    return subprocess.run(
        [sys.executable, "-m", "rsgi", "status", *arguments],
        env={**kept, "COLUMNS": str(columns), **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def address_of(board: Board) -> str:
    """What `--admin` takes for it."""
    address = board.admin.address
    return f"unix:{address}" if isinstance(address, str) else f"{address[0]}:{address[1]}"


def access_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of an access log in JSON."""
    return [json.loads(line) for line in path.read_text().splitlines()]
