"""Applications that set up logging for the whole process, as many do, and then fail."""

import logging.config
import os
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from rsgi import WsgiToAsgi

FORMATTERS = {"plain": {"format": "their format: %(message)s"}}
SETTINGS = {
    "disabled": {"version": 1},
    "named": {"version": 1, "disable_existing_loggers": False},
    "own": {
        "version": 1,
        "formatters": FORMATTERS,
        "handlers": {"theirs": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "root": {"handlers": ["theirs"]},
        "loggers": {"rsgi": {"handlers": ["theirs"], "propagate": False}},
    },
}


def set_up():
    how = os.environ["LOGGING_APP"]
    if how == "without handlers":
        logging.getLogger("rsgi").handlers.clear()
    else:
        logging.config.dictConfig(SETTINGS[how])


@asynccontextmanager
async def lifespan(app):
    set_up()
    yield


async def fail(request):
    raise RuntimeError("the new application failed")


new = Starlette(routes=[Route("/fail", fail)], lifespan=lifespan)


def old(environ, start_response):
    set_up()
    raise RuntimeError("the old application failed")


class Closing:
    """A body whose close() fails."""

    def __iter__(self):
        return iter([b"sent"])

    def close(self):
        raise RuntimeError("close failed")


def closing(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closing()


bridged = WsgiToAsgi(closing)
