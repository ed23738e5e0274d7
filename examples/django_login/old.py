"""The old application: a Django project in one file, with a login and a page that needs it."""

import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command, execute_from_command_line
from django.core.wsgi import get_wsgi_application

if not settings.configured:
    settings.configure(
        SECRET_KEY=os.environ.get("SECRET_KEY", "an example has no secrets"),
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).parent / "db.sqlite3"},
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        LOGIN_URL="/login",
        USE_TZ=True,
    )
    django.setup()

from django.contrib.auth import authenticate, get_user_model, login
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie


@ensure_csrf_cookie
def log_in(request):
    if request.method == "GET":
        return HttpResponse("<form method=post>…</form>")
    user = authenticate(request, username=request.POST.get("user"), password=request.POST.get("password"))
    if user is None:
        return JsonResponse({"error": "wrong name or password"}, status=403)
    login(request, user)
    return JsonResponse({"welcome": user.username})


@login_required
def invoices(request):
    return JsonResponse({"invoices of": request.user.username, "from": "django"})


urlpatterns = [path("login", log_in), path("invoices", invoices)]
application = get_wsgi_application()


if __name__ == "__main__":
    if sys.argv[1:] == ["setup"]:
        call_command("migrate", verbosity=0)
        user, _ = get_user_model().objects.get_or_create(username="ada")
        user.set_password("lovelace")
        user.save()
    else:
        execute_from_command_line(sys.argv)
