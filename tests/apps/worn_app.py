"""A Flask and a FastAPI application that say which process they run in, and that can grow, block, and hang."""

import asyncio
import ctypes
import os
import threading
import time

kept = []

if "RSGI_TEST_SLOW_IMPORT" in os.environ:
    time.sleep(float(os.environ["RSGI_TEST_SLOW_IMPORT"]))


def block_the_loop():
    time.sleep(60)


def _old():
    from flask import Flask

    old = Flask(__name__)

    @old.get("/")
    def old_pid():
        return {"pid": os.getpid()}

    @old.get("/grow")
    def old_grow():
        # Written to, so that it is resident.
        kept.append(b"x" * (48 * 1024 * 1024))
        return {"pid": os.getpid()}

    @old.get("/hold")
    def old_hold():
        """Hold the interpreter for a while, as an extension may."""
        ctypes.PyDLL(None).sleep(3)
        return {"pid": os.getpid()}

    @old.get("/hang")
    def old_hang():
        threading.Event().wait(60)
        return {}

    return old


def _new():
    from fastapi import FastAPI

    new = FastAPI()

    @new.get("/")
    async def new_pid():
        return {"pid": os.getpid()}

    @new.get("/block")
    async def new_block():
        block_the_loop()
        return {"pid": os.getpid()}

    @new.get("/wait")
    async def new_wait():
        await asyncio.sleep(3)
        return {"pid": os.getpid()}

    return new


def __getattr__(name):
    """Each application is made, and its framework imported, when it is asked for: a server has one of them mostly."""
    makers = {"old": _old, "new": _new}
    if name not in makers:
        raise AttributeError(name)
    return globals().setdefault(name, makers[name]())
