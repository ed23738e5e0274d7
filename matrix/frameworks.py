"""The frameworks of the matrix: what is installed for each, and which application of `matrix/apps` is asked.

Apart from what asks them because a new framework needs only a line here and an application.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Interface = Literal["wsgi", "asgi"]


@dataclass(frozen=True)
class Framework:
    """One framework, over one interface.

    Attributes:
        title: Its name on the page.
        interface: How it is called.
        target: The application, a module of `matrix/apps`.
        package: The package whose version is shown.
        newest: What is installed for the newest release.
        older: What is installed for an older release that is still in use; empty if there is none to be had.
        without: What the application does not offer, and why; by the name of a group of requests.
        known: Requests whose response differs on purpose, and why; by the name of the request.
    """

    title: str
    interface: Interface
    target: str
    package: str
    newest: tuple[str, ...]
    older: tuple[str, ...] = ()
    without: tuple[tuple[str, str], ...] = ()
    known: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """A name for folders."""
        return f"{self.title.lower().replace(' ', '-').replace('.', '-')}-{self.interface}"

    @property
    def usual(self) -> str:
        """The server that it is compared with."""
        return "gunicorn" if self.interface == "wsgi" else "uvicorn"


_MULTIPART = "python-multipart"
_SOCKETS = ("websocket", "subprotocol", "close code")
_NO_SOCKETS = tuple((group, "WSGI has no WebSocket") for group in _SOCKETS)
_NO_WORK = ("background", "it has nothing for work after a response")
_DJANGO_ASGI = ("chunked multipart", "over ASGI, Django takes an upload without a Content-Length for an empty one")

FRAMEWORKS = (
    Framework("Flask", "wsgi", "flask_app:app", "flask", ("flask",), ("flask~=3.0.0",), without=_NO_SOCKETS),
    Framework("Django", "wsgi", "django_app:wsgi", "django", ("django",), ("django~=5.2.0",), without=_NO_SOCKETS),
    Framework(
        "Pyramid",
        "wsgi",
        "pyramid_app:app",
        "pyramid",
        ("pyramid",),
        ("pyramid~=2.0.0", "setuptools<81"),
        without=(*_NO_SOCKETS, _NO_WORK),
    ),
    Framework(
        "Bottle",
        "wsgi",
        "bottle_app:app",
        "bottle",
        ("bottle",),
        ("bottle~=0.12.25", "legacy-cgi"),
        without=(*_NO_SOCKETS, _NO_WORK),
    ),
    Framework(
        "Falcon", "wsgi", "falcon_app:app", "falcon", ("falcon",), ("falcon~=4.0.0",), without=(*_NO_SOCKETS, _NO_WORK)
    ),
    Framework(
        "CherryPy",
        "wsgi",
        "cherrypy_app:app",
        "cherrypy",
        ("cherrypy",),
        ("cherrypy~=18.9.0", "legacy-cgi"),
        without=(*_NO_SOCKETS, _NO_WORK),
    ),
    Framework("py4web", "wsgi", "py4web_app:app", "py4web", ("py4web",), without=(*_NO_SOCKETS, _NO_WORK)),
    Framework(
        "FastAPI", "asgi", "fastapi_app:app", "fastapi", ("fastapi", _MULTIPART), ("fastapi~=0.115.0", _MULTIPART)
    ),
    Framework(
        "Starlette",
        "asgi",
        "starlette_app:app",
        "starlette",
        ("starlette", _MULTIPART),
        ("starlette~=0.46.0", _MULTIPART),
    ),
    Framework("Litestar", "asgi", "litestar_app:app", "litestar", ("litestar",), ("litestar~=2.12.0", "sniffio")),
    Framework("Quart", "asgi", "quart_app:app", "quart", ("quart",), ("quart~=0.19.9",)),
    Framework(
        "Falcon",
        "asgi",
        "falcon_app:asgi",
        "falcon",
        ("falcon",),
        ("falcon~=4.0.0",),
        without=(("background", "what it schedules is a task of its own, which no server waits for"),),
    ),
    Framework(
        "Sanic",
        "asgi",
        "sanic_app:app",
        "sanic",
        ("sanic",),
        ("sanic~=24.12.0", "setuptools<81"),
        without=(("close code", "over ASGI, it closes a WebSocket without one"),),
    ),
    Framework(
        "BlackSheep",
        "asgi",
        "blacksheep_app:app",
        "blacksheep",
        ("blacksheep",),
        ("blacksheep~=2.3.0",),
        without=(_NO_WORK,),
        known=(("HEAD of a file", "it sends two different Content-Length headers, which rsgi refuses"),),
    ),
    Framework(
        "Django",
        "asgi",
        "django_app:asgi",
        "django",
        ("django",),
        ("django~=5.2.0",),
        without=(*((group, "Django itself has no WebSocket; Channels has") for group in _SOCKETS), _DJANGO_ASGI),
    ),
    Framework(
        "Channels",
        "asgi",
        "channels_app:app",
        "channels",
        ("channels", "django"),
        ("channels~=4.2.0", "django~=5.2.0"),
        without=(_DJANGO_ASGI,),
    ),
    Framework(
        "python-socketio",
        "asgi",
        "socketio_app:app",
        "python-socketio",
        ("python-socketio",),
        ("python-socketio~=5.11.0",),
    ),
    Framework(
        "Strawberry",
        "asgi",
        "strawberry_app:app",
        "strawberry-graphql",
        ("strawberry-graphql[asgi]", _MULTIPART),
        ("strawberry-graphql[asgi]~=0.280.0", "graphql-core<3.3", "starlette<1", _MULTIPART),
    ),
    Framework("MCP", "asgi", "mcp_app:app", "mcp", ("mcp",), ("mcp~=1.20",)),
    Framework(
        "sse-starlette",
        "asgi",
        "sse_app:app",
        "sse-starlette",
        ("sse-starlette", "starlette"),
        ("sse-starlette~=2.2.0", "starlette<1"),
    ),
    Framework(
        "Django Ninja",
        "wsgi",
        "ninja_app:app",
        "django-ninja",
        ("django-ninja",),
        ("django-ninja~=1.4.0", "django~=5.2.0"),
    ),
    Framework(
        "Connexion", "asgi", "connexion_app:app", "connexion", ("connexion[flask]",), ("connexion[flask]~=3.1.0",)
    ),
    Framework("Dash", "wsgi", "dash_app:app", "dash", ("dash",), ("dash~=3.0.0",)),
    Framework(
        "Flask-Admin",
        "wsgi",
        "flask_admin_app:app",
        "flask-admin",
        ("flask-admin",),
        ("flask-admin~=1.6.1", "flask<3.1", "setuptools<81"),
    ),
    Framework("Wagtail", "wsgi", "wagtail_app:app", "wagtail", ("wagtail",), ("wagtail~=7.0.0", "django~=5.2.0")),
    Framework("Gradio", "asgi", "gradio_app:app", "gradio", ("gradio",), ("gradio~=5.49",)),
    Framework("Streamlit", "asgi", "streamlit_app:app", "streamlit", ("streamlit",)),
)
