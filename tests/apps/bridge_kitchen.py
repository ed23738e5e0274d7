"""The WSGI kitchen as an ASGI application: what tests reach through `rsgi.WsgiToAsgi`."""

import wsgi_kitchen

from rsgi import WsgiToAsgi

app = WsgiToAsgi(wsgi_kitchen.app)
