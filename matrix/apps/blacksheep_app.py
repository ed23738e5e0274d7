"""BlackSheep."""

from blacksheep import Application, Content, Cookie, Request, Response, StreamedContent, WebSocket, json, redirect, text

from values import EVENTS, FILES, LARGE, LINES, facts

app = Application()
app.serve_files(FILES, root_path="files", discovery=False, extensions={".txt"})


@app.router.get("/")
async def index():
    return text("index\n")


@app.router.head("/")
async def index_head():
    return text("index\n")


@app.router.get("/users/{name}")
async def user(request: Request, name: str):
    return json({"name": name, "page": (request.query.get("page") or [None])[0]})


def _lists(sent):
    return {name: value if isinstance(value, list) else [value] for name, value in sent.items()}


@app.router.post("/form")
async def form(request: Request):
    return json(_lists(await request.form()))


@app.router.post("/upload")
async def upload(request: Request):
    parts = {part.name.decode(): part for part in await request.multipart()}
    sent = parts["document"]
    note = parts["note"].data.decode()
    return json({"name": sent.file_name.decode(), "note": note, **facts(sent.data)})


@app.router.post("/json")
async def echo(request: Request):
    return json(await request.json())


@app.router.post("/raw")
async def raw(request: Request):
    return json(facts(await request.read() or b""))


@app.router.put("/items/{number}")
async def put_item(request: Request, number: int):
    return json({"number": number, "body": (await request.read() or b"").decode()})


@app.router.delete("/items/{number}")
async def delete_item(number: int):
    return Response(204)


@app.router.get("/cookies")
async def cookies(request: Request):
    response = json({"seen": dict(sorted(request.cookies.items()))})
    response.set_cookie(Cookie("first", "1", http_only=True))
    response.set_cookie(Cookie("second", "two", path="/x", max_age=60))
    return response


@app.router.get("/fields")
async def fields(request: Request):
    sent = request.get_first_header(b"x-test")
    return json({"host": request.host, "url": request.url.value.decode(), "test": sent.decode() if sent else None})


def _stream(pieces, kind):
    async def encoded():
        for piece in pieces:
            yield piece.encode()

    return Response(200, content=StreamedContent(kind, encoded))


@app.router.get("/stream")
async def stream():
    return _stream(LINES, b"text/plain")


@app.router.get("/events")
async def events():
    return _stream(EVENTS, b"text/event-stream")


@app.router.get("/large")
async def large():
    return Response(200, content=Content(b"application/octet-stream", LARGE))


@app.router.get("/moved")
async def moved():
    return redirect("/")


@app.router.get("/error")
async def error():
    raise RuntimeError("asked for")


@app.router.ws("/ws")
async def talk(websocket: WebSocket):
    await websocket.accept(subprotocol="chat" if "chat" in websocket.scope["subprotocols"] else None)
    while (said := await websocket.receive_text()) != "bye":
        await websocket.send_text(f"echo {said}")
    await websocket.close(4001)
