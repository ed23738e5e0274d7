"""`--openapi PATH`: one document for both applications, served without calling any.

Apart from `test_coverage_commands.py`, where `rsgi openapi` prints the same document.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import STEPS, run
from server import Server, wait_until
from wire import get, request

BOTH = ("--wsgi", "old:app", "--asgi", "step2:app")
PATH = "/openapi-all.json"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_is_what_the_command_prints(start: Callable[..., Server], workers: str) -> None:
    server = start(*BOTH, "--app-dir", ".", "--openapi", PATH, "--workers", workers, "--access-log", folder=STEPS)
    response = get(server, f"{PATH}?x=1")
    assert (response.status, response.header("content-type")) == (200, "application/json")
    assert response.header("cache-control") == "no-cache"
    printed = run("openapi", *BOTH, "--lifespan", "auto")
    assert response.json() == json.loads(printed.stdout)
    apps = {operation["x-rsgi-app"] for path in response.json()["paths"].values() for operation in path.values()}
    assert apps == {"old:app", "step2:app"}
    head = request(server, "HEAD", PATH)
    assert (head.status, head.header("content-length"), head.body) == (200, str(len(response.body)), b"")
    refused = request(server, "POST", PATH, body=b"x")
    assert (refused.status, refused.header("allow")) == (405, "GET, HEAD")
    server.wait_for_access_log("openapi")


def test_it_can_take_the_place_of_the_application_s_own(start: Callable[..., Server]) -> None:
    server = start(*BOTH, "--app-dir", ".", "--openapi", "/openapi.json", folder=STEPS)
    assert "/about" in get(server, "/openapi.json").json()["paths"]


def test_it_follows_the_rules(start: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "rsgi.toml"
    text = f'openapi = "{PATH}"\n[apps.old]\nwsgi = "old:app"\n[apps.new]\nasgi = "step2:app"\n'
    file.write_text(text)
    server = start("--config", str(file), "--app-dir", ".", folder=STEPS)

    def app_of_books() -> str:
        return str(get(server, PATH).json()["paths"]["/books"]["get"]["x-rsgi-app"])

    assert app_of_books() == "new"
    routes = '[[routes]]\npath = "/books"\napp = "old"\n'
    file.write_text(text + routes)
    server.send_signal(signal.SIGHUP)
    wait_until(lambda: app_of_books() == "old", 20, "the document has the new rule")


def test_one_that_cannot_be_made_is_the_application_s_path(start: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "import fastapi\napp = fastapi.FastAPI()\n"
        "@app.get('/x')\nasync def x():\n    return 1\n"
        "def fail():\n    raise RuntimeError('no document today')\n"
        "app.openapi = fail\n"
    )
    server = start("--asgi", "broken:app", "--app-dir", ".", "--openapi", PATH, folder=tmp_path)
    why = "the OpenAPI document of `broken:app` failed: RuntimeError('no document today')"
    assert f"warning: the document of `--openapi {PATH}` cannot be made: {why}\n" in server.log()
    assert get(server, PATH).status == 404
    assert get(server, "/x").body == b"1"
