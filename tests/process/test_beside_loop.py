"""The thread that handles the sockets beside a busy asyncio loop: it begins, ends, and changes nothing else.

Apart from `test_io` because each test first makes the loop busy.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from test_io import OWN_THINGS

from server import Server, wait_until
from threads import NEEDS_TWO_PROCESSORS, waits_of_the_io_thread
from wire import Connection, get

pytestmark = NEEDS_TWO_PROCESSORS

ASGI = ("--asgi", "io_apps:app", "--loop", "asyncio")


def _handles_the_sockets(server: Server) -> bool:
    before = waits_of_the_io_thread(server)
    time.sleep(0.1)
    return waits_of_the_io_thread(server) - before > 20


@contextmanager
def _busy(server: Server) -> Iterator[threading.Event]:
    """Keeps the loop busy with 16 requests at a time. The event is set if one got a wrong response."""
    ended, wrong = threading.Event(), threading.Event()

    def ask() -> None:
        with ExitStack() as opened:
            connections = [opened.enter_context(Connection(server)) for _ in range(16)]
            while not ended.is_set():
                for connection in connections:
                    connection.send_request("GET", "/briefly")
                if [connection.read_response().body for connection in connections] != [b"computed"] * 16:
                    wrong.set()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield wrong
    finally:
        ended.set()
        thread.join(30)
    assert not thread.is_alive()


def test_another_thread_handles_the_sockets_while_the_loop_is_busy(start: Callable[..., Server]) -> None:
    server = start(*ASGI)
    assert not _handles_the_sockets(server)
    with _busy(server) as wrong:
        wait_until(lambda: _handles_the_sockets(server), 20, "another thread handles the sockets")
        for path, response in OWN_THINGS.items():
            assert get(server, f"/{path}").body.decode() == response
        assert not wrong.is_set()
    with Connection(server) as client:

        def loop_handles_them() -> bool:
            before = waits_of_the_io_thread(server)
            for _ in range(100):
                client.send_request("GET", "/callbacks")
                assert client.read_response().body == b"1000"
            return waits_of_the_io_thread(server) == before

        wait_until(loop_handles_them, 20, "the loop handles the sockets again")
    for path, response in OWN_THINGS.items():
        assert get(server, f"/{path}").body.decode() == response
    assert server.stop() == 0


def test_the_loop_handles_the_sockets_again_after_a_rest(start: Callable[..., Server]) -> None:
    server = start(*ASGI)

    def rests() -> bool:
        # While it handles the sockets, it looks once a second whether the loop moves.
        before = waits_of_the_io_thread(server)
        time.sleep(1.5)
        return waits_of_the_io_thread(server) == before

    for _ in range(3):
        with _busy(server) as wrong:
            wait_until(lambda: _handles_the_sockets(server), 20, "another thread handles the sockets")
        wait_until(rests, 20, "the other thread rests")
        before = waits_of_the_io_thread(server)
        for path, response in OWN_THINGS.items():
            assert get(server, f"/{path}").body.decode() == response
        assert waits_of_the_io_thread(server) == before
        assert not wrong.is_set()


def test_a_stop_while_another_thread_handles_the_sockets(start: Callable[..., Server]) -> None:
    server = start(*ASGI)
    with _busy(server):
        wait_until(lambda: _handles_the_sockets(server), 20, "another thread handles the sockets")
    assert server.stop() == 0


def test_a_blocked_loop_blocks_its_sockets_whoever_handled_them(start: Callable[..., Server]) -> None:
    """Otherwise, a worker with a blocked loop would send its heartbeat for ever."""
    server = start(*ASGI)
    with _busy(server), Connection(server) as blocking:
        wait_until(lambda: _handles_the_sockets(server), 20, "another thread handles the sockets")
        blocking.send_request("GET", "/block")

        def nobody_answers() -> bool:
            # The server answers this without the application.
            with socket.create_connection(server.address, timeout=0.5) as bad:
                bad.sendall(b"bad\r\n\r\n")
                try:
                    assert bad.recv(4096).startswith(b"HTTP/1.1 400 ")
                except TimeoutError:
                    return True
            return False

        wait_until(nobody_answers, 5, "the sockets are blocked")
        assert blocking.read_response().body == b"blocked"
        assert get(server, "/callbacks").body == b"1000"
    assert server.stop() == 0


def test_a_loop_that_was_chosen_handles_its_sockets_alone(start: Callable[..., Server]) -> None:
    server = start(*ASGI, "--io", "loop")
    before = waits_of_the_io_thread(server)
    with _busy(server) as wrong:
        assert not any(_handles_the_sockets(server) for _ in range(10))
    assert not wrong.is_set()
    assert waits_of_the_io_thread(server) == before
