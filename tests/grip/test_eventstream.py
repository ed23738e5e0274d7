"""The real django-eventstream behind WSGI: it holds no thread, and loses no event.

Apart from `test_grip.py` because Django and its packages decide here what is sent. The last tests have a browser.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from admin import Admin
from http2_wire import Http2Connection
from server import APPS, Server, wait_until
from wire import Connection, get, post

# Without Django's settings it cannot be imported here.
pytestmark = pytest.mark.skipif(
    find_spec("django_eventstream") is None, reason="needs django-eventstream (pip install django-eventstream)"
)

Start = Callable[..., Server]
KEY = "a key of the server that is long enough"
EVENTS = "/events/?channel=news"


def free_port() -> int:
    """A port for the admin listener, which Django needs to know before it starts.

    It is below those that Linux gives to whoever asks for any, so that no other test gets it meanwhile.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("all ports are taken")


@pytest.fixture
def start_site(start: Start, tmp_path: Path) -> Callable[..., Server]:
    """Start the site with a new database."""

    def start_one(*arguments: str, **options: object) -> Server:
        port = free_port()
        environment = {
            "EVENTS_DATABASE": str(tmp_path / "events.sqlite3"),
            "GRIP_URL": f"http://127.0.0.1:{port}?key=secret&verify-key={KEY}&verify-iss=rsgi".replace(" ", "%20"),
            "RSGI_ADMIN_TOKEN": "secret",
            "RSGI_GRIP_KEY": KEY,
        }
        prepare = [sys.executable, "-c", "import grip_django; grip_django.prepare()"]
        subprocess.run(prepare, cwd=APPS, env={**environment, "PATH": ""}, check=True, timeout=60)
        known = ("--wsgi", "grip_django:app", "--wsgi-threads", "4", "--grip", "--admin", f"127.0.0.1:{port}")
        return start(*known, *arguments, environment=environment, **options)

    return start_one


def admin_of(server: Server) -> Admin:
    return Admin(server, ("Authorization", "Bearer secret"))


def send(server: Server, data: str, channel: str = "news") -> None:
    response = post(server, "/send", json.dumps({"channel": channel, "data": data}).encode())
    assert response.text == "sent\n", response.text + server.log()


class Events:
    """An event stream as a client reads it."""

    def __init__(self, server: Server, *headers: tuple[str, str]) -> None:
        self.client = Connection(server, timeout=30)
        self.client.send_request("GET", EVENTS, headers)
        head = self.client.read_head()
        assert (head.status, head.header("content-type")) == (200, "text/event-stream")
        assert not [name for name, _ in head.headers if name.lower().startswith("grip-")]
        self.text = ""
        self.until("event: stream-open\n")

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.socket.close()

    def until(self, part: str) -> str:
        """Read until `part` has come; gives all that has."""
        while part not in self.text:
            chunk = self.client.read_chunk()
            assert chunk is not None, f"the stream ended without {part!r}: {self.text!r}"
            self.text += chunk.decode()
        return self.text


def test_events_come_with_the_ids_of_the_client(start_site: Callable[..., Server]) -> None:
    server = start_site()
    with Events(server) as client:
        send(server, "100 % one")
        client.until('data: "100 % one"\n')
        send(server, "elsewhere", "sports")
        send(server, "two")
        text = client.until('data: "two"\n')
        assert "id: news:1\n" in text
        assert "id: news:2\n" in text
        assert "elsewhere" not in text


def test_who_comes_back_gets_what_it_has_missed(start_site: Callable[..., Server]) -> None:
    server = start_site()
    with Events(server) as client:
        send(server, "one")
        client.until('data: "one"\n')
    send(server, "50 % two")
    with Events(server, ("Last-Event-ID", "news:1")) as client:
        text = client.until('data: "50 % two"\n')
        assert '"one"' not in text
        assert "id: news:2\n" in text
        send(server, "three")
        assert "id: news:3\n" in client.until('data: "three"\n')


def test_more_than_a_page_of_events_is_followed(start_site: Callable[..., Server]) -> None:
    server = start_site()
    with Events(server) as client:
        send(server, "0")
        client.until('data: "0"\n')
    for number in range(1, 131):
        send(server, str(number))
    with Events(server, ("Last-Event-ID", "news:1")) as client:
        text = client.until('data: "130"\n')
        assert [f'data: "{number}"\n' in text for number in range(131)] == [False, *[True] * 130]
        assert text.count("stream-open") == 1
        send(server, "live")
        client.until('data: "live"\n')


def test_a_thousand_streams_on_four_threads(start_site: Callable[..., Server]) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    server = start_site()
    with ExitStack() as stack:
        clients = [stack.enter_context(Events(server)) for _ in range(1000)]
        admin = admin_of(server)
        admin.wait_for(1000, "rsgi_grip_holds")
        assert admin.number("rsgi_wsgi_threads", state="busy") == 0
        send(server, "for all")
        for client in clients:
            client.until('data: "for all"\n')
            assert "id: news:1\n" in client.text


def test_streams_over_http2(start_site: Callable[..., Server]) -> None:
    server = start_site()
    with Http2Connection(server) as client:
        streams = [client.request("GET", EVENTS) for _ in range(50)]
        admin_of(server).wait_for(50, "rsgi_grip_holds")
        send(server, "over two")
        assert client.wait_for(lambda: all(b'data: "over two"\n' in stream.body for stream in streams))


def test_two_workers_and_a_rolling_restart(start_site: Callable[..., Server]) -> None:
    server = start_site("--workers", "2")
    with ExitStack() as stack:
        clients = [stack.enter_context(Events(server)) for _ in range(20)]
        send(server, "one")
        for client in clients:
            client.until('data: "one"\n')
        server.send_signal(signal.SIGHUP)
        for client in clients:
            while client.client.read_chunk() is not None:
                pass
    send(server, "while away")
    with Events(server, ("Last-Event-ID", "news:1")) as client:
        client.until('data: "while away"\n')
        server.wait_for_log("all workers were replaced", 30)
        send(server, "after")
        client.until('data: "after"\n')


def test_without_grip_the_signature_of_a_client_is_not_believed(start_site: Callable[..., Server]) -> None:
    server = start_site()
    sig = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJyc2dpIiwiZXhwIjo5OTk5OTk5OTk5fQ.AAAA"
    with Events(server, ("Grip-Sig", sig)) as client:
        send(server, "signed by the server")
        client.until('data: "signed by the server"\n')


def test_a_browser_comes_back_after_a_rolling_restart(start_site: Callable[..., Server]) -> None:
    browsing = pytest.importorskip("browsing")
    if browsing.CHROMIUM is None:
        pytest.skip("needs a browser (Debian: apt-get install chromium)")
    server = start_site("--workers", "2")
    with browsing.chromium() as browser:
        page = browsing.Page(browser)
        page.open(server.authority)
        page.wait_for("#opened", lambda text: text == "1")
        send(server, "first")
        page.wait_for("#got", lambda text: text == '"first"')
        pid = get(server, "/pid").text
        server.send_signal(signal.SIGHUP)
        wait_until(
            lambda: get(server, "/pid").text != pid and "all workers were replaced" in server.log(), 30, "new workers"
        )
        send(server, "missed or not")
        page.wait_for("#got", lambda text: text.split("\n") == ['"first"', '"missed or not"'])
        page.wait_for("#opened", lambda text: int(text) >= 2)
        send(server, "last")
        page.wait_for("#got", lambda text: text.split("\n") == ['"first"', '"missed or not"', '"last"'])
        page.close()
