"""A Flask application that is recorded, for the tests of `rsgi replay`."""

import time

from flask import Flask, Response, jsonify, request

app = Flask(__name__)


@app.get("/users/<int:number>")
def user(number):
    return jsonify(id=number, name="Ada", price=19.9, tags=["a", "b"])


@app.get("/clock")
def clock():
    return jsonify(zone="UTC", at=time.time())


@app.get("/page")
def page():
    return '<html><body><p class="a b">Hello</p><ul><li>1<li>2</ul></body></html>'


@app.get("/whoami")
def whoami():
    return jsonify(session=request.cookies.get("session", "nobody"), scheme=request.scheme, host=request.host)


@app.get("/image")
def image():
    return Response(b"\x89PNG1234", mimetype="image/png")


@app.get("/broken")
def broken():
    return "fine"
