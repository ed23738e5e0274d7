"""Django Ninja."""

import django_site

assert django_site.urlpatterns  # it has configured the settings, which Ninja reads when it is imported

from django.core.wsgi import get_wsgi_application
from django.urls import path
from ninja import File, Form, NinjaAPI, Schema
from ninja.files import UploadedFile

from values import facts

application = get_wsgi_application()
api = NinjaAPI()


class Item(Schema):
    name: str
    price: float


@api.get("/users/{name}")
def user(request, name: str, page: int = 1):
    return {"name": name, "page": page}


@api.post("/items")
def item(request, value: Item):
    return value


@api.post("/form")
def form(request, name: str = Form(...)):
    return {"name": name}


@api.post("/upload")
def upload(request, document: UploadedFile = File(...)):
    return {"name": document.name, **facts(document.read())}


django_site.urlpatterns.append(path("api/", api.urls))
app = application
