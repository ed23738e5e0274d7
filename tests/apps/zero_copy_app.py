"""An ASGI application that sends pieces of open files; `/said` shows what was raised in it."""

import io
import os
from urllib.parse import parse_qs

said = []


async def app(scope, receive, send):
    query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}
    headers = [(b"content-length", query["length"].encode())] if "length" in query else []
    start = {"type": "http.response.start", "status": int(query.get("status", "200")), "headers": headers}

    def body(data, more=False):
        return {"type": "http.response.body", "body": data, "more_body": more}

    def piece(file, more=False, **place):
        return {"type": "http.response.zerocopysend", "file": file, "more_body": more, **place}

    try:
        if scope["path"] == "/said":
            await send({**start, "headers": []})
            await send(body((said[-1] if said else "").encode()))
            return
        if scope["path"] == "/bad":
            await send(start)
            bad = {"text": "7", "true": True, "memory": io.BytesIO(b"x"), "pipe": os.pipe()[0], "closed": 9999}
            if query["file"] == "negative":
                with open(__file__, "rb") as file:
                    await send(piece(file, offset=-1))
            await send(piece(bad[query["file"]]))
        with open(query["path"], "rb") as file:
            match scope["path"]:
                case "/whole":
                    await send(start)
                    await send(piece(file))
                case "/number":
                    await send(start)
                    await send(piece(file.fileno()))
                case "/part":
                    await send(start)
                    await send(piece(file, offset=10, count=20))
                case "/from-position":
                    file.seek(100)
                    await send(start)
                    await send(piece(file, count=5, more=True))
                    await send(body(b"|", more=True))
                    await send(piece(file, count=5, more=True))
                    await send(body(b"|%d" % os.lseek(file.fileno(), 0, os.SEEK_CUR)))
                case "/mixed":
                    await send(start)
                    await send(body(b"before ", more=True))
                    await send(piece(file, offset=0, count=int(query.get("count", "3")), more=True))
                    await send(body(b" between ", more=True))
                    await send(piece(file, offset=5, count=2))
                case "/not-awaited":
                    await send(start)
                    await send(body(b"begun", more=True))
                    waiting = send(piece(file, more=True))
                    await send(body(b"too early", more=True))
                    await waiting
    except Exception as error:
        # A client of an earlier test may leave late; that is not what `/said` is asked for.
        if type(error).__name__ != "ClientDisconnected":
            said.append(f"{type(error).__name__}: {error}")
        raise
