"""A Django project whose URLs cannot all be known: flat pages, and WhiteNoise with a folder for the root."""

import tempfile
from pathlib import Path

from django.conf import settings

root = Path(tempfile.mkdtemp())
(root / "robots.txt").write_text("")
(root / "folder").mkdir()

settings.configure(
    MIDDLEWARE=[
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for tests only, and long enough that Django does not complain",
    STATIC_URL="/assets/",
    WHITENOISE_ROOT=root,
)

from channels.routing import ProtocolTypeRouter
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse
from django.urls import path


def page(request):
    return HttpResponse("")


async def sockets_app(scope, receive, send): ...


class Unloaded(ASGIHandler):
    def load_middleware(self, is_async=False):
        pass


urlpatterns = [path("x", page)]
asgi = Unloaded()
sockets = ProtocolTypeRouter({"websocket": sockets_app})
unknown = ProtocolTypeRouter({"http": sockets_app})


def __getattr__(name):
    if name == "broken":
        settings.ROOT_URLCONF = "no_such_urls"
        return Unloaded()
    raise AttributeError(name)
