"""The applications that most tests ask, over WSGI, over ASGI, and over the bridge: their arguments for `rsgi serve`."""

INTERFACES = ("wsgi", "asgi", "bridge")

KITCHENS = {
    "wsgi": ("--wsgi", "wsgi_kitchen:app"),
    "asgi": ("--asgi", "asgi_kitchen:app"),
    "bridge": ("--asgi", "bridge_kitchen:app"),
}
