"""python-socketio: long polling and WebSocket."""

import socketio

server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")
app = socketio.ASGIApp(server)


@server.event
async def say(sid, text):
    await server.emit("said", text.upper(), to=sid)
