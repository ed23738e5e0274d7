"""The old application: Pyramid, with routes by URL dispatch and its own 404 page."""

from pyramid.config import Configurator
from pyramid.response import Response


def home(request):
    return Response(f"home, {request.route_path('person', name='ada')}\n")


def person(request):
    return Response(f"{request.matchdict['name']} from Pyramid\n")


def remove(request):
    return Response(f"{request.matchdict['name']} removed by Pyramid\n")


def nowhere(request):
    return Response("Pyramid has no such page\n", status=404)


def main():
    """Make the application, as `pserve` calls it."""
    with Configurator() as config:
        config.add_route("home", "/")
        config.add_route("person", "/people/{name}")
        config.add_view(home, route_name="home", request_method="GET")
        config.add_view(person, route_name="person", request_method="GET")
        config.add_view(remove, route_name="person", request_method="DELETE")
        config.add_notfound_view(nowhere)
        return config.make_wsgi_app()
