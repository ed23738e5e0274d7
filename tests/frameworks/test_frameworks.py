"""Real frameworks doing real work: forms, uploads, sessions, JSON, streams, files, and WebSocket.

Apart from everything else because nothing here is about one rule: it shows that the rules together carry Flask,
Django, Pyramid, FastAPI, Starlette and Channels. The same paths exist in every application of `tests/apps`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server import APPS, Server, start_rsgi, wait_until
from websocket_wire import BINARY, CLOSE, TEXT, WebSocketConnection
from wire import Response, get, post, request

FRAMEWORKS = {
    "flask": ("--wsgi", "flask_app:app"),
    "django": ("--wsgi", "django_app:wsgi"),
    "pyramid": ("--wsgi", "pyramid_app:app"),
    "fastapi": ("--asgi", "fastapi_app:app"),
    "starlette": ("--asgi", "starlette_app:app"),
    "channels": ("--asgi", "django_app:asgi"),
}
TITLES = {
    "flask": "Flask index\n",
    "django": "Django index by WSGIRequest\n",
    "pyramid": "Pyramid index\n",
    "fastapi": "FastAPI index\n",
    "starlette": "Starlette index\n",
    "channels": "Django index by ASGIRequest\n",
}
BOUNDARY = "a boundary of the tests".replace(" ", "-")


@pytest.fixture(scope="module", params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> Iterator[tuple[str, Server]]:
    """Each framework's name and server."""
    server = start_rsgi(*FRAMEWORKS[request.param])
    yield request.param, server
    server.stop()


@pytest.fixture
def app(framework: tuple[str, Server]) -> Server:
    return framework[1]


def multipart(name: str, filename: str, content: bytes) -> tuple[tuple[str, str], bytes]:
    """The content type and the body of a form with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    body = f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + content
    body += f"\r\n--{BOUNDARY}--\r\n".encode()
    return ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}"), body


def cookie_of(response: Response) -> tuple[str, str]:
    (sent,) = response.all("set-cookie")
    return "Cookie", sent.partition(";")[0]


def test_index(framework: tuple[str, Server]) -> None:
    name, server = framework
    response = get(server, "/")
    assert response.text == TITLES[name]
    assert (response.header("content-type") or "").startswith("text/")


def test_form(app: Server) -> None:
    form = ("Content-Type", "application/x-www-form-urlencoded")
    response = post(app, "/form", b"name=caf%C3%A9&many=1&many=2", form)
    assert response.json() == {"name": ["caf\xe9"], "many": ["1", "2"]}


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_upload(app: Server, size: int) -> None:
    content = bytes(number % 256 for number in range(1000)) * (size // 1000 + 1)
    content = content[:size]
    content_type, body = multipart("document", "paper.bin", content)
    expected = {"name": "paper.bin", "bytes": size, "sha256": hashlib.sha256(content).hexdigest()}
    assert post(app, "/upload", body, content_type).json() == expected


def test_chunked_upload(framework: tuple[str, Server]) -> None:
    """Flask knows `wsgi.input_terminated`, Django and Pyramid only CONTENT_LENGTH: all must see all of it."""
    name, app = framework
    if name == "channels":
        pytest.skip("Django over ASGI takes a form without a Content-Length for an empty one, whatever the server does")
    content_type, body = multipart("document", "paper.bin", b"x" * 100_000)
    chunks = [body[begin : begin + 30_000] for begin in range(0, len(body), 30_000)]
    response = request(app, "POST", "/upload", [content_type], chunks=chunks)
    assert response.json()["bytes"] == 100_000


def test_json(app: Server) -> None:
    value = {"name": "caf\xe9", "numbers": [1, 2.5, None, True]}
    response = post(app, "/json", json.dumps(value).encode(), ("Content-Type", "application/json"))
    assert response.json() == value


def test_raw_body(app: Server) -> None:
    body = bytes(range(256)) * 2000
    assert post(app, "/raw", body, ("Content-Type", "application/octet-stream")).body == body


def test_session(app: Server) -> None:
    first = get(app, "/visits")
    assert first.json() == {"visits": 1}
    second = get(app, "/visits", cookie_of(first))
    assert second.json() == {"visits": 2}
    assert get(app, "/visits", ("Cookie", "other=1"), cookie_of(second)).json() == {"visits": 3}


def test_stream(app: Server) -> None:
    response = get(app, "/stream?name=caf%C3%A9")
    assert response.complete
    assert response.text == "line 0 of caf\xe9\nline 1 of caf\xe9\nline 2 of caf\xe9\n"


def test_file(framework: tuple[str, Server]) -> None:
    name, server = framework
    expected = (APPS / f"{'django' if name == 'channels' else name}_app.py").read_bytes()
    response = get(server, "/file")
    assert response.body == expected
    assert response.header("content-length") == str(len(expected))
    assert (response.header("content-type") or "").startswith("text/x-python")


def test_file_head(app: Server) -> None:
    response = request(app, "HEAD", "/file")
    if response.status != 405:  # FastAPI routes have no HEAD of their own
        assert int(response.header("content-length") or 0) > 500


def test_error_page(app: Server) -> None:
    response = get(app, "/boom")
    assert response.status == 500
    assert response.complete
    assert get(app, "/visits").status == 200
    assert "boom" in app.wait_for_log("boom")


def test_redirect(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "flask_app:app")
    response = get(server, "/go")
    assert response.status == 302
    assert response.header("location") == "/visits"


def test_urls_below_a_mount(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "/old=flask_app:app", "--asgi", "/new=fastapi_app:app")
    root = f"http://{server.authority}"
    seen = get(server, "/old/url?x=1").json()
    assert seen == {"url": f"{root}/old/url?x=1", "base": f"{root}/old/url", "root": "/old", "host": server.authority}
    assert get(server, "/new/url?x=1").json() == {"url": f"{root}/new/url?x=1", "root": "/new"}


def test_fastapi_checks_forms_and_uploads_in_threads(start: Callable[..., Server]) -> None:
    server = start("--asgi", "fastapi_app:app")
    form = ("Content-Type", "application/x-www-form-urlencoded")
    assert post(server, "/typed-form", b"name=me", form).json() == {"name": "me"}
    assert post(server, "/typed-form", b"nothing=me", form).status == 422


def test_starlette_background_task(start: Callable[..., Server]) -> None:
    server = start("--asgi", "starlette_app:app")
    assert get(server, "/background").body == b"later\n"
    wait_until(lambda: get(server, "/background-done").json() == ["done"], 5, "the background task ran")


# WebSocket


def test_fastapi_websocket(start: Callable[..., Server]) -> None:
    with WebSocketConnection(start("--asgi", "fastapi_app:app")) as client:
        assert client.upgrade("/ws/echo/me").status == 101
        client.send_frame(TEXT, b"hello")
        assert client.read_data_frame().payload == b"fastapi me: hello"
        client.send_close(1000)
        assert client.read_data_frame().opcode == CLOSE


def test_starlette_websocket(start: Callable[..., Server]) -> None:
    with WebSocketConnection(start("--asgi", "starlette_app:app")) as client:
        assert client.upgrade("/ws/echo").status == 101
        client.send_frame(TEXT, b"hello")
        assert client.read_data_frame().payload == b"starlette: hello"


def test_unknown_websocket_route(start: Callable[..., Server]) -> None:
    with WebSocketConnection(start("--asgi", "starlette_app:app")) as client:
        assert client.upgrade("/ws/nowhere").status in (403, 404)


def test_channels_consumer(start: Callable[..., Server]) -> None:
    with WebSocketConnection(start("--asgi", "django_app:asgi")) as client:
        response = client.upgrade("/ws/echo/me", [("Sec-WebSocket-Protocol", "other, chat")])
        assert response.status == 101
        assert response.header("sec-websocket-protocol") == "chat"
        client.send_frame(TEXT, b"hello")
        assert client.read_data_frame().payload == b"me: hello"
        client.send_frame(BINARY, b"\0\1")
        frame = client.read_data_frame()
        assert (frame.opcode, frame.payload) == (BINARY, b"\0\1")
        client.send_frame(TEXT, b"close")
        assert client.read_data_frame().close_code == 4321


def test_channels_sync_consumer(start: Callable[..., Server]) -> None:
    with WebSocketConnection(start("--asgi", "django_app:asgi")) as client:
        assert client.upgrade("/ws/sync").status == 101
        client.send_frame(TEXT, b"hello")
        assert client.read_data_frame().payload == b"sync: hello"


def test_flask_socketio_with_threads_stays_with_polling(start: Callable[..., Server]) -> None:
    """It offers WebSocket, which WSGI does not have here: the handshake gets 404, and the session goes on without."""
    pytest.importorskip("flask_socketio")
    server = start("--wsgi", "socketio_app:app")
    place = "/socket.io/?EIO=4&transport="
    opened = json.loads(get(server, f"{place}polling").text.removeprefix("0"))
    assert opened["upgrades"] == ["websocket"]
    session = f"{place}polling&sid={opened['sid']}"
    assert post(server, session, b"40").text == "OK"
    assert get(server, session).text.startswith('40{"sid":')
    with WebSocketConnection(server) as client:
        assert client.upgrade(f"{place}websocket&sid={opened['sid']}").status == 404
    assert post(server, session, b'42["say","hello"]').text == "OK"
    assert get(server, session).text == '42["said","HELLO"]'
    assert post(server, session, b"41").text == "OK"


# Ways to start


def test_serve_from_python(tmp_path: Path) -> None:
    """`rsgi.serve(...)` does what the command does."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, rsgi\n"
        f"sys.path.insert(0, {str(APPS)!r})\n"
        "from flask_app import app as old\n"
        "from rsgi.settings.config import AppTarget\n"
        'apps = (AppTarget("wsgi", old), AppTarget("asgi", "fastapi_app:app", "/new"))\n'
        "sys.exit(rsgi.serve(apps=apps, port=0, grace=3.0))\n"
    )
    server = Server([sys.executable, str(program)], folder=APPS)
    assert get(server, "/").body == b"Flask index\n"
    assert get(server, "/new/").body == b"FastAPI index\n"
    assert server.stop() == 0
