"""Reads the URL configuration of a Django project, and recognises Django's own handlers.

A process has one `django.conf.settings`, so two Django handlers in it always belong to the same project. What Django
answers with a redirect (a final slash, a language prefix) is not a route. Only the view of the first matching pattern is
called, whatever methods it answers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rsgi.routing.introspect.django_views import methods_of, view_of
from rsgi.routing.introspect.guards import guards_of
from rsgi.routing.introspect.middleware import is_silent_module
from rsgi.routing.introspect.regex import parameter, readings
from rsgi.routing.introspect.table import Gaps, Guard, ReadInner, Route, RouteTable
from rsgi.routing.introspect.template import Parameter, Place, Tokens, split_parameters
from rsgi.routing.introspect.unwrap import defined, is_instance, layers, loaded, text_or_none

_PARAMETER = re.compile(r"<(?:[^>:]+:)?([^>]+)>")

# Middleware that answers paths which no URL configuration shows, and what it goes by.
_ANSWERS_UNSEEN = {
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware": "flat pages are looked up for each request",
    "django.contrib.redirects.middleware.RedirectFallbackMiddleware": "redirects are looked up for each request",
    "django_hosts.middleware.HostsRequestMiddleware": "the URL configuration depends on the host (django-hosts)",
    "django_tenants.middleware.main.TenantMainMiddleware": "the URL configuration depends on the tenant",
}
_LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
_SERVES_FILES = "django.views.static.serve"
_WHITENOISE = "whitenoise.middleware.WhiteNoiseMiddleware"


def is_django_wsgi(app: object) -> bool:
    """Whether `app` is Django's WSGI handler, bare or wrapped (WhiteNoise, Sentry and the like)."""
    return any(_is_wsgi_handler(each) for each in layers(app))


def is_django_asgi(app: object) -> bool:
    """Whether `app` is Django's ASGI handler, bare or wrapped."""
    return any(_is_asgi_handler(each) for each in layers(app))


def _is_wsgi_handler(app: object) -> bool:
    return is_instance(app, "django.core.handlers.wsgi", "WSGIHandler")


def _is_asgi_handler(app: object) -> bool:
    return is_instance(app, "django.core.handlers.asgi", "ASGIHandler")


def read(app: object, inner: ReadInner) -> RouteTable | None:
    """The routes of the project that Django's WSGI or ASGI handler serves."""
    if not (_is_wsgi_handler(app) or _is_asgi_handler(app)):
        return None
    get_resolver, settings = loaded("django.urls", "get_resolver"), loaded("django.conf", "settings")
    gaps = Gaps()
    if not callable(get_resolver) or settings is None:
        gaps.add("Django is not set up")
        return gaps.table("Django", [])
    routes = [*_files_of_handler(app, settings), *_routes_of_middleware(settings, gaps)]
    routes += _Reading(settings, gaps).resolver(get_resolver(), _Below())
    return gaps.table("Django", routes)


def _files_of_handler(app: object, settings: Any) -> Iterator[Route]:  # noqa: ANN401 - `django.conf.settings`
    handlers = ("StaticFilesHandler", "ASGIStaticFilesHandler")
    if any(is_instance(app, "django.contrib.staticfiles.handlers", each) for each in handlers):
        yield from _folder(settings.STATIC_URL, defined(app))


def _folder(url: object, where: str | None) -> Iterator[Route]:
    """All below a URL of files, unless that is on another host."""
    if isinstance(url, str) and url.startswith("/") and not url.startswith("//"):
        tokens = ("/", Parameter("path", "path"))
        place = Place((url.rstrip("/"),))
        yield place.route("http", ("GET", "HEAD"), tokens, defined=where, opaque=True, files=True)


def _routes_of_middleware(settings: Any, gaps: Gaps) -> Iterator[Route]:  # noqa: ANN401
    for name in getattr(settings, "MIDDLEWARE", None) or ():
        if name in _ANSWERS_UNSEEN:
            gaps.add(_ANSWERS_UNSEEN[name])
        elif not is_silent_module(str(name)):
            gaps.looked_through([str(name).rpartition(".")[2]])
        if name == _WHITENOISE:
            yield from _folder(getattr(settings, "STATIC_URL", None), name)
            yield from _files_at_root(getattr(settings, "WHITENOISE_ROOT", None), name)


def _files_at_root(folder: str | os.PathLike[str] | None, where: str) -> Iterator[Route]:
    """What WhiteNoise serves at the root of the site: one route for each entry of the folder."""
    if folder is None or not os.path.isdir(folder):
        return
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.is_dir():
                yield from _folder(f"/{entry.name}/", where)
            else:
                yield Place((f"/{entry.name}",)).route("http", ("GET", "HEAD"), (), defined=where, opaque=True)


@dataclass(frozen=True)
class _Below:
    """Where patterns are included: below which path and text, and in which namespaces."""

    tokens: Tokens = ()
    original: str = ""
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Reading:
    """One reading of one URL configuration."""

    settings: Any
    gaps: Gaps

    def resolver(self, resolver: Any, below: _Below) -> Iterator[Route]:  # noqa: ANN401 - `URLResolver`
        name = text_or_none(getattr(resolver, "namespace", None))
        inside = replace(below, namespaces=(*below.namespaces, name) if name else below.namespaces)
        original = _original(resolver.pattern)
        # The pattern of the root is `^/`: it takes the slash that every path begins with.
        inside = replace(inside, original=inside.original + ("/" if original == "^/" else original))
        for tokens in self.tokens(resolver.pattern, is_endpoint=False):
            each = replace(inside, tokens=below.tokens + tokens)
            for pattern in resolver.url_patterns:
                if hasattr(pattern, "url_patterns"):
                    yield from self.resolver(pattern, each)
                else:
                    yield from self.pattern(pattern, each)

    def pattern(self, pattern: Any, below: _Below) -> Iterator[Route]:  # noqa: ANN401 - `URLPattern`
        name = text_or_none(pattern.name)
        for tokens in self.tokens(pattern.pattern, is_endpoint=True):
            methods = methods_of(pattern.callback)
            route = Place().route(
                "http",
                methods,
                below.tokens + tokens,
                name=":".join((*below.namespaces, name)) if name else None,
                defined=defined(view_of(pattern.callback)),
                original=below.original + _original(pattern.pattern),
                files=defined(view_of(pattern.callback)) == _SERVES_FILES,
                guards=(*self.guards(pattern.callback), *guards_of(pattern.callback, methods)),
                handler=view_of(pattern.callback),
            )
            yield route
            if route.methods is not None:
                yield route.refusal()

    def guards(self, callback: object) -> tuple[Guard, ...]:
        """What guards all views that do not say otherwise."""
        is_guarded = _LOGIN_REQUIRED in self.settings.MIDDLEWARE and getattr(callback, "login_required", True)
        return (Guard("LoginRequiredMiddleware"),) if is_guarded else ()

    def tokens(self, pattern: Any, *, is_endpoint: bool) -> list[Tokens]:  # noqa: ANN401
        """What one pattern can stand for."""
        if is_instance(pattern, "django.urls.resolvers", "LocalePrefixPattern"):
            return self.languages(pattern)
        found = pattern_tokens(pattern, is_endpoint=is_endpoint, languages=self.codes())
        if found is None:
            self.gaps.add(f"`{type(pattern).__name__}` is an unknown kind of pattern")
            return []
        return found

    def codes(self) -> list[str]:
        return [code for code, _ in self.settings.LANGUAGES]

    def languages(self, pattern: Any) -> list[Tokens]:  # noqa: ANN401 - `LocalePrefixPattern`
        default = None if pattern.prefix_default_language else self.settings.LANGUAGE_CODE
        codes = tuple((code,) for code in self.codes() if code != default)
        prefixed: Tokens = (Parameter("language", "", codes), "/")
        return [*([()] if default is not None else []), *([prefixed] if codes else [])]


def pattern_tokens(pattern: Any, *, is_endpoint: bool, languages: list[str]) -> list[Tokens] | None:  # noqa: ANN401
    """What a `path()` or `re_path()` pattern can stand for; `None` if it is neither.

    A text that is translated counts in all of its languages.
    """
    if is_instance(pattern, "django.urls.resolvers", "RoutePattern"):
        texts = _translations(pattern._route, languages)
        return [_route_tokens(text, pattern.converters) for text in texts]
    if is_instance(pattern, "django.urls.resolvers", "RegexPattern"):
        texts = _translations(pattern._regex, languages)
        found = [each for text in texts for each in readings(text, search=True, prefix=is_endpoint)]
        return list(dict.fromkeys(found))
    return None


def _translations(text: object, languages: list[str]) -> list[str]:
    override = loaded("django.utils.translation", "override")
    if isinstance(text, str) or not callable(override):
        return [str(text)]
    found = []
    for language in languages:
        with override(language):
            found.append(str(text))
    return list(dict.fromkeys(found))


def _route_tokens(route: str, converters: dict[str, Any]) -> Tokens:
    found = [parameter(each[1], str(converters[each[1]].regex)) for each in _PARAMETER.finditer(route)]
    return split_parameters(route, _PARAMETER, found)


def _original(pattern: object) -> str:
    """A pattern as it was written; that of the language prefix is none."""
    if is_instance(pattern, "django.urls.resolvers", "LocalePrefixPattern"):
        return "{language}/"
    return str(pattern)
