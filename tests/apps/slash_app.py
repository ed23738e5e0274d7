"""A Starlette application (ASGI) that redirects to the twin of a path, and one with a route for everything."""

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route


async def page(request):
    return JSONResponse({"app": "starlette"})


app = Starlette(routes=[Route("/with/", page), Route("/without", page)])
greedy = Starlette(routes=[Route("/api", page), Route("/{path:path}", page), Mount("/", app=app.router)])


def hidden():
    """`app` in a closure, where nobody can find it."""

    async def middleware(scope, receive, send):
        await app(scope, receive, send)

    return middleware
