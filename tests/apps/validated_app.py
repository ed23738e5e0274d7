"""WSGI applications behind validators, which check the server as strictly as the application."""

from wsgiref.validate import validator

import wsgi_kitchen
from werkzeug.middleware.lint import LintMiddleware

wsgiref = validator(wsgi_kitchen.app)
werkzeug = LintMiddleware(wsgi_kitchen.app)
