"""Behaviours 23 to 25: what the application learns of its request.

Spec: PEP 3333, "environ Variables", "URL Reconstruction", "Unicode Issues"; RFC 3875, 4.1; ASGI HTTP 2.5, "HTTP Connection
Scope".
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import warnings
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.validate import validator

from behaviours.behaviour import ANY_BRIDGE, DRIVER, WIRE, NotSo, behaviour, demand, expect
from behaviours.exchange import Host
from behaviours.hosts import ProcessHost
from behaviours.site import Environ, StartResponse, application, as_json, note, query, text
from server import wait_until
from wire import MalformedResponse

REQUIRED = {
    "REQUEST_METHOD": "str",
    "SCRIPT_NAME": "str",
    "PATH_INFO": "str",
    "QUERY_STRING": "str",
    "SERVER_NAME": "str",
    "SERVER_PORT": "str",
    "SERVER_PROTOCOL": "str",
    "wsgi.version": "tuple",
    "wsgi.url_scheme": "str",
    "wsgi.multithread": "bool",
    "wsgi.multiprocess": "bool",
    "wsgi.run_once": "bool",
}
# root_path, path → SCRIPT_NAME, PATH_INFO
PATHS = [
    ("", "/", "", "/"),
    ("", "/x", "", "/x"),
    ("/app", "/app/x", "/app", "/x"),
    ("/app", "/app", "/app", ""),
    ("/app", "/app/", "/app", "/"),
    ("/app/", "/app/x", "/app", "/x"),
    ("/", "/x", "", "/x"),
    ("/app", "/application/x", "/app", "/application/x"),
    ("/app", "/x", "/app", "/x"),
    ("/caf\xe9", "/caf\xe9/\u20ac", "/caf\xc3\xa9", "/\xe2\x82\xac"),
]


@application
def environ(environ: Environ, start_response: StartResponse) -> Any:
    """Show the environ: strings as they are, of the rest the type."""
    shown = {name: value if isinstance(value, str) else f"<{type(value).__name__}>" for name, value in environ.items()}
    types = {name: type(environ[name]).__name__ for name in REQUIRED if name in environ}
    exact = type(environ) is dict
    return as_json(start_response, {"environ": shown, "types": types, "dict": exact})


@application
def errors(environ: Environ, start_response: StartResponse) -> Any:
    label, stream = query(environ)["label"], environ["wsgi.errors"]
    stream.write(f"one {label} caf\xe9\n")
    stream.writelines([f"two {label}\n"])
    stream.flush()
    return text(start_response, "written")


@application
def send_headers(environ: Environ, start_response: StartResponse) -> Any:
    """Answer with the headers of the query."""
    start_response("200 OK", [tuple(each) for each in json.loads(query(environ)["headers"])])
    return [b"sent"]


def well_behaved(environ: Environ, start_response: StartResponse) -> Any:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if environ["REQUEST_METHOD"] == "HEAD":  # the linters count no bytes for it, so it must announce none
        start_response("200 OK", [("Content-Type", "text/plain")])
        return []
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body) + 6))])
    return [b"valid ", body]


def _watched(wrap: Any, environ: Environ, start_response: StartResponse) -> list[bytes]:
    """Run an application behind a validator here and now; its findings are noted."""
    label = query(environ)["label"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = wrap(well_behaved)(environ, start_response)
            body = [*found]
            found.close()
        except AssertionError as error:
            note(label, f"error: {error}")
            start_response("500 Not valid", [])
            return []
    for each in caught:
        note(label, f"warning: {each.message}")
    return body


@application
def validated(environ: Environ, start_response: StartResponse) -> Any:
    return _watched(validator, environ, start_response)


@application
def linted(environ: Environ, start_response: StartResponse) -> Any:
    from werkzeug.middleware.lint import LintMiddleware

    return _watched(LintMiddleware, environ, start_response)


def seen(host: Host, target: str = "/environ", *headers: tuple[str, str]) -> dict[str, str]:
    """The environ of a GET."""
    found: dict[str, str] = host.json(target, *headers)["environ"]
    return found


def scope_seen(host: Any, **scope: object) -> dict[str, Any]:
    """The environ that the application gets for a scope made by hand."""
    kept: dict[str, Any] = {}

    def keep(environ: Environ, start_response: StartResponse) -> Any:
        kept.update(environ)
        return text(start_response, "kept")

    with host.call(host.bridge(keep), **scope) as exchange:
        response = exchange.response()
    demand(kept, f"status {response.status}, the application was not called")
    return kept


@behaviour(23)
def header_names_become_keys(host: Host) -> None:
    """Names in any case become `HTTP_…` keys; Content-Type and Content-Length have keys without `HTTP_`."""
    response = host.request("POST", "/environ", [("X-MiXeD-Name", "value"), ("Content-Type", "text/x")], body=b"abc")
    demand(response.status == 200, f"status {response.status}")
    environ = json.loads(response.body)["environ"]
    names = ("HTTP_X_MIXED_NAME", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH")
    expect("the keys", [environ.get(name) for name in names], ["value", "text/x", "3", None, None])


@behaviour(23, DRIVER)
def header_names_of_a_careless_host(host: Any) -> None:
    """A host may hand over names in mixed case: Content-Length is still `CONTENT_LENGTH`."""
    environ = scope_seen(host, method="POST", headers=[(b"Host", b"a"), (b"Content-Length", b"0"), (b"X-Mixed", b"1")])
    expect("Content-Length", (environ.get("CONTENT_LENGTH"), environ.get("HTTP_CONTENT_LENGTH")), ("0", None))
    expect("X-Mixed", environ.get("HTTP_X_MIXED"), "1")


@behaviour(23)
def cookies_are_joined_by_semicolons(host: Host) -> None:
    """Two Cookie headers are one, joined by `; `."""
    expect("HTTP_COOKIE", seen(host, "/environ", ("Cookie", "a=1"), ("Cookie", "b=2")).get("HTTP_COOKIE"), "a=1; b=2")


@behaviour(23)
def other_repeats_are_joined_by_commas(host: Host) -> None:
    """Other repeated headers are one, joined by `,`."""
    found = seen(host, "/environ", ("X-Many", "a"), ("X-Many", "b"), ("X-Many", "c")).get("HTTP_X_MANY", "")
    expect("HTTP_X_MANY", found.replace(", ", ","), "a,b,c")


@behaviour(23)
def underscores_cannot_forge_a_header(host: Host) -> None:
    """`X_User: evil` beside `X-User: good` does not reach the application, alone neither."""
    environ = seen(host, "/environ", ("X_User", "evil"), ("X-User", "good"), ("X_Alone", "evil"))
    expect("HTTP_X_USER, HTTP_X_ALONE", (environ.get("HTTP_X_USER"), environ.get("HTTP_X_ALONE")), ("good", None))


@behaviour(23)
def proxy_never_becomes_http_proxy(host: Host) -> None:
    """`Proxy: evil` does not become `HTTP_PROXY`."""
    expect("HTTP_PROXY", seen(host, "/environ", ("Proxy", "evil")).get("HTTP_PROXY"), None)


@behaviour(23)
def request_header_values_are_latin1(host: Host) -> None:
    """A value with latin-1 bytes is kept."""
    expect("HTTP_X_NAME", seen(host, "/environ", ("X-Name", "caf\xe9 \xff")).get("HTTP_X_NAME"), "caf\xe9 \xff")


@behaviour(23)
def many_repeats_cost_linear_time(host: Host) -> None:
    """10 000 repeats of a header are joined, or refused with 400 or 431, within 2 s."""
    began = time.monotonic()
    with host.open("GET", "/environ", [("X-Many", "a" * 100)] * 10_000) as exchange:
        try:
            status = exchange.head().status
        except MalformedResponse as error:  # a refusal may speak HTTP/1.0
            status = int(str(error).partition("HTTP/1.0 ")[2][:3])
    demand(status in (200, 400, 431), f"status {status}")
    demand(time.monotonic() - began < 2, f"after {time.monotonic() - began:.1f} s")


@behaviour(23, DRIVER)
def one_content_length(host: Any) -> None:
    """Content-Length twice is one value or a 400, never `3,3`."""
    kept: list[str] = []

    def keep(environ: Environ, start_response: StartResponse) -> Any:
        kept.append(environ.get("CONTENT_LENGTH", ""))
        return text(start_response, "kept")

    headers = [(b"host", b"a"), (b"content-length", b"3"), (b"content-length", b"3")]
    with host.call(host.bridge(keep), method="POST", headers=headers, body=3) as exchange:
        exchange.give(b"abc")
        status = exchange.response().status
    demand(status == 400 or kept == ["3"], f"status {status}, CONTENT_LENGTH {kept}")


@behaviour(24, DRIVER)
def root_path_is_cut_at_a_segment(host: Any) -> None:
    """`root_path` is cut off as whole segments; a path that lacks it is kept whole."""
    for root, path, script_name, path_info in PATHS:
        environ = scope_seen(host, root_path=root, path=path, raw_path=None)
        found = (environ["SCRIPT_NAME"], environ["PATH_INFO"])
        expect(f"root {root!r}, path {path!r}", found, (script_name, path_info))


@behaviour(24)
def path_that_is_not_utf8(host: Host) -> None:
    """`%E9` in the path is the single character of code point 0xE9 in `PATH_INFO`."""
    expect("PATH_INFO", seen(host, "/environ/%E9").get("PATH_INFO"), "/environ/\xe9")


@behaviour(24)
def path_in_utf8(host: Host) -> None:
    """A UTF-8 path is its bytes as latin-1 characters; the query stays encoded."""
    environ = seen(host, "/environ/caf%C3%A9?caf%C3%A9")
    expect("PATH_INFO", environ.get("PATH_INFO"), "/environ/caf\xc3\xa9")
    expect("QUERY_STRING", environ.get("QUERY_STRING"), "caf%C3%A9")


@behaviour(24)
def encoded_slash_stays_visible(host: Host) -> None:
    """`%2F` is decoded in `PATH_INFO`, and visible in `RAW_URI` or `REQUEST_URI`."""
    environ = seen(host, "/environ/a%2Fb?x=1")
    expect("PATH_INFO", environ.get("PATH_INFO"), "/environ/a/b")
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    expect("RAW_URI", raw, "/environ/a%2Fb?x=1")


@behaviour(24, DRIVER)
def query_of_any_bytes(host: Any) -> None:
    """A query string with raw bytes above ASCII is kept as latin-1."""
    expect("QUERY_STRING", scope_seen(host, query_string=b"q=caf\xe9")["QUERY_STRING"], "q=caf\xe9")


@behaviour(24)
def script_name_and_path_info_rebuild_the_path(host: Host) -> None:
    """`SCRIPT_NAME` + `PATH_INFO` is the decoded path, doubled slashes, dots and odd characters included."""
    for path in (
        "/environ",
        "/environ/",
        "/environ//a",
        "/environ/a;b=c/d",
        "/environ/a%20b%25",
        "/environ/%F0%9F%90%8D",
    ):
        environ = seen(host, path)
        found = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
        expect(path, found, unquote_to_bytes(path).decode("latin-1"))


@behaviour(25)
def environ_is_a_dict_with_all_keys(host: Host) -> None:
    """The environ is a plain `dict` with every required key, each of its type; `SERVER_PORT` is a string."""
    found = host.json("/environ")
    demand(found["dict"], "the environ is not a plain dict")
    expect("types", found["types"], REQUIRED)
    demand({"wsgi.input", "wsgi.errors"} <= found["environ"].keys(), "no wsgi.input or no wsgi.errors")
    demand(found["environ"]["SERVER_PORT"].isdigit(), f"SERVER_PORT is {found['environ']['SERVER_PORT']!r}")


def _passes(host: Host, name: str) -> None:
    for method, body in (("POST", b"body"), ("GET", None), ("HEAD", None)):
        label = host.label()
        response = host.request(method, f"/{name}?label={label}", [("Cookie", "a=1")], body=body)
        expect(f"findings for {method}", host.notes(label), [])
        expect(f"status for {method}", response.status, 200)
        if method == "POST":
            expect("the body", response.body, b"valid body")


@behaviour(25)
def wsgiref_validate_is_content(host: Host) -> None:
    """An application behind `wsgiref.validate` raises nothing and warns of nothing."""
    _passes(host, "validated")


@behaviour(25)
def werkzeug_lint_is_content(host: Host) -> None:
    """An application behind werkzeug's lint middleware raises nothing and warns of nothing."""
    _passes(host, "linted")


@behaviour(25)
def input_is_terminated(host: Host) -> None:
    """`wsgi.input_terminated` is there, and true."""
    expect("wsgi.input_terminated", seen(host).get("wsgi.input_terminated"), "<bool>")


@behaviour(25)
def file_wrapper_is_there(host: Host) -> None:
    """`wsgi.file_wrapper` is there; a real file goes out whole from its position, and is closed."""
    label = host.label()
    response = host.get(f"/wrapped_file?label={label}")
    demand(response.status == 200, f"status {response.status}: {response.body[:60]!r}")
    expect("the body", response.body == FILE[300:], True)
    wait_until(lambda: host.notes(label) == ["closed"], 3, "the file is closed once")


FILE = bytes(range(256)) * 512


@application
def wrapped_file(environ: Environ, start_response: StartResponse) -> Any:
    label = query(environ)["label"]
    if "wsgi.file_wrapper" not in environ:
        return text(start_response, "no wsgi.file_wrapper", "501 Not Implemented")
    made = tempfile.TemporaryFile()
    made.write(FILE)
    made.seek(300)

    class File:
        def read(self, *size: int) -> bytes:
            return made.read(*size)

        def close(self) -> None:
            note(label, "closed")
            made.close()

    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](File(), 8192)


@behaviour(25, ANY_BRIDGE)
def asgi_scope_is_in_the_environ(host: Host) -> None:
    """`asgi.scope` is the scope."""
    expect("asgi.scope", seen(host).get("asgi.scope"), "<dict>")


@behaviour(25, DRIVER)
def optional_scope_keys_may_be_missing(host: Any) -> None:
    """`server` and `client` may be `None`, and the server a Unix socket."""
    changes: Iterable[dict[str, Any]] = ({"server": None, "client": None}, {"server": ("/run/app.sock", None)})
    for changed in changes:
        environ = scope_seen(host, **changed)
        name, port = environ.get("SERVER_NAME"), environ.get("SERVER_PORT")
        demand(isinstance(name, str) and name, f"SERVER_NAME {name!r} for {changed}")
        demand(isinstance(port, str), f"SERVER_PORT {port!r} for {changed}")


@behaviour(25, DRIVER)
def environment_variables_change_nothing(host: Any) -> None:
    """A variable SCRIPT_NAME of the process does not move the mount."""
    os.environ["SCRIPT_NAME"] = "/wrong"
    try:
        environ = scope_seen(host, path="/x", raw_path=b"/x")
    finally:
        del os.environ["SCRIPT_NAME"]
    expect("SCRIPT_NAME, PATH_INFO", (environ["SCRIPT_NAME"], environ["PATH_INFO"]), ("", "/x"))


@behaviour(25, WIRE)
def wsgi_errors_is_the_log(host: ProcessHost) -> None:
    """What is written to `wsgi.errors` is on stderr."""
    label = host.label()
    mark = host.error_mark()
    expect("the body", host.get(f"/errors?label={label}").body, b"written")
    wait_until(lambda: f"two {label}" in host.errors(mark), 3, "it is on stderr")
    if f"one {label} caf\xe9" not in host.errors(mark):
        raise NotSo("the first line is not on stderr")
