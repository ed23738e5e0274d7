"""Litestar."""

from typing import Annotated, Any

from litestar import Litestar, Request, Response, WebSocket, delete, get, post, put, websocket
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import Cookie
from litestar.enums import MediaType, RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect, Stream
from litestar.static_files import create_static_files_router

from values import EVENTS, FILES, LARGE, LINES, facts, work_async


@get("/", media_type=MediaType.TEXT)
async def index() -> str:
    return "index\n"


@get("/users/{name:str}")
async def user(name: str, page: str | None = None) -> dict[str, Any]:
    return {"name": name, "page": page}


@post("/form", status_code=200)
async def form(request: Request) -> dict[str, Any]:
    sent = await request.form()
    return {name: sent.getall(name) for name in dict.fromkeys(sent)}


@post("/upload", status_code=200)
async def upload(data: Annotated[dict[str, Any], Body(media_type=RequestEncodingType.MULTI_PART)]) -> dict[str, Any]:
    document = data["document"]
    return {"name": document.filename, "note": data["note"], **facts(await document.read())}


@post("/json", status_code=200)
async def echo(data: Any) -> Any:
    return data


@post("/raw", status_code=200)
async def raw(request: Request) -> dict[str, Any]:
    return facts(await request.body())


@put("/items/{number:int}")
async def put_item(number: int, request: Request) -> dict[str, Any]:
    return {"number": number, "body": (await request.body()).decode()}


@delete("/items/{number:int}")
async def delete_item(number: int) -> None:
    return None


@get("/cookies")
async def cookies(request: Request) -> Response[dict[str, Any]]:
    made = [Cookie("first", value="1", httponly=True), Cookie("second", value="two", path="/x", max_age=60)]
    return Response({"seen": dict(sorted(request.cookies.items()))}, cookies=made)


@get("/fields")
async def fields(request: Request) -> dict[str, Any]:
    sent = request.headers
    return {"host": sent["host"], "url": str(request.url), "test": sent.get("x-test")}


@get("/stream")
async def stream() -> Stream:
    return Stream(iter(LINES), media_type="text/plain")


@get("/events")
async def events() -> Stream:
    return Stream(iter(EVENTS), media_type="text/event-stream")


@get("/large")
async def large() -> Response[bytes]:
    return Response(LARGE, media_type="application/octet-stream")


@get("/moved")
async def moved() -> Redirect:
    return Redirect("/", status_code=302)


@get("/error")
async def error() -> None:
    raise RuntimeError("asked for")


@post("/later", status_code=200)
async def later() -> Response[str]:
    return Response("later\n", media_type="text/plain", background=BackgroundTask(work_async))


@websocket("/ws")
async def talk(socket: WebSocket) -> None:
    await socket.accept(subprotocols="chat" if "chat" in socket.scope["subprotocols"] else None)
    async for said in socket.iter_data():
        if said == "bye":
            await socket.close(4001)
            return
        await socket.send_text(f"echo {said}")


app = Litestar(
    [
        index, user, form, upload, echo, raw, put_item, delete_item, cookies, fields, stream, events, large, moved, error,
        later, talk, create_static_files_router("/files", directories=[FILES]),
    ],
    openapi_config=None,
)  # fmt: skip
