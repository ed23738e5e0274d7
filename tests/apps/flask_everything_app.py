"""An old Flask application that answers every path and method, and says so: beside it each gap of a new one shows."""

from flask import Flask, jsonify, request

app = Flask(__name__, static_folder=None)


@app.route("/", defaults={"rest": ""}, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@app.route("/<path:rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def everything(rest):
    return jsonify(app="flask", path=request.path)
