"""One login for a Flask application and an ASGI application: real applications behind one server, and cookies by hand.

Apart from Django's because nothing is shared but the refusal: here a signed cookie holds everything.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from flask import Flask
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSessionInterface
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup
from starlette.applications import Starlette
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from commands import run
from rsgi.errors import StartupError
from rsgi.migrate.sessions import FlaskCookie, FlaskSessionMiddleware
from rsgi.migrate.sessions.tagged_json import TaggedJson
from server import APPS, Server, start_rsgi

PAIR = ("--wsgi", "flask_login_apps:old", "--asgi", "flask_login_apps:new")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = start_rsgi(*PAIR)
    yield started
    assert started.stop() == 0
    assert "Traceback" not in started.log()


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        yield client


def flask_app(**config: object) -> Flask:
    app = Flask(__name__)
    app.config.update({"SECRET_KEY": "the new key", **config})
    return app


def flask_signs(app: Flask, session: dict[str, object]) -> str:
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    return str(signer.dumps(session))


# Both ways


@pytest.mark.parametrize("side", ["old", "new"])
def test_a_login_counts_on_both_sides(browser: httpx.Client, side: str) -> None:
    assert browser.get("/new/me").status_code == 303
    assert browser.get("/old/me").json()["user"] is None
    assert browser.post(f"/{side}/login?user=ada").status_code == 200
    for place in ("/old/me", "/new/me"):
        assert browser.get(place).json() == {"user": "ada", "cart": None, "kept": True}


def test_a_change_on_the_new_side_is_read_on_the_old_one(browser: httpx.Client) -> None:
    browser.post("/old/login?user=ada")
    browser.post("/new/cart?thing=book")
    browser.post("/new/cart?thing=lamp")
    assert browser.get("/old/me").json() == {"user": "ada", "cart": ["book", "lamp"], "kept": True}


@pytest.mark.parametrize("side", ["old", "new"])
def test_a_logout_counts_on_both_sides(browser: httpx.Client, side: str) -> None:
    browser.post("/old/login?user=ada")
    left = browser.post(f"/{side}/logout")
    assert "shop=;" in left.headers["set-cookie"]
    assert "Max-Age=0" in left.headers["set-cookie"]
    assert "shop" not in browser.cookies
    assert browser.get("/old/me").json()["user"] is None
    assert browser.get("/new/me").status_code == 303


def test_cookies_of_both_sides_differ_in_nothing_but_time(browser: httpx.Client) -> None:
    def attributes(path: str) -> tuple[str, list[str]]:
        given = browser.post(path).headers["set-cookie"]
        value, *rest = given.split("; ")
        return value.split(".")[0], [each for each in rest if not each.startswith("Expires=")]

    assert attributes("/new/login?user=ada") == attributes("/old/login?user=ada")
    assert attributes("/new/login?user=ada&stay=1") == attributes("/old/login?user=ada&stay=1")


def test_only_a_permanent_session_has_an_expiry_and_is_refreshed(browser: httpx.Client) -> None:
    assert "Expires" not in browser.post("/new/login?user=ada").headers["set-cookie"]
    assert "set-cookie" not in browser.get("/new/me").headers
    assert "Expires" in browser.post("/new/login?user=ada&stay=1").headers["set-cookie"]
    assert "Expires" in browser.get("/new/me").headers["set-cookie"]
    assert "Expires" in browser.get("/new/public").headers["set-cookie"]


def test_a_page_without_the_session_has_no_cookie_and_may_be_cached(browser: httpx.Client) -> None:
    browser.post("/old/login?user=ada")
    public = browser.get("/new/public")
    assert "set-cookie" not in public.headers
    assert "vary" not in public.headers
    assert browser.get("/new/me").headers["vary"] == "Cookie"


# Who is not logged in


def test_others_are_sent_to_the_login_page_with_the_way_back(browser: httpx.Client) -> None:
    sent = browser.get("/new/me?page=2&q=a%26b")
    assert sent.status_code == 303
    assert sent.headers["location"] == "/old/login?from=new&next=/new/me%3Fpage%3D2%26q%3Da%2526b"
    posted = browser.post("/new/cart?thing=book")
    assert (posted.status_code, posted.headers["location"]) == (303, "/old/login?from=new")


def test_an_api_answers_401(browser: httpx.Client) -> None:
    assert browser.get("/new/api").status_code == 401
    browser.post("/old/login?user=ada")
    assert browser.get("/new/api").json() == "ada"


def test_a_websocket_is_refused_or_gets_the_session(server: Server, browser: httpx.Client) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{server.port}/new/ws").close()
    assert refused.value.response.status_code == 403
    browser.post("/old/login?user=ada")
    cookie = {"Cookie": f"shop={browser.cookies['shop']}"}
    with connect(f"ws://127.0.0.1:{server.port}/new/ws", additional_headers=cookie) as socket:
        assert socket.recv() == "ada"
        assert socket.response is not None
        assert socket.response.headers["set-cookie"].startswith("shop=")


@pytest.mark.parametrize(
    ("cookie", "status"),
    [
        (flask_signs(flask_app(), {"user": "ada"}), 200),
        (flask_signs(flask_app(SECRET_KEY="the old key"), {"user": "ada"}), 200),
        (flask_signs(flask_app(SECRET_KEY="a guess"), {"user": "ada"}), 303),
        (flask_signs(flask_app(), {"user": "ada"})[:-3] + "AAA", 303),
        ("eyJ1c2VyIjoiYWRhIn0.aQ.x", 303),
        ("\xff", 303),
        ("", 303),
    ],
    ids=["its key", "a fallback", "another key", "another signature", "no signature", "no ASCII", "empty"],
)
def test_only_a_cookie_with_a_right_signature_counts(server: Server, cookie: str, status: int) -> None:
    field = [(b"cookie", b"shop=" + cookie.encode("latin-1"))]
    assert httpx.get(f"http://127.0.0.1:{server.port}/new/me", headers=field).status_code == status
    assert httpx.get(f"http://127.0.0.1:{server.port}/old/me", headers=field).status_code == 200


def test_another_secret_reads_nothing() -> None:
    server = start_rsgi("--wsgi", "flask_login_apps:old", "--asgi", "flask_login_apps:stranger")
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as browser:
        browser.post("/old/login?user=ada")
        assert browser.get("/new/me").status_code == 303
        assert browser.get("/old/me").json()["user"] == "ada"
    assert server.stop() == 0


def test_starlette_alone_calls_the_dependency() -> None:
    server = start_rsgi("--wsgi", "flask_login_apps:old", "--asgi", "flask_login_apps:bare")
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as browser:
        assert browser.get("/new/me").status_code == 303
        browser.post("/old/login?user=ada")
        assert browser.get("/new/me").json() == {"user": "ada"}
    assert server.stop() == 0


def test_check_sees_the_guard() -> None:
    found = run("check", *PAIR, "--strict", folder=APPS)
    assert found.returncode == 0, found.stderr


# The cookie


@pytest.mark.parametrize(("age", "is_read"), [(3590, True), (3610, False)])
def test_a_session_expires(monkeypatch: pytest.MonkeyPatch, age: int, is_read: bool) -> None:
    cookie = FlaskCookie("key", lifetime=3600)
    text = cookie.write({"user": "ada"})
    import itsdangerous.timed

    now = int(datetime.datetime.now(datetime.timezone.utc).timestamp())
    monkeypatch.setattr(itsdangerous.timed.TimestampSigner, "get_timestamp", lambda self: now + age)
    assert cookie.read(text) == ({"user": "ada"} if is_read else None)


def test_settings_of_flask_are_kept() -> None:
    app = flask_app(
        SESSION_COOKIE_NAME="id",
        SESSION_COOKIE_DOMAIN="example.com",
        SESSION_COOKIE_PATH="/shop",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_HTTPONLY=False,
        SESSION_COOKIE_SAMESITE="Strict",
        PERMANENT_SESSION_LIFETIME=60,
    )
    cookie = FlaskCookie.of(app)
    _, *attributes = cookie.set_header({"user": "ada"}, permanent=False).split("; ")
    assert attributes == ["Domain=example.com", "Secure", "Path=/shop", "SameSite=Strict"]
    assert (cookie.name, cookie.lifetime) == ("id", 60)
    assert "the new key" not in repr(cookie)


def test_an_own_signer_is_kept() -> None:
    class Own(SecureCookieSessionInterface):
        salt = "pepper"
        key_derivation = "django-concat"

    app = flask_app()
    app.session_interface = Own()
    signer = Own().get_signing_serializer(app)
    assert signer is not None
    assert signer.loads(FlaskCookie.of(app).write({"user": "ada"})) == {"user": "ada"}
    assert FlaskCookie("the new key").read(FlaskCookie.of(app).write({"user": "ada"})) is None


def test_sessions_that_are_not_in_the_cookie_are_refused() -> None:
    class Stored:
        pass

    app = flask_app()
    app.session_interface = Stored()  # type: ignore[assignment]
    with pytest.raises(StartupError, match="not in its cookie, but in `Stored`"):
        FlaskCookie.of(app)
    with pytest.raises(StartupError, match="need a secret key"):
        FlaskCookie.of(flask_app(SECRET_KEY=None))
    with pytest.raises(StartupError, match="does not know how Flask signs"):
        FlaskSessionMiddleware(Starlette())


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.binary()
    | st.uuids()
    | st.datetimes(timezones=st.just(datetime.timezone.utc), min_value=datetime.datetime(1990, 1, 1)).map(
        lambda each: each.replace(microsecond=0)
    )
    | st.text().map(Markup),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.sampled_from(["a", "b", " t", " di", " t__", "_permanent"]), inner)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(VALUES)
def test_tagged_json_is_that_of_flask(value: object) -> None:
    theirs, ours = TaggedJSONSerializer(), TaggedJson()
    text = theirs.dumps(value)
    assert json.loads(ours.dumps(value)) == json.loads(text)
    read = ours.loads(text)
    assert read == theirs.loads(text) == value
    assert type(read) is type(theirs.loads(text))


def test_a_missing_package_is_named() -> None:
    script = """
import sys
sys.modules["itsdangerous"] = None
from rsgi.migrate.sessions import FlaskCookie
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 1
    said = "ImportError: `rsgi.migrate.sessions.FlaskCookie` needs itsdangerous; install it: `pip install itsdangerous`"
    assert said in found.stderr
