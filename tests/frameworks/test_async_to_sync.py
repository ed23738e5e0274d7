"""Sync code that reaches for the event loop of the ASGI side: `async_to_sync` leads to that loop, from every WSGI thread.

Apart from `test_frameworks.py` because here two applications share objects: a channel layer above all. Covers the
use of `asgiref.sync` in threads of an ASGI server.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest
from websockets.sync.client import connect

from server import Server, start_uvicorn, wait_until
from wire import Connection, get

pytest.importorskip("channels", reason="the package channels is not installed")

NO_UVLOOP = pytest.mark.skipif(find_spec("uvloop") is None, reason="the package uvloop is not installed")
BESIDE = ("--wsgi", "channels_app:wsgi", "--asgi", "channels_app:asgi")
INSIDE = ("--asgi", "channels_app:both")

WAYS = [
    pytest.param((*BESIDE, "--io", "pool", "--loop", "asyncio"), id="pool-asyncio"),
    pytest.param((*BESIDE, "--io", "pool", "--loop", "uvloop"), id="pool-uvloop", marks=NO_UVLOOP),
    pytest.param((*BESIDE, "--io", "thread", "--loop", "asyncio"), id="thread-asyncio"),
    pytest.param((*BESIDE, "--io", "thread", "--loop", "uvloop"), id="thread-uvloop", marks=NO_UVLOOP),
    pytest.param((*INSIDE, "--io", "loop", "--loop", "asyncio"), id="loop-asyncio"),
    pytest.param((*INSIDE, "--io", "thread", "--loop", "uvloop"), id="inside-uvloop", marks=NO_UVLOOP),
]


def room(server: Server) -> str:
    return f"ws://127.0.0.1:{server.port}/"


def assert_the_room_hears(server: Server) -> None:
    """Clients hear what sync views tell, and at once, though nothing else happens on the server.

    A loop that is not woken hears of it at its next turn, which something or other brings every second.
    """
    texts = [str(number) for number in range(8)]
    with connect(room(server)) as one, connect(room(server)) as two:
        began = time.monotonic()
        for text in texts:
            assert get(server, f"/tell?text={text}").text == "told"
            assert [client.recv(5) for client in (one, two)] == [text] * 2
        assert time.monotonic() - began < len(texts) / 2


@pytest.mark.parametrize("arguments", WAYS)
def test_group_send_in_a_wsgi_view_reaches_an_idle_websocket(
    start: Callable[..., Server], arguments: tuple[str, ...]
) -> None:
    server = start(*arguments)
    assert_the_room_hears(server)
    assert server.stop() == 0
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("arguments", WAYS)
def test_many_views_tell_at_once(start: Callable[..., Server], arguments: tuple[str, ...]) -> None:
    server = start(*arguments)
    texts = {str(number) for number in range(60)}
    with connect(room(server)) as client:
        with ThreadPoolExecutor(8) as views:
            assert {get_text for get_text in views.map(lambda text: get(server, f"/tell?text={text}").text, texts)} == {
                "told"
            }
        assert {client.recv(5) for _ in texts} == texts


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    """The address of a Redis server of this file's own, over a Unix socket."""
    pytest.importorskip("channels_redis", reason="the package channels-redis is not installed")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("the package redis-server is not installed")
    with tempfile.TemporaryDirectory(prefix="rsgi-redis-", dir="/tmp") as folder:
        path = f"{folder}/socket"
        command = [program, "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: answers(path), 10, "Redis answers")
            yield f"unix://{path}"
        finally:
            process.terminate()
            process.wait(10)


def answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


@pytest.mark.parametrize("arguments", WAYS)
def test_group_send_by_redis(start: Callable[..., Server], redis: str, arguments: tuple[str, ...]) -> None:
    server = start(*arguments, environment={"CHANNEL_LAYER": redis})
    assert_the_room_hears(server)
    assert server.stop() == 0
    assert "Traceback" not in server.log()


MAIN = "the consumers' loop, back in the thread"
NEW = "another loop, back in the thread"


@pytest.mark.parametrize("arguments", WAYS)
def test_a_coroutine_of_a_sync_view_runs_in_the_loop_and_its_sync_code_in_the_thread(
    start: Callable[..., Server], arguments: tuple[str, ...]
) -> None:
    server = start(*arguments)
    with connect(room(server)):
        assert get(server, "/where").text == MAIN


def test_one_thread_is_enough(start: Callable[..., Server]) -> None:
    """What it waits for comes back to it. A call that asks for a loop of its own changes nothing for the next one."""
    server = start(*BESIDE, "--wsgi-threads", "1")
    with connect(room(server)):
        answers = [get(server, path).text for path in ("/where", "/where?new", "/where", "/where?new", "/where")]
    assert answers == [MAIN, NEW, MAIN, NEW, MAIN]


def test_under_another_server_it_is_the_loop_of_that() -> None:
    server = start_uvicorn("channels_app:both", "--lifespan", "off")
    try:
        with connect(room(server)):
            assert get(server, "/where").text == MAIN
        assert_the_room_hears(server)
    finally:
        server.stop()


def test_without_an_asgi_application_there_is_a_loop_for_each_call(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "channels_app:wsgi")
    assert [get(server, "/where").text for _ in range(3)] == [NEW] * 3


def test_applications_without_asgiref_do_not_get_it(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "/old=modules_app:wsgi", "--asgi", "modules_app:asgi")
    assert get(server, "/old/").text == "asgiref: False"


def test_a_call_that_waits_in_the_loop_may_finish_when_the_server_stops(start: Callable[..., Server]) -> None:
    server = start(*BESIDE, "--grace", "8")
    with Connection(server) as client, connect(room(server)) as listener:
        client.send_request("GET", "/wait?seconds=1")
        server.send_signal(signal.SIGTERM)
        with pytest.raises(Exception, match="1012"):
            listener.recv(5)
        assert client.read_response().text == "waited"
    assert server.wait() == 0
    assert "Traceback" not in server.log()


def test_a_call_that_waits_in_the_loop_ends_with_the_grace(start: Callable[..., Server]) -> None:
    """Its coroutine is cancelled, which its thread sees."""
    server = start(*BESIDE, "--grace", "0.5")
    with Connection(server) as client:
        client.send_request("GET", "/wait?seconds=60")
        assert client.silent_for(0.3)
        server.send_signal(signal.SIGTERM)
        assert server.wait() == 0
    assert "WSGI calls were still running" not in server.log()
