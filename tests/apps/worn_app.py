"""A Flask and a FastAPI application that say which process they run in, and that can grow, block, and hang."""

import asyncio
import ctypes
import os
import threading
import time

from fastapi import FastAPI
from flask import Flask

old, new = Flask(__name__), FastAPI()
kept = []

if "RSGI_TEST_SLOW_IMPORT" in os.environ:
    time.sleep(float(os.environ["RSGI_TEST_SLOW_IMPORT"]))


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


@new.get("/")
async def new_pid():
    return {"pid": os.getpid()}


@new.get("/block")
async def new_block():
    block_the_loop()
    return {"pid": os.getpid()}


def block_the_loop():
    time.sleep(60)


@new.get("/wait")
async def new_wait():
    await asyncio.sleep(3)
    return {"pid": os.getpid()}
