"""The WSGI application behind bridges: `rsgi.WsgiToAsgi` and its peer, each made when it is asked for.

Apart from the applications because each bridge is installed in one environment only.
"""

from apps import wsgi


def __getattr__(name: str) -> object:
    """The application behind the bridge of this name."""
    if name == "rsgi":
        from rsgi import WsgiToAsgi

        return WsgiToAsgi(wsgi)
    if name == "a2wsgi":
        from a2wsgi import WSGIMiddleware

        return WSGIMiddleware(wsgi)
    raise AttributeError(name)
