"""A Bottle application (WSGI) with every kind of wildcard, and two mounts."""

from bottle import Bottle

from flask_app import app as flask_app

app = Bottle()
inner = Bottle()


@app.get("/")
@app.get("/hello/<name>")
def hello(name="you"):
    return f"Bottle: {name}\n"


@app.route("/items/<number:int>", method=["GET", "DELETE"])
def item(number):
    return "Bottle item\n"


@app.post("/price/<amount:float>", name="price")
def price(amount):
    return "Bottle price\n"


@app.get("/files/<name:path>")
def files(name):
    return "Bottle files\n"


@app.get("/objects/<kind:re:(?:cat|dog)s?>")
def objects(kind):
    return "Bottle objects\n"


@app.route("/any", method="ANY")
def anything():
    return "Bottle any\n"


@inner.get("/deep")
def deep():
    return "Bottle deep\n"


app.mount("/inner/", inner)
app.mount("/flask", flask_app)
