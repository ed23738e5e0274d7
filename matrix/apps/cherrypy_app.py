"""CherryPy."""

import json

import cherrypy

from values import EVENTS, FILES, LARGE, LINES, facts


def _json(value):
    cherrypy.response.headers["Content-Type"] = "application/json"
    return json.dumps(value).encode()


def _text(content, kind="text/plain"):
    cherrypy.response.headers["Content-Type"] = kind
    return content


class Root:
    @cherrypy.expose
    @cherrypy.tools.allow(methods=["GET", "HEAD"])
    def index(self):
        return _text(b"index\n")

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["GET", "HEAD"])
    def users(self, name, page=None):
        return _json({"name": name, "page": page})

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["POST"])
    def form(self, **fields):
        return _json({name: value if isinstance(value, list) else [value] for name, value in fields.items()})

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["POST"])
    def upload(self, document, note):
        return _json({"name": document.filename, "note": note, **facts(document.file.read())})

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["POST"])
    @cherrypy.tools.json_in()
    def json(self):
        return _json(cherrypy.request.json)

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["POST"])
    @cherrypy.config(**{"request.body.processors": {}})
    def raw(self):
        return _json(facts(cherrypy.request.body.read()))

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["PUT", "DELETE"])
    def items(self, number):
        if cherrypy.request.method == "DELETE":
            cherrypy.response.status = 204
            return b""
        return _json({"number": int(number), "body": cherrypy.request.body.read().decode()})

    @cherrypy.expose
    def cookies(self):
        seen = {name: morsel.value for name, morsel in sorted(cherrypy.request.cookie.items())}
        cherrypy.response.cookie["first"] = "1"
        cherrypy.response.cookie["first"]["httponly"] = True
        cherrypy.response.cookie["second"] = "two"
        cherrypy.response.cookie["second"]["path"] = "/x"
        return _json({"seen": seen})

    @cherrypy.expose
    def fields(self, **query):
        sent = cherrypy.request.headers
        return _json({"host": sent["Host"], "url": cherrypy.url(), "test": sent.get("X-Test")})

    @cherrypy.expose
    @cherrypy.config(**{"response.stream": True})
    def stream(self):
        return _text(line.encode() for line in LINES)

    @cherrypy.expose
    @cherrypy.config(**{"response.stream": True})
    def events(self):
        return _text((event.encode() for event in EVENTS), "text/event-stream")

    @cherrypy.expose
    def large(self):
        return _text(LARGE, "application/octet-stream")

    @cherrypy.expose
    def moved(self):
        raise cherrypy.HTTPRedirect("/", 302)

    @cherrypy.expose
    def error(self):
        raise RuntimeError("asked for")


cherrypy.config.update({"environment": "embedded", "log.screen": False})
app = cherrypy.Application(Root(), "", {"/files": {"tools.staticdir.on": True, "tools.staticdir.dir": str(FILES)}})
