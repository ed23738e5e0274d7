"""A Django project in one file: `wsgi` for HTTP, and `asgi` with Channels, whose consumer speaks WebSocket."""

import hashlib
import json
from pathlib import Path

from django.conf import settings

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DEBUG=False,
        INSTALLED_APPS=["django.contrib.sessions"],
        LOGGING={
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"console": {"class": "logging.StreamHandler"}},
            "root": {"handlers": ["console"]},
        },
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="for tests only, and long enough that Django does not complain",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    )

from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

wsgi = get_wsgi_application()
_django_asgi = get_asgi_application()


def index(request):
    return HttpResponse(f"Django index by {type(request).__name__}\n", content_type="text/plain")


def form(request):
    return JsonResponse(dict(request.POST.lists()))


def upload(request):
    sent = request.FILES["document"]
    content = sent.read()
    found = {"name": sent.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return JsonResponse(found)


def echo_json(request):
    return JsonResponse(json.loads(request.body), safe=False)


def raw(request):
    return HttpResponse(request.body, content_type="application/octet-stream")


def visits(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"]})


def stream(request):
    name = request.GET["name"]
    return StreamingHttpResponse((f"line {number} of {name}\n" for number in range(3)), content_type="text/plain")


def file(request):
    return FileResponse(Path(__file__).open("rb"), content_type="text/x-python")


def boom(request):
    raise RuntimeError("django: boom")


urlpatterns = [
    path("", index),
    path("form", form),
    path("upload", upload),
    path("json", echo_json),
    path("raw", raw),
    path("visits", visits),
    path("stream", stream),
    path("file", file),
    path("boom", boom),
]


class Echo(AsyncWebsocketConsumer):
    """Sends back what it gets, with the name from the path."""

    async def connect(self):
        self.name = self.scope["url_route"]["kwargs"]["name"]
        await self.accept("chat" if "chat" in self.scope["subprotocols"] else None)

    async def receive(self, text_data=None, bytes_data=None):
        if text_data == "close":
            await self.close(code=4321)
        elif text_data is not None:
            await self.send(text_data=f"{self.name}: {text_data}")
        else:
            await self.send(bytes_data=bytes_data)


class SyncEcho(WebsocketConsumer):
    """The same in a thread: Channels runs it through asgiref."""

    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=f"sync: {text_data}")


asgi = ProtocolTypeRouter(
    {
        "http": _django_asgi,
        "websocket": URLRouter([path("ws/echo/<name>", Echo.as_asgi()), path("ws/sync", SyncEcho.as_asgi())]),
    }
)
