"""Bottle."""

import json

from bottle import Bottle, HTTPResponse, redirect, request, response, static_file

from values import EVENTS, FILES, LARGE, LINES, facts

app = Bottle()


@app.get("/")
def index():
    response.content_type = "text/plain"
    return "index\n"


@app.get("/users/<name>")
def user(name):
    return {"name": name, "page": request.query.page or None}


@app.post("/form")
def form():
    return {name: request.forms.getall(name) for name in request.forms}


@app.post("/upload")
def upload():
    sent = request.files.get("document")
    return {"name": sent.raw_filename, "note": request.forms.get("note"), **facts(sent.file.read())}


@app.post("/json")
def echo():
    response.content_type = "application/json"
    return json.dumps(request.json)


@app.post("/raw")
def raw():
    return facts(request.body.read())


@app.route("/items/<number:int>", method=["PUT", "DELETE"])
def item(number):
    if request.method == "DELETE":
        return HTTPResponse(status=204)
    return {"number": number, "body": request.body.read().decode()}


@app.get("/cookies")
def cookies():
    response.set_cookie("first", "1", httponly=True)
    response.set_cookie("second", "two", path="/x", max_age=60)
    return {"seen": dict(sorted(request.cookies.items()))}


@app.get("/fields")
def fields():
    return {"host": request.urlparts.netloc, "url": request.url, "test": request.get_header("X-Test")}


@app.get("/stream")
def stream():
    response.content_type = "text/plain"
    yield from LINES


@app.get("/events")
def events():
    response.content_type = "text/event-stream"
    yield from EVENTS


@app.get("/large")
def large():
    response.content_type = "application/octet-stream"
    return LARGE


@app.get("/files/<name>")
def files(name):
    return static_file(name, root=str(FILES))


@app.get("/moved")
def moved():
    redirect("/", 302)


@app.get("/error")
def error():
    raise RuntimeError("asked for")
