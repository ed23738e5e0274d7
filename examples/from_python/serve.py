"""Serves until a signal: what the command line does, from Python."""

from app import new, old

import rsgi

if __name__ == "__main__":
    raise SystemExit(rsgi.serve(wsgi=old, asgi=new, port=8000))
