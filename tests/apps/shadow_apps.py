"""The same site in Flask and in FastAPI, with differences that the tests of shadow traffic look for."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from fastapi import BackgroundTasks, FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from flask import Flask, jsonify
from flask import Response as FlaskResponse
from flask import request as flask_request

# What each application has seen in this process: method, target, the header of shadow requests, and the body.
SEEN: dict[str, list[tuple[str, str, str | None, str]]] = {"old": [], "new": []}
NUMBERS = itertools.count()

old = Flask("old")
new = FastAPI()


@old.before_request
def see() -> None:
    """Note every request but those of tests."""
    if flask_request.path.startswith("/seen"):
        return
    target = flask_request.full_path.rstrip("?")
    body = flask_request.get_data(as_text=True) if flask_request.headers.get("X-Read", "all") == "all" else ""
    SEEN["old"].append((flask_request.method, target, flask_request.headers.get("X-Rsgi-Shadow"), body))


HELD, RELEASED = threading.Event(), threading.Event()


@old.get("/seen/hold")
def hold() -> Any:
    """Keeps a thread busy until it is released."""
    HELD.set()
    return jsonify(RELEASED.wait(20))


@old.get("/seen/held")
def held() -> Any:
    """Waits until one is kept busy."""
    return jsonify(HELD.wait(20))


@new.get("/seen/release")
async def release() -> Any:
    """Releases it."""
    RELEASED.set()


@old.get("/seen")
def seen() -> Any:
    """What both have seen."""
    return jsonify({**SEEN, "pid": os.getpid()})


@old.route("/same/<int:number>", methods=["GET", "POST"])
def same(number: int) -> Any:
    """Both answer alike, but for the form of the JSON."""
    return jsonify({"number": number, "name": "x"})


@old.get("/price/<int:number>")
def price(number: int) -> Any:
    """The new one gives a number as text."""
    return jsonify({"number": number, "price": 12.5})


@old.get("/noise")
def noise() -> Any:
    """Different each time."""
    return jsonify({"stamp": next(NUMBERS), "name": "x"})


@old.get("/broken")
def broken() -> Any:
    """The new one fails."""
    return "fine"


@old.get("/slow")
def slow() -> Any:
    """The new one takes too long."""
    return "fine"


@old.get("/stream")
def stream() -> Any:
    """A body in pieces."""

    def pieces() -> Iterator[bytes]:
        for number in range(20):
            yield b"%04d" % number * 64

    return FlaskResponse(pieces(), mimetype="text/plain")


@old.get("/large")
def large() -> Any:
    """A body over the limit, whose end is another one than that of the new application."""
    return FlaskResponse(b"x" * 400_000 + b"old", mimetype="application/octet-stream")


@old.get("/endless")
def endless() -> Any:
    """A body without an end."""
    return FlaskResponse(itertools.repeat(b"x" * 65536), mimetype="text/plain")


@old.get("/events")
def events() -> Any:
    """A stream of events."""
    return FlaskResponse(iter([b"data: 1\n\n"]), mimetype="text/event-stream")


@old.get("/cached")
def cached() -> Any:
    """Known to the client already."""
    response = FlaskResponse("cached")
    response.set_etag("1")
    return response.make_conditional(flask_request)


@new.middleware("http")
async def see_too(request: Request, call_next: Any) -> Response:
    """Note every request but those of tests."""
    if request.url.path.startswith("/seen"):
        passed: Response = await call_next(request)
        return passed
    query = f"?{request.url.query}" if request.url.query else ""
    body = (await request.body()).decode()
    SEEN["new"].append((request.method, request.url.path + query, request.headers.get("x-rsgi-shadow"), body))
    response: Response = await call_next(request)
    response.set_cookie("new", "1")
    return response


@new.api_route("/same/{number}", methods=["GET", "HEAD", "POST"])
async def same_too(number: int) -> Any:
    """As the old one."""
    return {"name": "x", "number": number}


@new.get("/price/{number}")
async def price_too(number: int) -> Any:
    """The number as text."""
    return {"number": number, "price": "12.50"}


@new.get("/noise")
async def noise_too() -> Any:
    """Different each time."""
    return {"stamp": next(NUMBERS), "name": "x"}


@new.get("/broken")
async def broken_too() -> Any:
    """Fails."""
    raise RuntimeError("the new application fails")


@new.get("/slow")
def slow_too() -> Any:
    """Takes too long."""
    time.sleep(1.5)
    return JSONResponse("fine")


@new.get("/stream")
async def stream_too() -> Any:
    """As the old one."""

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(20):
            yield b"%04d" % number * 64

    return StreamingResponse(pieces(), media_type="text/plain")


@new.get("/large")
async def large_too() -> Any:
    """A body over the limit."""
    return Response(b"x" * 400_000 + b"new", media_type="application/octet-stream")


@new.get("/background")
async def background(tasks: BackgroundTasks) -> Any:
    """Runs something after its response."""
    tasks.add_task(SEEN["new"].append, ("TASK", "/background", None, ""))
    return {}
