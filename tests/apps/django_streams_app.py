"""Async streams of a Django project: `wsgi`, `asgi`, and `bridged`. What each saw is at `/seen?LABEL`."""

import asyncio
import threading
from collections import defaultdict

from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    LOGGING_CONFIG=None,
    ROOT_URLCONF=__name__,
    SECRET_KEY="for tests only, and long enough that Django does not complain",
)

from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from rsgi import WsgiToAsgi

_seen = defaultdict(list)
_gates = defaultdict(threading.Event)


class Noted(StreamingHttpResponse):
    """Notes that it is closed, as Django does to end the request."""

    def __init__(self, content, label):
        super().__init__(content, content_type="text/plain")
        self.label = label

    def close(self):
        _seen[self.label].append("closed")
        super().close()


async def endless(label, size, pause):
    try:
        while True:
            yield b"x" * size + b"\n"
            await asyncio.sleep(pause)
    finally:
        _seen[label].append("ended")


PACES = {"paced": (10, 0.001), "big": (1_000_000, 0), "silent": (10, 3600)}


async def stream(request, pace, label):
    return Noted(endless(label, *PACES[pace]), label)


def stream_of_sync_view(request, pace, label):
    return Noted(endless(label, *PACES[pace]), label)


async def gated(request, label):
    async def pieces():
        yield "first\n"
        await asyncio.to_thread(_gates[label].wait, 10)
        yield "second\n"

    return Noted(pieces(), label)


def threads(request, label):
    """In which thread synchronous code of the stream runs: there Django keeps its database connections."""
    called = threading.get_ident()

    async def pieces():
        yield f"{await sync_to_async(threading.get_ident)() == called}\n"

    return Noted(pieces(), label)


def fails(request, label):
    async def pieces():
        yield "first\n"
        raise LookupError(f"raised in the stream {label}")

    return Noted(pieces(), label)


def open_gate(request, label):
    _gates[label].set()
    return HttpResponse()


def seen(request, label):
    return JsonResponse(_seen[label], safe=False)


urlpatterns = [
    path("async/<pace>/<label>", stream),
    path("sync/<pace>/<label>", stream_of_sync_view),
    path("gated/<label>", gated),
    path("threads/<label>", threads),
    path("fails/<label>", fails),
    path("open/<label>", open_gate),
    path("seen/<label>", seen),
]

wsgi = get_wsgi_application()
asgi = get_asgi_application()
bridged = WsgiToAsgi(wsgi)
