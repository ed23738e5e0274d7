"""An old Flask application and new ones that both have a folder of files at `/static`."""

from pathlib import Path

from flask import Flask, request
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

FILES = Path(__file__).parent / "new_files"

old = Flask("old", static_url_path="/static", static_folder=Path(__file__).parent / "old_files")


@old.post("/static/upload")
def upload():
    return f"old upload {len(request.get_data())}"


@old.get("/reports")
@old.get("/reports/<name>")
def reports(name=""):
    return f"old {request.path}"


@old.get("/admin/users")
@old.get("/admin/groups")
@old.get("/admin/rights")
@old.get("/admin/log")
def administration():
    return f"old {request.path}"


@old.errorhandler(404)
def missing(error):
    return f"old has no {request.path}", 404


def without_static(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"old " + environ["PATH_INFO"].encode()]


async def page(request):
    return PlainTextResponse(f"new {request.url.path}")


async def opaque(scope, receive, send):
    await PlainTextResponse(f"new {scope['path']}")(scope, receive, send)


starlette = Starlette(routes=[Mount("/static", StaticFiles(directory=FILES)), Route("/page", page)])
html = Starlette(routes=[Mount("/", StaticFiles(directory=FILES, html=True))])
elsewhere = Starlette(routes=[Mount("/assets", StaticFiles(directory=FILES)), Route("/page", page)])
covering = Starlette(routes=[Mount("/admin", opaque), Mount("/reports", routes=[Route("/", page)])])
beside = Starlette(
    routes=[
        Mount("/reports", routes=[Route("/", page), Mount("/files", StaticFiles(directory=FILES))]),
        Route("/reports", page, methods=["POST"]),
        Route("/reports/{name}", page),
    ]
)
exact = Starlette(routes=[Mount("/reports", opaque)])
exact.router.redirect_slashes = False


class Quiet(StaticFiles):
    """A folder that says of its own responses that they stand."""

    async def get_response(self, path, scope):
        from starlette.exceptions import HTTPException

        try:
            return await super().get_response(path, scope)
        except HTTPException as error:
            return PlainTextResponse("new says no", error.status_code, headers={"x-rsgi-pass": "0"})


quiet = Starlette(routes=[Mount("/static", Quiet(directory=FILES))])


def _quart():
    from quart import Quart

    return Quart("quart", static_url_path="/static", static_folder=FILES)


def _falcon():
    from falcon import asgi

    falcon = asgi.App()
    falcon.add_static_route("/static", FILES)
    return falcon


def _litestar():
    from litestar import Litestar
    from litestar.static_files import create_static_files_router

    return Litestar([create_static_files_router(path="/static", directories=[FILES])])


def __getattr__(name):
    """These frameworks take long to import, and few servers have one of them."""
    makers = {"quart": _quart, "falcon": _falcon, "litestar": _litestar}
    if name not in makers:
        raise AttributeError(name)
    return globals().setdefault(name, makers[name]())
