"""A small Flask application (WSGI): forms, uploads, sessions, streams, files, and routes that a newer app may own."""

import hashlib

from flask import Flask, Response, jsonify, redirect, request, send_file, session, stream_with_context

app = Flask(__name__)
app.secret_key = "for tests only"


@app.get("/")
def index():
    return "Flask index\n"


@app.post("/form")
def form():
    return jsonify(request.form.to_dict(flat=False))


@app.post("/upload")
def upload():
    sent = request.files["document"]
    content = sent.read()
    return jsonify(name=sent.filename, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


@app.post("/json")
def echo_json():
    return jsonify(request.get_json())


@app.post("/raw")
def raw():
    return Response(request.get_data(), mimetype="application/octet-stream")


@app.get("/visits")
def visits():
    session["visits"] = session.get("visits", 0) + 1
    return jsonify(visits=session["visits"])


@app.get("/stream")
def stream():
    @stream_with_context
    def lines():
        for number in range(3):
            yield f"line {number} of {request.args['name']}\n"

    return Response(lines(), mimetype="text/plain")


@app.get("/file")
def file():
    return send_file(__file__, mimetype="text/x-python")


@app.get("/go")
def go():
    return redirect("/visits")


@app.get("/boom")
def boom():
    raise RuntimeError("flask: boom")


@app.route("/users/<name>", methods=["GET", "POST", "PUT"])
def users(name):
    return jsonify(app="flask", method=request.method, user=name)


@app.route("/items", methods=["GET", "POST"])
def items():
    return jsonify(app="flask", method=request.method, body=request.get_data(as_text=True))


@app.get("/url")
def url():
    return jsonify(url=request.url, base=request.base_url, root=request.script_root, host=request.host)
