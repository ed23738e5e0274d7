"""Sanic."""

from sanic import Sanic
from sanic.response import HTTPResponse, empty, json, raw, redirect, text

from values import EVENTS, FILES, LARGE, LINES, facts, work_async

Sanic.start_method = "fork"
app = Sanic("matrix")
app.static("/files", FILES)


@app.get("/")
async def index(request):
    return text("index\n")


@app.head("/")
async def index_head(request):
    return text("index\n")


@app.get("/users/<name:str>", unquote=True)
async def user(request, name):
    return json({"name": name, "page": request.args.get("page")})


@app.post("/form")
async def form(request):
    return json(dict(request.form))


@app.post("/upload")
async def upload(request):
    sent = request.files.get("document")
    return json({"name": sent.name, "note": request.form.get("note"), **facts(sent.body)})


@app.post("/json")
async def echo(request):
    return json(request.json)


@app.post("/raw")
async def take(request):
    return json(facts(request.body))


@app.put("/items/<number:int>")
async def put_item(request, number):
    return json({"number": number, "body": request.body.decode()})


@app.delete("/items/<number:int>")
async def delete_item(request, number):
    return empty()


@app.get("/cookies")
async def cookies(request):
    response = json({"seen": {name: request.cookies.get(name) for name in sorted(request.cookies)}})
    response.add_cookie("first", "1", httponly=True, secure=False)
    response.add_cookie("second", "two", path="/x", max_age=60, secure=False)
    return response


@app.get("/fields")
async def fields(request):
    return json({"host": request.host, "url": request.url, "test": request.headers.get("x-test")})


@app.get("/stream")
async def stream(request):
    response = await request.respond(content_type="text/plain")
    for line in LINES:
        await response.send(line)
    await response.eof()


@app.get("/events")
async def events(request):
    response = await request.respond(content_type="text/event-stream")
    for event in EVENTS:
        await response.send(event)
    await response.eof()


@app.get("/large")
async def large(request):
    return raw(LARGE)


@app.get("/moved")
async def moved(request):
    return redirect("/")


@app.get("/error")
async def error(request):
    raise RuntimeError("asked for")


@app.post("/later")
async def later(request):
    app.add_task(work_async())
    return HTTPResponse("later\n", content_type="text/plain")


@app.websocket("/ws", subprotocols=["chat"])
async def talk(request, socket):
    while True:
        said = await socket.recv()
        if said in (None, "bye"):
            return
        await socket.send(f"echo {said}")
