"""The old application: Flask, with a login that guards two pages."""

import os
from functools import wraps

from flask import Flask, redirect, request, session

app = Flask(__name__)
app.secret_key = os.environ.get("SHOP_SECRET_KEY", "an example has no secrets")


def login_required(view):
    @wraps(view)
    def guarded(*arguments, **parameters):
        return view(*arguments, **parameters) if "user" in session else redirect("/login")

    return guarded


@app.get("/login")
def login_form():
    return "<form method=post><input name=user></form>"


@app.post("/login")
def login():
    session["user"] = request.form["user"]
    return redirect("/orders")


@app.get("/orders")
@login_required
def orders():
    return {"orders of": session["user"], "from": "flask"}


@app.get("/invoices")
@login_required
def invoices():
    return {"invoices of": session["user"], "from": "flask"}
