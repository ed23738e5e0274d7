"""What is measured: each case with its application, its load and the servers that take part.

Apart because it is the list a reader wants to see, and the place where the next case is added. `targets.py` says what
rsgi should reach in each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Load(Enum):
    """What kind of client a case has; `loads.py` has each."""

    HTTP = "wrk"
    HTTP2 = "h2load"
    WEBSOCKET_ECHO = "WebSocket echo"
    WEBSOCKET_BROADCAST = "WebSocket broadcast"
    MIXED = "both kinds at once"
    IDLE = "idle connections"


@dataclass(frozen=True)
class Case:
    """One kind of application under one load.

    Attributes:
        name: as `--case` has it.
        heading: as the report has it.
        interface: which servers of the catalogue fit.
        app: the target that they serve.
        connections: how many the client keeps open.
        servers: which of them take part.
        upload: bytes of body in each request; 0 for a GET.
        fields: header fields of each request beside `Host`.
        load: the kind of client.
        instructions: whether user instructions are counted, in a run apart.
    """

    name: str
    heading: str
    interface: str
    app: str
    connections: int
    servers: tuple[str, ...]
    upload: int = 0
    fields: tuple[str, ...] = ()
    load: Load = Load.HTTP
    instructions: bool = False


# What a browser sends for a link within a site.
_BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    "Accept-Language: en-GB,en-US;q=0.9,en;q=0.8,de;q=0.7",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Connection: keep-alive",
    "Cookie: sessionid=h3v2k1q0zq8p5xv1m6c7b9n4r2t0w8y5; csrftoken=Qm2c0T4nV8bX6zL1kJ3hG5fD7sA9pO0i",
    "Referer: http://localhost/catalogue/page-2",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Upgrade-Insecure-Requests: 1",
    "Cache-Control: max-age=0",
)

# What a proxy adds.
_FORWARDED = (
    "X-Forwarded-For: 203.0.113.7",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: www.example.com",
)

# The servers that are measured wherever they can serve the case. All others are in the two hello-world cases only.
_USUAL_WSGI = ("rsgi", "granian", "gunicorn", "fastpysgi", "weft", "peregrine")
_USUAL_ASGI = ("rsgi", "granian", "uvicorn", "fastpysgi", "weft", "peregrine")
_WSGI = (*_USUAL_WSGI, "granian-1", "m0serve", "waitress", "pyvoy", "a2wsgi")
_ASGI = (*_USUAL_ASGI, "m0serve", "h2corn", "hypercorn", "pyvoy")
# fastpysgi has no workers.
_WSGI_WORKERS = ("rsgi", "granian", "gunicorn", "weft", "peregrine")
_ASGI_WORKERS = ("rsgi", "granian", "uvicorn", "weft", "peregrine")
_SOCKETS = ("rsgi", "granian", "uvicorn", "weft", "peregrine", "h2corn")


def _operated(interface: str) -> Case:
    return Case(
        f"{interface}-operated-64",
        f"{interface.upper()} hello behind a proxy, with a log, metrics and forwarded fields, 64 connections",
        f"operated-{interface}",
        f"apps:{interface}",
        64,
        ("rsgi", "rsgi-log", "rsgi-metrics", "rsgi-forwarded"),
        fields=_FORWARDED,
        instructions=True,
    )


CASES = (
    Case(
        "asgi-hello-64",
        "ASGI hello, 64 connections",
        "asgi",
        "apps:asgi",
        64,
        _ASGI,
        instructions=True,
    ),
    Case(
        "asgi-hello-1",
        "ASGI hello, 1 connection",
        "asgi",
        "apps:asgi",
        1,
        (*_USUAL_ASGI, "rsgi-busy"),
    ),
    Case(
        "asgi-browser-64",
        "ASGI hello, asked as a browser asks, 64 connections",
        "asgi",
        "apps:asgi",
        64,
        _ASGI,
        fields=_BROWSER,
        instructions=True,
    ),
    Case(
        "asgi-echo-64",
        "ASGI echo of 10 KB, 64 connections",
        "asgi",
        "apps:asgi_echo",
        64,
        _USUAL_ASGI,
        upload=10_000,
    ),
    Case(
        "asgi-stream-64",
        "ASGI stream of 100 chunks of 1 KB, 64 connections",
        "asgi",
        "apps:asgi_stream",
        64,
        _USUAL_ASGI,
    ),
    Case(
        "asgi-sleep-512",
        "ASGI that waits for 10 ms, 512 connections",
        "asgi",
        "apps:asgi_sleep",
        512,
        _ASGI,
    ),
    Case(
        "wsgi-hello-64",
        "WSGI hello, 64 connections",
        "wsgi",
        "apps:wsgi",
        64,
        _WSGI,
        instructions=True,
    ),
    Case(
        "wsgi-hello-1",
        "WSGI hello, 1 connection",
        "wsgi",
        "apps:wsgi",
        1,
        (*_USUAL_WSGI, "rsgi-busy", "granian-1"),
    ),
    Case(
        "wsgi-browser-64",
        "WSGI hello, asked as a browser asks, 64 connections",
        "wsgi",
        "apps:wsgi",
        64,
        _WSGI,
        fields=_BROWSER,
        instructions=True,
    ),
    Case(
        "wsgi-read-64",
        "WSGI upload of 10 KB, one read(), 64 connections",
        "wsgi",
        "apps:wsgi_read",
        64,
        _USUAL_WSGI,
        upload=10_000,
    ),
    Case(
        "wsgi-sleep-256",
        "WSGI that waits for 10 ms, 64 threads, 256 connections",
        "wsgi-waits",
        "apps:wsgi_sleep",
        256,
        ("rsgi", "granian", "gunicorn", "waitress", "weft", "peregrine", "m0serve"),
    ),
    Case(
        "mixed-64",
        "WSGI and ASGI hello at once, 64 connections each",
        "mixed",
        "apps:wsgi",
        64,
        ("rsgi",),
        load=Load.MIXED,
    ),
    Case(
        "http2-asgi",
        "HTTP/2 in the clear, ASGI hello, 64 streams on each of 4 connections",
        "http2",
        "apps:asgi",
        4,
        ("rsgi", "granian", "weft", "peregrine", "h2corn", "hypercorn"),
        load=Load.HTTP2,
        instructions=True,
    ),
    Case(
        "http2-tls-wsgi",
        "HTTP/2 over TLS, WSGI hello, 64 streams on each of 4 connections",
        "http2-tls",
        "apps:wsgi",
        4,
        ("rsgi", "granian", "weft", "peregrine"),
        load=Load.HTTP2,
        instructions=True,
    ),
    Case(
        "flask-64",
        "Flask, JSON",
        "wsgi",
        "frameworks:flask",
        64,
        _USUAL_WSGI,
    ),
    Case(
        "django-64",
        "Django, JSON",
        "wsgi",
        "frameworks:django",
        64,
        _USUAL_WSGI,
    ),
    Case(
        "fastapi-64",
        "FastAPI, JSON",
        "asgi",
        "frameworks:fastapi",
        64,
        _USUAL_ASGI,
    ),
    Case(
        "flask-2-workers",
        "Flask, JSON, two workers",
        "wsgi-2",
        "frameworks:flask",
        64,
        _WSGI_WORKERS,
    ),
    Case(
        "django-2-workers",
        "Django, JSON, two workers",
        "wsgi-2",
        "frameworks:django",
        64,
        _WSGI_WORKERS,
    ),
    Case(
        "fastapi-2-workers",
        "FastAPI, JSON, two workers",
        "asgi-2",
        "frameworks:fastapi",
        64,
        _ASGI_WORKERS,
    ),
    Case(
        "websocket-echo-64",
        "WebSocket echo, 64 clients",
        "websocket",
        "apps:websocket_echo",
        64,
        _SOCKETS,
        load=Load.WEBSOCKET_ECHO,
    ),
    Case(
        "websocket-broadcast-64",
        "WebSocket, each message to 64 clients",
        "websocket",
        "apps:websocket_broadcast",
        64,
        _SOCKETS,
        load=Load.WEBSOCKET_BROADCAST,
    ),
    Case(
        "routes-64",
        "WSGI behind a table of 1 and of 1,000 routes",
        "table",
        "apps:wsgi",
        64,
        ("rsgi", "rsgi-1-route"),
    ),
    Case(
        "idle-10000",
        "10,000 idle connections",
        "idle",
        "apps:asgi",
        10_000,
        ("rsgi", "granian", "uvicorn", "weft", "peregrine"),
        load=Load.IDLE,
    ),
    Case(
        "workers-2",
        "Two workers, WSGI hello, 64 connections",
        "workers",
        "apps:wsgi",
        64,
        ("rsgi", "rsgi-1-worker"),
    ),
    Case("bridged-64", "WSGI as ASGI, under rsgi", "bridged", "apps:wsgi", 64, ("rsgi", "rsgi-native")),
    Case(
        "bridged-upload-8",
        "WSGI as ASGI, under rsgi, 1 MiB uploads",
        "bridged",
        "apps:wsgi",
        8,
        ("rsgi", "rsgi-native"),
        upload=2**20,
    ),
    Case("hosted-64", "WSGI as ASGI, under uvicorn", "hosted", "apps:wsgi", 64, ("rsgi", "a2wsgi", "no bridge")),
    Case(
        "hosted-upload-8",
        "WSGI as ASGI, under uvicorn, 1 MiB uploads",
        "hosted",
        "apps:wsgi",
        8,
        ("rsgi", "a2wsgi", "no bridge"),
        upload=2**20,
    ),
    _operated("wsgi"),
    _operated("asgi"),
)
