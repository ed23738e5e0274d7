"""The same with the login of the old application: the session that Flask has signed is read here, too."""

from typing import Annotated

from fastapi import Depends, FastAPI
from old import app as flask_app

from rsgi.migrate.sessions import FlaskCookie, FlaskSessionMiddleware, flask_login_required

app = FastAPI(openapi_url=None)
app.add_middleware(FlaskSessionMiddleware, cookie=FlaskCookie.of(flask_app))
login_required = flask_login_required("user", login_url="/login")


@app.get("/orders")
async def orders(user: Annotated[str, Depends(login_required)]):
    return {"orders of": user, "from": "fastapi"}
