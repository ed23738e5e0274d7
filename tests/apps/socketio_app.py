"""Flask-SocketIO as WSGI, with threads: what it can do where WebSocket goes to ASGI applications only."""

from flask import Flask
from flask_socketio import SocketIO, emit

app = Flask(__name__)
socketio = SocketIO(app, async_mode="threading")


@socketio.on("say")
def say(text):
    emit("said", text.upper())
