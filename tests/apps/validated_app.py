"""A WSGI application behind `wsgiref.validate`, which checks the server as strictly as the application."""

from wsgiref.validate import validator


@validator
def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"validated: ", body]
