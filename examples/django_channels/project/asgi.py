"""The project as an ASGI application: Django for HTTP, Channels for WebSocket."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django_application = get_asgi_application()

from shop.consumers import StockConsumer  # noqa: E402 - it needs Django to be set up

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": URLRouter([path("ws/stock/<int:number>/", StockConsumer.as_asgi())]),
    }
)
