"""`rsgi routes`, `rsgi explain` and `rsgi check`: what they print, write and end with, run as processes.

Apart from `test_coverage.py`, which is about the map itself. The responses of a real server must be those of `explain`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from commands import STEPS, run
from server import start_rsgi
from wire import exchange

STEP2 = ("--wsgi", "old:app", "--asgi", "step2:app")

MOUNTED = """
def old(environ, start_response):
    start_response("200 OK", [])
    return [b"old " + (environ["SCRIPT_NAME"] + "|" + environ["PATH_INFO"]).encode()]


async def new(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": ("new " + scope["root_path"] + "|" + scope["path"]).encode()})
"""


def table(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


# routes


def test_only_shows_what_is_left_and_the_totals_stay() -> None:
    shown = run("routes", *STEP2, "--only", "method-missing")
    assert shown.returncode == 0, shown.stderr
    assert table(shown.stdout)[4:9] == [
        "  path                         method  status            served by  note",
        "  /books                       POST    ◐ method missing  old:app    the new one has GET",
        "  /books/{number:int}          PUT     ◐ method missing  old:app    the new one has GET",
        "                               DELETE  ◐ method missing  old:app    the new one has GET",
        "  /books/{number:int}/reviews  POST    ◐ method missing  old:app    the new one has GET",
    ]
    assert "  4 of 20 rows shown" in table(shown.stdout)
    assert table(shown.stdout)[-1] == "  7 of 20 routes migrated, 35 %"


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_a_narrow_terminal_loses_nothing(columns: int) -> None:
    shown = run("routes", *STEP2, columns=columns)
    assert shown.returncode == 0, shown.stderr
    packed = "".join(shown.stdout.split())
    for word in ("/books/{number:int}", "thenewonehasGET", "7of20routesmigrated,35%", "step2:app"):
        assert word in packed
    rows = shown.stdout.split("\n\n")[1].splitlines()
    assert max(len(row) for row in rows) <= columns


def test_colours_are_for_terminals() -> None:
    assert "\x1b[" not in run("routes", *STEP2).stdout
    assert "\x1b[32m✓ migrated" in run("routes", *STEP2, color=True).stdout


def test_the_json_has_the_documented_shape() -> None:
    found = run("routes", *STEP2, "--json")
    assert found.stderr == ""
    made = json.loads(found.stdout)
    assert list(made) == ["version", "mode", "reason", "apps", "totals", "routes"]
    assert (made["version"], made["mode"]) == (1, "table")
    assert made["apps"][0] == {
        "name": "old:app",
        "interface": "wsgi",
        "prefix": "",
        "framework": "Flask",
        "complete": True,
        "why": None,
    }
    assert made["totals"]["migrated"], made["totals"]["old"] == (7, 20)
    assert sum(made["totals"]["statuses"].values()) == len(made["routes"]) == 20
    (row,) = [row for row in made["routes"] if (row["method"], row["path"]) == ("GET", "/books/{number:int}")]
    assert row == {
        "method": "GET",
        "host": None,
        "path": "/books/{number:int}",
        "status": "migrated",
        "served_by": "step2:app",
        "then": None,
        "decided_by": "the route `/books/{number:int}`",
        "note": "HEAD goes to old:app",
        "head": "old:app",
        "fits": None,
        "old": {
            "app": "old:app",
            "path": "/books/{number:int}",
            "original": "/books/<int:number>",
            "name": "book",
            "defined": "old.book",
        },
        "new": {
            "app": "step2:app",
            "path": "/books/{number:int}",
            "original": None,
            "name": "book",
            "defined": "step2.book",
        },
    }


def test_check_ends_with_1_when_a_route_is_lost(tmp_path: Path) -> None:
    baseline = tmp_path / "routes.json"
    baseline.write_text(run("routes", *STEP2, "--json").stdout)
    fine = run("routes", "--wsgi", "old:app", "--asgi", "step3:app", "--check", str(baseline))
    assert (fine.returncode, fine.stdout) == (0, "")
    assert fine.stderr == "every route is still served; 14 of 20 routes migrated, 70 %\n"
    lost = run("routes", *STEP2, "--route", "/orders=step2:app", "--check", str(baseline))
    assert lost.returncode == 1
    assert table(lost.stderr) == [
        "error: 2 routes are no longer served",
        "  GET     /orders  was old:app: step2:app gets the request and has no such route",
        "  POST    /orders  was old:app: step2:app gets the request and has no such route",
        "",
        "hint: if this is intended, write the file again with `--json`",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "is not a map of routes"),
        ('{"version": 1, "routes": [{"path": 3}]}', "is not a map of routes"),
        ('{"version": 2, "routes": []}', "is a map of version 2; this rsgi reads version 1"),
    ],
)
def test_a_file_that_is_no_map_is_an_error(tmp_path: Path, text: str | None, said: str) -> None:
    baseline = tmp_path / "routes.json"
    if text is not None:
        baseline.write_text(text)
    found = run("routes", *STEP2, "--check", str(baseline))
    assert found.returncode == 1
    assert said in found.stderr
    assert "hint: write it with `rsgi routes … --json > routes.json`" in found.stderr


def test_the_page_is_self_contained_and_escaped(tmp_path: Path) -> None:
    (tmp_path / "nasty.py").write_text(
        "from starlette.applications import Starlette\nfrom starlette.routing import Route\n"
        "app = Starlette(routes=[Route('/</script><b>', lambda request: None)])\n"
    )
    page = tmp_path / "map.html"
    found = run("routes", "--asgi", "nasty:app", "--html", str(page), folder=tmp_path)
    assert found.returncode == 0, found.stderr
    text = page.read_text()
    assert "&lt;/script&gt;" in text
    assert text.count("</script>") == 1
    for outside in ("http://", "https://", "src=", "href=", "@import", "url("):
        assert outside not in text, outside
    missing = run("routes", *STEP2, "--html", str(tmp_path / "no/map.html"))
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: `")


BIG = """
from flask import Flask
from fastapi import FastAPI
old, new = Flask("old", static_folder=None), FastAPI()
for number in range(120):
    for part in ("shop", "admin"):
        path = f"/{part}/{number}/a-rather-long-name-of-a-resource-which-goes-on-and-on-for-a-while"
        old.add_url_rule(path, path, lambda: "", methods=["GET", "POST"])
        new.get(path)(lambda: "")
"""


def test_what_goes_to_a_pipe_is_not_wrapped(tmp_path: Path) -> None:
    (tmp_path / "big.py").write_text(BIG)
    shown = run("routes", "--wsgi", "big:old", "--asgi", "big:new", folder=tmp_path)
    lines = table(shown.stdout)
    (line,) = (each for each in lines if each.startswith("  /shop/7/a-rather"))
    assert line.split() == [
        "/shop/7/a-rather-long-name-of-a-resource-which-goes-on-and-on-for-a-while",
        *("GET", "✓", "migrated", "big:new", "[1]"),
    ]
    assert "  [2] the new one has GET (240 lines)" in lines
    assert shown.stdout.count("HEAD goes to big:old") == 1


def test_a_long_page_is_folded_by_prefix(tmp_path: Path) -> None:
    (tmp_path / "big.py").write_text(BIG)
    page = tmp_path / "map.html"
    assert run("routes", "--wsgi", "big:old", "--asgi", "big:new", "--html", str(page), folder=tmp_path).returncode == 0
    text = page.read_text()
    prefixes = re.findall(r"<summary><b>([^<]*)</b>", text)
    assert prefixes[:3] == ["/admin", "/docs", "/openapi.json"]
    assert text.count("<tr data-status") == 484
    assert run("routes", *STEP2, "--html", str(page)).returncode == 0
    assert "<details" not in page.read_text().partition("<script>")[0]


# explain


def test_explain_says_who_answers_head() -> None:
    said = table(run("explain", *STEP2, "/books").stdout)
    assert "  HEAD       goes to old:app: the route answers only GET" in said
    said = table(run("explain", *STEP2, "HEAD", "/books").stdout)
    assert "  served by  old:app (wsgi)" in said
    assert said[-1] == "  not asked  step2:app, which has GET /books  step2.books and answers HEAD with 405"
    assert "  HEAD" not in run("explain", *STEP2, "/login").stdout


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    (tmp_path / "both.py").write_text(MOUNTED)
    return tmp_path


def test_explain_says_what_the_applications_see(mounted: Path) -> None:
    apps = ("--wsgi", "both:old", "--asgi", "/api=both:new", "--wsgi", "/shop=both:old")
    rules = ("--route", "POST /api/legacy=both:new", "--route", "evil.test/{rest:path}=both:new")
    server = start_rsgi(*apps, *rules, folder=mounted)
    for method, path, host in [
        ("GET", "/", "x.test"),
        ("GET", "/api/x%20y", "x.test"),
        ("GET", "/apix", "x.test"),
        ("POST", "/api/legacy", "x.test"),
        ("GET", "/shop", "x.test"),
        ("GET", "/shop/a", "evil.test"),
    ]:
        said = run("explain", *apps, *rules, "-H", f"Host: {host}", method, path, folder=mounted)
        assert said.returncode == 0, said.stderr
        sees = next(line for line in said.stdout.splitlines() if line.startswith("  it sees"))
        kind, _, place = exchange(server, f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).text.partition(
            " "
        )
        root, _, seen = place.partition("|")
        names = ("SCRIPT_NAME", "PATH_INFO") if kind == "old" else ("root_path", "path")
        assert sees == f"  it sees    {names[0]}={root!r} {names[1]}={seen!r}", path
    server.stop()


def test_explain_says_what_shadow_traffic_does() -> None:
    both = ("--wsgi", "old:app", "--asgi", "step2:app", "--prefer", "wsgi", "--shadow", "/books/{number}=asgi:2.5%")

    def said(*request: str, more: tuple[str, ...] = ()) -> list[str]:
        explained = run("explain", *both, *more, *request)
        assert explained.returncode == 0, explained.stderr
        return [line.strip() for line in explained.stdout.splitlines() if line.startswith("  shadow ")]

    rule = "`/books/{number}=asgi:2.5%` matches"
    sent = f"{rule}: 2.5% of such requests also go to step2:app, and 10% of those to old:app again"
    assert said("/books/1") == [f"shadow     {sent}"]
    assert said("POST", "/books/1") == said("/about") == ["shadow     none of 1 matches"]
    share = ("--route", "/books/{number}=asgi:20%")
    alone = f"{rule}, but step2:app answers anyway: nothing is sent twice"
    assert said("/books/1", more=share) == [f"shadow     {alone}", f"shadow     {sent}"]
    assert said("ws://example.com/books/1") == []
    assert "  shadow " not in run("explain", *both[:-2], "/books/1").stdout


def test_explain_a_websocket_that_nobody_takes() -> None:
    said = run("explain", *STEP2, "ws://127.0.0.1/news")
    assert said.returncode == 0
    assert table(said.stdout) == [
        "WS ws://127.0.0.1/news",
        "",
        "  rules      none",
        "  mounts     none",
        "  the rest   no ASGI application takes this WebSocket",
        "",
        "  served by  nobody: the handshake is answered with 404",
    ]


def test_explain_a_request_that_is_asked_twice(mounted: Path) -> None:
    said = run("explain", "--wsgi", "both:old", "--asgi", "both:new", "/x", folder=mounted)
    assert "  the rest   the ASGI application is asked first" in said.stdout
    assert "  served by  both:new (asgi)" in said.stdout
    assert "  after a 404 both:old" in said.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("GET",), "is neither a path"),
        (("GET", "/", "x"), "a request is a method and a URL"),
        (("GET", "users"), "`users` is neither a path"),
        (("POST", "ws://h/x"), "a WebSocket is opened with GET"),
        (("G T", "/"), "this request is not valid"),
        (("-H", "nothing", "/"), "`nothing` is not a header"),
        ((), "`rsgi explain` needs `[METHOD] URL`"),
    ],
)
def test_what_is_no_request_is_a_usage_error(words: tuple[str, ...], said: str) -> None:
    found = run("explain", *STEP2, *words)
    assert found.returncode == 2
    assert said in found.stderr
    assert found.stderr.startswith("error: ")


# check, and what all three have in common


def test_check_says_how_far_it_is() -> None:
    found = run("check", *STEP2)
    assert (found.returncode, found.stderr) == (0, "")
    assert table(found.stdout)[-1] == "  7 of 20 routes migrated, 35 %"


@pytest.mark.parametrize("command", [("routes",), ("check",), ("explain", "/")])
def test_start_up_errors_are_those_of_serve(command: tuple[str, ...]) -> None:
    missing = run(*command, "--wsgi", "missing:app")
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: could not import `missing:app`")
    assert "\nhint: " in missing.stderr
    nothing = run(*command)
    assert nothing.returncode == 2
    assert "name an application, for example" in nothing.stderr


@pytest.mark.parametrize("command", [("routes",), ("check",), ("explain", "/")])
def test_a_catch_all_is_warned_about_on_stderr(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "new.py").write_text(
        "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/{rest:path}')\ndef all_of_it(rest): return rest\n"
    )
    (tmp_path / "old.py").write_text(
        "from flask import Flask\napp = Flask(__name__)\n@app.get('/a')\ndef a(): return 'a'\n"
    )
    found = run(*command, "--wsgi", "old:app", "--asgi", "new:app", folder=tmp_path)
    assert found.returncode == 0
    assert found.stderr.startswith("warning: `/{rest:path}` of new:app")
    if command == ("routes",):
        assert "! hidden" in found.stdout


def test_the_configuration_file_counts(tmp_path: Path) -> None:
    (tmp_path / "rsgi.toml").write_text(
        f'app_dir = "{STEPS}"\n[apps.flask]\nwsgi = "old:app"\n[apps.fast]\nasgi = "step2:app"\n'
    )
    found = run("explain", "POST", "/books", folder=tmp_path)
    assert found.returncode == 0, found.stderr
    assert "  served by  flask (wsgi)" in found.stdout
