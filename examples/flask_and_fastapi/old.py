"""The Flask application as it always was. Nothing in it knows that a new one is being written."""

from threading import Lock

from flask import Flask, abort, jsonify, redirect, render_template_string, request, url_for

app = Flask(__name__)

USERS = [
    {"id": 1, "name": "Ada Lovelace", "city": "London"},
    {"id": 2, "name": "Grace Hopper", "city": "New York"},
    {"id": 3, "name": "Katherine Johnson", "city": "Hampton"},
]

# Threads share what a module holds, under this server as under any other with threads.
_guest_book_lock = Lock()
_guest_book = [{"name": "Ada", "message": "First!"}]

LAYOUT = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{{ title }}</title>
  <style>
    :root { color-scheme: light dark; --line: #8883; --old: #0a7d5a; --new: #2f6fde; }
    body { font: 16px/1.55 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1.25rem; }
    h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
    a { color: inherit; text-underline-offset: .2em; }
    table { width: 100%; border-collapse: collapse; }
    td { padding: .5rem .4rem; border-bottom: 1px solid var(--line); }
    .app { font-size: .8rem; font-weight: 600; color: #fff; border-radius: 1rem; padding: .12rem .65rem; }
    .old { background: var(--old); } .new { background: var(--new); }
    input, button { font: inherit; padding: .4rem .7rem; border: 1px solid var(--line); border-radius: .4rem; }
    button { cursor: pointer; } form { display: flex; gap: .5rem; flex-wrap: wrap; }
    input[name=message], #say { flex: 1; min-width: 12rem; }
    #chat { height: 11rem; overflow-y: auto; border: 1px solid var(--line); border-radius: .5rem;
            padding: .6rem .8rem; margin-bottom: .6rem; }
    #chat div { overflow-wrap: anywhere; } .quiet { opacity: .65; }
  </style>
</head>
<body>{{ body | safe }}</body>
</html>"""

HOME = """
<h1>One port, two applications</h1>
<p class="quiet">This page is a Flask template. Some of the links below are answered by FastAPI.</p>
<table>
  <tr><td><a href="/about">/about</a></td><td>a page</td><td><span class="app old">Flask</span></td></tr>
  <tr><td><a href="/guestbook">/guestbook</a></td><td>a form</td><td><span class="app old">Flask</span></td></tr>
  <tr><td><a href="/users">/users</a></td><td>JSON, not moved yet</td><td><span class="app old">Flask</span></td></tr>
  <tr><td><a href="/users/1">/users/1</a></td><td>JSON, moved</td><td><span class="app new">FastAPI</span></td></tr>
  <tr><td><a href="/search?q=new">/search?q=new</a></td><td>new</td><td><span class="app new">FastAPI</span></td></tr>
  <tr><td><a href="/docs">/docs</a></td><td>documentation</td><td><span class="app new">FastAPI</span></td></tr>
</table>
<h2>Chat <span class="app new">FastAPI</span></h2>
<p class="quiet">A WebSocket on the same port. Open this page in a second window and talk to yourself.</p>
<div id="chat" role="log" aria-live="polite"></div>
<form id="talk"><input id="say" placeholder="Say something" autocomplete="off" aria-label="Message">
<button>Send</button></form>
<script>
  const chat = document.getElementById("chat"), say = document.getElementById("say");
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/ws/chat`);
  function show(text, quiet) {
    const line = document.createElement("div");
    line.textContent = text;
    if (quiet) line.className = "quiet";
    chat.append(line);
    chat.scrollTop = chat.scrollHeight;
  }
  socket.onopen = () => show("connected", true);
  socket.onmessage = (event) => show(event.data);
  socket.onclose = (event) => show(`closed (${event.code})`, true);
  document.getElementById("talk").onsubmit = (event) => {
    event.preventDefault();
    if (say.value && socket.readyState === WebSocket.OPEN) socket.send(say.value);
    say.value = "";
  };
</script>
"""

ABOUT = """
<h1>About</h1>
<p>Flask has served this page for years, and still does.</p>
<p><a href="/">Home</a></p>
"""

GUEST_BOOK = """
<h1>Guest book <span class="app old">Flask</span></h1>
<table>
{% for entry in entries %}<tr><td>{{ entry.name }}</td><td>{{ entry.message }}</td></tr>{% endfor %}
</table>
<h2>Sign it</h2>
<form method="post">
  <input name="name" placeholder="Name" required maxlength="40" aria-label="Name">
  <input name="message" placeholder="Message" required maxlength="200" aria-label="Message">
  <button>Sign</button>
</form>
<p><a href="/">Home</a></p>
"""


def page(title: str, template: str, **values: object) -> str:
    """Fill a template and put it into the layout."""
    return render_template_string(LAYOUT, title=title, body=render_template_string(template, **values))


@app.get("/")
def home():
    return page("One port, two applications", HOME)


@app.get("/about")
def about():
    return page("About", ABOUT)


@app.get("/guestbook")
def guest_book():
    with _guest_book_lock:
        entries = list(_guest_book)
    return page("Guest book", GUEST_BOOK, entries=entries)


@app.post("/guestbook")
def sign_guest_book():
    entry = {name: request.form.get(name, "").strip() for name in ("name", "message")}
    if not all(entry.values()):
        abort(400, "name and message are needed")
    with _guest_book_lock:
        _guest_book.append(entry)
        del _guest_book[:-50]
    return redirect(url_for("guest_book"), code=303)


@app.get("/users")
def users():
    return jsonify(users=USERS, answered_by="flask")


@app.get("/users/<int:number>")
def user(number: int):
    """Moved: the new application owns this one now, so this code waits to be deleted."""
    found = next((each for each in USERS if each["id"] == number), None) or abort(404)
    return jsonify(**found, answered_by="flask")


@app.delete("/users/<int:number>")
def delete_user(number: int):
    """Not moved: the new application has `GET` on this path, and only that."""
    return jsonify(error=f"user {number} cannot be deleted in a demo", answered_by="flask"), 403


@app.get("/health")
def health():
    return jsonify(status="ok", answered_by="flask")
