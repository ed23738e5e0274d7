"""The routes of the Django application; apart because Django wants a module of its own for them."""

import json

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.http import require_http_methods, require_safe
from django.views.static import serve

from values import EVENTS, FILES, LARGE, LINES, facts, work

if not settings.configured:
    settings.configure(
        DEBUG=False, SECRET_KEY="for the matrix", ALLOWED_HOSTS=["*"], ROOT_URLCONF="django_site", USE_TZ=True
    )


class _Later(HttpResponse):
    def close(self):
        super().close()
        work()


async def _pieces(pieces):
    for piece in pieces:
        yield piece


def _stream(request, pieces, kind):
    asynchronous = type(request).__name__ == "ASGIRequest"
    return StreamingHttpResponse(_pieces(pieces) if asynchronous else iter(pieces), content_type=kind)


@require_safe
def index(request):
    return HttpResponse("index\n", content_type="text/plain")


def user(request, name):
    return JsonResponse({"name": name, "page": request.GET.get("page")})


@require_http_methods(["POST"])
def form(request):
    return JsonResponse({name: request.POST.getlist(name) for name in request.POST})


@require_http_methods(["POST"])
def upload(request):
    sent = request.FILES["document"]
    return JsonResponse({"name": sent.name, "note": request.POST["note"], **facts(sent.read())})


@require_http_methods(["POST"])
def echo(request):
    try:
        return JsonResponse(json.loads(request.body), safe=False)
    except ValueError:
        return HttpResponse("no JSON\n", status=400, content_type="text/plain")


@require_http_methods(["POST"])
def raw(request):
    return JsonResponse(facts(request.body))


@require_http_methods(["PUT", "DELETE"])
def item(request, number):
    if request.method == "DELETE":
        return HttpResponse(status=204)
    return JsonResponse({"number": number, "body": request.body.decode()})


def cookies(request):
    response = JsonResponse({"seen": dict(sorted(request.COOKIES.items()))})
    response.set_cookie("first", "1", httponly=True)
    response.set_cookie("second", "two", path="/x", max_age=60)
    return response


def fields(request):
    url = request.build_absolute_uri()
    return JsonResponse({"host": request.get_host(), "url": url, "test": request.headers.get("X-Test")})


def error(request):
    raise RuntimeError("asked for")


urlpatterns = [
    path("", index),
    path("users/<str:name>", user),
    path("form", form),
    path("upload", upload),
    path("json", echo),
    path("raw", raw),
    path("items/<int:number>", item),
    path("cookies", cookies),
    path("fields", fields),
    path("stream", lambda request: _stream(request, LINES, "text/plain")),
    path("events", lambda request: _stream(request, EVENTS, "text/event-stream")),
    path("large", lambda request: HttpResponse(LARGE, content_type="application/octet-stream")),
    path("files/<str:path>", serve, {"document_root": FILES}),
    path("moved", lambda request: HttpResponseRedirect("/")),
    path("error", error),
    path("later", lambda request: _Later("later\n", content_type="text/plain")),
]
