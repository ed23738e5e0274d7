"""The old application: a small shop in Flask, as it always was. It is not touched during the move."""

from flask import Flask, abort, redirect, request
from store import BOOKS, ORDERS, Order

app = Flask(__name__)


@app.get("/")
def home():
    return "<h1>The bookshop</h1>"


@app.get("/about")
def about():
    return "<p>Books since 1987.</p>"


@app.get("/login")
def login_form():
    return "<form method=post><input name=user></form>"


@app.post("/login")
def login():
    response = redirect("/")
    response.set_cookie("user", request.form.get("user", ""), httponly=True, samesite="Lax")
    return response


@app.post("/logout")
def logout():
    response = redirect("/")
    response.delete_cookie("user")
    return response


@app.get("/health")
def health():
    return {"status": "ok", "from": "flask"}


@app.get("/books")
def books():
    return {"books": [book.as_dict() for book in BOOKS.values()], "from": "flask"}


@app.post("/books")
def add_book():
    return {"added": request.get_json()["title"], "from": "flask"}, 201


@app.get("/books/<int:number>")
def book(number):
    if number not in BOOKS:
        abort(404)
    return BOOKS[number].as_dict() | {"from": "flask"}


@app.put("/books/<int:number>")
def change_book(number):
    return {"changed": number, "from": "flask"}


@app.delete("/books/<int:number>")
def delete_book(number):
    return {"deleted": number, "from": "flask"}


@app.get("/books/<int:number>/reviews")
def reviews(number):
    return {"book": number, "reviews": [], "from": "flask"}


@app.post("/books/<int:number>/reviews")
def add_review(number):
    return {"book": number, "added": True, "from": "flask"}, 201


@app.get("/authors")
def authors():
    return {"authors": sorted({book.author for book in BOOKS.values()}), "from": "flask"}


@app.get("/authors/<name>")
def author(name):
    titles = [book.title for book in BOOKS.values() if book.author == name]
    return {"author": name, "books": titles, "from": "flask"}


@app.get("/search")
def search():
    word = request.args.get("q", "").lower()
    return {"found": [book.title for book in BOOKS.values() if word in book.title.lower()], "from": "flask"}


@app.get("/orders")
def orders():
    return {"orders": len(ORDERS), "from": "flask"}


@app.post("/orders")
def order():
    ORDERS.append(Order(request.get_json()["book"]))
    return {"number": len(ORDERS), "from": "flask"}, 201


@app.get("/orders/<int:number>")
def one_order(number):
    return {"number": number, "from": "flask"}


@app.get("/covers/<path:file>")
def cover(file):
    return {"cover": file, "from": "flask"}
