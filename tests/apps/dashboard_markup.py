"""Routes whose names look like markup."""

from flask import Flask

app = Flask(__name__)


@app.get("/<string:name><img src=x onerror=alert(1)>")
def markup(name):
    return name


@app.get("/plain<script>")
def plain():
    return "plain"
