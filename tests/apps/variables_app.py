"""Says what the environment of the application holds, as it was at the import and as it is now."""

import json
import os

AT_IMPORT = dict(os.environ)


def app(environ, start_response):
    name = environ["PATH_INFO"].removeprefix("/")
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([AT_IMPORT.get(name), os.environ.get(name)]).encode()]
