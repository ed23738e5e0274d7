"""The application that py4web finds in its folder: pages, a form, JSON and a file."""

from py4web import HTTP, action, redirect, request, response

from values import LARGE, LINES


@action("index", method=["GET"])
def index():
    response.headers["Content-Type"] = "text/plain"
    return "index\n"


@action("users/<name>", method=["GET"])
def user(name):
    return {"name": name, "page": request.query.get("page")}


@action("form", method=["POST"])
def form():
    return {"name": request.forms.get("name")}


@action("json", method=["POST"])
def echo():
    return {"sent": request.json}


@action("stream", method=["GET"])
def stream():
    response.headers["Content-Type"] = "text/plain"
    return (line.encode() for line in LINES)


@action("large", method=["GET"])
def large():
    response.headers["Content-Type"] = "application/octet-stream"
    return LARGE


@action("moved", method=["GET"])
def moved():
    redirect("/shop/index")


@action("gone", method=["GET"])
def gone():
    raise HTTP(410)
