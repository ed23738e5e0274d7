"""The new application: FastAPI, which knows the users and sessions of the Django project beside it."""

from typing import Annotated, Any

import old  # sets Django up
from django.contrib.auth import logout
from fastapi import Depends, FastAPI

from rsgi.migrate.sessions import DjangoSessionMiddleware, csrf_protect, django_login_required, django_request

app = FastAPI(openapi_url=None)
app.add_middleware(DjangoSessionMiddleware)
login_required = django_login_required()
LOGIN_URL = old.settings.LOGIN_URL


@app.get("/orders")
async def orders(user: Annotated[Any, Depends(login_required)]):
    return {"orders of": user.username, "from": "fastapi"}


@app.post("/logout", dependencies=[Depends(csrf_protect)])
def log_out(request: Annotated[Any, Depends(django_request)]):
    logout(request)
    return {"login": LOGIN_URL}
