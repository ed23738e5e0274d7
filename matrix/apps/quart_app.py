"""Quart."""

from quart import Quart, Response, jsonify, redirect, request, send_from_directory, websocket

from values import EVENTS, FILES, LARGE, LINES, facts, work_async

app = Quart(__name__)


@app.get("/")
async def index():
    return Response("index\n", mimetype="text/plain")


@app.get("/users/<name>")
async def user(name):
    return jsonify(name=name, page=request.args.get("page"))


@app.post("/form")
async def form():
    return jsonify((await request.form).to_dict(flat=False))


@app.post("/upload")
async def upload():
    sent = (await request.files)["document"]
    return jsonify(name=sent.filename, note=(await request.form)["note"], **facts(sent.read()))


@app.post("/json")
async def echo():
    return jsonify(await request.get_json())


@app.post("/raw")
async def raw():
    return jsonify(facts(await request.get_data()))


@app.route("/items/<int:number>", methods=["PUT", "DELETE"])
async def item(number):
    if request.method == "DELETE":
        return "", 204
    return jsonify(number=number, body=(await request.get_data()).decode())


@app.get("/cookies")
async def cookies():
    response = jsonify(seen=dict(sorted(request.cookies.items())))
    response.set_cookie("first", "1", httponly=True)
    response.set_cookie("second", "two", path="/x", max_age=60)
    return response


@app.get("/fields")
async def fields():
    return jsonify(host=request.host, url=request.url, test=request.headers.get("X-Test"))


async def _pieces(pieces):
    for piece in pieces:
        yield piece


@app.get("/stream")
async def stream():
    return Response(_pieces(LINES), mimetype="text/plain")


@app.get("/events")
async def events():
    return Response(_pieces(EVENTS), mimetype="text/event-stream")


@app.get("/large")
async def large():
    return Response(LARGE, mimetype="application/octet-stream")


@app.get("/files/<name>")
async def files(name):
    return await send_from_directory(FILES, name, conditional=True)


@app.get("/moved")
async def moved():
    return redirect("/")


@app.get("/error")
async def error():
    raise RuntimeError("asked for")


@app.post("/later")
async def later():
    app.add_background_task(work_async)
    return Response("later\n", mimetype="text/plain")


@app.websocket("/ws")
async def talk():
    chosen = "chat" if "chat" in websocket.requested_subprotocols else None
    await websocket.accept(subprotocol=chosen)
    while (said := await websocket.receive()) != "bye":
        await websocket.send(f"echo {said}")
    await websocket.close(4001)
