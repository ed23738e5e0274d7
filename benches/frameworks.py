"""The same greeting as JSON in Flask, Django and FastAPI, each made when it is asked for.

Apart from `apps` because these need the frameworks, and a server should import the one alone that it serves.
"""

from collections.abc import Callable
from typing import Any

GREETING = {"message": "Hello, World!"}


def _flask() -> object:
    from flask import Flask

    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: GREETING, endpoint="hello")
    return app


def _django() -> object:
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpRequest, JsonResponse
    from django.urls import path

    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=_Urls, SECRET_KEY="only-for-measuring", LOGGING_CONFIG=None)

    def hello(request: HttpRequest) -> JsonResponse:
        return JsonResponse(GREETING)

    _Urls.urlpatterns = [path("", hello)]
    django.setup()
    return WSGIHandler()


class _Urls:
    """What Django takes for the module of its URL configuration."""

    urlpatterns: list[Any] = []  # noqa: RUF012 - Django reads it once


def _fastapi() -> object:
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    async def hello() -> dict[str, str]:
        return GREETING

    return app


def _routes(count: int) -> object:
    from fastapi import FastAPI

    app = FastAPI()

    async def hello() -> dict[str, str]:
        return GREETING

    # None of them is asked for: all are looked at, and the WSGI application answers.
    for number in range(count):
        app.add_api_route(f"/other/{number}", hello, include_in_schema=False)
    return app


def __getattr__(name: str) -> object:
    """The application of this framework."""
    makers: dict[str, Callable[[], object]] = {
        "flask": _flask,
        "django": _django,
        "fastapi": _fastapi,
        "one_route": lambda: _routes(1),
        "many_routes": lambda: _routes(1000),
    }
    if name not in makers:
        raise AttributeError(name)
    return makers[name]()
