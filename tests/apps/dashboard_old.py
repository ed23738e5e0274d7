"""The old application of the dashboard's tests: Flask. `DASHBOARD_ROUTES` adds so many routes."""

import os

from flask import Flask

app = Flask(__name__)


@app.get("/")
def home():
    return "old home"


@app.get("/users/<int:number>")
def user(number):
    return f"old {number}"


@app.post("/users/<int:number>")
def change(number):
    return f"changed {number}"


@app.get("/failing")
def failing():
    return "old works"


@app.get("/slow")
def slow():
    return "old is fast"


@app.get("/forgotten")
def forgotten():
    return "nobody asks"


def _many():
    for number in range(int(os.environ.get("DASHBOARD_ROUTES", "0"))):
        path = f"/area{number % 20}/thing{number}/<int:key>"
        app.add_url_rule(path, f"thing{number}", lambda key: str(key), methods=["GET"])


_many()
