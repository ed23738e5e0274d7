"""A Quart application (ASGI) with every kind of rule: converters, a blueprint, WebSocket, slashes, a view class."""

from quart import Blueprint, Quart, jsonify, websocket
from quart.views import MethodView

app = Quart(__name__)


def here(**values):
    return jsonify(app="quart")


@app.get("/")
async def index():
    return here()


@app.get("/users/<int:number>")
@app.delete("/users/<int:number>")
async def user(number):
    return here()


@app.get("/<any(about, help):page>.html")
async def page(page):
    return here()


@app.get("/signed/<int(signed=True):number>")
async def signed(number):
    return here()


@app.get("/code/<string(length=2):code>/<uuid:document>")
async def code(code, document):
    return here()


@app.get("/wiki/<path:name>")
async def wiki(name):
    return here()


@app.get("/wiki/<path:name>/edit")
async def edit(name):
    return here()


@app.get("/folder/")
async def folder():
    return here()


@app.get("/both/", strict_slashes=False)
async def both():
    return here()


class Orders(MethodView):
    async def get(self):
        return here()

    async def post(self):
        return here()


shop = Blueprint("shop", __name__, url_prefix="/shop")
shop.add_url_rule("/orders", view_func=Orders.as_view("orders"))
app.register_blueprint(shop)


@app.websocket("/ws/<room>")
async def chat(room):
    await websocket.accept()
    await websocket.send(f"quart {room}")
