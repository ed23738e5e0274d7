"""The new application of the dashboard's tests: Starlette."""

import asyncio

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def user(request):
    return PlainTextResponse(f"new {request.path_params['number']}")


async def failing(request):
    return PlainTextResponse("new fails", 500)


async def slow(request):
    await asyncio.sleep(0.06)
    return PlainTextResponse("new is slow")


async def fresh(request):
    return PlainTextResponse("only new")


app = Starlette(
    routes=[
        Route("/users/{number:int}", user),
        Route("/failing", failing),
        Route("/slow", slow),
        Route("/fresh/{name}", fresh),
    ]
)
