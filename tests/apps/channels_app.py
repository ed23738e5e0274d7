"""Django with Channels, where the sync side reaches for the async one: views that use a channel layer and the event loop.

`CHANNEL_LAYER` in the environment is the address of a Redis server; without it the layer is in memory.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import django
from asgiref.sync import async_to_sync, sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from rsgi import WsgiToAsgi

_redis = os.environ.get("CHANNEL_LAYER")
_layer: dict[str, Any] = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
if _redis:
    _layer = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [_redis]}}

settings.configure(
    SECRET_KEY="for tests only", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, CHANNEL_LAYERS={"default": _layer}
)
django.setup()

_loops: dict[str, object] = {}


class Room(AsyncWebsocketConsumer):
    """Everybody in the room hears what is told."""

    async def connect(self) -> None:
        _loops["consumer"] = asyncio.get_running_loop()
        await self.channel_layer.group_add("room", self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard("room", self.channel_name)

    async def told(self, event: dict[str, Any]) -> None:
        await self.send(event["text"])


def tell(request: HttpRequest) -> HttpResponse:
    """Tells the room from a sync view."""
    async_to_sync(get_channel_layer().group_send)("room", {"type": "told", "text": request.GET["text"]})
    return HttpResponse("told")


async def _where(thread: str) -> str:
    loop = "the consumers' loop" if asyncio.get_running_loop() is _loops.get("consumer") else "another loop"
    back = await sync_to_async(lambda: threading.current_thread().name)()
    return f"{loop}, {'back in the thread' if back == thread else 'in another thread'}"


def where(request: HttpRequest) -> HttpResponse:
    """Where a coroutine of a sync view runs, and where sync code runs that it calls."""
    asked = async_to_sync(_where, force_new_loop="new" in request.GET)
    return HttpResponse(asked(threading.current_thread().name))


def wait(request: HttpRequest) -> HttpResponse:
    """Waits in the loop for so many seconds."""
    async_to_sync(asyncio.sleep)(float(request.GET["seconds"]))
    return HttpResponse("waited")


urlpatterns = [path("tell", tell), path("where", where), path("wait", wait)]

wsgi = get_wsgi_application()
asgi = ProtocolTypeRouter({"websocket": Room.as_asgi()})
# One application for both, where rsgi does not see that there is a WSGI application in it.
both = ProtocolTypeRouter({"websocket": Room.as_asgi(), "http": WsgiToAsgi(wsgi)})
