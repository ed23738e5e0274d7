"""A Django project with the real django-eventstream behind WSGI: `/events/` streams, `/send` sends, `/` is a page.

`GRIP_URL` comes from the environment: the admin listener of the server. Events are kept in a SQLite file.
"""

import json
import os

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["EVENTS_DATABASE"]}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    EVENTSTREAM_STORAGE_CLASS="django_eventstream.storage.DjangoModelStorage",
    GRIP_URL=os.environ.get("GRIP_URL"),
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_eventstream"],
    LOGGING_CONFIG=None,
    MIDDLEWARE=["django_grip.GripMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for tests only, and long enough that Django does not complain",
)
django.setup()

import django_eventstream
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import include, path

PAGE = """<!doctype html><title>events</title><ul id="got"></ul><p id="opened">0</p><script>
const source = new EventSource("/events/?channel=news");
let opened = 0;
source.addEventListener("stream-open", () => { document.getElementById("opened").textContent = String(++opened); });
source.addEventListener("message", event => {
  const item = document.createElement("li");
  item.textContent = event.data;
  document.getElementById("got").append(item);
});
</script>"""


def send(request):
    said = json.loads(request.body)
    django_eventstream.send_event(said.get("channel", "news"), "message", said["data"], async_publish=False)
    return HttpResponse("sent\n")


urlpatterns = [
    path("", lambda request: HttpResponse(PAGE)),
    path("send", send),
    path("pid", lambda request: HttpResponse(str(os.getpid()))),
    path("events/", include(django_eventstream.urls)),
]


def prepare():
    """Make the tables."""
    call_command("migrate", verbosity=0)


app = get_wsgi_application()
