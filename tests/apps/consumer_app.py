"""A consumer of Channels that is not `async`: it runs in a thread and sends from there."""

import threading

import django
from channels.generic.websocket import WebsocketConsumer
from django.conf import settings

settings.configure(SECRET_KEY="for tests only")
django.setup()


class Shouting(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data.upper())
        self.send(text_data=f"main thread: {threading.current_thread() is threading.main_thread()}")


app = Shouting.as_asgi()
