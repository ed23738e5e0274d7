"""What was seen of a response, in a form that can be compared between two servers.

Left out is what a server adds in its own name, and how it marks the end of a body: both may differ.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from server import Server
from wire import Response

# What a server says in its own name, or what depends on the time.
_NOT_COMPARED = {
    "connection",
    "content-length",
    "date",
    "expires",
    "keep-alive",
    "server",
    "transfer-encoding",
    "vary",
}
_LONGEST_TEXT = 2000
_TIME_IN_COOKIE = re.compile(r"expires=[^;]*", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    """One question for a framework.

    Attributes:
        name: What it is, in the words of the page.
        group: What a framework that does not offer it lists in `without`.
        ask: Asks a server and gives what was seen, as JSON.
        right: Whether that is what the application should give, so that two wrong responses are not taken for a match.
    """

    name: str
    group: str
    ask: Callable[[Server], Any]
    right: Callable[[Any], bool]


def seen(server: Server, response: Response, *, body: bool = True) -> dict[str, Any]:
    """Status, header fields and body of a response, without what may differ; without `body`, the first alone."""
    if not body:
        return {"status": response.status, "complete": response.complete}
    fields = [
        [name.lower(), _general(_in_order(name, value), server)]
        for name, value in response.headers
        if name.lower() not in _NOT_COMPARED
    ]
    text = _text(response.body, server)
    return {"status": response.status, "fields": sorted(fields), "complete": response.complete, "body": text}


def status_is(*codes: int, contains: str = "") -> Callable[[Any], bool]:
    """Whether what was seen has one of these statuses, and its body came to its end and contains this text."""
    return lambda found: found["status"] in codes and found["complete"] and contains in found.get("body", "")


def _text(body: bytes, server: Server) -> str:
    if len(body) > _LONGEST_TEXT:
        return f"{len(body)} bytes, sha256 {hashlib.sha256(body).hexdigest()}"
    return _general(body.decode("latin-1"), server)


def _in_order(name: str, value: str) -> str:
    """The methods of `Allow` are a set, which some frameworks write in another order each time."""
    return ", ".join(sorted(value.split(", "))) if name.lower() == "allow" else value


def _general(text: str, server: Server) -> str:
    """Without the port, which is another one for each server, and without the time of a cookie's end."""
    return _TIME_IN_COOKIE.sub("expires=…", text.replace(server.authority, "HOST"))
