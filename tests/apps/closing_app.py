"""Applications that say on stderr what they see of the server's end, when no client can ask any more."""

import asyncio
import sys
import time


def say(text):
    print(f"closing app: {text}", file=sys.stderr, flush=True)


class app:
    """WSGI: an endless stream that says when it is closed."""

    def __init__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])

    def __iter__(self):
        while True:
            yield b"and so on\n"
            time.sleep(0.01)

    def close(self):
        say("closed")


async def living(scope, receive, send):
    """ASGI: a request of half a second, and a lifespan that says when it ends."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        say("lifespan ended")
        await send({"type": "lifespan.shutdown.complete"})
        return
    say("request began")
    await asyncio.sleep(0.5)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"answered"})
    say("request ended")
