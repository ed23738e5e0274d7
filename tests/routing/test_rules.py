"""Rules with conditions, and the mistakes in them: as text, as keys of a file, and over the wire.

Apart from `test_routing.py`, which has rules among other ways to divide requests; how rules match is compared with a
naive reading in `src/route/rule_comparison.rs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rsgi._rsgi import Router
from rsgi.errors import StartupError
from rsgi.routing.planning import build_plan
from rsgi.settings.config import AppTarget, Config
from rsgi.settings.rules import rule_from_table
from server import Server, run_rsgi, start_rsgi
from websocket_wire import WebSocketConnection
from wire import exchange, get, request

RULES = """\
[apps.old]
wsgi = "routing_apps:old_a"

[apps.older]
wsgi = "routing_apps:old_b"
prefix = "/older"

[apps.new]
asgi = "routing_apps:new_a"
prefix = "/api"

[apps.newer]
asgi = "routing_apps:new_b"
prefix = "/newer"

[[routes]]
headers = { x-beta = "yes", X-Not = false }
prefix = "/beta"
app = "new"

[[routes]]
cookies = { arm = { regex = "new-[0-9]+" } }
host = "{tenant}.example.com"
app = "newer"

[[routes]]
regex = "/v[0-9]+(/.*)?"
methods = ["GET"]
app = "older"

[[routes]]
path = "/chat"
websocket = true
app = "newer"

[[routes]]
path = "/chat"
app = "older"

[[routes]]
path = "/secure"
scheme = "https"
app = "older"

[[routes]]
prefix = "/api/legacy"
app = "old"
"""


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Four applications, and a rule of every kind."""
    path = tmp_path_factory.mktemp("rules") / "rsgi.toml"
    path.write_text(RULES)
    server = start_rsgi("--config", str(path))
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("target", "headers", "app"),
    [
        ("/beta", {"X-Beta": "yes"}, "new_a"),
        ("/beta/x", {"x-beta": "yes"}, "new_a"),
        ("/beta/x", {"x-beta": "Yes"}, "old_a"),
        ("/beta/x", {"x-beta": "yes", "x-not": ""}, "old_a"),
        ("/betax", {"x-beta": "yes"}, "old_a"),
        ("/x", {"Host": "a.Example.com:80", "Cookie": "a=b; arm=new-17"}, "new_b"),
        ("/x", {"Host": "a.example.com", "Cookie": "arm=new-"}, "old_a"),
        ("/x", {"Cookie": "arm=new-17"}, "old_a"),
        ("/v1", {}, "old_b"),
        ("/v12/x/y", {}, "old_b"),
        ("/v12x", {}, "old_a"),
        ("/v", {}, "old_a"),
        ("/v1%2Fx", {}, "old_a"),
        ("/chat", {}, "old_b"),
        ("/secure", {}, "old_a"),
        ("/api/legacy", {}, "old_a"),
        ("/api/legacy/x", {}, "old_a"),
        ("/api/legacyx", {}, "new_a"),
    ],
)
def test_the_first_rule_that_matches_answers(ruled: Server, target: str, headers: dict[str, str], app: str) -> None:
    if "Host" in headers:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        seen = exchange(ruled, f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode())
    else:
        seen = get(ruled, target, *headers.items())
    assert seen.json()["app"] == app
    assert seen.json()["path"] == target.replace("%2F", "/")
    assert seen.json()["root"] == ("/api" if target == "/api/legacyx" else "")


def test_methods_of_an_expression_count(ruled: Server) -> None:
    assert request(ruled, "HEAD", "/v1").header("x-app") == "old_b"
    assert request(ruled, "POST", "/v1").header("x-app") == "old_a"


def test_a_websocket_goes_by_its_own_rules(ruled: Server) -> None:
    with WebSocketConnection(ruled) as chat:
        assert chat.upgrade("/chat").status == 101
        assert chat.read_data_frame().payload == b'["new_b", "", "/chat"]'
    with WebSocketConnection(ruled) as elsewhere:
        assert elsewhere.upgrade("/v1").status == 404


def test_the_banner_shows_the_rules(ruled: Server) -> None:
    log = ruled.log()
    for text in (
        "/beta/…, header x-beta: yes, header X-Not absent=new",
        "{tenant}.example.com/…, cookie arm matches new-[0-9]+=newer",
        "GET regex /v[0-9]+(/.*)?=older",
        "/chat, WebSocket=newer",
        "/secure, https=older",
    ):
        assert f"  rule  {text}\n" in log


def old(environ: object, start_response: object) -> list[bytes]:
    return []


async def new(scope: object, receive: object, send: object) -> None: ...


def config(*rules: str | Mapping[str, object], **settings: Any) -> Config:
    apps = (AppTarget("wsgi", old, name="old"), AppTarget("asgi", new, "/new", name="new"))
    return Config(apps=apps, routes=rules, **settings)


def test_scheme_and_fields_are_explained() -> None:
    router = Router(build_plan(config({"scheme": "https", "headers": {"x-a": True}, "app": "new"})))
    asked = [("X-A", "anything")]
    assert router.explain("GET", "https://a/x", asked).kind == "rule"
    assert router.explain("GET", "wss://a/x", asked, websocket=True).app == 1
    assert router.explain("GET", "http://a/x", asked).kind == "only"
    assert router.explain("GET", "https://a/x").kind == "only"


def test_a_rule_names_its_application_in_three_ways() -> None:
    made = build_plan(config("/a=old", f"/b={__name__}:new", "/c=wsgi"))
    assert [rule.app for rule in made.rules] == [0, 1, 0]


@pytest.mark.parametrize(
    ("rules", "message", "hint"),
    [
        (["/x=odl"], "the route rule `/x=odl` names `odl`, which is not served", "did you mean `old`?"),
        (
            ["/x=old", "GET /x=wsgi"],
            "the route rule `GET /x=wsgi` cannot be used: it can never match, because `/x=old` takes all that it would",
            None,
        ),
        (
            [{"path": "/x", "websocket": True, "app": "old"}],
            "the route rule `/x, WebSocket=old` cannot be used: it sends WebSockets to a WSGI application",
            "name an ASGI application",
        ),
        ([{"regex": "/(", "app": "old"}], "`/(` is not a regular expression: unclosed group", "look-around"),
        ([{"regex": "/", "headers": {"x": {"regex": "(?=a)"}}, "app": "old"}], "`(?=a)` is not a regular", None),
    ],
)
def test_rules_that_do_not_go_together(rules: list[Any], message: str, hint: str | None) -> None:
    with pytest.raises(StartupError) as raised:
        Router(build_plan(config(*rules)))
    assert message in raised.value.message
    assert raised.value.hint
    assert hint is None or hint in raised.value.hint


def test_a_plain_rule_hides_no_websocket_of_another() -> None:
    """A WSGI application's rule is passed by for WebSockets, so the later one has those left."""
    router = Router(build_plan(config("/x=old", "/x=new")))
    assert router.explain("GET", "/x").app == 0
    assert router.explain("GET", "/x", websocket=True).app == 1


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"path": "/x", "prefix": "/y"}, "one of `path`, `prefix` and `regex`"),
        ({"path": "x"}, "`x` does not start with `/`"),
        ({"path": "/{a:date}"}, "`date` is not a kind"),
        ({"path": 7}, "`path` is text"),
        ({"prefix": "/a//b"}, "empty or a dot segment"),
        ({"prefix": "/{a}"}, "no parameters"),
        ({"path": "/x", "methods": []}, "`methods` is a list"),
        ({"path": "/x", "methods": ["G T"]}, "`G T` is not a method"),
        ({"path": "/x", "methods": [1]}, "`methods` is a list"),
        ({"path": "/x", "methods": ["GET"], "websocket": True}, "has no `methods`"),
        ({"path": "/x", "websocket": "yes"}, "true or false"),
        ({"path": "/x", "scheme": "wss"}, "http or https"),
        ({"path": "/x", "host": "a/b"}, "`a/b` is not a host name"),
        ({"path": "/x", "headers": "x-a"}, "`headers` is a table"),
        ({"path": "/x", "headers": {"x a": True}}, "not the name of a header"),
        ({"path": "/x", "headers": {"x_a": True}}, "no rule can use the header `x_a`"),
        ({"path": "/x", "cookies": {"a": 1}}, "cannot be compared with 1"),
        ({"path": "/x", "cookies": {"a": {"regexp": "1"}}}, "cannot be compared with"),
        ({"path": "/x", "metods": ["GET"]}, "no key `metods`"),
    ],
)
def test_a_table_that_cannot_be_read_says_where_and_why(table: dict[str, object], problem: str) -> None:
    with pytest.raises(StartupError) as raised:
        rule_from_table({"app": "old", **table}, "rsgi.toml, line 7")
    assert raised.value.message.startswith("rsgi.toml, line 7: ")
    assert problem in raised.value.message
    assert raised.value.hint


def test_a_hidden_rule_in_a_file_ends_the_start_with_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "rsgi.toml"
    path.write_text(
        'wsgi = "routing_apps:old_a"\n[[routes]]\nprefix = "/x"\napp = "wsgi"\n[[routes]]\npath = "/x/{y}"\napp = "wsgi"\n'
    )
    ended = run_rsgi("--config", str(path))
    assert ended.returncode == 1
    assert ended.stderr == (
        f"error: {path}, line 5: the route rule `/x/{{y}}=wsgi` cannot be used: it can never match, because "
        f"`/x/…=wsgi` ({path}, line 2) takes all that it would\n\n"
        "hint: the first rule that matches wins: move it before that one, or remove it\n"
    )
