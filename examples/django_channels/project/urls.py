"""The project's pages: sync views, and one that waits and is therefore async."""

from django.urls import path
from shop import views

urlpatterns = [
    path("", views.home),
    path("products/", views.products),
    path("products/<int:number>/", views.product),
    path("connections/", views.connections),
    path("reports/slow/", views.slow_report),
]
