"""The new application: Starlette, with one route that has moved and a WebSocket."""

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute


async def person(request):
    return PlainTextResponse(f"{request.path_params['name']} from Starlette\n")


async def echo(websocket):
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


app = Starlette(routes=[Route("/people/{name}", person, methods=["GET"]), WebSocketRoute("/echo", echo)])
