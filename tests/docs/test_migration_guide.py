"""The migration guide is true: every command is run, in order, and what stands below it is what it prints.

Apart from `test_docs.py` because a guide is a story: a command works on what the commands before it left.
`UPDATE_DOCS=1 python -m pytest tests/docs/test_migration_guide.py` writes the outputs anew.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from websockets.sync.client import connect

from command_reader import BLOCK, PageReader, compare_page, copy_examples
from server import Server, start_rsgi
from wire import get, request

PROJECT = Path(__file__).parents[2]
GUIDE = PROJECT / "docs/migration-guide.md"
DJANGO = ("--wsgi", "project.wsgi:application", "--asgi", "project.asgi:application")


class Reader(PageReader):
    """Does what the guide says, as somebody who reads it."""

    def do(self, line: str) -> None:
        match shlex.split(line):
            case ["cd", folder]:
                self.folder = self.project / folder
            case ["rsgi", "serve", *arguments]:
                self.stop()
                self.server = start_rsgi(*arguments, folder=self.folder)
            case ["python", *_]:
                found = self.run(line)
                assert found.returncode == 0, found.stderr
            case _:
                raise AssertionError(f"no test knows how to run `{line}`")

    def say(self, line: str) -> str:
        match shlex.split(line):
            case ["curl", *options, url]:
                assert self.server is not None
                method = options[options.index("-X") + 1] if "-X" in options else "GET"
                response = request(self.server, method, url.removeprefix("http://127.0.0.1:8000"))
                assert response.status == 200, line
                return response.text.rstrip("\n") + "\n"
            case ["rsgi", *_]:
                return self.printed(line)
        raise AssertionError(f"no test knows how to run `{line}`")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The examples, where their database may be made."""
    return copy_examples(PROJECT, tmp_path)


def test_every_command_of_the_guide_does_what_it_says(project: Path) -> None:
    reader = Reader(project)
    text = GUIDE.read_text()
    try:
        told = BLOCK.sub(reader.run_block, text)
    finally:
        reader.stop()
    assert text.count("\n$ ") > 15
    compare_page(GUIDE, told)


@pytest.mark.parametrize("new", ["step1:app", "step2:app", "step3:app", "step4:app"])
def test_each_step_answers_all_that_the_old_application_answered(project: Path, new: str) -> None:
    server = start_rsgi("--wsgi", "old:app", "--asgi", new, folder=project / "examples/flask_to_fastapi")
    asked = {
        ("GET", "/"): 200,
        ("GET", "/about"): 200,
        ("GET", "/login"): 200,
        ("POST", "/login"): 302,
        ("POST", "/logout"): 302,
        ("GET", "/health"): 200,
        ("GET", "/books"): 200,
        ("POST", "/books"): 201,
        ("GET", "/books/1"): 200,
        ("GET", "/books/9"): 404,
        ("GET", "/books/abc"): 404,
        ("PUT", "/books/1"): 200,
        ("DELETE", "/books/1"): 200,
        ("GET", "/books/1/reviews"): 200,
        ("POST", "/books/1/reviews"): 201,
        ("GET", "/authors"): 200,
        ("GET", "/authors/Le%20Guin"): 200,
        ("GET", "/search?q=sol"): 200,
        ("GET", "/orders"): 200,
        ("POST", "/orders"): 201,
        ("GET", "/orders/1"): 200,
        ("GET", "/covers/1/large.jpg"): 200,
    }
    body = b'{"title": "Roadside Picnic", "book": 1}'
    for (method, path), status in asked.items():
        fields = [("content-type", "application/json")] if path in ("/books", "/orders") else []
        response = request(server, method, path, fields, body if fields and method == "POST" else None)
        assert response.status == status, (method, path, response.text)
    assert get(server, "/search?q=sol").json()["found"] == ["Solaris"]
    assert get(server, "/authors/Le%20Guin").json()["books"] == ["The Left Hand of Darkness", "The Dispossessed"]
    assert server.stop() == 0


def test_both_applications_see_the_same_orders(project: Path) -> None:
    folder = project / "examples/flask_to_fastapi"
    rule = ("--route", "POST /orders=wsgi")
    server = start_rsgi("--wsgi", "old:app", "--asgi", "step3:app", *rule, folder=folder)
    made = request(server, "POST", "/orders", [("content-type", "application/json")], b'{"book": 2}')
    assert made.json() == {"from": "flask", "number": 1}
    assert get(server, "/orders").json() == {"from": "fastapi", "orders": 1}
    with connect(f"ws://127.0.0.1:{server.port}/news") as socket:
        assert socket.recv() == "1 orders"
    assert server.stop() == 0


def test_a_login_of_the_old_application_guards_what_has_moved(project: Path) -> None:
    server = start_rsgi("--wsgi", "old:app", "--asgi", "guarded:app", folder=project / "examples/shared_login")
    refused = get(server, "/orders")
    assert (refused.status, refused.header("location")) == (303, "/login?next=/orders")
    forged = get(server, "/orders", ("cookie", "session=eyJ1c2VyIjoiYWRhIn0.aQ.x"))
    assert forged.status == 303
    form = [("content-type", "application/x-www-form-urlencoded")]
    entered = request(server, "POST", "/login", form, b"user=ada")
    assert entered.status == 302
    cookie = [("cookie", str(entered.header("set-cookie")).partition(";")[0])]
    assert get(server, "/orders", *cookie).json() == {"orders of": "ada", "from": "fastapi"}
    assert get(server, "/invoices", *cookie).json() == {"invoices of": "ada", "from": "flask"}
    assert server.stop() == 0


# Django


@pytest.fixture
def django(project: Path) -> Path:
    """The Django example with its database made."""
    folder = project / "examples/django_channels"
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=folder, check=True, timeout=60, capture_output=True)
    return folder


def opened_connections(server: Server, requests: int) -> int:
    """How many database connections the process has opened after so many requests, each on a connection of its own."""
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: get(server, "/products/2/"), range(requests)))
    assert {response.text for response in responses} == {responses[0].text}
    assert responses[0].json()["name"] == "Chair"
    opened = get(server, "/connections/").json()["opened"]
    assert isinstance(opened, int)
    return opened


def test_database_connections_stay_at_the_number_of_wsgi_threads(django: Path) -> None:
    server = start_rsgi(*DJANGO, "--wsgi-threads", "3", folder=django)
    try:
        assert 1 <= opened_connections(server, 60) <= 3
        assert 1 <= opened_connections(server, 60) <= 3
    finally:
        server.stop()
    assert "spare thread" not in server.log()


def test_the_same_requests_under_asgi_alone_open_more(django: Path) -> None:
    server = start_rsgi("--asgi", "project.asgi:application", folder=django)
    try:
        assert opened_connections(server, 60) > 3
    finally:
        server.stop()


def test_django_is_divided_into_http_websocket_and_what_rules_say(django: Path) -> None:
    server = start_rsgi(*DJANGO, "--route", "/reports/{rest:path}=asgi", folder=django)
    assert get(server, "/products/1/").json() == {"name": "Lamp", "stock": 3, "handler": "wsgi"}
    assert get(server, "/reports/slow/").json() == {"products": 2, "handler": "asgi"}
    with connect(f"ws://127.0.0.1:{server.port}/ws/stock/2/") as socket:
        socket.send("{}")
        assert socket.recv() == '{"name": "Chair", "stock": 12}'
    assert server.stop() == 0
    assert "Traceback" not in server.log()
