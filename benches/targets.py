"""What rsgi should reach in each case: figures by themselves, and ratios to other servers.

Apart from `cases` because it is what a release is judged by. The report prints each target with what was measured and
whether it is met; a target that is missed stays here.
"""

from __future__ import annotations

from dataclasses import dataclass

# As the peer of a target: each of the other servers in the case that gave figures. The worst ratio counts.
EVERY = "every peer"


@dataclass(frozen=True)
class Target:
    """What a figure of rsgi should be, by itself or as a ratio to that of a peer.

    Attributes:
        figure: as `figures.Measurement` names it.
        limit: the bound.
        at_least: whether it is a lower bound; else it is an upper one.
        peer: the server that it is divided by, or `EVERY`; None for the figure itself.
        case: another case that it is divided by, with `peer` as the server there.
    """

    figure: str
    limit: float
    at_least: bool = True
    peer: str | None = None
    case: str | None = None


def _faster(limit: float, *peers: str) -> tuple[Target, ...]:
    return tuple(Target("rate", limit, peer=peer) for peer in peers)


def _below(figure: str, limit: float, *peers: str) -> tuple[Target, ...]:
    return tuple(Target(figure, limit, at_least=False, peer=peer) for peer in peers or (None,))


def _operated(log: float, others: float) -> tuple[Target, ...]:
    """How much an access log may cost, and metrics and forwarded fields, as a share of the requests per second."""
    limits = {"rsgi-log": log, "rsgi-metrics": others, "rsgi-forwarded": others}
    return tuple(target for peer, share in limits.items() for target in _below("rate", 1 / (1 - share), peer))


# What 64 threads answer in a second when each request waits for 10 ms.
_IDEAL = 64 / 0.01
_AHEAD_OF_ALL = _faster(1.0, EVERY)

TARGETS: dict[str, tuple[Target, ...]] = {
    "wsgi-hello-64": (
        *_below("instructions", 18_000),
        *_below("cpu", 1.05, "weft", "fastpysgi"),
        *_faster(1.0, "weft", "fastpysgi"),
        *_faster(0.95, "peregrine"),
    ),
    "asgi-hello-64": (
        *_below("instructions", 30_000),
        *_faster(1.05, "peregrine"),
        *_faster(1.25, "weft"),
        *_faster(1.7, "granian"),
        *_faster(2.3, "uvicorn"),
    ),
    "wsgi-browser-64": _below("instructions", 1.0, EVERY),
    "asgi-browser-64": _below("instructions", 1.0, EVERY),
    "wsgi-hello-1": (*_below("p50", 1.05, EVERY), *_below("switches", 1.05)),
    "asgi-hello-1": (*_below("p50", 1.05, EVERY), *_below("switches", 1.05)),
    "flask-64": _faster(1.25, EVERY),
    "django-64": _faster(1.25, EVERY),
    "flask-2-workers": _AHEAD_OF_ALL,
    "django-2-workers": _AHEAD_OF_ALL,
    "fastapi-64": (*_faster(1.0, "peregrine", "weft"), *_faster(1.1, "granian"), *_faster(1.6, "uvicorn")),
    "mixed-64": (
        Target("sum of both", 0.9),
        *_below("p99 of WSGI", 2.0),
        *_below("p99 of ASGI", 2.0),
        *_below("delay beside a blocked loop", 50.0),
    ),
    "wsgi-sleep-256": (Target("rate", 0.97 * _IDEAL),),
    "asgi-sleep-512": _AHEAD_OF_ALL,
    "wsgi-read-64": _AHEAD_OF_ALL,
    "asgi-echo-64": _AHEAD_OF_ALL,
    "asgi-stream-64": _AHEAD_OF_ALL,
    "websocket-echo-64": _AHEAD_OF_ALL,
    "websocket-broadcast-64": _AHEAD_OF_ALL,
    "http2-asgi": (*_faster(1.15, "weft", "h2corn"), *_faster(1.5, "granian")),
    "http2-tls-wsgi": (*_faster(1.05, "weft"), *_faster(1.4, "peregrine")),
    "idle-10000": _below("KiB a connection", 2.0),
    "routes-64": _faster(0.97, "rsgi-1-route"),
    "workers-2": _faster(1.8, "rsgi-1-worker"),
    "wsgi-operated-64": _operated(log=0.05, others=0.03),
    "asgi-operated-64": _operated(log=0.05, others=0.03),
}
