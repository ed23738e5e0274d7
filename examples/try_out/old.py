"""The old application: Flask, a price list."""

from flask import Flask

app = Flask(__name__)
PRICES = {"lamp": 40, "chair": 120}


@app.get("/prices/<name>")
def price(name):
    return {"name": name, "price": PRICES[name]}
