"""Step 4: pages, login and covers. Now nothing is left, and Flask can go."""

from typing import Annotated

from fastapi import FastAPI, Form
from fastapi.responses import HTMLResponse, RedirectResponse
from step3 import app as so_far

app = FastAPI(openapi_url=None)
app.include_router(so_far.router)


@app.get("/", response_class=HTMLResponse)
async def home():
    return "<h1>The bookshop</h1>"


@app.get("/about", response_class=HTMLResponse)
async def about():
    return "<p>Books since 1987.</p>"


@app.get("/login", response_class=HTMLResponse)
async def login_form():
    return "<form method=post><input name=user></form>"


@app.post("/login")
async def login(user: Annotated[str, Form()] = ""):
    response = RedirectResponse("/", 302)
    response.set_cookie("user", user, httponly=True)
    return response


@app.post("/logout")
async def logout():
    response = RedirectResponse("/", 302)
    response.delete_cookie("user")
    return response


@app.get("/covers/{file:path}")
async def cover(file: str):
    return {"cover": file, "from": "fastapi"}
