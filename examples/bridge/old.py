"""The old application: Flask."""

from threading import current_thread

from flask import Flask

app = Flask(__name__)


@app.get("/")
def home():
    return f"the old home page, on a thread of {current_thread().name.rpartition('-')[0]}\n"
