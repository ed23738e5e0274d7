"""A Litestar application (ASGI) with every kind of route: typed parameters, a controller, WebSocket, mounts, files."""

from pathlib import Path
from typing import Any

from litestar import Controller, Litestar, Router, WebSocket, asgi, delete, get, head, post, put, websocket
from litestar.static_files import create_static_files_router
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

HERE = {"app": "litestar"}


@get("/")
async def index() -> dict[str, str]:
    return HERE


class Users(Controller):
    path = "/users"

    @get("/", name="users")
    async def all_of_them(self) -> dict[str, str]:
        return HERE

    @get("/{number:int}", name="user")
    async def one(self) -> dict[str, str]:
        return HERE

    @delete("/{number:int}", status_code=200)
    async def remove(self) -> dict[str, str]:
        return HERE


@get("/days/{day:date}")
async def day() -> dict[str, str]:
    return HERE


@get("/documents/{document:uuid}")
async def document() -> dict[str, str]:
    return HERE


@get("/price/{amount:float}")
async def price() -> dict[str, str]:
    return HERE


@get("/wiki/{page:path}")
async def wiki() -> dict[str, str]:
    return HERE


@post("/orders")
async def order() -> dict[str, str]:
    return HERE


@put("/orders/{name:str}/state")
async def order_state() -> dict[str, str]:
    return HERE


@head("/ping")
async def ping() -> None: ...


@websocket("/ws/{room:str}")
async def chat(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    await socket.send_text(f"litestar {socket.path_params['room']}")
    await socket.close()


async def mounted_page(request: Any) -> Any:
    return JSONResponse({"app": "litestar"})


@asgi("/raw", is_mount=True, copy_scope=True)
async def raw(scope: Any, receive: Any, send: Any) -> None:
    await JSONResponse({**HERE, "rest": scope["path"]})(scope, receive, send)


app = Litestar(
    route_handlers=[
        index,
        Users,
        Router("/v1", route_handlers=[day, document, price, wiki]),
        order,
        order_state,
        ping,
        chat,
        raw,
        asgi("/inner", is_mount=True, copy_scope=True)(Starlette(routes=[Route("/page/", mounted_page)])),
        create_static_files_router("/static", directories=[Path(__file__).parent]),
    ],
    openapi_config=None,
)
