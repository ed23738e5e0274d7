"""A Flask application, and FastAPI ones that add routes in their startup, as `Instrumentator().expose(app)` does.

The old one answers every path, so what it should not have got is seen. What happens is written to stderr.
"""

import os
import signal
import sys
from contextlib import asynccontextmanager

from fastapi import FastAPI
from flask import Flask, jsonify, request

old = Flask("old", static_folder=None)


@old.route("/", defaults={"rest": ""}, methods=["GET", "POST"])
@old.route("/<path:rest>", methods=["GET", "POST"])
def everything(rest):
    return jsonify(app="old", path=request.path)


def respond():
    return {"app": "new"}


def write(text):
    print(text, file=sys.stderr, flush=True)


@asynccontextmanager
async def adds_metrics(app):
    app.add_api_route("/metrics", respond)
    write("the application has started")
    yield
    write("the application has stopped")


def made(lifespan=None):
    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.add_api_route("/orders", respond)
    return app


new = made(adds_metrics)
plain = made()


def grow():
    """Add a route while the server runs, and have the server look again."""
    grown.add_api_route("/grown", respond)
    os.kill(os.getpid(), signal.SIGHUP)
    return {"app": "new"}


@asynccontextmanager
async def mounts_metrics(app):
    below = FastAPI(openapi_url=None)
    below.add_api_route("/", respond)
    app.mount("/metrics", below)
    yield


mounting = made(mounts_metrics)

grown = made(adds_metrics)
grown.add_api_route("/grow", grow, methods=["POST"])


@asynccontextmanager
async def adds_what_cannot_be_read(app):
    app.router.routes.append(Unreadable())
    yield
    write("the application has stopped")


class Unreadable:
    def matches(self, scope):
        from starlette.routing import Match

        return Match.NONE, {}


unreadable = made(adds_what_cannot_be_read)


@asynccontextmanager
async def fails(app):
    raise OSError("there is no database")
    yield


failing = made(fails)


@asynccontextmanager
async def hangs(app):
    import asyncio

    await asyncio.sleep(3600)
    yield


hanging = made(hangs)


async def without_lifespan(scope, receive, send):
    if scope["type"] == "lifespan":
        raise ValueError("no lifespan here")
