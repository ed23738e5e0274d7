"""Step 2: what only reads. Forms, changes and orders stay where they are."""

from typing import Annotated

from fastapi import FastAPI, HTTPException, Path
from step1 import health
from store import BOOKS

Number = Annotated[int, Path(ge=0)]

app = FastAPI(openapi_url=None)
app.get("/health")(health)


@app.get("/books")
async def books():
    return {"books": [book.as_dict() for book in BOOKS.values()], "from": "fastapi"}


# The convertor `:int` keeps the old behaviour: `/books/abc` is nobody's, a plain 404 instead of FastAPI's 422.
@app.get("/books/{number:int}")
async def book(number: Number):
    if number not in BOOKS:
        raise HTTPException(404)
    return BOOKS[number].as_dict() | {"from": "fastapi"}


@app.get("/books/{number:int}/reviews")
async def reviews(number: Number):
    return {"book": number, "reviews": [], "from": "fastapi"}


@app.get("/authors")
async def authors():
    return {"authors": sorted({book.author for book in BOOKS.values()}), "from": "fastapi"}


@app.get("/authors/{name}")
async def author(name: str):
    titles = [book.title for book in BOOKS.values() if book.author == name]
    return {"author": name, "books": titles, "from": "fastapi"}


@app.get("/search")
async def search(q: str = ""):
    return {"found": [book.title for book in BOOKS.values() if q.lower() in book.title.lower()], "from": "fastapi"}
