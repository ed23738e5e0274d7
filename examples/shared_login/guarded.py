"""The same with the login of the old application: the session that Flask has signed is read here, too."""

from typing import Annotated

from fastapi import Cookie, Depends, FastAPI, HTTPException
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import BadSignature
from old import app as flask_app

app = FastAPI(openapi_url=None)
signer = SecureCookieSessionInterface().get_signing_serializer(flask_app)
lifetime = int(flask_app.permanent_session_lifetime.total_seconds())


def current_user(session: Annotated[str, Cookie()] = ""):
    try:
        return signer.loads(session, max_age=lifetime)["user"]
    except (BadSignature, KeyError):
        raise HTTPException(303, headers={"Location": "/login"}) from None


@app.get("/orders")
async def orders(user: Annotated[str, Depends(current_user)]):
    return {"orders of": user, "from": "fastapi"}
