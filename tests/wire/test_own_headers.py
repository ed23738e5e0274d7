"""`Server` and `Date`, which the server adds unless it is told not to.

Apart from `test_http.py`, where they are there.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from http2_wire import get2
from server import Server, run_rsgi
from wire import exchange, get


def test_they_are_there(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen()
    for response in (get(server, "/hello"), get2(server, "/hello"), exchange(server, b"GET / HTTP/1.1\r\n\r\n")):
        assert response.header("server") == "rsgi"
        assert response.header("date")


@pytest.mark.parametrize("none", ["off", "none"])
def test_without_them(start_kitchen: Callable[..., Server], none: str) -> None:
    server = start_kitchen("--server-header", none, "--date-header", "off")
    for response in (get(server, "/hello"), get2(server, "/hello"), exchange(server, b"GET / HTTP/1.1\r\n\r\n")):
        assert response.header("server") is None
        assert response.header("date") is None


def test_another_text(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--server-header", "front door/1.0")
    for response in (get(server, "/hello"), get2(server, "/hello"), exchange(server, b"GET / HTTP/1.1\r\n\r\n")):
        assert response.header("server") == "front door/1.0"


@pytest.mark.parametrize("text", ["a\nb", "caf\xe9", " a", ""])
def test_what_cannot_be_in_a_header(text: str) -> None:
    ran = run_rsgi("--wsgi", "wsgi_kitchen:app", "--server-header", text)
    assert ran.returncode == 2
    assert "cannot be in a header" in ran.stderr
