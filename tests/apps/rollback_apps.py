"""A Flask and a FastAPI application for the same path. They fail if the query says so: for tests of rollbacks."""

import asyncio

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from flask import Flask
from flask import request as asked

SLOW = 0.05

old = Flask(__name__)
new = FastAPI()


@old.get("/x")
def old_page():
    if asked.args.get("fail") == "both":
        return "old", 503
    if asked.args.get("missing") == "both":
        return "old", 404
    return "old"


@new.get("/x", response_model=None)
async def new_page(request: Request):
    query = request.query_params
    if query.get("slow"):
        await asyncio.sleep(SLOW)
    if query.get("raise"):
        raise RuntimeError("for the test")
    if query.get("cut"):
        return StreamingResponse(broken())
    status = 500 if query.get("fail") else 404 if query.get("missing") else 200
    return JSONResponse("new", status)


async def broken():
    yield b"new"
    raise RuntimeError("for the test")
