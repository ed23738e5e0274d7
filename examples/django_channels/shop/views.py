"""The views. Each says which handler runs it, which is all that moving it changes."""

import asyncio
import itertools

from django.core.handlers.asgi import ASGIRequest
from django.db.backends.signals import connection_created
from django.http import JsonResponse
from django.shortcuts import get_object_or_404

from shop.models import Product

_opened = itertools.count(1)
_counted = {"opened": 0}


def _count(**_):
    _counted["opened"] = next(_opened)


connection_created.connect(_count)


def _handler(request):
    return "asgi" if isinstance(request, ASGIRequest) else "wsgi"


def home(request):
    return JsonResponse({"shop": "open", "handler": _handler(request)})


def products(request):
    return JsonResponse({"products": list(Product.objects.values("id", "name")), "handler": _handler(request)})


def product(request, number):
    found = get_object_or_404(Product, id=number)
    return JsonResponse({"name": found.name, "stock": found.stock, "handler": _handler(request)})


def connections(request):
    """How many database connections this process has opened so far."""
    return JsonResponse(_counted)


async def slow_report(request):
    await asyncio.sleep(0.01)  # stands for another service that is asked
    return JsonResponse({"products": await Product.objects.acount(), "handler": _handler(request)})
