"""A small Pyramid application (WSGI)."""

import hashlib

from pyramid.config import Configurator
from pyramid.response import FileResponse, Response
from pyramid.session import SignedCookieSessionFactory


def index(request):
    return Response("Pyramid index\n", content_type="text/plain", charset="utf-8")


def form(request):
    return {name: request.POST.getall(name) for name in request.POST}


def upload(request):
    sent = request.POST["document"]
    content = sent.file.read()
    return {"name": sent.filename, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def echo_json(request):
    return request.json_body


def raw(request):
    return Response(request.body, content_type="application/octet-stream")


def visits(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return {"visits": request.session["visits"]}


def stream(request):
    lines = (f"line {number} of {request.GET['name']}\n".encode() for number in range(3))
    return Response(app_iter=lines, content_type="text/plain", charset="utf-8")


def file(request):
    return FileResponse(__file__, request=request, content_type="text/x-python")


def boom(request):
    raise RuntimeError("pyramid: boom")


def _make():
    config = Configurator(session_factory=SignedCookieSessionFactory("for tests only"))
    for view in (index, form, upload, echo_json, raw, visits, stream, file, boom):
        name = {"index": "", "echo_json": "json"}.get(view.__name__, view.__name__)
        config.add_route(view.__name__, f"/{name}")
        renderer = "json" if view in (form, upload, echo_json, visits) else None
        config.add_view(view, route_name=view.__name__, renderer=renderer)
    return config.make_wsgi_app()


app = _make()
