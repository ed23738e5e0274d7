"""Django's protection against forged requests (CSRF), as dependencies.

Django's own class compares cookie, origin, referer and token. So a form of either application may be sent to the other.
`DjangoSessionMiddleware` has to be there, and sets the cookie.
"""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpResponse, QueryDict
from django.middleware.csrf import CsrfViewMiddleware, get_token
from starlette.exceptions import HTTPException
from starlette.requests import Request

from rsgi.migrate.sessions.django_sessions import django_request

_FIELD = "csrfmiddlewaretoken"
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


class _Check(CsrfViewMiddleware):  # type: ignore[misc] # Django has no types
    """Django's check, which gives the reason of a refusal instead of a page."""

    def _reject(self, request: object, reason: str) -> str:
        return reason


async def csrf_protect(request: Request) -> None:
    """A dependency that refuses a request without Django's CSRF token, as Django's middleware does.

    The token is read from the form field `csrfmiddlewaretoken`, or from the header `X-CSRFToken`.

    Raises:
        HTTPException: 403.
    """
    if request.method in _SAFE:
        return
    asked = await django_request(request)
    asked._post = QueryDict(mutable=True)
    token = await _token_in(request)
    if token is not None:
        asked._post[_FIELD] = token
    reason = await sync_to_async(_reason_against)(asked)
    if reason is not None:
        raise HTTPException(403, f"CSRF check failed: {reason}")


async def csrf_token(request: Request) -> str:
    """A dependency: the token for a form or a header, as `{% csrf_token %}` gives it. The cookie is set."""
    asked = await django_request(request)
    await sync_to_async(_Check(_nothing).process_request)(asked)
    return str(get_token(asked))


async def _token_in(request: Request) -> str | None:
    """The token of a form; the header is Django's own business."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _FORMS:
        return None
    token = (await request.form()).get(_FIELD)
    return token if isinstance(token, str) else None


def _reason_against(asked: Any) -> str | None:  # noqa: ANN401 - Django's request
    check = _Check(_nothing)
    check.process_request(asked)
    found = check.process_view(asked, _nothing, (), {})
    return None if found is None else str(found)


def _nothing(request: object) -> HttpResponse:
    """What the middleware wraps; it is never called."""
    return HttpResponse()
