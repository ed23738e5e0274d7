"""A Flask application with a login, and FastAPI and Starlette applications that share it."""

import datetime
import uuid
from typing import Annotated

from fastapi import Depends, FastAPI, Request, WebSocket
from flask import Flask, request, session
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from rsgi.migrate.sessions import FlaskCookie, FlaskSessionMiddleware, flask_login_required

KEEPSAKES = {
    "tuple": (1, [2, (3,)]),
    "bytes": b"\x00\xff",
    "uuid": uuid.UUID("123e4567-e89b-12d3-a456-426614174000"),
    "date": datetime.datetime(2026, 11, 29, 12, 30, tzinfo=datetime.timezone.utc),
    "html": Markup("<b>ada</b>"),
    "tag": {" t": "not a tag"},
    "empty": {},
}

old = Flask(__name__)
old.config.update(
    SECRET_KEY="the new key",
    SECRET_KEY_FALLBACKS=["the old key"],
    SESSION_COOKIE_NAME="shop",
    SESSION_COOKIE_SAMESITE="Lax",
    PERMANENT_SESSION_LIFETIME=datetime.timedelta(hours=1),
)


@old.post("/old/login")
def old_login():
    session.permanent = "stay" in request.args
    session["user"] = request.args["user"]
    session["keepsakes"] = KEEPSAKES
    return "in"


@old.get("/old/me")
def old_me():
    return {"user": session.get("user"), "cart": session.get("cart"), "kept": session.get("keepsakes") == KEEPSAKES}


@old.post("/old/logout")
def old_logout():
    session.clear()
    return "out"


new = FastAPI(openapi_url=None)
new.add_middleware(FlaskSessionMiddleware, cookie=FlaskCookie.of(old))
login_required = flask_login_required("user", login_url="/old/login?from=new")
token_required = flask_login_required("user")


@new.post("/new/login")
async def new_login(request: Request, user: str, stay: bool = False):
    if stay:
        request.session.permanent = True
    request.session["user"] = user
    request.session["keepsakes"] = KEEPSAKES
    return "in"


@new.get("/new/me")
def new_me(request: Request, user: Annotated[str, Depends(login_required)]):
    session = request.session
    return {"user": user, "cart": session.get("cart"), "kept": session.get("keepsakes") == KEEPSAKES}


@new.get("/new/api")
async def new_api(user: Annotated[str, Depends(token_required)]):
    return user


@new.post("/new/cart")
async def new_cart(request: Request, thing: str, user: Annotated[str, Depends(login_required)]):
    request.session["cart"] = [*request.session.get("cart", []), thing]
    return user


@new.post("/new/logout")
async def new_logout(request: Request):
    request.session.clear()
    return "out"


@new.get("/new/public")
async def new_public():
    return "all"


@new.websocket("/new/ws")
async def new_ws(websocket: WebSocket, user: Annotated[str, Depends(login_required)]):
    websocket.session["cart"] = ["from a WebSocket"]
    await websocket.accept()
    await websocket.send_text(user)
    await websocket.close()


async def bare_me(request):
    return JSONResponse({"user": await login_required(request)})


bare = Starlette(routes=[Route("/new/me", bare_me)])
bare.add_middleware(FlaskSessionMiddleware, cookie=FlaskCookie.of(old))

stranger = FastAPI(openapi_url=None)
stranger.add_middleware(FlaskSessionMiddleware, cookie=FlaskCookie("another key", name="shop"))
stranger.add_api_route("/new/me", new_me)
