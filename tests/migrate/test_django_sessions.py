"""One login for a Django site and an ASGI application: sessions in a database, users, and tokens against forged requests.

Apart from Flask's because the state is on the server; real applications behind one server, and a real SQLite database.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from commands import run
from server import APPS, Server, start_rsgi

PAIR = ("--wsgi", "django_login_apps:old", "--asgi", "django_login_apps:new")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with one user, `ada`."""
    path = str(tmp_path_factory.mktemp("site") / "site.sqlite3")
    subprocess.run(
        [sys.executable, "django_login_apps.py"],
        cwd=APPS,
        env={**os.environ, "SITE_DATABASE": path},
        check=True,
        timeout=120,
    )
    return path


@pytest.fixture(scope="module")
def server(database: str) -> Iterator[Server]:
    started = start_rsgi(*PAIR, environment={"SITE_DATABASE": database})
    yield started
    assert started.stop() == 0
    assert "Traceback" not in started.log()


def browse(server: Server) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30)


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    with browse(server) as client:
        yield client


# Both ways


@pytest.mark.parametrize("side", ["old", "new"])
def test_a_login_counts_on_both_sides(browser: httpx.Client, side: str) -> None:
    assert browser.get("/new/me").status_code == 303
    assert browser.get("/new/who").json() == ""
    assert browser.post(f"/{side}/login?user=ada").status_code == 200
    for place in ("/old/me", "/new/me"):
        assert browser.get(place).json() == {"user": "ada", "cart": None}
    assert browser.get("/new/who").json() == "ada"


def test_the_cookies_of_both_sides_have_the_same_attributes(server: Server) -> None:
    given = []
    for side in ("old", "new"):
        with browse(server) as browser:
            cookies = browser.post(f"/{side}/login?user=ada").headers.get_list("set-cookie")
            given.append(sorted(re.sub(r"=[^;]*", "=", each, count=1) for each in cookies))
    without_time = [[re.sub(r"expires=[^;]*", "", each) for each in cookies] for cookies in given]
    assert without_time[0] == without_time[1]
    assert [each.partition("=")[0] for each in given[0]] == ["csrftoken", "sessionid"]


def test_a_change_on_the_new_side_is_read_on_the_old_one(browser: httpx.Client) -> None:
    browser.post("/old/login?user=ada")
    for thing in ("book", "lamp"):
        browser.post(f"/new/cart?thing={thing}")
    assert browser.get("/old/me").json() == {"user": "ada", "cart": ["book", "lamp"]}


@pytest.mark.parametrize("side", ["old", "new"])
def test_a_logout_counts_on_both_sides(browser: httpx.Client, side: str) -> None:
    browser.post("/old/login?user=ada")
    stolen = dict(browser.cookies)
    left = browser.post(f"/{side}/logout")
    assert "sessionid=" in left.headers["set-cookie"]
    assert "sessionid" not in browser.cookies
    browser.cookies.update(stolen)
    assert browser.get("/old/me").json()["user"] == ""
    assert browser.get("/new/me").status_code == 303


def test_a_login_changes_the_key_of_the_session(browser: httpx.Client) -> None:
    browser.post("/new/cart?thing=book")
    before = browser.cookies["sessionid"]
    browser.post("/new/login?user=ada")
    assert browser.cookies["sessionid"] != before
    assert browser.get("/old/me").json() == {"user": "ada", "cart": ["book"]}


def test_a_session_that_was_deleted_meanwhile_is_not_stored(database: str) -> None:
    server = start_rsgi(*PAIR, environment={"SITE_DATABASE": database})
    with browse(server) as browser:
        browser.post("/old/login?user=ada")
        refused = browser.post("/new/slow")
        assert refused.status_code == 400
        assert refused.text == "The session was deleted before the request completed, for example by a logout."
        assert browser.get("/old/me").json() == {"user": "", "cart": None}
    assert server.stop() == 0


def test_a_page_without_the_session_does_not_ask_the_database(browser: httpx.Client) -> None:
    browser.post("/old/login?user=ada")
    public = browser.get("/new/public")
    assert public.json() == "all"
    assert "set-cookie" not in public.headers
    assert "vary" not in public.headers
    assert browser.get("/new/me").headers["vary"] == "Cookie"


# Who is not logged in


def test_others_are_sent_to_the_login_page_of_the_settings(browser: httpx.Client) -> None:
    sent = browser.get("/new/me?a=1")
    assert (sent.status_code, sent.headers["location"]) == (303, "/old/login?next=/new/me%3Fa%3D1")
    assert browser.get("/new/api").status_code == 401


def test_a_websocket_is_refused_or_let_in(server: Server, browser: httpx.Client) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{server.port}/new/ws").close()
    assert refused.value.response.status_code == 403
    browser.post("/old/login?user=ada")
    cookie = {"Cookie": f"sessionid={browser.cookies['sessionid']}"}
    with connect(f"ws://127.0.0.1:{server.port}/new/ws", additional_headers=cookie) as socket:
        assert socket.recv() == "ada"


def test_a_guessed_key_is_nobody(browser: httpx.Client) -> None:
    browser.cookies.set("sessionid", "a" * 32)
    assert browser.get("/new/me").status_code == 303


@pytest.mark.parametrize(("fallbacks", "status"), [("", 303), ("first-key", 200)])
def test_another_secret_ends_the_login_unless_the_old_one_is_a_fallback(
    database: str, server: Server, fallbacks: str, status: int
) -> None:
    with browse(server) as browser:
        browser.post("/old/login?user=ada")
        cookies = dict(browser.cookies)
    environment = {"SITE_DATABASE": database, "SITE_KEY": "second-key", "SITE_FALLBACKS": fallbacks}
    other = start_rsgi(*PAIR, environment=environment)
    with browse(other) as browser:
        browser.cookies.update(cookies)
        assert browser.get("/new/me").status_code == status
    assert other.stop() == 0


def test_an_expired_session_is_nobody(server: Server, database: str) -> None:
    import sqlite3

    with browse(server) as browser:
        browser.post("/old/login?user=ada")
        assert browser.get("/new/me").status_code == 200
        with sqlite3.connect(database, timeout=30) as connection:
            key = browser.cookies["sessionid"]
            done = connection.execute(
                "UPDATE django_session SET expire_date = '2020-01-01 00:00:00' WHERE session_key = ?", (key,)
            )
            assert done.rowcount == 1
        connection.close()
        assert browser.get("/new/me").status_code == 303


# Forged requests


def test_a_form_of_one_side_may_be_sent_to_the_other(browser: httpx.Client) -> None:
    for page in ("/old/form", "/new/form"):
        token = browser.get(page).text.strip('"')
        for target, text in (("/old/form", "sent to old"), ("/new/form", '"sent to new hello"')):
            sent = browser.post(target, data={"csrfmiddlewaretoken": token, "text": "hello"})
            assert (sent.status_code, sent.text) == (200, text)
            sent = browser.post(target, headers={"x-csrftoken": token}, data={"text": "hello"})
            assert (sent.status_code, sent.text) == (200, text)


@pytest.mark.parametrize(
    ("fields", "form"),
    [
        ({}, {}),
        ({}, {"csrfmiddlewaretoken": "a" * 64}),
        ({}, {"csrfmiddlewaretoken": "?"}),
        ({"x-csrftoken": "b" * 32}, {}),
        ({"x-csrftoken": "right", "origin": "https://evil.example"}, {}),
        ({"x-csrftoken": "right", "origin": "null"}, {}),
    ],
    ids=["none", "another", "malformed", "another header", "another origin", "no origin"],
)
def test_a_forged_request_is_refused_as_by_django(
    browser: httpx.Client, fields: dict[str, str], form: dict[str, str]
) -> None:
    token = browser.get("/old/form").text
    sent = {name: value.replace("right", token) for name, value in fields.items()}
    for target in ("/old/form", "/new/form"):
        assert browser.post(target, headers=sent, data=form).status_code == 403, target
    assert "CSRF check failed: " in browser.post("/new/form", headers=sent, data=form).json()["detail"]


def test_a_trusted_origin_may_send(browser: httpx.Client) -> None:
    token = browser.get("/new/form").json()
    sent = {"x-csrftoken": token, "origin": "https://trusted.example"}
    assert browser.post("/new/form", headers=sent).status_code == 200


def test_a_token_without_the_cookie_is_refused(server: Server, browser: httpx.Client) -> None:
    token = browser.get("/new/form").json()
    response = httpx.post(f"http://127.0.0.1:{server.port}/new/form", headers={"x-csrftoken": token})
    assert response.status_code == 403


def test_starlette_alone_calls_the_dependencies(database: str) -> None:
    pair = ("--wsgi", "django_login_apps:old", "--asgi", "django_login_apps:bare")
    server = start_rsgi(*pair, environment={"SITE_DATABASE": database})
    with browse(server) as browser:
        form = {"csrfmiddlewaretoken": browser.get("/old/form").text, "text": "hello"}
        assert browser.post("/new/form", data={"text": "hello"}).status_code == 403
        assert browser.post("/new/form", data=form).status_code == 303
        browser.post("/old/login?user=ada")
        form["csrfmiddlewaretoken"] = browser.get("/old/form").text
        assert browser.post("/new/form", data=form).json() == {"user": "ada", "text": "hello"}
    assert server.stop() == 0


def test_django_must_be_set_up(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text(
        "from rsgi.migrate.sessions import DjangoSessionMiddleware\n\napp = DjangoSessionMiddleware(None)\n"
    )
    found = run("check", "--asgi", "new:app", folder=tmp_path)
    assert found.returncode == 1
    assert "the login of Django needs Django to be set up, which it is not" in found.stderr
    assert "hint: import the old application first" in found.stderr
