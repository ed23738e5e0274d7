"""One attempt to make two readers of a connection disagree, as the bytes that a client sends."""

from __future__ import annotations

from dataclasses import dataclass

HOST = b"Host: a.example\r\n"


@dataclass(frozen=True)
class Case:
    """What a client sends on a connection of its own.

    Attributes:
        group: The class of the attempt; a row of the table.
        data: The bytes. `@/` stands for a path that names the case, `$` for a whole second request.
        most: How many requests a reader that keeps to RFC 9112 may find in them. 0: it has to refuse.
        half_close: Whether the client then closes its sending side.
    """

    group: str
    name: str
    data: bytes
    most: int = 0
    half_close: bool = False

    def sent(self, path: str) -> bytes:
        """The bytes for a path, such as `/w/17`."""
        prefix = path.encode()
        second = b"GET %b/second HTTP/1.1\r\n%bConnection: close\r\n\r\n" % (prefix, HOST)
        return self.data.replace(b"$", second).replace(b"@/", prefix + b"/")


SECOND_LENGTH = len(Case("", "", b"$").sent("/w/1000"))
"""How long `$` is with a path of the usual length; paths have one length so that Content-Length can be right."""


def post(*fields: bytes, body: bytes = b"", target: bytes = b"@/first", method: bytes = b"POST") -> bytes:
    """A request with these field lines, each given without its line end."""
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"%b %b HTTP/1.1\r\n%b%b\r\n%b" % (method, target, HOST, lines, body)
