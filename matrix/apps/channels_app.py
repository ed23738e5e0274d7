"""Channels: Django's HTTP side, and a consumer for WebSockets."""

from channels.generic.websocket import WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

import django_app


class Talk(WebsocketConsumer):
    def connect(self):
        self.accept("chat" if "chat" in self.scope["subprotocols"] else None)

    def receive(self, text_data=None, bytes_data=None):
        if text_data == "bye":
            self.close(4001)
        else:
            self.send(f"echo {text_data}")


app = ProtocolTypeRouter({"http": django_app.asgi, "websocket": URLRouter([path("ws", Talk.as_asgi())])})
