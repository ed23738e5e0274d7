"""The old application: Flask, which stores uploads and sends a report line by line."""

import hashlib

from flask import Flask, request

app = Flask(__name__)


@app.post("/upload")
def upload():
    digest, size = hashlib.sha256(), 0
    while piece := request.stream.read(65536):
        digest.update(piece)
        size += len(piece)
    return {"bytes": size, "sha256": digest.hexdigest()[:12], "from": "flask"}


@app.get("/report")
def report():
    return (f"line {number}\n" for number in range(3))
