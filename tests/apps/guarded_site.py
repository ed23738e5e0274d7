"""A Django project whose views are guarded in every way that Django has, and a new application that has forgotten it."""

from django.conf import settings

settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for tests only, and long enough that Django does not complain",
)

from django.core.wsgi import get_wsgi_application

old = get_wsgi_application()

from django.contrib.auth.decorators import login_required, permission_required, user_passes_test
from django.contrib.auth.mixins import LoginRequiredMixin, PermissionRequiredMixin
from django.http import HttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_GET
from fastapi import FastAPI


def page(request):
    return HttpResponse("")


class Page(View):
    def get(self, request):
        return HttpResponse("")


class Mixed(LoginRequiredMixin, Page):
    pass


class Permitted(PermissionRequiredMixin, Page):
    permission_required = "x"


@method_decorator(login_required, name="dispatch")
class Decorated(Page):
    pass


class Half(Page):
    @method_decorator(permission_required("x"))
    def post(self, request):
        return HttpResponse("")


urlpatterns = [
    path("open", csrf_protect(require_GET(page))),
    path("login", require_GET(login_required(page))),
    path("permission", csrf_protect(require_GET(permission_required("x")(page)))),
    path("test", require_GET(user_passes_test(lambda user: True)(page))),
    path("mixed", Mixed.as_view()),
    path("permitted", Permitted.as_view()),
    path("decorated", Decorated.as_view()),
    path("half", Half.as_view()),
]

new = FastAPI(openapi_url=None)
for each in urlpatterns:
    new.add_api_route(f"/{each.pattern}", lambda: "", methods=["GET", "POST"])
