"""A Django site with users, and FastAPI and Starlette applications that share its sessions.

The database is a file that the environment names; `python -m django_login_apps` makes it.
"""

import os
from typing import Annotated, Any

import django
from django.conf import settings

settings.configure(
    SECRET_KEY=os.environ.get("SITE_KEY", "first-key"),
    SECRET_KEY_FALLBACKS=os.environ.get("SITE_FALLBACKS", "").split(),
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF="django_login_apps",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["SITE_DATABASE"]}},
    LOGIN_URL="/old/login",
    SESSION_ENGINE=os.environ.get("SITE_SESSIONS", "django.contrib.sessions.backends.db"),
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    CSRF_TRUSTED_ORIGINS=["https://trusted.example"],
    USE_TZ=True,
)
django.setup()

from django.contrib.auth import authenticate, login, logout  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.middleware.csrf import get_token  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from fastapi import Depends, FastAPI, Form, Request, WebSocket  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.responses import JSONResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402

from rsgi.migrate.sessions import (  # noqa: E402
    DjangoSessionMiddleware,
    csrf_protect,
    csrf_token,
    django_login_required,
    django_request,
    django_session,
    django_user,
)


@csrf_exempt
def old_login(request):
    user = authenticate(request, username=request.GET.get("user"), password="secret")
    if user is None:
        return HttpResponse(status=403)
    login(request, user)
    return HttpResponse("in")


def old_me(request):
    return JsonResponse({"user": request.user.username, "cart": request.session.get("cart")})


@csrf_exempt
def old_logout(request):
    logout(request)
    return HttpResponse("out")


def old_form(request):
    return HttpResponse(get_token(request) if request.method == "GET" else "sent to old")


urlpatterns = [
    path("old/login", old_login),
    path("old/me", old_me),
    path("old/logout", old_logout),
    path("old/form", old_form),
]
old = get_wsgi_application()

new = FastAPI(openapi_url=None)
new.add_middleware(DjangoSessionMiddleware)
login_required = django_login_required()


@new.post("/new/login")
def new_login(user: str, request: Annotated[Any, Depends(django_request)]):
    found = authenticate(request, username=user, password="secret")
    login(request, found)
    return "in"


@new.get("/new/me")
async def new_me(user: Annotated[Any, Depends(login_required)], session: Annotated[Any, Depends(django_session)]):
    return {"user": user.username, "cart": session.get("cart")}


@new.get("/new/who")
async def new_who(user: Annotated[Any, Depends(django_user)]):
    return user.username


@new.get("/new/api")
async def new_api(user: Annotated[Any, Depends(django_login_required(None))]):
    return user.username


@new.post("/new/cart")
async def new_cart(thing: str, session: Annotated[Any, Depends(django_session)]):
    session["cart"] = [*session.get("cart", []), thing]


@new.post("/new/logout")
def new_logout(request: Annotated[Any, Depends(django_request)]):
    logout(request)


@new.post("/new/slow")
def new_slow(request: Annotated[Any, Depends(django_request)]):
    from django.contrib.sessions.models import Session

    request.session["cart"] = ["too late"]
    Session.objects.all().delete()  # as a logout somewhere else, meanwhile
    return "not to be seen"


@new.get("/new/public")
async def new_public():
    return "all"


@new.get("/new/form")
async def new_form(token: Annotated[str, Depends(csrf_token)]):
    return token


@new.post("/new/form", dependencies=[Depends(csrf_protect)])
async def new_form_sent(text: Annotated[str, Form()] = ""):
    return f"sent to new {text}".strip()


@new.websocket("/new/ws")
async def new_ws(websocket: WebSocket, user: Annotated[Any, Depends(login_required)]):
    await websocket.accept()
    await websocket.send_text(user.username)
    await websocket.close()


async def bare_form(request: Request):
    await csrf_protect(request)
    user = await login_required(request)
    return JSONResponse({"user": user.username, "text": (await request.form()).get("text")})


bare = Starlette(routes=[Route("/new/form", bare_form, methods=["POST"])])
bare.add_middleware(DjangoSessionMiddleware)

if __name__ == "__main__":
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    User.objects.create_user("ada", password="secret")
