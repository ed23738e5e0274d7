"""A client that shows the bytes: raw sockets, and a response reader that repairs nothing.

Apart from every HTTP library on purpose: libraries hide what these tests are about (framing, order, a connection that
was cut, a second `100 Continue`). Covers reading RFC 9112, sections 4 to 7, the strict way.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from server import Server

Header = tuple[str, str]

_STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) ([\t\x20-\x7e\x80-\xff]*)\r\n")
_FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*?)[ \t]*\r\n")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]+)\r\n")


class ConnectionEnded(Exception):
    """The server closed (or cut) the connection before what was asked for had arrived."""


class MalformedResponse(Exception):
    """The server sent bytes that are no HTTP/1.1 response."""


@dataclass
class Response:
    """One response as it was on the wire.

    Attributes:
        framing: How its end is marked: `none`, `length`, `chunked` or `close`.
        complete: False when the connection ended before that mark (for `close` it is always True).
        chunks: The chunks of a chunked body.
        interim: The 1xx status codes that came before it.
    """

    status: int
    reason: str
    headers: list[Header]
    framing: str = "none"
    body: bytes = b""
    complete: bool = True
    chunks: list[bytes] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name]

    def header(self, name: str) -> str | None:
        """The value of a header that may come once at most."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {self.headers}"
        return values[0] if values else None

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection to a server; a context manager that closes it."""

    def __init__(self, server: Server, *, timeout: float = 10, receive_buffer: int | None = None) -> None:
        address = server.address
        family = _family(address)
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        if family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.authority = server.authority
        self._buffer = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_request(
        self,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        chunks: Iterable[bytes] | None = None,
    ) -> None:
        """Send a well-formed request; `body` goes with a length, `chunks` go chunked."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.authority}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        if chunks is not None:
            lines.append("Transfer-Encoding: chunked")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        if chunks is not None:
            body = b"".join(chunk_bytes(chunk) for chunk in chunks) + b"0\r\n\r\n"
        self.send(head + (body or b""))

    def read_response(self, method: str = "GET") -> Response:
        """Read the next final response and its whole body."""
        interim = []
        while True:
            response = self.read_head()
            if response.status >= 200 or response.status == 101:
                break
            interim.append(response.status)
        response.interim = interim
        self.read_body(response, method)
        return response

    def read_head(self) -> Response:
        """Read one status line and its fields, of an interim or a final response."""
        line = self.read_line()
        found = _STATUS_LINE.fullmatch(line)
        if found is None:
            raise MalformedResponse(f"status line {line!r}")
        response = Response(int(found[1]), found[2].decode("latin-1"), [])
        response.headers = self._read_fields()
        return response

    def _read_fields(self) -> list[Header]:
        fields = []
        while (line := self.read_line()) != b"\r\n":
            found = _FIELD_LINE.fullmatch(line)
            if found is None:
                raise MalformedResponse(f"field line {line!r}")
            fields.append((found[1].decode("ascii"), found[2].decode("latin-1")))
        return fields

    def read_body(self, response: Response, method: str = "GET") -> None:
        """Read the body that belongs to a head."""
        codings, lengths = response.all("transfer-encoding"), response.all("content-length")
        if codings and lengths:
            raise MalformedResponse(f"two framings: {response.headers}")
        if method == "HEAD" or response.status < 200 or response.status in (204, 304):
            return
        try:
            if codings:
                if codings != ["chunked"]:
                    raise MalformedResponse(f"transfer-encoding {codings}")
                response.framing = "chunked"
                self._read_chunks(response)
            elif lengths:
                response.framing = "length"
                self._read_length(response, int(response.header("content-length") or ""))
            else:
                response.framing = "close"
                response.body = self.read_to_end()
        except (ConnectionEnded, ConnectionResetError):
            response.complete = False

    def _read_length(self, response: Response, length: int) -> None:
        while len(response.body) < length:
            response.body += self.read_some(length - len(response.body))

    def _read_chunks(self, response: Response) -> None:
        while (chunk := self.read_chunk()) is not None:
            response.chunks.append(chunk)
            response.body += chunk

    def read_chunk(self) -> bytes | None:
        """Read one chunk; None for the last one, with its (here always empty) trailer section."""
        line = self.read_line()
        found = _CHUNK_SIZE.fullmatch(line)
        if found is None:
            raise MalformedResponse(f"chunk size line {line!r}")
        size = int(found[1], 16)
        data = self.read_exactly(size)
        ending = self.read_exactly(2)
        if ending != b"\r\n":
            raise MalformedResponse(f"chunk ends with {ending!r}")
        return data if size else None

    def read_line(self) -> bytes:
        while b"\n" not in self._buffer:
            self._fill()
        line, _, self._buffer = self._buffer.partition(b"\n")
        line += b"\n"
        if not line.endswith(b"\r\n"):
            raise MalformedResponse(f"bare line feed in {line!r}")
        return line

    def read_exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def read_some(self, most: int = 65536) -> bytes:
        """At least one byte, at most `most`."""
        if not self._buffer:
            self._fill()
        data, self._buffer = self._buffer[:most], self._buffer[most:]
        return data

    def read_to_end(self) -> bytes:
        """All bytes until the server closes."""
        try:
            while True:
                self._fill()
        except (ConnectionEnded, ConnectionResetError):
            data, self._buffer = self._buffer, b""
            return data

    def _fill(self) -> None:
        data = self.socket.recv(262144)
        if not data:
            raise ConnectionEnded(f"the connection ended; bytes not yet read: {self._buffer[:200]!r}")
        self._buffer += data

    def silent_for(self, seconds: float) -> bool:
        """Whether the server sends nothing and keeps the connection for this long."""
        return not self.readable(seconds)

    def readable(self, seconds: float = 0) -> bool:
        """Whether something is there to be read, be it only the end, within this time."""
        waiting = select.poll()  # and not select(), which knows no descriptor above 1023
        waiting.register(self.socket, select.POLLIN)
        return bool(self._buffer) or bool(waiting.poll(seconds * 1000))

    def closed_within(self, seconds: float) -> bool:
        """Whether the server ends the connection in this time without sending another byte."""
        if self._buffer or not self.readable(seconds):
            return False
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


@contextlib.contextmanager
def many_connections(server: Server, count: int, *, receive_buffer: int | None = None) -> Iterator[list[Connection]]:
    """So many connections at once; all are closed in the end."""
    with contextlib.ExitStack() as opened:
        yield [opened.enter_context(Connection(server, receive_buffer=receive_buffer)) for _ in range(count)]


def _family(address: tuple[str, int] | str) -> socket.AddressFamily:
    if isinstance(address, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def chunk_bytes(data: bytes) -> bytes:
    """A chunk as it goes over the wire."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def request(
    server: Server,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
    chunks: Iterable[bytes] | None = None,
    *,
    timeout: float = 10,
) -> Response:
    """One request on a connection of its own."""
    with Connection(server, timeout=timeout) as connection:
        connection.send_request(method, target, headers, body, chunks)
        return connection.read_response(method)


def get(server: Server, target: str, *headers: tuple[str, str]) -> Response:
    """A GET on a connection of its own."""
    return request(server, "GET", target, headers)


def post(server: Server, target: str, body: bytes = b"", *headers: tuple[str, str]) -> Response:
    """A POST on a connection of its own."""
    return request(server, "POST", target, headers, body)


def exchange(server: Server, data: bytes, method: str = "GET") -> Response:
    """Send these bytes, read one response."""
    with Connection(server) as connection:
        connection.send(data)
        return connection.read_response(method)
