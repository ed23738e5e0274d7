"""A Flask and a FastAPI application for the same path, which fail or are slow when the query says so: for tests of rollbacks."""

import asyncio

from fastapi import FastAPI
from flask import Flask, request

SLOW = 0.05

old = Flask(__name__)
new = FastAPI()


@old.get("/x")
def old_page():
    if request.args.get("fail") == "both":
        raise RuntimeError("for the test")
    return "old"


@new.get("/x")
async def new_page(fail: str = "", slow: str = "") -> str:
    if slow == "new":
        await asyncio.sleep(SLOW)
    if fail:
        raise RuntimeError("for the test")
    return "new"
