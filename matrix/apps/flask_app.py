"""Flask."""

from flask import Flask, Response, jsonify, redirect, request, send_from_directory

from values import EVENTS, FILES, LARGE, LINES, facts, work

app = Flask(__name__)


@app.get("/")
def index():
    return Response("index\n", mimetype="text/plain")


@app.get("/users/<name>")
def user(name):
    return jsonify(name=name, page=request.args.get("page"))


@app.post("/form")
def form():
    return jsonify(request.form.to_dict(flat=False))


@app.post("/upload")
def upload():
    sent = request.files["document"]
    return jsonify(name=sent.filename, note=request.form["note"], **facts(sent.read()))


@app.post("/json")
def echo():
    return jsonify(request.get_json())


@app.post("/raw")
def raw():
    return jsonify(facts(request.get_data()))


@app.route("/items/<int:number>", methods=["PUT", "DELETE"])
def item(number):
    return jsonify(number=number, body=request.get_data(as_text=True)) if request.method == "PUT" else ("", 204)


@app.get("/cookies")
def cookies():
    response = jsonify(seen=dict(sorted(request.cookies.items())))
    response.set_cookie("first", "1", httponly=True)
    response.set_cookie("second", "two", path="/x", max_age=60)
    return response


@app.get("/fields")
def fields():
    return jsonify(host=request.host, url=request.url, test=request.headers.get("X-Test"))


@app.get("/stream")
def stream():
    return Response(iter(LINES), mimetype="text/plain")


@app.get("/events")
def events():
    return Response(iter(EVENTS), mimetype="text/event-stream")


@app.get("/large")
def large():
    return Response(LARGE, mimetype="application/octet-stream")


@app.get("/files/<name>")
def files(name):
    return send_from_directory(FILES, name)


@app.get("/moved")
def moved():
    return redirect("/")


@app.get("/error")
def error():
    raise RuntimeError("asked for")


@app.post("/later")
def later():
    response = Response("later\n", mimetype="text/plain")
    response.call_on_close(work)
    return response
