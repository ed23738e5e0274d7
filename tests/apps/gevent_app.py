"""An application that replaces Python's threads when it is imported."""

from gevent import monkey

monkey.patch_all()


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"green"]
