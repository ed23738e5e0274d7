"""What `seen_apps` says, and frameworks that make absolute addresses of what they see."""

import django
from django.conf import settings
from django.http import HttpResponseRedirect
from django.urls import re_path
from flask import Flask
from seen_apps import bridge, new, old
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

__all__ = ["bridge", "django_app", "flask", "new", "old", "starlette"]


flask = Flask(__name__)


@flask.get("/away/")
def away():
    return "Flask"


starlette = Starlette(routes=[Route("/away/", lambda request: PlainTextResponse("Starlette"))])

urlpatterns = [re_path("^away$", lambda request: HttpResponseRedirect(request.build_absolute_uri("away/")))]


def django_app():
    from django.core.wsgi import get_wsgi_application

    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        # Redirects what is not https; no header of a proxy is named, so that the scheme counts.
        SECURE_SSL_REDIRECT=True,
        MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
        USE_TZ=True,
    )
    django.setup()
    return get_wsgi_application()
