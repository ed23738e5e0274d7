"""The FastAPI application that the old one moves to. What has a route here is answered here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timezone

from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from pydantic import BaseModel


class User(BaseModel):
    """A user, in the shape that the old application gives as well."""

    id: int
    name: str
    city: str
    answered_by: str = "fastapi"


USERS = {
    1: User(id=1, name="Ada Lovelace", city="London"),
    2: User(id=2, name="Grace Hopper", city="New York"),
    3: User(id=3, name="Katherine Johnson", city="Hampton"),
}


class Room:
    """Everyone who is in the chat."""

    def __init__(self) -> None:
        self._members: set[WebSocket] = set()
        self._next_guest = 1

    async def enter(self, member: WebSocket) -> str:
        """Accept a member; gives the name it goes by."""
        await member.accept()
        self._members.add(member)
        name, self._next_guest = f"guest {self._next_guest}", self._next_guest + 1
        return name

    def leave(self, member: WebSocket) -> None:
        self._members.discard(member)

    async def tell_all(self, text: str) -> None:
        """Send a line to everyone; one that left in between does not keep it from the others."""
        for member in list(self._members):
            try:
                await member.send_text(text)
            except (RuntimeError, WebSocketDisconnect):
                self.leave(member)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
    """What is opened here is open before the first request, and closed after the last."""
    yield {"started": datetime.now(timezone.utc), "room": Room()}


app = FastAPI(title="The new application", lifespan=lifespan)


@app.get("/users/{number}")
async def user(number: int) -> User:
    if number not in USERS:
        raise HTTPException(404, f"no user {number}")
    return USERS[number]


@app.get("/search")
async def search(q: str = "") -> dict[str, object]:
    found = [each for each in USERS.values() if q.lower() in f"{each.name} {each.city}".lower()]
    return {"query": q, "found": found, "answered_by": "fastapi"}


@app.websocket("/ws/chat")
async def chat(websocket: WebSocket) -> None:
    room: Room = websocket.state.room
    name = await room.enter(websocket)
    await room.tell_all(f"{name} is here")
    try:
        async for text in websocket.iter_text():
            await room.tell_all(f"{name}: {text[:500]}")
    finally:
        room.leave(websocket)
        await room.tell_all(f"{name} left")
