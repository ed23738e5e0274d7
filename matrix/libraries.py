"""The requests for what is not a web framework but served like one: each has paths of its own.

GraphQL, Socket.IO, MCP, event streams, administrations, and the servers of notebooks and data applications.
"""

from __future__ import annotations

import json
import re
from typing import Any

from matrix.observing import Case, seen, status_is
from server import Server
from websocket_wire import TEXT, WebSocketConnection
from wire import Connection, Header, Response, request

_JSON = ("Content-Type", "application/json")
_FORM = ("Content-Type", "application/x-www-form-urlencoded")
_TIMEOUT = 30.0


def _get(server: Server, target: str, *headers: Header) -> Response:
    return request(server, "GET", target, headers, timeout=_TIMEOUT)


def _post(server: Server, target: str, value: object, *headers: Header) -> Response:
    return request(server, "POST", target, [_JSON, *headers], json.dumps(value).encode(), timeout=_TIMEOUT)


def _page(name: str, target: str, *, method: str = "GET", status: int = 200, body: bool = True) -> Case:
    """A page; its status alone where the framework puts something random into it."""

    def ask(server: Server) -> Any:
        return seen(server, request(server, method, target, timeout=_TIMEOUT), body=body)

    return Case(name, "http", ask, status_is(status))


def _sent(name: str, target: str, value: object, status: int = 200) -> Case:
    return Case(name, "json", lambda server: seen(server, _post(server, target, value)), status_is(status))


def _statuses(server: Server, *responses: Response) -> dict[str, Any]:
    return {
        "statuses": [response.status for response in responses],
        "complete": all(response.complete for response in responses),
    }


# Socket.IO

_POLLING = "/socket.io/?EIO=4&transport=polling"


def _polling(server: Server) -> Any:
    opened = json.loads(_get(server, _POLLING).text.removeprefix("0"))
    session = f"{_POLLING}&sid={opened['sid']}"
    joined = request(server, "POST", session, body=b"40").text
    begun = _get(server, session).text[:8]
    said = request(server, "POST", session, body=b'42["say","hello"]').text
    return {"joined": joined, "begun": begun, "said": said, "heard": _get(server, session).text}


def _socket(server: Server) -> Any:
    with WebSocketConnection(server, timeout=_TIMEOUT) as client:
        opened = client.upgrade("/socket.io/?EIO=4&transport=websocket")
        first = client.read_data_frame().payload[:7].decode()
        client.send_frame(TEXT, b"40")
        joined = client.read_data_frame().payload[:8].decode()
        client.send_frame(TEXT, b'42["say","hello"]')
        return {
            "opened": opened.status,
            "first": first,
            "joined": joined,
            "heard": client.read_data_frame().payload.decode(),
        }


# GraphQL


def _subscription(server: Server) -> Any:
    with WebSocketConnection(server, timeout=_TIMEOUT) as client:
        opened = client.upgrade("/", [("Sec-WebSocket-Protocol", "graphql-transport-ws")])
        client.send_frame(TEXT, b'{"type":"connection_init"}')
        heard = [json.loads(client.read_data_frame().payload)]
        asked = {"id": "1", "type": "subscribe", "payload": {"query": "subscription { count(to: 3) }"}}
        client.send_frame(TEXT, json.dumps(asked).encode())
        heard += [json.loads(client.read_data_frame().payload) for _ in range(4)]
        return {"opened": opened.status, "heard": heard}


# MCP

_ACCEPT = ("Accept", "application/json, text/event-stream")


def _message(method: str, number: int | None = None, **params: object) -> dict[str, Any]:
    made: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    return made if number is None else {**made, "id": number}


def _mcp(server: Server) -> Any:
    about = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "matrix", "version": "1"}}
    opened = _post(server, "/mcp", _message("initialize", 1, **about), _ACCEPT)
    session = [("Mcp-Session-Id", value) for value in opened.all("mcp-session-id")]
    ready = _post(server, "/mcp", _message("notifications/initialized"), _ACCEPT, *session)
    listed = _post(server, "/mcp", _message("tools/list", 2), _ACCEPT, *session)
    call = _message("tools/call", 3, name="add", arguments={"first": 2, "second": 3})
    called = _post(server, "/mcp", call, _ACCEPT, *session)
    ended = request(server, "DELETE", "/mcp", [_ACCEPT, *session], timeout=_TIMEOUT)
    bodies = {"opened": opened.text, "listed": listed.text, "called": called.text}
    return {**_statuses(server, opened, ready, listed, called, ended), **bodies}


# Gradio


def _queue(server: Server) -> Any:
    """A call over Gradio's queue: its result comes as an event stream."""
    begun = _post(server, "/gradio_api/call/greet", {"data": ["anna"]})
    stream = _get(server, f"/gradio_api/call/greet/{begun.json()['event_id']}")
    return {"status": stream.status, "complete": stream.complete, "body": stream.text}


# Streamlit


def _session(server: Server) -> Any:
    """The WebSocket over which Streamlit's page gets everything; its messages are binary."""
    with WebSocketConnection(server, timeout=_TIMEOUT) as client:
        opened = client.upgrade("/_stcore/stream", [("Sec-WebSocket-Protocol", "streamlit")])
        return {"opened": opened.status, "chosen": opened.header("sec-websocket-protocol")}


# Wagtail and Flask-Admin


def _login(server: Server) -> Any:
    """A form with a token against forgery: what is wrong about it is said on the page again."""
    page = _get(server, "/admin/login/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    cookie = page.all("set-cookie")[0].partition(";")[0]
    body = f"csrfmiddlewaretoken={token[1] if token else ''}&username=x&password=y".encode()
    again = request(server, "POST", "/admin/login/", [_FORM, ("Cookie", cookie)], body, timeout=_TIMEOUT)
    return {**_statuses(server, page, again), "refused": "match" in again.text}


def _stream_of_events(server: Server) -> Any:
    with Connection(server, timeout=_TIMEOUT) as connection:
        connection.send_request("GET", "/events")
        return seen(server, connection.read_response())


def _form(name: str, target: str, body: bytes) -> Case:
    def ask(server: Server) -> Any:
        return seen(server, request(server, "POST", target, [_FORM], body, timeout=_TIMEOUT))

    return Case(name, "form", ask, status_is(200))


CASES: dict[str, tuple[Case, ...]] = {
    "py4web": (
        _page("a page", "/shop/index"),
        _page("HEAD", "/shop/index", method="HEAD"),
        _page("path and query", "/shop/users/anna?page=3"),
        _form("a form", "/shop/form", b"name=anna"),
        _sent("JSON", "/shop/json", {"name": "x", "price": 1.5}),
        _page("a stream", "/shop/stream"),
        _page("a response of 1 MiB", "/shop/large"),
        _page("a file", "/shop/static/sample.txt"),
        _page("a redirect", "/shop/moved", status=303),
        _page("410", "/shop/gone", status=410, body=False),
        _page("404", "/shop/none", status=404, body=False),
        _page("405", "/shop/index", method="DELETE", status=405, body=False),
    ),
    "python-socketio": (
        Case("long polling", "http", _polling, lambda found: found["heard"] == '42["said","HELLO"]'),
        Case("WebSocket", "websocket", _socket, lambda found: found["heard"] == '42["said","HELLO"]'),
        _page("an unknown session", f"{_POLLING}&sid=none", status=400),
    ),
    "Strawberry": (
        _sent("a query", "/", {"query": 'query { hello(name: "x") }'}),
        _sent("a wrong query", "/", {"query": "query { nothing }"}),
        Case("a subscription over WebSocket", "websocket", _subscription, lambda found: len(found["heard"]) == 5),
    ),
    "MCP": (
        Case(
            "a session: initialize, list, call, delete",
            "http",
            _mcp,
            lambda found: found["statuses"] == [200, 202, 200, 200, 200] and "5" in found["called"],
        ),
        _page("a method that it does not have", "/mcp", method="PATCH", status=405, body=False),
    ),
    "sse-starlette": (Case("an event stream", "sse", _stream_of_events, status_is(200)),),
    "Django Ninja": (
        _page("path and query", "/api/users/anna?page=3"),
        _page("a wrong value", "/api/users/anna?page=x", status=422),
        _sent("JSON", "/api/items", {"name": "x", "price": 1.5}),
        _page("its OpenAPI document", "/api/openapi.json"),
    ),
    "Connexion": (
        _page("path and query", "/users/anna?page=3"),
        _page("a wrong value", "/users/anna?page=x", status=400),
        _sent("JSON", "/items", {"name": "x", "price": 1.5}),
        _sent("JSON that the document forbids", "/items", {"price": 1.5}, 400),
        _page("its OpenAPI document", "/openapi.json"),
    ),
    "Dash": (
        _page("its page", "/", body=False),
        _page("its layout", "/_dash-layout"),
        _page("its dependencies", "/_dash-dependencies"),
        _sent(
            "a callback",
            "/_dash-update-component",
            {
                "output": "greeting.children",
                "outputs": {"id": "greeting", "property": "children"},
                "inputs": [{"id": "name", "property": "value", "value": "anna"}],
                "changedPropIds": ["name.value"],
            },
        ),
    ),
    "Flask-Admin": (
        _page("its index", "/admin/"),
        _page("a view", "/admin/report/"),
        _page("its file manager", "/admin/manager/", body=False),
        _page("a file", "/admin/manager/download/sample.txt", body=True),
        _page("a static file", "/admin/static/admin/css/bootstrap4/admin.css"),
        _page("no such view", "/admin/none/", status=404),
    ),
    "Wagtail": (
        _page("its first page", "/"),
        _page("a redirect to the login", "/admin/", status=302),
        Case("a login that fails", "form", _login, lambda found: found["statuses"] == [200, 200]),
        _page("a static file", "/static/wagtailadmin/js/wagtailadmin.js"),
        _page("no such page", "/none/", status=404, body=False),
    ),
    "Gradio": (
        _page("its page", "/", body=False),
        _page("its configuration", "/config", body=False),
        Case("a call over the queue", "sse", _queue, lambda found: "hello anna" in found["body"]),
    ),
    "Streamlit": (
        _page("its page", "/"),
        _page("its health check", "/_stcore/health", body=False),
        _page("its host configuration", "/_stcore/host-config"),
        Case("the WebSocket of a session", "websocket", _session, lambda found: found["opened"] == 101),
    ),
}
