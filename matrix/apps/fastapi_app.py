"""FastAPI."""

from typing import Annotated, Any

from fastapi import BackgroundTasks, Body, FastAPI, Form, Request, Response, UploadFile, WebSocket
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

from values import EVENTS, FILES, LARGE, LINES, facts, work

app = FastAPI()
app.mount("/files", StaticFiles(directory=FILES))


@app.get("/", response_class=PlainTextResponse)
def index():
    return "index\n"


@app.get("/users/{name}")
def user(name: str, page: str | None = None):
    return {"name": name, "page": page}


@app.post("/form")
def form(name: Annotated[list[str], Form()], many: Annotated[list[str], Form()] = []):
    return {"name": name, "many": many}


@app.post("/upload")
async def upload(document: UploadFile, note: Annotated[str, Form()]):
    return {"name": document.filename, "note": note, **facts(await document.read())}


@app.post("/json")
def echo(value: Annotated[Any, Body()]):
    return value


@app.post("/raw")
async def raw(request: Request):
    return facts(await request.body())


@app.put("/items/{number}")
async def put_item(number: int, request: Request):
    return {"number": number, "body": (await request.body()).decode()}


@app.delete("/items/{number}", status_code=204)
def delete_item(number: int):
    return None


@app.get("/cookies")
def cookies(request: Request, response: Response):
    response.set_cookie("first", "1", httponly=True)
    response.set_cookie("second", "two", path="/x", max_age=60)
    return {"seen": dict(sorted(request.cookies.items()))}


@app.get("/fields")
def fields(request: Request):
    sent = request.headers
    return {"host": sent["host"], "url": str(request.url), "test": sent.get("x-test")}


@app.get("/stream")
def stream():
    return StreamingResponse(iter(LINES), media_type="text/plain")


@app.get("/events")
def events():
    return StreamingResponse(iter(EVENTS), media_type="text/event-stream")


@app.get("/large")
def large():
    return Response(LARGE, media_type="application/octet-stream")


@app.get("/moved")
def moved():
    return RedirectResponse("/", 302)


@app.get("/error")
def error():
    raise RuntimeError("asked for")


@app.post("/later", response_class=PlainTextResponse)
def later(tasks: BackgroundTasks):
    tasks.add_task(work)
    return "later\n"


@app.websocket("/ws")
async def talk(websocket: WebSocket):
    await websocket.accept(subprotocol="chat" if "chat" in websocket.scope["subprotocols"] else None)
    async for said in websocket.iter_text():
        if said == "bye":
            await websocket.close(4001)
            return
        await websocket.send_text(f"echo {said}")
