"""A Starlette application that refuses WebSockets in the two ways that the framework has."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute


async def denied(websocket):
    await websocket.send_denial_response(JSONResponse({"detail": "members only"}, status_code=403))


async def raised(websocket):
    raise HTTPException(status_code=429, detail="slow down")


app = Starlette(routes=[WebSocketRoute("/denied", denied), WebSocketRoute("/raised", raised)])
