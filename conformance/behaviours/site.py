"""What the applications of the behaviours share: their paths, and notes that their checks read.

Apart from the checks because it runs in the process of the host. Notes and gates are files in one folder, so that they can
be read while every thread of the host is busy.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Any]

FOLDER = "BEHAVIOURS_FOLDER"
LONGEST_WAIT = 30.0
PIECE = 65536

APPLICATIONS: dict[str, Application] = {}


def application(made: Application) -> Application:
    """Make the decorated WSGI application answer below `/its_name`."""
    APPLICATIONS[made.__name__] = made
    return made


def app(environ: Environ, start_response: StartResponse) -> Any:
    """Find the application by the first segment of the path."""
    name = environ["PATH_INFO"].lstrip("/").partition("/")[0]
    return APPLICATIONS.get(name, hello)(environ, start_response)


@application
def hello(environ: Environ, start_response: StartResponse) -> Any:
    return text(start_response, "hello")


def query(environ: Environ) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(environ["QUERY_STRING"]).items()}


def text(start_response: StartResponse, body: str, status: str = "200 OK") -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [body.encode()]


def as_json(start_response: StartResponse, value: object) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(value).encode()]


def folder() -> Path:
    """Where notes and gates are."""
    return Path(os.environ[FOLDER])


def note(label: str, event: str) -> None:
    """Write down an event; the lines of one label stay in order."""
    opened = os.open(folder() / label, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(opened, f"{event}\n".encode())
    finally:
        os.close(opened)


def notes(label: str) -> list[str]:
    """The events of a label so far."""
    try:
        return (folder() / label).read_text().splitlines()
    except FileNotFoundError:
        return []


def open_gate(label: str) -> None:
    """Let everybody through who waits at this gate, or will."""
    (folder() / f"{label}.gate").touch()


def wait_at_gate(label: str) -> None:
    """Wait until the gate is open, as an application that waits for a slow database would."""
    gate, deadline = folder() / f"{label}.gate", time.monotonic() + LONGEST_WAIT
    while not gate.exists() and time.monotonic() < deadline:
        time.sleep(0.005)


class Noted:
    """An iterable that notes its `close()`; its iterator has a `close()` of its own, which is not the one to call."""

    def __init__(self, label: str, pieces: Any) -> None:
        self.label = label
        self.pieces = pieces

    def __iter__(self) -> Any:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def close(self) -> None:
        note(self.label, "closed")
