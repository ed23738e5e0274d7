"""A route whose path looks like markup."""

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def markup(request):
    return PlainTextResponse("x")


app = Starlette(routes=[Route("/<img src=x onerror=alert(1)>", markup, name="<script>alert(2)</script>")])
