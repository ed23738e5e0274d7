"""The servers that are measured, each in the configuration that suits it best.

Apart because this is where a reader looks who doubts that the comparison is fair. All run one process (one worker) unless
a case is about workers, with their access logs off, and with the same number of threads where they have a pool for WSGI.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

# The default of rsgi, given to the other pools as well.
THREADS = min(32, (os.cpu_count() or 1) + 4)


@dataclass(frozen=True)
class Server:
    """One server, serving one kind of application.

    Attributes:
        name: what the report and `--servers` call it.
        interface: which cases it fits; `bridged` is a bridge under rsgi, `hosted` one under uvicorn.
        command: its command line; `{port}`, `{app}`, `{certificate}` and `{key}` stand for what they say.
        distributions: what is looked up for its version.
        build: `other` for a further build of rsgi, which takes part wherever rsgi does.
        remark: what is particular about this configuration.
    """

    name: str
    interface: str
    command: tuple[str, ...]
    distributions: tuple[str, ...]
    remark: str
    build: str = "rsgi"

    @property
    def has_tls(self) -> bool:
        return "{certificate}" in self.command


# Name, interface, command line, distributions, remark.
_Row = tuple[str, str, str, str, str]

_GRANIAN_WSGI = "granian --interface wsgi --no-ws --port {port} {app} --blocking-threads"
_GRANIAN_ASGI = "granian --interface asgi --loop uvloop --no-ws --port {port} {app}"
_GUNICORN = (
    "gunicorn --worker-class gthread --keep-alive 75 --no-control-socket --bind 127.0.0.1:{port} {app} --threads"
)
_UVICORN = "uvicorn --loop uvloop --http httptools --no-access-log --port {port}"
_FASTPYSGI = "fastpysgi --host 127.0.0.1 --port {port} {app}"
_WEFT = "weft --port {port} {app} --protocol"
_PEREGRINE = "peregrine --port {port} {app} --protocol"
# It closes a connection after 1,000 requests unless it is told otherwise.
_M0SERVE = "m0serve --host 127.0.0.1 --port {port} --max-keepalive-requests 0 {app} --protocol"
_H2CORN = "h2corn --no-access-log --loop uvloop --port {port} {app}"
_HYPERCORN = "hypercorn --worker-class uvloop --bind 127.0.0.1:{port} {app}"

_UVICORN_PARTS = "uvicorn uvloop httptools"
_AS_IT_COMES = "as it comes"
_SAME_THREADS = f"{THREADS} threads, as rsgi has"
_ONE_AT_A_TIME = "one thread: one request that waits stops all others"
# Seen with an application that counts the calls. Django then never runs the receivers of `request_finished`.
_NEVER_CLOSES = "it never calls `close()` of a response, as PEP 3333 wants"
_ITS_FASTEST = f"its fastest; {_ONE_AT_A_TIME}"
_LOOKS_ON = "`--busy-poll auto`: it does not sleep between requests that follow each other closely"
_64_THREADS = "64 threads"
_TWO = "two workers"

_WSGI: tuple[_Row, ...] = (
    ("rsgi", "wsgi", "rsgi serve --wsgi {app} --port {port}", "rsgi", f"as it comes: {THREADS} threads"),
    ("rsgi-busy", "wsgi", "rsgi serve --busy-poll auto --wsgi {app} --port {port}", "rsgi", _LOOKS_ON),
    ("granian", "wsgi", f"{_GRANIAN_WSGI} {THREADS}", "granian", _SAME_THREADS),
    ("granian-1", "wsgi", f"{_GRANIAN_WSGI} 1", "granian", _ITS_FASTEST),
    ("gunicorn", "wsgi", f"{_GUNICORN} {THREADS}", "gunicorn", _SAME_THREADS),
    ("fastpysgi", "wsgi", _FASTPYSGI, "fastpysgi", f"it has no pool; {_ONE_AT_A_TIME}; {_NEVER_CLOSES}"),
    ("weft", "wsgi", f"{_WEFT} wsgi", "weft-server", _ITS_FASTEST),
    ("peregrine", "wsgi", f"{_PEREGRINE} wsgi", "peregrine-server", _ITS_FASTEST),
    ("m0serve", "wsgi", f"{_M0SERVE} wsgi --blocking-threads 0", "m0serve", _ITS_FASTEST),
    (
        "waitress",
        "wsgi",
        f"waitress-serve --listen 127.0.0.1:{{port}} --threads {THREADS} {{app}}",
        "waitress",
        _SAME_THREADS,
    ),
    (
        "pyvoy",
        "wsgi",
        f"pyvoy --interface wsgi --worker-threads {THREADS} --port {{port}} {{app}}",
        "pyvoy",
        _SAME_THREADS,
    ),
    ("a2wsgi", "wsgi", f"{_UVICORN} --ws none bridges:a2wsgi", "uvicorn a2wsgi", "`WSGIMiddleware(app)` under uvicorn"),
)
_WSGI_THAT_WAITS: tuple[_Row, ...] = (
    ("rsgi", "wsgi-waits", "rsgi serve --wsgi-threads 64 --wsgi {app} --port {port}", "rsgi", _64_THREADS),
    ("granian", "wsgi-waits", f"{_GRANIAN_WSGI} 64", "granian", _64_THREADS),
    ("gunicorn", "wsgi-waits", f"{_GUNICORN} 64", "gunicorn", _64_THREADS),
    (
        "waitress",
        "wsgi-waits",
        "waitress-serve --listen 127.0.0.1:{port} --threads 64 --connection-limit 1000 {app}",
        "waitress",
        _64_THREADS,
    ),
    ("weft", "wsgi-waits", f"{_WEFT} wsgi --wsgi-threads 64", "weft-server", _64_THREADS),
    ("peregrine", "wsgi-waits", f"{_PEREGRINE} wsgi --wsgi-threads 64", "peregrine-server", _64_THREADS),
    ("m0serve", "wsgi-waits", f"{_M0SERVE} wsgi --blocking-threads 64", "m0serve", _64_THREADS),
)
_ASGI: tuple[_Row, ...] = (
    ("rsgi", "asgi", "rsgi serve --asgi {app} --port {port}", "rsgi uvloop", _AS_IT_COMES),
    ("rsgi-busy", "asgi", "rsgi serve --busy-poll auto --asgi {app} --port {port}", "rsgi", _LOOKS_ON),
    ("granian", "asgi", _GRANIAN_ASGI, "granian uvloop", "uvloop, no WebSocket: as in its own benchmarks"),
    ("uvicorn", "asgi", f"{_UVICORN} --ws none {{app}}", _UVICORN_PARTS, "its fastest loop and parser"),
    ("fastpysgi", "asgi", _FASTPYSGI, "fastpysgi", _AS_IT_COMES),
    ("weft", "asgi", f"{_WEFT} asgi", "weft-server", _AS_IT_COMES),
    ("peregrine", "asgi", f"{_PEREGRINE} asgi", "peregrine-server uvloop", "uvloop, which it takes by itself"),
    ("m0serve", "asgi", f"{_M0SERVE} asgi", "m0serve", _AS_IT_COMES),
    ("h2corn", "asgi", _H2CORN, "h2corn uvloop", "uvloop"),
    ("hypercorn", "asgi", _HYPERCORN, "hypercorn uvloop", "uvloop"),
    ("pyvoy", "asgi", "pyvoy --loop uvloop --port {port} {app}", "pyvoy uvloop", "uvloop"),
)
_HTTP2: tuple[_Row, ...] = (
    ("rsgi", "http2", "rsgi serve --asgi {app} --port {port}", "rsgi", _AS_IT_COMES),
    ("granian", "http2", _GRANIAN_ASGI, "granian uvloop", "uvloop"),
    ("weft", "http2", f"{_WEFT} asgi", "weft-server", _AS_IT_COMES),
    ("peregrine", "http2", f"{_PEREGRINE} asgi", "peregrine-server uvloop", "uvloop, which it takes by itself"),
    ("h2corn", "http2", _H2CORN, "h2corn uvloop", "uvloop"),
    ("hypercorn", "http2", _HYPERCORN, "hypercorn uvloop", "uvloop"),
)
_TLS = "--tls-cert {certificate} --tls-key {key}"
_HTTP2_TLS: tuple[_Row, ...] = (
    (
        "rsgi",
        "http2-tls",
        f"rsgi serve {_TLS} --wsgi {{app}} --port {{port}}",
        "rsgi",
        f"as it comes: {THREADS} threads",
    ),
    (
        "granian",
        "http2-tls",
        f"{_GRANIAN_WSGI} {THREADS} --ssl-certificate {{certificate}} --ssl-keyfile {{key}}",
        "granian",
        _SAME_THREADS,
    ),
    ("weft", "http2-tls", f"{_WEFT} wsgi {_TLS}", "weft-server", _ITS_FASTEST),
    ("peregrine", "http2-tls", f"{_PEREGRINE} wsgi {_TLS}", "peregrine-server", _ITS_FASTEST),
)
_TWO_WORKERS: tuple[_Row, ...] = (
    ("rsgi", "wsgi-2", "rsgi serve --workers 2 --wsgi {app} --port {port}", "rsgi", _TWO),
    ("granian", "wsgi-2", f"{_GRANIAN_WSGI} 1 --workers 2", "granian", f"{_TWO} of one thread: its fastest"),
    ("gunicorn", "wsgi-2", f"{_GUNICORN} {THREADS} --workers 2", "gunicorn", _TWO),
    ("weft", "wsgi-2", f"{_WEFT} wsgi --workers 2", "weft-server", _TWO),
    ("peregrine", "wsgi-2", f"{_PEREGRINE} wsgi --workers 2", "peregrine-server", _TWO),
    ("rsgi", "asgi-2", "rsgi serve --workers 2 --asgi {app} --port {port}", "rsgi", _TWO),
    ("granian", "asgi-2", f"{_GRANIAN_ASGI} --workers 2", "granian uvloop", _TWO),
    ("uvicorn", "asgi-2", f"{_UVICORN} --ws none --workers 2 {{app}}", _UVICORN_PARTS, _TWO),
    ("weft", "asgi-2", f"{_WEFT} asgi --workers 2", "weft-server", _TWO),
    ("peregrine", "asgi-2", f"{_PEREGRINE} asgi --workers 2", "peregrine-server uvloop", _TWO),
)
_IDLE: tuple[_Row, ...] = (
    ("rsgi", "idle", "rsgi serve --asgi {app} --port {port}", "rsgi", _AS_IT_COMES),
    (
        "granian",
        "idle",
        f"{_GRANIAN_ASGI} --backlog 16384 --backpressure 16384",
        "granian uvloop",
        "uvloop; without `--backpressure` it takes no more than 1,024 connections",
    ),
    ("uvicorn", "idle", f"{_UVICORN} --ws none {{app}}", _UVICORN_PARTS, "its fastest loop and parser"),
    ("weft", "idle", f"{_WEFT} asgi --max-connections 16384", "weft-server", "room for so many connections"),
    (
        "peregrine",
        "idle",
        f"{_PEREGRINE} asgi --max-connections 16384 --keep-alive 75000",
        "peregrine-server uvloop",
        "room for so many connections; by itself it closes them after 5 s",
    ),
)
_WEBSOCKET: tuple[_Row, ...] = (
    ("rsgi", "websocket", "rsgi serve --asgi {app} --port {port}", "rsgi uvloop", _AS_IT_COMES),
    ("granian", "websocket", "granian --interface asgi --loop uvloop --port {port} {app}", "granian uvloop", "uvloop"),
    (
        "uvicorn",
        "websocket",
        f"{_UVICORN} --ws websockets {{app}}",
        "uvicorn websockets",
        "its fastest loop, websockets",
    ),
    ("weft", "websocket", f"{_WEFT} asgi", "weft-server", _AS_IT_COMES),
    ("peregrine", "websocket", f"{_PEREGRINE} asgi", "peregrine-server uvloop", "uvloop, which it takes by itself"),
    ("h2corn", "websocket", _H2CORN, "h2corn uvloop", "uvloop"),
)


def _operated(interface: str) -> tuple[_Row, ...]:
    """The server with what operators turn on, one thing at a time."""
    with_it = (
        ("rsgi", "", "with all of it off"),
        ("rsgi-log", "--access-log-format json --access-log-file /dev/null", "an access log of JSON"),
        ("rsgi-metrics", "--admin 127.0.0.1:0", "metrics, which nobody reads meanwhile"),
        ("rsgi-forwarded", "--trust-proxy 127.0.0.1", "the client is who a proxy says it is"),
    )
    return tuple(
        (name, f"operated-{interface}", f"rsgi serve {flags} --{interface} {{app}} --port {{port}}", "rsgi", remark)
        for name, flags, remark in with_it
    )


_BY_ITSELF: tuple[_Row, ...] = (
    (
        "rsgi",
        "mixed",
        "rsgi serve --wsgi {app} --asgi /asgi=apps:asgi_block --port {port}",
        "rsgi uvloop",
        _AS_IT_COMES,
    ),
    (
        "rsgi",
        "table",
        "rsgi serve --wsgi {app} --asgi frameworks:many_routes --port {port}",
        "rsgi",
        "1,000 routes, all missed",
    ),
    (
        "rsgi-1-route",
        "table",
        "rsgi serve --wsgi {app} --asgi frameworks:one_route --port {port}",
        "rsgi",
        "1 route, missed",
    ),
    *_operated("wsgi"),
    *_operated("asgi"),
    ("rsgi", "workers", "rsgi serve --workers 2 --wsgi {app} --port {port}", "rsgi", _TWO),
    ("rsgi-1-worker", "workers", "rsgi serve --wsgi {app} --port {port}", "rsgi", "one worker"),
)
_BRIDGES: tuple[_Row, ...] = (
    (
        "rsgi",
        "bridged",
        "rsgi serve --asgi bridges:rsgi --port {port}",
        "rsgi",
        "`rsgi.WsgiToAsgi(app)` as the ASGI application",
    ),
    (
        "rsgi-native",
        "bridged",
        "rsgi serve --wsgi {app} --port {port}",
        "rsgi",
        "the same application as a WSGI application",
    ),
    ("rsgi", "hosted", f"{_UVICORN} --ws none bridges:rsgi", "uvicorn", "`rsgi.WsgiToAsgi(app)`"),
    ("a2wsgi", "hosted", f"{_UVICORN} --ws none bridges:a2wsgi", "uvicorn a2wsgi", "`WSGIMiddleware(app)`"),
    (
        "no bridge",
        "hosted",
        f"{_UVICORN} --ws none apps:asgi",
        "uvicorn",
        "an ASGI application that does the same: what the host takes for itself",
    ),
)
_ROWS = (
    *_WSGI,
    *_WSGI_THAT_WAITS,
    *_ASGI,
    *_HTTP2,
    *_HTTP2_TLS,
    *_TWO_WORKERS,
    *_IDLE,
    *_WEBSOCKET,
    *_BY_ITSELF,
    *_BRIDGES,
)


def catalogue(builds: dict[str, Path], peers: Path) -> list[Server]:
    """All servers: rsgi once for each of `builds` (the first is called rsgi), and those in the folder `peers`."""
    first, *others = builds
    found = []
    for name, interface, command, distributions, remark in _ROWS:
        executable, *arguments = command.split()
        path = builds[first] if executable == "rsgi" else peers / executable
        found.append(Server(name, interface, (str(path), *arguments), tuple(distributions.split()), remark))
        if name == executable == "rsgi":
            own = found[-1]
            found += [
                replace(own, build="other", name=f"rsgi-{build}", command=(str(builds[build]), *arguments))
                for build in others
            ]
    return found
