"""A Flask application (`old`) and a FastAPI application (`new`), traced by what `TRACER` names: `sentry` or `otel`.

Both have a route that shows what rsgi tells of it. `/spans` gives the transactions or spans so far. `plain`
is a WSGI application without a framework.
"""

import json
import os
import threading

from fastapi import FastAPI, Request
from flask import Flask, request

TRACER = os.environ.get("TRACER")
_spans = []
_lock = threading.Lock()


def _keep(span):
    with _lock:
        _spans.append(span)


if TRACER == "sentry":
    import sentry_sdk
    from sentry_sdk.integrations.fastapi import FastApiIntegration
    from sentry_sdk.integrations.flask import FlaskIntegration
    from sentry_sdk.integrations.starlette import StarletteIntegration
    from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware
    from sentry_sdk.transport import Transport

    class Kept(Transport):
        """Keeps what Sentry would get."""

        def capture_envelope(self, envelope):
            for item in envelope.items:
                if item.type == "transaction":
                    event = item.payload.json
                    source = event["transaction_info"]["source"]
                    tags = {key: value for key, value in event.get("tags", {}).items() if key.startswith("number-")}
                    _keep({"name": event["transaction"], "source": source, "tags": tags})

    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=Kept,
        traces_sample_rate=1.0,
        auto_enabling_integrations=False,
        integrations=[FlaskIntegration(transaction_style="url"), StarletteIntegration(), FastApiIntegration()],
    )


def _tag(number):
    """Marks the request; the mark of another one must not be there."""
    if TRACER == "sentry":
        sentry_sdk.set_tag(f"number-{number}", str(number))
    if TRACER == "otel":
        from opentelemetry import trace

        trace.get_current_span().set_attribute(f"number-{number}", number)


old = Flask(__name__)
new = FastAPI()


@old.get("/old/<int:number>")
def old_number(number):
    _tag(number)
    return {"app": request.environ.get("rsgi.app"), "route": request.environ.get("rsgi.route")}


@old.get("/spans")
def spans():
    with _lock:
        return list(_spans)


@new.get("/new/{number}")
async def new_number(number: int, http_request: Request):
    _tag(number)
    return http_request.scope["extensions"].get("rsgi")


def plain(environ, start_response):
    start_response("200 OK", [])
    told = {"app": environ.get("rsgi.app"), "route": environ.get("rsgi.route")}
    return [json.dumps(told).encode()]


if TRACER == "sentry":

    class Named:
        """The recipe of the documentation."""

        def __init__(self, app):
            self.app = app

        def __call__(self, environ, start_response):
            if "rsgi.route" in environ:
                sentry_sdk.get_current_scope().set_transaction_name(environ["rsgi.route"], source="route")
            return self.app(environ, start_response)

    plain = SentryWsgiMiddleware(Named(plain))

if TRACER == "otel":
    from opentelemetry import trace
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

    class Exported(SpanExporter):
        """Keeps what a collector would get."""

        def export(self, spans):
            for span in spans:
                if span.kind.name == "SERVER":
                    parent = span.parent and format(span.parent.span_id, "016x")
                    tags = {key: value for key, value in span.attributes.items() if key.startswith("number-")}
                    _keep({"name": span.name, "parent": parent, "tags": tags})
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Exported()))
    trace.set_tracer_provider(provider)
    FlaskInstrumentor().instrument_app(old)
    FastAPIInstrumentor.instrument_app(new)

    def name_span(span, environ):
        span.update_name(f"{environ['REQUEST_METHOD']} {environ.get('rsgi.route', '')}".strip())

    plain = OpenTelemetryMiddleware(plain, request_hook=name_span)
