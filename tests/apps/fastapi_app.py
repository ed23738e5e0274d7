"""A small FastAPI application (ASGI): the new app of a migration; `bridged` carries the Flask app below `/old`."""

import hashlib
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, File, Form, Request, UploadFile, WebSocket
from fastapi.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.middleware.sessions import SessionMiddleware

import flask_app
from rsgi import WsgiToAsgi


@asynccontextmanager
async def lifespan(_: FastAPI):
    yield {"opened": "by the lifespan"}


app = FastAPI(lifespan=lifespan)
app.add_middleware(SessionMiddleware, secret_key="for tests only")


@app.get("/", response_class=PlainTextResponse)
async def index():
    return "FastAPI index\n"


@app.post("/form")
async def form(request: Request):
    sent = await request.form()
    return {name: sent.getlist(name) for name in sent}


@app.post("/typed-form")
def typed_form(name: Annotated[str, Form()]):
    return {"name": name}


@app.post("/upload")
def upload(document: Annotated[UploadFile, File()]):
    content = document.file.read()
    return {"name": document.filename, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@app.post("/json")
async def echo_json(value: dict):
    return value


@app.post("/raw")
async def raw(request: Request):
    return Response(await request.body(), media_type="application/octet-stream")


@app.get("/visits")
async def visits(request: Request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return {"visits": request.session["visits"]}


@app.get("/stream")
async def stream(name: str):
    return StreamingResponse((f"line {number} of {name}\n" for number in range(3)), media_type="text/plain")


@app.get("/file")
def file():
    return FileResponse(__file__, media_type="text/x-python")


@app.get("/boom")
def boom():
    raise RuntimeError("fastapi: boom")


@app.get("/state")
async def state(request: Request):
    return {"opened": request.state.opened}


@app.get("/users/{number}")
async def users(number: int):
    return {"app": "fastapi", "method": "GET", "user": number}


@app.delete("/users/{number}")
async def delete_user(number: int):
    return {"app": "fastapi", "method": "DELETE", "user": number}


@app.get("/items")
async def items():
    return {"app": "fastapi", "method": "GET", "body": ""}


@app.get("/url")
async def url(request: Request):
    return {"url": str(request.url), "root": request.scope["root_path"]}


@app.websocket("/ws/echo/{name}")
async def echo_websocket(websocket: WebSocket, name: str):
    await websocket.accept()
    async for message in websocket.iter_text():
        await websocket.send_text(f"fastapi {name}: {message}")


bridged = FastAPI()


@bridged.get("/new")
async def new():
    return {"app": "fastapi"}


bridged.mount("/old", WsgiToAsgi(flask_app.app))
