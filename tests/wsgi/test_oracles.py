"""Judges that we did not write: `wsgiref.validate`, werkzeug's lint, `io.BytesIO`, and whatever Hypothesis thinks of.

Apart from `test_behaviours.py` because nothing here has an expected value of ours: two programs must agree, or one must have
nothing to say.
"""

from __future__ import annotations

import importlib
import io
import itertools
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote, quote_from_bytes
from wsgiref.validate import validator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.middleware.lint import LintMiddleware

from behaviours.bridges import BRIDGES, http_scope
from behaviours.driver import Driver
from behaviours.exchange import Host
from behaviours.hosts import OUR_HOSTS, ProcessHost
from behaviours.reading import as_bytes_io, call_of
from behaviours.site import FOLDER, Environ, StartResponse
from behaviours.themes import THEMES
from rsgi import WsgiInput, build_environ
from server import APPS, Server
from wire import request

# Fixtures live longer than one example here, and examples share the machine with other work.
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(scope="module", params=["rsgi", "bridge"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The behaviours' application on the native gateway, and on the bridge driven by hand."""
    assert THEMES  # whose applications the driver serves
    with pytest.MonkeyPatch.context() as patch, ExitStack() as opened:
        folder = tmp_path_factory.mktemp("oracles")
        patch.setitem(os.environ, FOLDER, str(folder))
        if request.param == "rsgi":
            made: ProcessHost | Driver = ProcessHost(OUR_HOSTS[0], "plain", folder)
        else:
            made = Driver("driver", "rsgi", silent=False)
        opened.callback(made.stop)
        yield made


# Validators around the kitchen

# What the kitchen does well, as the validators see it: they want a Content-Type, a size for every read, and a reason phrase.
GOOD = [
    ("GET", "/hello", None),
    ("HEAD", "/empty", None),
    ("GET", "/headers", None),
    ("GET", "/seen/a/b?x=1", None),
    ("GET", "/status/200", None),
    ("GET", "/status/404", None),
    ("GET", "/status/500", None),
    ("GET", "/status-with-length/200", None),
    ("GET", "/stream/5", None),
    ("GET", "/latin1", None),
    ("GET", "/cookies", None),
    ("GET", "/own-date", None),
    ("GET", "/empty", None),
    ("GET", "/empty-pieces", None),
    ("POST", "/upload-hash", b"x" * 200_000),
    ("POST", "/no-read-413", b"unread"),
    ("GET", "/count?label=oracles", None),
    ("GET", "/record?label=oracles", None),
    ("GET", "/pid", None),
    ("GET", "/environ/x?y=1", None),
    ("GET", "/write", None),
    ("GET", "/status-text", None),
    ("GET", "/errors", None),
    ("GET", "/thread-local", None),
    ("GET", "/context", None),
]
VALIDATORS = {"wsgiref": validator, "werkzeug": LintMiddleware}


@pytest.mark.parametrize("name", VALIDATORS)
def test_validators_have_nothing_to_say_on_the_gateway(name: str, start: Callable[..., Server]) -> None:
    server = start("--wsgi", f"validated_app:{name}", environment={"PYTHONWARNINGS": "always"})
    plain = start("--wsgi", "wsgi_kitchen:app")
    for method, target, body in GOOD:
        response = request(server, method, target, [("Cookie", "a=1"), ("Accept", "*/*")], body)
        assert response.status == request(plain, method, target, body=body).status, f"{target}\n{server.log()}"
        assert response.complete
    log = server.log()
    assert not re.search(r"Warning|AssertionError|Traceback", log), log


@pytest.mark.parametrize("name", VALIDATORS)
def test_validators_have_nothing_to_say_on_the_bridge(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(APPS)
    wsgi_kitchen = importlib.import_module("wsgi_kitchen")
    driver = Driver("driver", "rsgi", silent=False)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            driver.app = BRIDGES["rsgi"](VALIDATORS[name](wsgi_kitchen.app))
            for method, target, body in GOOD:
                response = driver.request(method, target, [("Cookie", "a=1"), ("Accept", "*/*")], body)
                assert response.complete, f"{target}\n{driver.log((0, 0))}"
        assert [str(each.message) for each in caught if "rsgi" not in each.filename] == []
        assert driver.log((0, 0)) == ""
    finally:
        driver.stop()


# The input object

calls = st.lists(
    st.one_of(
        st.tuples(st.just("read")),
        st.tuples(st.sampled_from(["read", "readline"]), st.integers(-2, 12)),
        st.tuples(st.just("read"), st.none()),
        st.tuples(st.just("readline")),
        st.tuples(st.just("readlines")),
        st.tuples(st.just("readlines"), st.integers(0, 12)),
        st.tuples(st.just("iterate")),
    ).map(list),
    max_size=8,
)
bodies = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b"", b"line\n", b"x" * 70]), max_size=12).map(b"".join)


def cut(body: bytes, cuts: list[int]) -> list[bytes]:
    """The body in pieces, some of them empty."""
    places = [0, *sorted(place % (len(body) + 1) for place in cuts), len(body)]
    return [body[begin:end] for begin, end in itertools.pairwise(places)]


@given(body=bodies, calls=calls, cuts=st.lists(st.integers(0, 1000), max_size=6))
@settings(relaxed, max_examples=500)
def test_input_agrees_with_bytes_io(body: bytes, calls: list[list[Any]], cuts: list[int]) -> None:
    stream, model = WsgiInput(iter(cut(body, cuts))), io.BytesIO(body)
    for name, *rest in calls:
        assert call_of(stream, name, rest) == call_of(model, name, rest)


@given(body=bodies, calls=calls, cuts=st.lists(st.integers(0, 1000), max_size=6), chunked=st.booleans())
@settings(relaxed, max_examples=60)
def test_input_of_a_request_agrees_with_bytes_io(
    host: Host, body: bytes, calls: list[list[Any]], cuts: list[int], chunked: bool
) -> None:
    target = f"/input_calls?calls={quote(repr(calls))}"
    pieces = [piece for piece in cut(body, cuts) if piece]
    with host.open("POST", target, length=None if chunked else len(body), chunked=chunked) as exchange:
        for piece in pieces:
            exchange.give(piece)
        if chunked:
            exchange.end()
        assert json.loads(exchange.response().body) == as_bytes_io(body, calls)


# Paths and headers

segments = st.lists(st.binary(max_size=8), max_size=5)
names = st.from_regex(r"\AX-[A-Za-z0-9]{1,12}\Z")
value_bytes = st.sampled_from([*range(0x21, 0x7F), *range(0x80, 0x100)])
values = st.lists(st.lists(value_bytes, min_size=1, max_size=8).map(bytes), max_size=3).map(b" ".join)


@given(parts=segments)
@settings(relaxed, max_examples=80)
def test_path_info_is_the_decoded_path(host: Host, parts: list[bytes]) -> None:
    path = "/environ" + "".join("/" + quote_from_bytes(part, safe="") for part in parts)
    environ = host.json(path)["environ"]
    decoded = b"/environ" + b"".join(b"/" + part for part in parts)
    assert (environ["SCRIPT_NAME"] + environ["PATH_INFO"]).encode("latin-1") == decoded
    assert environ["RAW_URI"] == path


@given(
    root=st.lists(st.text(max_size=4), max_size=3), rest=st.lists(st.text(max_size=4), max_size=3), slash=st.booleans()
)
@settings(relaxed, max_examples=300)
def test_script_name_and_path_info_rebuild_the_path(root: list[str], rest: list[str], slash: bool) -> None:
    """For any mount and any path below it that is text, with and without `raw_path`."""
    surrogates = re.compile("[\ud800-\udfff]")
    root_path = surrogates.sub("?", "".join(f"/{part}" for part in root)).rstrip("/")
    path = root_path + surrogates.sub("?", "".join(f"/{part}" for part in rest)) + "/" * slash or "/"
    for raw_path in (None, quote(path, safe="/").encode()):
        environ = build_environ(http_scope(root_path=root_path, path=path, raw_path=raw_path))
        script_name, path_info = environ["SCRIPT_NAME"], environ["PATH_INFO"]
        assert (script_name + path_info).encode("latin-1") == path.encode()
        assert script_name.encode("latin-1") == root_path.encode()
        assert path_info == "" or path_info.startswith("/")


@given(headers=st.lists(st.tuples(names, values), max_size=12))
@settings(relaxed, max_examples=80)
def test_header_values_survive_the_way_in(host: Host, headers: list[tuple[str, bytes]]) -> None:
    """Every value byte-exact, repeats joined in their order."""
    environ = host.json("/environ", *((name, value.decode("latin-1")) for name, value in headers))["environ"]
    wanted: dict[str, list[bytes]] = {}
    for name, value in headers:
        wanted.setdefault("HTTP_" + name.upper().replace("-", "_"), []).append(value)
    found = {key: value for key, value in environ.items() if key.startswith("HTTP_X_")}
    assert {key: value.encode("latin-1") for key, value in found.items()} == {
        key: b",".join(values) for key, values in wanted.items()
    }


@given(headers=st.lists(st.tuples(names, values), max_size=12))
@settings(relaxed, max_examples=80)
def test_header_values_survive_the_way_out(host: Host, headers: list[tuple[str, bytes]]) -> None:
    """Every value byte-exact, repeats of a name in their order."""
    given_headers = [(name, value.decode("latin-1")) for name, value in headers]
    response = host.get(f"/send_headers?headers={quote(json.dumps(given_headers))}")
    assert response.status == 200
    for name in {name.lower() for name, _ in given_headers}:
        assert response.all(name) == [value for key, value in given_headers if key.lower() == name]


def test_the_oracles_speak() -> None:
    """A validator that cannot complain would prove nothing."""

    def wrong(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", ())
        return [b"wrong"]

    driver = Driver("driver", "rsgi", silent=False)
    try:
        driver.app = BRIDGES["rsgi"](validator(wrong))
        assert driver.get("/").status == 500
        assert "AssertionError" in driver.log((0, 0))
    finally:
        driver.stop()
