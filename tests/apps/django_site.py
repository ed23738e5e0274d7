"""A Django project with every kind of URL pattern: `asgi` and `wsgi` serve it, `channels` adds WebSockets.

It is a project of its own, so nothing else may import it into a process that has another one.
"""

import json

from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG=False,
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes"],
    LANGUAGES=[("en", "English"), ("de", "Deutsch"), ("pt-br", "Português")],
    LANGUAGE_CODE="en",
    MIDDLEWARE=["django.middleware.locale.LocaleMiddleware", "django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for tests only, and long enough that Django does not complain",
    STATIC_URL="/static/",
    USE_TZ=True,
)

import django

django.setup()

from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import include, path, re_path, register_converter
from django.utils.translation import gettext_lazy
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods


class FourDigits:
    regex = "[0-9]{4}"

    def to_python(self, value):
        return int(value)

    def to_url(self, value):
        return f"{value:04}"


register_converter(FourDigits, "yyyy")


def page(request, **parameters):
    return HttpResponse(json.dumps({"app": "django"}), content_type="application/json")


@require_GET
def only_get(request):
    return page(request)


@csrf_exempt
@require_http_methods(["PUT", "PATCH"])
def put_or_patch(request):
    return page(request)


class Items(View):
    def get(self, request, number=None):
        return page(request)

    def post(self, request, number=None):
        return page(request)


class ReadOnlyItems(Items):
    http_method_names = ["get", "head"]


shop = (
    [
        path("", page, name="index"),
        path("items/<int:number>/", csrf_exempt(Items.as_view()), name="item"),
        path("items/<int:number>/view/", ReadOnlyItems.as_view()),
    ],
    "shop",
)

urlpatterns = [
    path("", only_get, name="home"),
    path("admin/", admin.site.urls),
    path("put", put_or_patch),
    path("shop/", include(shop)),
    path("years/<yyyy:year>/", page),
    path("slugs/<slug:slug>", page),
    path("documents/<uuid:document>", page),
    path("files/<path:name>", page),
    re_path(r"^articles/(?P<year>[0-9]{4})/(?P<format>json|xml)$", page, name="article"),
    re_path(r"^optional/(?:page-(?P<number>\d+)/)?$", page),
    re_path(r"^open-end/", page),
    *i18n_patterns(path("about/", page), path(gettext_lazy("contact/"), page), prefix_default_language=False),
]


class Echo(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.send(text_data="django " + str(self.scope["url_route"]["kwargs"]))


wsgi = get_wsgi_application()
asgi = get_asgi_application()
static = ASGIStaticFilesHandler(asgi)

channels = ProtocolTypeRouter(
    {
        "http": URLRouter([path("events/<name>", Echo.as_asgi()), re_path("", asgi)]),
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(
                URLRouter(
                    [
                        path("ws/<room>/", Echo.as_asgi()),
                        re_path(r"^ws/old/(?P<number>\d+)$", Echo.as_asgi()),
                        path("nested", URLRouter([path("<room>", Echo.as_asgi())])),
                    ]
                )
            )
        ),
    }
)
