"""sse-starlette."""

from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.routing import Route


async def events(request):
    async def made():
        for number in range(3):
            yield {"event": "count", "id": str(number), "data": f"event {number}"}

    return EventSourceResponse(made())


app = Starlette(routes=[Route("/events", events)])
