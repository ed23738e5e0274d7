"""What is measured: each case with its application, its load, the servers that take part and what rsgi aims at.

Apart because it is the list a reader wants to see, and the place where the next case is added.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Load(Enum):
    """What kind of client a case has; `loads.py` has each."""

    HTTP = "wrk"
    WEBSOCKET_ECHO = "WebSocket echo"
    WEBSOCKET_BROADCAST = "WebSocket broadcast"
    MIXED = "both kinds at once"
    IDLE = "idle connections"


@dataclass(frozen=True)
class Target:
    """What a figure of rsgi should be, by itself or as a ratio to that of a peer.

    Attributes:
        figure: a name in `figures.UNITS`.
        limit: where the aim is.
        at_least: whether it is a lower bound; else it is an upper one.
        peer: the server that it is divided by; None for the figure itself.
        case: another case that it is divided by, with `peer` as the server there.
    """

    figure: str
    limit: float
    at_least: bool = True
    peer: str | None = None
    case: str | None = None


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
        targets: what rsgi aims at.
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
    targets: tuple[Target, ...] = field(default=())


def _faster(limit: float, *peers: str) -> tuple[Target, ...]:
    return tuple(Target("rate", limit, peer=peer) for peer in peers)


def _below(figure: str, limit: float, peer: str | None = None) -> Target:
    return Target(figure, limit, at_least=False, peer=peer)


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

_OPERATED = ("rsgi", "rsgi-log", "rsgi-metrics", "rsgi-forwarded")
_ASGI = ("rsgi", "granian", "uvicorn", "fastpysgi", "hypercorn", "pyvoy")
_WSGI = ("rsgi", "granian", "granian-1", "gunicorn", "fastpysgi", "waitress", "pyvoy", "a2wsgi")
_SOCKETS = ("rsgi", "granian", "uvicorn")
_USUAL = ("rsgi", "granian", "gunicorn")


def _operated(interface: str) -> Case:
    # So many times as fast without it: an access log may cost 8 %, the others 3 %.
    limits = {"rsgi-log": 1 / 0.92, "rsgi-metrics": 1 / 0.97, "rsgi-forwarded": 1 / 0.97}
    return Case(
        f"{interface}-operated-64",
        f"{interface.upper()} hello behind a proxy, with a log, metrics and forwarded fields, 64 connections",
        f"operated-{interface}",
        f"apps:{interface}",
        64,
        _OPERATED,
        fields=_FORWARDED,
        instructions=True,
        targets=tuple(_below("rate", limit, peer) for peer, limit in limits.items()),
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
        targets=(*_faster(2.0, "granian"), *_faster(2.5, "uvicorn"), _below("instructions", 36_000)),
    ),
    Case(
        "asgi-hello-1",
        "ASGI hello, 1 connection",
        "asgi",
        "apps:asgi",
        1,
        ("rsgi", "rsgi-busy", "granian", "uvicorn", "fastpysgi"),
        targets=(_below("p50", 0.6, "uvicorn"), _below("p50", 0.35, "granian"), _below("switches", 1.2)),
    ),
    Case(
        "asgi-browser-64",
        "ASGI hello, asked as a browser asks, 64 connections",
        "asgi",
        "apps:asgi",
        64,
        ("rsgi", "granian", "uvicorn", "fastpysgi"),
        fields=_BROWSER,
        instructions=True,
    ),
    Case(
        "asgi-echo-64",
        "ASGI echo of 10 KB, 64 connections",
        "asgi",
        "apps:asgi_echo",
        64,
        ("rsgi", "granian", "uvicorn", "fastpysgi"),
        upload=10_000,
        targets=(Target("rate", 0.85, peer="rsgi", case="asgi-hello-64"), *_faster(2.0, "granian")),
    ),
    Case(
        "asgi-stream-64",
        "ASGI stream of 100 chunks of 1 KB, 64 connections",
        "asgi",
        "apps:asgi_stream",
        64,
        ("rsgi", "granian", "uvicorn", "fastpysgi"),
        targets=_faster(1.5, "granian", "uvicorn"),
    ),
    Case(
        "asgi-sleep-512",
        "ASGI that waits for 10 ms, 512 connections",
        "asgi",
        "apps:asgi_sleep",
        512,
        _ASGI,
        targets=_faster(1.0, *_ASGI[1:]),
    ),
    Case(
        "wsgi-hello-64",
        "WSGI hello, 64 connections",
        "wsgi",
        "apps:wsgi",
        64,
        _WSGI,
        instructions=True,
        targets=(*_faster(2.0, "granian"), *_faster(1.0, "fastpysgi"), _below("instructions", 16_000)),
    ),
    Case(
        "wsgi-hello-1",
        "WSGI hello, 1 connection",
        "wsgi",
        "apps:wsgi",
        1,
        ("rsgi", "rsgi-busy", "granian", "granian-1", "gunicorn", "fastpysgi"),
        targets=(_below("p50", 0.6, "granian"), _below("p50", 1.5, "fastpysgi")),
    ),
    Case(
        "wsgi-browser-64",
        "WSGI hello, asked as a browser asks, 64 connections",
        "wsgi",
        "apps:wsgi",
        64,
        ("rsgi", "granian", "gunicorn", "fastpysgi"),
        fields=_BROWSER,
        instructions=True,
    ),
    Case(
        "wsgi-read-64",
        "WSGI upload of 10 KB, one read(), 64 connections",
        "wsgi",
        "apps:wsgi_read",
        64,
        ("rsgi", "granian", "gunicorn", "fastpysgi"),
        upload=10_000,
        targets=_faster(2.0, "granian"),
    ),
    Case(
        "wsgi-sleep-256",
        "WSGI that waits for 10 ms, 64 threads, 256 connections",
        "wsgi-waits",
        "apps:wsgi_sleep",
        256,
        ("rsgi", "granian", "gunicorn", "waitress"),
        targets=(Target("rate", 0.95 * 64 / 0.01),),
    ),
    Case(
        "mixed-64",
        "WSGI and ASGI hello at once, 64 connections each",
        "mixed",
        "apps:wsgi",
        64,
        ("rsgi",),
        load=Load.MIXED,
        targets=(
            Target("sum of both", 0.9),
            _below("p99 of WSGI", 2.0),
            _below("p99 of ASGI", 2.0),
            _below("delay beside a blocked loop", 50.0),
        ),
    ),
    Case("flask-64", "Flask, JSON", "wsgi", "frameworks:flask", 64, _USUAL, targets=_faster(1.0, *_USUAL[1:])),
    Case("django-64", "Django, JSON", "wsgi", "frameworks:django", 64, _USUAL, targets=_faster(1.0, *_USUAL[1:])),
    Case(
        "fastapi-64", "FastAPI, JSON", "asgi", "frameworks:fastapi", 64, _SOCKETS, targets=_faster(1.0, *_SOCKETS[1:])
    ),
    Case(
        "websocket-echo-64",
        "WebSocket echo, 64 clients",
        "websocket",
        "apps:websocket_echo",
        64,
        _SOCKETS,
        load=Load.WEBSOCKET_ECHO,
        targets=_faster(1.5, *_SOCKETS[1:]),
    ),
    Case(
        "websocket-broadcast-64",
        "WebSocket, each message to 64 clients",
        "websocket",
        "apps:websocket_broadcast",
        64,
        _SOCKETS,
        load=Load.WEBSOCKET_BROADCAST,
        targets=_faster(1.5, *_SOCKETS[1:]),
    ),
    Case(
        "routes-64",
        "WSGI behind a table of 1 and of 1,000 routes",
        "table",
        "apps:wsgi",
        64,
        ("rsgi", "rsgi-1-route"),
        targets=_faster(0.97, "rsgi-1-route"),
    ),
    Case(
        "idle-10000",
        "10,000 idle connections",
        "idle",
        "apps:asgi",
        10_000,
        ("rsgi", "granian", "uvicorn"),
        load=Load.IDLE,
        targets=(_below("resident", 1.0, "granian"), _below("KiB a connection", 12.0)),
    ),
    Case(
        "workers-2",
        "Two workers, WSGI hello, 64 connections",
        "workers",
        "apps:wsgi",
        64,
        ("rsgi", "rsgi-1-worker"),
        targets=_faster(1.8, "rsgi-1-worker"),
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
