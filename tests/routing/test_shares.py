"""Rules for a share of the clients: who gets which application, and what is on the response.

Apart from `test_rules.py`, whose rules are for everybody, and from `test_share_command.py`, where shares change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest

from certificates import Certificates, TlsConnection
from http2_wire import get2
from server import Server, run_rsgi
from websocket_wire import WebSocketConnection
from wire import Connection, Response, get, post, request

OLD, NEW = ("--wsgi", "share_apps:old"), ("--asgi", "/new=share_apps:new")
# The new application has no routes that can be read: without a rule all goes to the old one.
HALF = (*OLD, *NEW, "--route", "/x=asgi:50%")
COOKIE = re.compile(r"rsgi_bucket=(\d{1,4}); Max-Age=31536000; Path=/; HttpOnly; SameSite=Lax")


def bucket(number: object) -> tuple[str, str]:
    return ("Cookie", f"rsgi_bucket={number}")


def set_bucket(response: Response) -> int | None:
    """The bucket that a response sets, if it sets one."""
    cookies = [cookie for cookie in response.all("set-cookie") if cookie.startswith("rsgi_bucket")]
    if not cookies:
        return None
    (cookie,) = cookies
    found = COOKIE.fullmatch(cookie)
    assert found is not None, cookie
    return int(found[1])


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_bucket_below_the_share_gets_the_application(start: Callable[..., Server], workers: str) -> None:
    server = start(*HALF, "--workers", workers)
    for number, app in [(0, "new"), (4999, "new"), (5000, "old"), (9999, "old")] * 5:
        for ask in (get, post):
            response = ask(server, "/x", *([] if ask is get else [b"body"]), bucket(number))  # type: ignore[operator]
            assert (response.text, set_bucket(response)) == (app, None)
            assert response.header("vary") == "cookie"
    response = get(server, "/elsewhere", bucket(0))
    assert (response.text, response.header("vary"), set_bucket(response)) == ("old", None, None)


def test_a_new_client_gets_a_bucket_and_stays_where_it_is(start: Callable[..., Server]) -> None:
    server = start(*HALF)
    seen: dict[str, int] = {"old": 0, "new": 0}
    buckets = set()
    for _ in range(100):
        response = get(server, "/x")
        number = set_bucket(response)
        assert number is not None
        assert response.text == ("new" if number < 5000 else "old")
        assert response.header("cache-control") == "private"
        assert get(server, "/x", bucket(number)).text == response.text
        seen[response.text] += 1
        buckets.add(number)
    assert min(seen.values()) > 20, seen
    assert len(buckets) > 90


@pytest.mark.parametrize("value", ["", "10000", "-1", "+1", "01", "1.5", "abc", "0x10", '"7"', "7 8", "%30"])
def test_a_forged_bucket_is_no_bucket(start: Callable[..., Server], value: str) -> None:
    server = start(*HALF)
    assert set_bucket(get(server, "/x", bucket(value))) is not None


@pytest.mark.parametrize("share", ["0%", "100%"])
def test_no_client_and_all_clients(start: Callable[..., Server], share: str) -> None:
    server = start(*OLD, *NEW, "--route", f"/x=asgi:{share}")
    app = "new" if share == "100%" else "old"
    for number in (0, 9999):
        assert get(server, "/x", bucket(number)).text == app
    response = get(server, "/x")
    assert response.text == app
    assert set_bucket(response) is not None, "who is in a bucket now stays in it when the share is another one"


@pytest.mark.parametrize("app", ["old", "new"])
@pytest.mark.parametrize(
    "fields",
    [
        {"Cache-Control": "public, max-age=60"},
        {"Cache-Control": "max-age=60"},
        {"Cache-Control": "s-maxage=10"},
        {"Expires": "Tue, 01 Jan 2199 00:00:00 GMT"},
        {"status": "304"},
    ],
)
def test_no_cookie_where_a_cache_may_keep_it(start: Callable[..., Server], fields: Mapping[str, str], app: str) -> None:
    server = start(*OLD, *NEW, "--route", "/x=asgi:50%", "--route", "/y=asgi:1%")
    target = f"/{'x' if app == 'new' else 'y'}?{urlencode(fields)}"
    for _ in range(20):
        response = get(server, target)
        assert set_bucket(response) is None
        assert response.header("vary") == "cookie"
        assert response.header("cache-control") == fields.get("Cache-Control")


@pytest.mark.parametrize("value", ["private", "no-store", "private, max-age=60"])
def test_private_responses_need_no_vary(start: Callable[..., Server], value: str) -> None:
    server = start(*HALF)
    response = get(server, f"/x?{urlencode({'Cache-Control': value})}")
    assert set_bucket(response) is not None
    assert (response.header("vary"), response.header("cache-control")) == (None, value)


def test_vary_and_cookies_of_the_application_stay(start: Callable[..., Server]) -> None:
    server = start(*HALF)
    fields = [("Set-Cookie", "a=1"), ("Vary", "Origin"), ("X-Between", "1"), ("Set-Cookie", "b=2"), ("Vary", "Accept")]
    for number in (0, 9999):
        response = get(server, f"/x?{urlencode(fields)}", bucket(number))
        assert response.all("set-cookie") == ["a=1", "b=2"]
        assert response.header("vary") == "Origin, Accept, cookie"
    response = get(server, f"/x?{urlencode(fields)}")
    assert [cookie.partition("=")[0] for cookie in response.all("set-cookie")] == ["a", "b", "rsgi_bucket"]


def test_over_tls_the_cookie_is_secure_and_over_http2_all_is_the_same(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    certificates = Certificates.make(tmp_path)
    server = start(*HALF, *certificates.flags())
    with TlsConnection(server, certificates.context()) as connection:
        connection.send_request("GET", "/x")
        (cookie,) = connection.read_response().all("set-cookie")
    assert cookie.endswith("; SameSite=Lax; Secure")
    plain = start(*HALF)
    for number, app in [(0, b"new"), (9999, b"old")]:
        stream = get2(plain, "/x", [("cookie", f"rsgi_bucket={number}")])
        assert (stream.body, stream.header("vary")) == (app, "cookie")
    assert COOKIE.fullmatch(get2(plain, "/x").header("set-cookie") or "")


def test_behind_a_trusted_proxy_the_scheme_and_the_client_are_what_it_says(start: Callable[..., Server]) -> None:
    proxied = ("--trust-proxy", "127.0.0.1")
    server = start(*HALF, *proxied)
    (cookie,) = get(server, "/x", ("X-Forwarded-Proto", "https")).all("set-cookie")
    assert cookie.endswith("; Secure")
    server = start(*HALF, *proxied, "--share-by", "client")
    # The hash is documented, so these buckets never change: 7210 and 2718.
    for address, app in [("192.0.2.2", "old"), ("192.0.2.7", "new")]:
        response = get(server, "/x", ("X-Forwarded-For", address))
        assert (response.text, response.header("vary"), set_bucket(response)) == (app, "*", None), address


@pytest.mark.parametrize(
    ("by", "name", "vary"),
    [("header:X-User-Id", "X-User-Id", "x-user-id"), ("cookie:sessionid", "Cookie", "cookie")],
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_key_of_the_request_takes_the_place_of_the_cookie(
    start: Callable[..., Server], by: str, name: str, vary: str, workers: str
) -> None:
    server = start(*HALF, "--share-by", by, "--workers", workers)
    prefix = "sessionid=" if name == "Cookie" else ""
    for value, app in [("user-1", "old"), ("user-2", "new")] * 5:
        response = get(server, "/x", (name, prefix + value))
        assert (response.text, response.header("vary"), set_bucket(response)) == (app, vary, None), value
    response = get(server, "/x", bucket(0))
    assert (response.text, set_bucket(response)) == ("old", None), "without the key it is in no share but that of all"


def test_websockets_have_shares_too(start: Callable[..., Server]) -> None:
    two = ("--asgi", "share_apps:other", "--asgi", "/new=share_apps:new")
    server = start(*two, "--route", "/x=share_apps:new:50%")
    for number, app in [(0, "new"), (9999, "other")]:
        with WebSocketConnection(server) as socket:
            response = socket.upgrade("/x", [bucket(number)])
            assert (response.status, response.header("vary")) == (101, None)
            assert socket.read_data_frame().payload.decode() == app
    with WebSocketConnection(server) as socket:
        response = socket.upgrade("/x")
        number = set_bucket(response)
        assert number is not None
        assert socket.read_data_frame().payload.decode() == ("new" if number < 5000 else "other")


def test_rules_after_a_share_go_on(start: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "rsgi.toml"
    file.write_text(
        """\
[apps.old]
wsgi = "share_apps:old"
[apps.new]
asgi = "share_apps:new"
prefix = "/new"
[apps.other]
asgi = "share_apps:other"
prefix = "/other"
[[routes]]
path = "/x"
methods = ["GET"]
app = "new"
share = "5%"
[[routes]]
path = "/x"
app = "other"
share = "12.5%"
"""
    )
    server = start("--config", str(file))
    for number, app in [(499, "new"), (500, "other"), (1249, "other"), (1250, "old")]:
        assert get(server, "/x", bucket(number)).text == app
    assert post(server, "/x", b"", bucket(499)).text == "other"
    assert "rule  GET /x=new:5%\n" in server.log()
    assert "rule  /x=other:12.5%\n" in server.log()


def test_a_preflight_and_a_form_of_another_site_get_no_other_bucket(start: Callable[..., Server]) -> None:
    server = start(*OLD, *NEW, "--route", "/x=asgi:99.99%")
    preflight = (("Origin", "http://a.example"), ("Access-Control-Request-Method", "POST"))
    for _ in range(10):
        responses = [
            request(server, "OPTIONS", "/x", preflight),
            request(server, "POST", "/x", [("Sec-Fetch-Site", "cross-site")]),
        ]
        for response in responses:
            assert (response.text, set_bucket(response), response.header("vary")) == ("old", None, "cookie")
    assert set_bucket(request(server, "POST", "/x", [("Sec-Fetch-Site", "same-origin")])) is not None


# Testers


SECRET = "s3cret.word-1"


@pytest.mark.parametrize("place", ["header", "cookie"])
def test_testers_choose_where_there_is_a_share(start: Callable[..., Server], place: str) -> None:
    server = start(*HALF, environment={"RSGI_SHARE_TESTERS": SECRET})

    def ask(choice: str, target: str = "/x", number: int = 9999) -> Response:
        if place == "header":
            return get(server, target, ("rsgi-app", choice), bucket(number))
        return get(server, target, ("Cookie", f"rsgi_bucket={number}; rsgi-app={choice}"))

    for choice, number, app in [
        (f"share_apps:new.{SECRET}", 9999, "new"),
        (f"asgi.{SECRET}", 9999, "new"),
        (f"share_apps:old.{SECRET}", 0, "old"),
        (f"wsgi.{SECRET}", 0, "old"),
    ]:
        response = ask(choice, f"/x?{urlencode({'Cache-Control': 'public'})}", number)
        assert (response.text, response.header("cache-control"), set_bucket(response)) == (app, "no-store", None)
        assert (response.header("x-served-by") or "").startswith(f"share_apps:{app}")
    wrong = [
        "asgi",
        f"asgi{SECRET}",
        "asgi.",
        f"asgi.{SECRET}x",
        f"asgi.{SECRET[:-1]}",
        f"nobody.{SECRET}",
        f".{SECRET}",
    ]
    for choice in wrong:
        response = ask(choice)
        assert (response.text, response.header("x-served-by"), response.header("vary")) == ("old", None, "cookie"), (
            choice
        )
    assert ask(f"asgi.{SECRET}", "/elsewhere").text == "old", "no rule has a share there"
    assert SECRET not in server.log()


def test_nobody_chooses_unless_testers_are_allowed(start: Callable[..., Server]) -> None:
    server = start(*HALF)
    for choice in ("asgi", "asgi.", "share_apps:new", "asgi.None"):
        assert get(server, "/x", ("rsgi-app", choice), bucket(9999)).text == "old"


# Who has answered


def test_served_by_is_off_unless_asked_for(start: Callable[..., Server]) -> None:
    assert get(start(*HALF), "/x", bucket(0)).header("x-served-by") is None


@pytest.mark.parametrize("workers", ["1", "2"])
def test_served_by_names_the_application_and_what_decided(start: Callable[..., Server], workers: str) -> None:
    server = start(*HALF, "--served-by", "--route", "/caf\u00e9{x}=wsgi", "--workers", workers)
    for target, number, said in [
        ("/x", 0, 'share_apps:new; rule="/x=asgi"'),
        ("/x", 9999, "share_apps:old"),
        ("/new/y", 0, 'share_apps:new; prefix="/new"'),
        ("/y", 0, "share_apps:old"),
        ("/caf%C3%A97", 0, 'share_apps:old; rule="/caf%C3%A9{x}=wsgi"'),
    ]:
        assert get(server, target, bucket(number)).header("x-served-by") == said, target
    assert get2(server, "/x", [("cookie", "rsgi_bucket=0")]).header("x-served-by") == 'share_apps:new; rule="/x=asgi"'


def test_served_by_names_the_second_of_two_that_were_asked(start: Callable[..., Server]) -> None:
    server = start(
        "--wsgi", "routing_apps:old_a", "--asgi", "routing_apps:opaque", "--fallback", "probe", "--served-by"
    )
    assert get(server, "/new").header("x-served-by") == "routing_apps:opaque"
    assert get(server, "/nothing").header("x-served-by") == "routing_apps:old_a"


def test_served_by_names_who_failed_and_nobody_where_none_was_asked(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "/fails=share_apps:failing", "--served-by", "--health-path", "/healthy")
    response = get(server, "/fails/x")
    assert (response.status, response.header("x-served-by")) == (500, 'share_apps:failing; prefix="/fails"')
    assert (get(server, "/nowhere").status, get(server, "/nowhere").header("x-served-by")) == (404, None)
    assert get(server, "/healthy").header("x-served-by") is None
    with Connection(server) as connection:
        connection.send(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.read_response().header("x-served-by") is None


# What cannot be


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (("--route", "/x=asgi:120%"), "`120%` is more than 100%", "`=asgi:5%`"),
        (("--route", "/x=asgi:5"), "`5` is not a share: write `5%`", "`=asgi:5%`"),
        (("--route", "/x=asgi:0.001%"), "`0.001%` is too precise: shares have steps of 0.01%", "`=asgi:5%`"),
        (("--route", "/x=asgi:-5%"), "`-5%` is not a share", "`=asgi:5%`"),
        (("--route", "/x=:5%"), "it does not name an application", "`/x=asgi:5%`"),
        (("--route", "/x=nobody:5%"), "names `nobody`, which is not served", "`share_apps:old`, `share_apps:new`"),
        (
            ("--route", "/x=asgi:5%", "--route", "/x=asgi:10%"),
            "the route rule `/x=asgi` cannot be used: it has a share of 10%, but `/x=asgi` for 5% matches the same requests",
            "remove one of the two rules",
        ),
        (
            ("--route", "/{any}=asgi:50%", "--route", "/x=wsgi:20%"),
            "it can never match, because `/{any}=asgi` for 50% takes all that it would",
            "move it before that one",
        ),
    ],
)
def test_what_cannot_be_is_a_startup_error(arguments: tuple[str, ...], error: str, hint: str) -> None:
    ended = run_rsgi(*OLD, *NEW, *arguments)
    said = " ".join(ended.stderr.split())
    assert ended.returncode == 1, said
    assert error in said.partition("hint:")[0]
    assert hint in said.partition("hint:")[2]
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("lines", "error", "hint"),
    [
        ('share = "120%"\n', "line 5: the `share` `120%` is more than 100%", '`share = "5%"`'),
        ("share = 5\n", "line 5: `share` must be text with a percent sign, not 5", '`share = "5%"`'),
        ("share = 0.05\n", "line 5: `share` must be text with a percent sign, not 0.05", '`share = "5%"`'),
        ('[share]\nby = "ip"\n', "line 9: `by` cannot be 'ip': write cookie, client,", "docs/settings.md"),
        ('[share]\nby = "header:X_Id"\n', "write header:X-Id", "docs/settings.md"),
        ('[share]\ntester = "a"\n', "line 9: there is no setting `tester`", "did you mean `testers`?"),
        ('[share]\ntesters = "a b"\n', "line 9: `testers` cannot be this value: use visible ASCII", "docs/settings.md"),
        ('[share]\n"/x" = "5%"\n', "there is no setting `/x`", "write the share of a rule in its `[[routes]]`"),
    ],
)
def test_what_cannot_be_in_a_file_names_its_line(tmp_path: Path, lines: str, error: str, hint: str) -> None:
    file = tmp_path / "rsgi.toml"
    file.write_text(
        'wsgi = "share_apps:old"\nasgi = "/new=share_apps:new"\n\n\n[[routes]]\npath = "/x"\napp = "asgi"\n' + lines
    )
    ended = run_rsgi("--config", str(file))
    said = " ".join(ended.stderr.split())
    assert ended.returncode == 1, said
    assert error in said.partition("hint:")[0]
    assert hint in said.partition("hint:")[2]


def test_settings_for_shares_that_are_not_there_are_warned_of(start: Callable[..., Server]) -> None:
    log = start(*OLD, *NEW, "--share-by", "client", environment={"RSGI_SHARE_TESTERS": SECRET}).log()
    assert "`share_by` has no effect: no rule has a share" in log
    assert "`share_testers` has no effect: no rule has a share" in log


@pytest.mark.parametrize(
    ("arguments", "warning"),
    [
        (
            (*OLD, "--route", "/x=wsgi:5%"),
            "of `/x=wsgi` has no effect: share_apps:old gets the other clients as well;",
        ),
        (
            (*OLD, *NEW, "--route", "/new/{x}=asgi:5%"),
            "as well (the prefix `/new`); add a rule after it",
        ),
        (
            (*OLD, *NEW, "--route", "/x=asgi:5%", "--route", "/{y}=asgi"),
            "as well (the rule `/{y}=asgi`); add a rule after",
        ),
        ((*OLD, *NEW, "--route", "/x=asgi:5%"), None),
        ((*OLD, *NEW, "--route", "/new/{x}=asgi:5%", "--route", "/new/{x}=wsgi"), None),
    ],
)
def test_a_share_that_decides_nothing_is_warned_of(
    start: Callable[..., Server], arguments: tuple[str, ...], warning: str | None
) -> None:
    log = start(*arguments).log()
    assert ("has no effect" in log) == (warning is not None)
    assert (warning or "") in log


def test_a_route_of_the_new_application_makes_a_share_idle(start: Callable[..., Server]) -> None:
    pytest.importorskip("fastapi")
    pair = ("--wsgi", "share_tables:old", "--asgi", "share_tables:new", "--route", "/users/{x}=asgi:5%")
    log = start(*pair).log()
    assert (
        "warning: the share of `/users/{x}=asgi` has no effect: share_tables:new gets the other clients as well (the "
        "route `/users/{id}`); add a rule after it (`…=wsgi`) or use `--prefer wsgi` to leave them with the old application"
        in log
    )
    for more in (("--route", "/users/{x}=wsgi"), ("--prefer", "wsgi")):
        server = start(*pair, *more)
        assert "has no effect" not in server.log()
        for number, app in [(499, "fastapi"), (500, "flask")]:
            assert get(server, "/users/7", bucket(number)).json()["by"] == app
