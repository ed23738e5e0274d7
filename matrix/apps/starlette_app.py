"""Starlette."""

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from values import EVENTS, FILES, LARGE, LINES, facts, work_async


async def index(request):
    return PlainTextResponse("index\n")


async def user(request):
    return JSONResponse({"name": request.path_params["name"], "page": request.query_params.get("page")})


async def form(request):
    sent = await request.form()
    return JSONResponse({name: sent.getlist(name) for name in sent})


async def upload(request):
    sent = await request.form()
    document = sent["document"]
    return JSONResponse({"name": document.filename, "note": sent["note"], **facts(await document.read())})


async def echo(request):
    try:
        return JSONResponse(await request.json())
    except ValueError:
        return PlainTextResponse("no JSON\n", 400)


async def raw(request):
    return JSONResponse(facts(await request.body()))


async def item(request):
    if request.method == "DELETE":
        return Response(status_code=204)
    return JSONResponse({"number": request.path_params["number"], "body": (await request.body()).decode()})


async def cookies(request):
    response = JSONResponse({"seen": dict(sorted(request.cookies.items()))})
    response.set_cookie("first", "1", httponly=True)
    response.set_cookie("second", "two", path="/x", max_age=60)
    return response


async def fields(request):
    sent = request.headers
    return JSONResponse({"host": sent["host"], "url": str(request.url), "test": sent.get("x-test")})


async def _pieces(pieces):
    for piece in pieces:
        yield piece


async def stream(request):
    return StreamingResponse(_pieces(LINES), media_type="text/plain")


async def events(request):
    return StreamingResponse(_pieces(EVENTS), media_type="text/event-stream")


async def large(request):
    return Response(LARGE, media_type="application/octet-stream")


async def moved(request):
    return RedirectResponse("/", 302)


async def error(request):
    raise RuntimeError("asked for")


async def later(request):
    return PlainTextResponse("later\n", background=BackgroundTask(work_async))


async def talk(websocket):
    await websocket.accept(subprotocol="chat" if "chat" in websocket.scope["subprotocols"] else None)
    async for said in websocket.iter_text():
        if said == "bye":
            await websocket.close(4001)
            return
        await websocket.send_text(f"echo {said}")


app = Starlette(
    routes=[
        Route("/", index),
        Route("/users/{name}", user),
        Route("/form", form, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        Route("/json", echo, methods=["POST"]),
        Route("/raw", raw, methods=["POST"]),
        Route("/items/{number:int}", item, methods=["PUT", "DELETE"]),
        Route("/cookies", cookies),
        Route("/fields", fields),
        Route("/stream", stream),
        Route("/events", events),
        Route("/large", large),
        Mount("/files", StaticFiles(directory=FILES)),
        Route("/moved", moved),
        Route("/error", error),
        Route("/later", later, methods=["POST"]),
        WebSocketRoute("/ws", talk),
    ]
)
