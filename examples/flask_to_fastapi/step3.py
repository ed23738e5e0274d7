"""Step 3: what changes something, the orders, and something that Flask could not have: news over a WebSocket."""

from fastapi import FastAPI, WebSocket
from pydantic import BaseModel
from step2 import Number
from step2 import app as reading
from store import ORDERS, Order

app = FastAPI(openapi_url=None)
app.include_router(reading.router)


class NewBook(BaseModel):
    title: str


class NewOrder(BaseModel):
    book: int


@app.post("/books", status_code=201)
async def add_book(new: NewBook):
    return {"added": new.title, "from": "fastapi"}


@app.put("/books/{number:int}")
async def change_book(number: Number):
    return {"changed": number, "from": "fastapi"}


@app.delete("/books/{number:int}")
async def delete_book(number: Number):
    return {"deleted": number, "from": "fastapi"}


@app.post("/books/{number:int}/reviews", status_code=201)
async def add_review(number: Number):
    return {"book": number, "added": True, "from": "fastapi"}


@app.get("/orders")
async def orders():
    return {"orders": len(ORDERS), "from": "fastapi"}


@app.post("/orders", status_code=201)
async def order(new: NewOrder):
    ORDERS.append(Order(new.book))
    return {"number": len(ORDERS), "from": "fastapi"}


@app.get("/orders/{number:int}")
async def one_order(number: Number):
    return {"number": number, "from": "fastapi"}


@app.websocket("/news")
async def news(socket: WebSocket):
    await socket.accept()
    await socket.send_text(f"{len(ORDERS)} orders")
    await socket.close()
