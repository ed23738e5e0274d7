"""One request and its response, as a check sees them: the same words for a socket and for a driven bridge.

Apart from the hosts because the checks are written against this alone. `Host` is what can be asked, `Exchange` one
request; `WireExchange` is the one over a socket.
"""

from __future__ import annotations

import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from behaviours import site
from behaviours.behaviour import TIMEOUT, Broken, NotSo
from wire import Connection, ConnectionEnded, Response, chunk_bytes

Headers = Iterable[tuple[str, str]]
Mark = tuple[int, int]

_labels = itertools.count(1)


class Exchange(ABC):
    """One request; a context manager whose end is that the client has left."""

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    @abstractmethod
    def give(self, data: bytes) -> None:
        """Send the next bytes of the request body."""

    @abstractmethod
    def end(self) -> None:
        """End a request body that has no length."""

    @abstractmethod
    def head(self) -> Response:
        """Wait for the status and the headers of the final response."""

    @abstractmethod
    def piece(self) -> bytes:
        """Wait for the next bytes of the body; empty at its end.

        Raises:
            Broken: when the response broke off.
        """

    @abstractmethod
    def silent_for(self, seconds: float) -> bool:
        """Whether nothing comes for this long."""

    @abstractmethod
    def leave(self) -> None:
        """Be gone, like a client whose connection is lost."""

    def response(self) -> Response:
        """Wait for the whole response, or what there is of it."""
        response = self.head()
        try:
            while piece := self.piece():
                response.body += piece
        except Broken:
            response.complete = False
        return response


class Host(ABC):
    """What serves the applications of the behaviours.

    Attributes:
        name: How it is called in tests and tables.
        place: `native`, `bridged` or `driver`.
        timeout: How long to wait for what should come at once, in seconds.
    """

    name: str
    place: str
    timeout: float = TIMEOUT

    @abstractmethod
    def open(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        *,
        length: int | None = None,
        chunked: bool = False,
        stalled: bool = False,
    ) -> Exchange:
        """Begin a request whose body is given piece by piece; a stalled client takes nothing that it does not ask for."""

    @abstractmethod
    def log_mark(self) -> Mark:
        """A place in what the host, or an error that reached it, said."""

    @abstractmethod
    def log(self, since: Mark) -> str:
        """What was said since then."""

    def request(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        body: bytes | None = None,
        chunks: Iterable[bytes] | None = None,
    ) -> Response:
        """One request and its whole response."""
        length = None if body is None else len(body)
        with self.open(method, target, headers, length=length, chunked=chunks is not None) as exchange:
            if body:
                exchange.give(body)
            if chunks is not None:
                for chunk in chunks:
                    exchange.give(chunk)
                exchange.end()
            return exchange.response()

    def get(self, target: str, *headers: tuple[str, str]) -> Response:
        return self.request("GET", target, headers)

    def json(self, target: str, *headers: tuple[str, str]) -> Any:
        """The body of a GET, which must be a 200 with JSON."""
        response = self.get(target, *headers)
        if response.status != 200:
            raise NotSo(f"status {response.status}: {response.body[:80]!r}")
        return json.loads(response.body)

    def label(self) -> str:
        """A label that nothing else uses."""
        return f"{self.name}-{next(_labels)}"

    def notes(self, label: str) -> list[str]:
        return site.notes(label)

    def open_gate(self, label: str) -> None:
        site.open_gate(label)


class WireExchange(Exchange):
    """A request over a socket of its own."""

    def __init__(
        self,
        connection: Connection,
        method: str,
        target: str,
        headers: Headers = (),
        *,
        length: int | None = None,
        chunked: bool = False,
    ) -> None:
        self.connection = connection
        self._method = method
        self._chunked = chunked
        self._left: int | None = None
        self._framing = "none"
        framing = [("Content-Length", str(length))] if length is not None else []
        framing += [("Transfer-Encoding", "chunked")] if chunked else []
        lines = [f"{method} {target} HTTP/1.1", f"Host: {connection.authority}"]
        lines += [f"{name}: {value}" for name, value in [*headers, *framing]]
        self.connection.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def give(self, data: bytes) -> None:
        self.connection.send(chunk_bytes(data) if self._chunked else data)

    def end(self) -> None:
        self.connection.send(b"0\r\n\r\n")

    def interim_or_head(self) -> Response:
        """The next head, be it a 1xx."""
        response = self.connection.read_head()
        codings, lengths = response.all("transfer-encoding"), response.all("content-length")
        if self._method == "HEAD" or response.status < 200 or response.status in (204, 304):
            self._framing = "none"
        elif codings == ["chunked"] and not lengths:
            self._framing = "chunked"
        elif codings or len(lengths) > 1:
            raise NotSo(f"two framings: {response.headers}")
        elif lengths:
            self._framing, self._left = "length", int(lengths[0])
        else:
            self._framing = "close"
        response.framing = self._framing
        return response

    def head(self) -> Response:
        interim = []
        while (response := self.interim_or_head()).status < 200:
            interim.append(response.status)
        response.interim = interim
        return response

    def piece(self) -> bytes:
        try:
            return self._piece()
        except (ConnectionEnded, ConnectionResetError) as error:
            raise Broken from error

    def _piece(self) -> bytes:
        if self._framing == "chunked":
            return self.connection.read_chunk() or b""
        if self._framing == "length":
            assert self._left is not None
            if self._left == 0:
                return b""
            data = self.connection.read_some(self._left)
            self._left -= len(data)
            return data
        if self._framing == "close":
            try:
                return self.connection.read_some()
            except ConnectionEnded:
                return b""
        return b""

    def silent_for(self, seconds: float) -> bool:
        return self.connection.silent_for(seconds)

    def leave(self) -> None:
        self.connection.socket.close()
