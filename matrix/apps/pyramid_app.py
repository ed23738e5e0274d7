"""Pyramid."""

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPFound
from pyramid.response import Response

from values import EVENTS, FILES, LARGE, LINES, facts


def _json(value):
    return Response(json_body=value)


def user(request):
    return _json({"name": request.matchdict["name"], "page": request.params.get("page")})


def form(request):
    return _json({name: request.POST.getall(name) for name in dict.fromkeys(request.POST)})


def upload(request):
    sent = request.POST["document"]
    return _json({"name": sent.filename, "note": request.POST["note"], **facts(sent.file.read())})


def echo(request):
    try:
        return _json(request.json_body)
    except ValueError:
        return Response("no JSON\n", status=400, content_type="text/plain")


def item(request):
    if request.method == "DELETE":
        return Response(status=204)
    return _json({"number": int(request.matchdict["number"]), "body": request.text})


def cookies(request):
    response = _json({"seen": dict(sorted(request.cookies.items()))})
    response.set_cookie("first", "1", httponly=True)
    response.set_cookie("second", "two", path="/x", max_age=60)
    return response


def fields(request):
    return _json({"host": request.host, "url": request.url, "test": request.headers.get("X-Test")})


def stream(request):
    return Response(app_iter=(line.encode() for line in LINES), content_type="text/plain")


def events(request):
    return Response(app_iter=(event.encode() for event in EVENTS), content_type="text/event-stream")


def error(request):
    raise RuntimeError("asked for")


def _make():
    with Configurator() as config:
        for name, path, view, methods in (
            ("index", "/", lambda request: Response("index\n", content_type="text/plain"), ("GET",)),
            ("user", "/users/{name}", user, ("GET",)),
            ("form", "/form", form, ("POST",)),
            ("upload", "/upload", upload, ("POST",)),
            ("json", "/json", echo, ("POST",)),
            ("raw", "/raw", lambda request: _json(facts(request.body)), ("POST",)),
            ("item", "/items/{number}", item, ("PUT", "DELETE")),
            ("cookies", "/cookies", cookies, ("GET",)),
            ("fields", "/fields", fields, ("GET",)),
            ("stream", "/stream", stream, ("GET",)),
            ("events", "/events", events, ("GET",)),
            ("large", "/large", lambda request: Response(LARGE, content_type="application/octet-stream"), ("GET",)),
            ("moved", "/moved", lambda request: HTTPFound("/"), ("GET",)),
            ("error", "/error", error, ("GET",)),
        ):
            config.add_route(name, path)
            config.add_view(view, route_name=name, request_method=methods)
        config.add_static_view("files", str(FILES))
        return config.make_wsgi_app()


app = _make()
