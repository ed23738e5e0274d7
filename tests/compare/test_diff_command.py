"""`rsgi diff`: from the folder of a store and from an admin listener, as text, JSON and a page, and its exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from compare_records import exchanged, request_record, response_record
from rsgi.compare.observer import Observer
from rsgi.compare.options import ObserverOptions

TOKEN = "sesame-0123456789"
SCRIPT = "<script>alert(1)</script>"
ADDED = f'    added   $.title  "{SCRIPT}"'


def fill(observer: Observer) -> None:
    """50 samples of two routes; two of one route differ."""
    for number in range(40):
        new = {"id": number, "price": 5} if number > 1 else {"id": number, "price": "5", "title": SCRIPT}
        request = request_record(f"/users/{number}", ("Cookie", "session=hunter2"))
        observer.observe(
            exchanged(response_record({"id": number, "price": 5}), response_record(new), "/users/{id}", request=request)
        )
    for number in range(10):
        response = response_record({"at": number, "ok": True})
        repeat = response_record({"at": -1, "ok": True}) if number == 5 else None
        observer.observe(exchanged(response, response_record({"at": 99, "ok": True}), "/clock", repeat=repeat))
    observer.observe(exchanged(response_record(error="timeout"), response_record({}), "/slow"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shadow")
    observer = Observer(ObserverOptions(folder=str(made)))
    fill(observer)
    observer.close()
    return made


@pytest.fixture(scope="module")
def listener() -> Iterator[str]:
    """An admin listener that has a summary and wants a token."""
    observer = Observer(ObserverOptions())
    fill(observer)
    document = json.dumps(observer.summary()).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = 404 if self.path != "/shadow.json" else 200
            status = status if self.headers["Authorization"] == f"Bearer {TOKEN}" else 401
            self.send_response(status)
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def diff(*arguments: object, columns: int | None = None, token: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RSGI_", "COLUMNS"))}
    environment |= {} if columns is None else {"COLUMNS": str(columns)}
    environment |= {} if token is None else {"RSGI_ADMIN_TOKEN": token}
    command = [sys.executable, "-m", "rsgi", "diff", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_json(folder: Path) -> None:
    ran = diff(folder, "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    users, clock, slow = json.loads(ran.stdout)["routes"]
    assert (users["route"], users["n"], users["match"]) == ("/users/{id}", 40, 0.95)
    assert users["low"] == pytest.approx(0.8350, abs=0.0001)
    assert [(each["path"], each["kind"], each["count"]) for each in users["differences"]] == [
        ("$.title", "added", 2),
        ("$.price", "type", 2),
    ]
    assert (clock["route"], clock["n"], clock["match"], clock["differences"]) == ("/clock", 10, 1.0, [])
    assert clock["noise"] == {"value $.at": 1}
    assert (slow["n"], slow["match"], slow["low"]) == (0, None, None)
    assert "hunter2" not in ran.stdout


def test_the_text_fits_into_80_columns(folder: Path) -> None:
    text = diff(folder, columns=80).stdout
    assert max(map(len, text.splitlines())) <= 80
    assert text.splitlines()[:9] == [
        "old → new",
        "",
        f"{'route':<54} {'n':>8} {'match':>7} at least",
        f"{'≠ /users/{id}':<54} {40:>8}   95.0%    83.5%",
        f"{ADDED:<71}  2 of 40",
        f"{'    type    $.price  5 → ' + chr(34) + '5' + chr(34):<71}  2 of 40",
        f"{'✓ /clock':<54} {10:>8}    100%    72.2%",
        "    noise   $.at  differs from itself (1 of 1 repeats)",
        f"{'? /slow':<54} {0:>8}       -        -",
    ]
    assert "3 routes, 50 samples, 96.0% match" in text
    assert "\nGET /users/1\n" in text
    narrow = diff(folder, columns=60).stdout
    assert max(map(len, narrow.splitlines())) <= 60


def test_pairs(folder: Path) -> None:
    assert "GET /users" not in diff(folder, "--pairs", "0").stdout
    assert diff(folder, "--pairs", "2").stdout.count("GET /users") == 2


def test_routes_can_be_chosen(folder: Path) -> None:
    ran = diff(folder, "--route", "/clock", "--json")
    assert [each["route"] for each in json.loads(ran.stdout)["routes"]] == ["/clock"]
    ran = diff(folder, "--route", "/x")
    assert ran.returncode == 1
    assert ran.stderr == (
        "error: there is no route `/x` in the samples\n\nhint: the routes are /clock, /slow, /users/{id}\n"
    )


def test_fail_under(folder: Path) -> None:
    users = ("--route", "/users/{id}", "--pairs", "0")
    assert diff(folder, *users, "--fail-under", "95%").returncode == 0
    ran = diff(folder, *users, "--fail-under", "95.1%")
    assert (ran.returncode, ran.stderr) == (1, "below: /users/{id}: 95.0% of 40 samples match, less than 95.1%\n")
    ran = diff(folder, "--fail-under", "50%")
    assert (ran.returncode, ran.stderr) == (1, "below: /slow: 0 samples, fewer than 1 sample\n")
    clock = ("--route", "/clock")
    ran = diff(folder, *clock, "--fail-under", "99%")
    assert ran.returncode == 0
    assert ran.stderr.startswith("note: 1 route has too few samples")
    assert diff(folder, *clock, "--fail-under", "99%", "--min-samples", "11").returncode == 1


class Outline(HTMLParser):
    """What a page has, and what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [
            value or "" for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")
        ]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "diff.html"
    ran = diff(folder, "--html", page)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", f"wrote {page}\n")
    outline = Outline()
    outline.feed(page.read_text())
    assert (outline.tags.count("script"), outline.loaded) == (0, [])
    assert "alert(1)" in outline.text
    assert "96.0% of 50 samples match" in outline.text
    assert {"title", "h1", "h2", "table", "details", "main"} <= set(outline.tags)
    assert "@media (prefers-color-scheme: dark)" in page.read_text()


# The admin listener


def test_from_the_admin_listener(listener: str, folder: Path) -> None:
    ran = diff("--admin", listener, "--json", token=TOKEN)
    assert ran.returncode == 0, ran.stderr
    there, stored = json.loads(ran.stdout)["routes"], json.loads(diff(folder, "--json").stdout)["routes"]
    for routes in (there, stored):
        for each in routes:
            each.pop("pairs")
    assert there == stored


def test_a_refusal_of_the_listener_is_explained(listener: str) -> None:
    ran = diff("--admin", listener)
    assert (ran.returncode, "needs a token" in ran.stderr) == (1, True)


def test_a_listener_that_is_not_there_is_explained() -> None:
    ran = diff("--admin", "127.0.0.1:1")
    assert ran.returncode == 1
    assert re.match(r"error: cannot reach the admin listener at 127.0.0.1:1: .*\n\nhint: ", ran.stderr)


# Wrong uses


def test_without_a_source(tmp_path: Path) -> None:
    ran = diff("--app-dir", tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.startswith(
        "error: name the folder with the samples, or the admin listener of the server\n\nhint: "
    )


def test_an_empty_folder(tmp_path: Path) -> None:
    ran = diff(tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"error: there are no samples in `{tmp_path}`")


def test_a_store_without_counts(tmp_path: Path, folder: Path) -> None:
    observer = Observer(ObserverOptions(folder=str(tmp_path)))
    observer.observe(None)  # type: ignore[arg-type]
    observer.observe(exchanged(response_record({}), response_record({})))
    observer.close()
    assert "1 route, 1 sample, 100% match" in diff(tmp_path).stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    observer = Observer(ObserverOptions(folder=str(tmp_path)))
    fill(observer)
    observer.close()
    tmp_path.chmod(0o500)
    try:
        assert diff(tmp_path).returncode == 0
    finally:
        tmp_path.chmod(0o700)
