"""The other servers, one table each.

Each table is as long as the `--help` of its server. A test compares the two if the server is installed.
"""

from __future__ import annotations

from rsgi.migrate.flag import OtherServer
from rsgi.migrate.servers.daphne import DAPHNE
from rsgi.migrate.servers.granian import GRANIAN
from rsgi.migrate.servers.gunicorn import GUNICORN
from rsgi.migrate.servers.hypercorn import HYPERCORN
from rsgi.migrate.servers.mod_wsgi import MOD_WSGI
from rsgi.migrate.servers.uvicorn import UVICORN
from rsgi.migrate.servers.uwsgi import UWSGI
from rsgi.migrate.servers.waitress import WAITRESS

SERVERS: tuple[OtherServer, ...] = (GUNICORN, UVICORN, GRANIAN, HYPERCORN, DAPHNE, WAITRESS, UWSGI, MOD_WSGI)
