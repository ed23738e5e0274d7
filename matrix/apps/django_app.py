"""Django over both interfaces."""

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

import django_site  # noqa: F401 - configures the settings

wsgi = get_wsgi_application()
asgi = get_asgi_application()
