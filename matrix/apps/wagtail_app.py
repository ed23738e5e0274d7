"""Wagtail: the login of its administration, its static files, and a page from a database."""

import os

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application

_FOLDER = os.environ["MATRIX_FOLDER"]
# Beside that folder: both servers use the same one, since it takes long to make.
_DATABASE = os.path.join(os.path.dirname(_FOLDER), "wagtail.sqlite3")
settings.configure(
    DEBUG=True,
    SECRET_KEY="for the matrix",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="wagtail_app",
    USE_TZ=True,
    STATIC_URL="/static/",
    MEDIA_URL="/media/",
    MEDIA_ROOT=_FOLDER,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    WAGTAIL_SITE_NAME="matrix",
    WAGTAILADMIN_BASE_URL="http://127.0.0.1",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": _DATABASE}},
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    INSTALLED_APPS=[
        "wagtail.contrib.forms",
        "wagtail.contrib.redirects",
        "wagtail.sites",
        "wagtail.users",
        "wagtail.embeds",
        "wagtail.snippets",
        "wagtail.documents",
        "wagtail.images",
        "wagtail.search",
        "wagtail.admin",
        "wagtail",
        "modelcluster",
        "taggit",
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
    ],
)
django.setup()

from django.contrib.staticfiles.urls import staticfiles_urlpatterns  # noqa: E402 - these need the settings
from django.core.management import call_command  # noqa: E402
from django.urls import include, path  # noqa: E402
from wagtail import urls as wagtail_urls  # noqa: E402
from wagtail.admin import urls as wagtailadmin_urls  # noqa: E402
from wagtail.documents import urls as wagtaildocs_urls  # noqa: E402

urlpatterns = [
    *staticfiles_urlpatterns(),
    path("admin/", include(wagtailadmin_urls)),
    path("documents/", include(wagtaildocs_urls)),
    path("", include(wagtail_urls)),
]
call_command("migrate", verbosity=0)
app = get_wsgi_application()
