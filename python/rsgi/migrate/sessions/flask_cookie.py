"""Flask's session cookie: how it is signed, how long it lives, and which attributes it has.

It is separate from the middleware because it knows no ASGI. Everything follows Flask's `SecureCookieSessionInterface`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

from rsgi.errors import StartupError
from rsgi.migrate.sessions.tagged_json import TaggedJson

_MONTH = 31 * 24 * 60 * 60.0


def _bytes(key: str | bytes) -> bytes:
    return key.encode() if isinstance(key, str) else key


def _sha1(text: bytes = b"") -> Any:  # noqa: ANN401 - a hash object
    return hashlib.sha1(text)  # noqa: S324 - Flask signs with HMAC-SHA1


@dataclass(frozen=True)
class FlaskCookie:
    """The session cookie of a Flask application.

    Attributes:
        secret_key: Flask's `SECRET_KEY`.
        fallbacks: Flask's `SECRET_KEY_FALLBACKS`: older keys, which are still accepted.
        name: `SESSION_COOKIE_NAME`.
        lifetime: `PERMANENT_SESSION_LIFETIME`, in seconds.
        refresh_each_request: `SESSION_REFRESH_EACH_REQUEST`.
        domain: `SESSION_COOKIE_DOMAIN`.
        path: `SESSION_COOKIE_PATH`.
        secure: `SESSION_COOKIE_SECURE`.
        httponly: `SESSION_COOKIE_HTTPONLY`.
        samesite: `SESSION_COOKIE_SAMESITE`.
        partitioned: `SESSION_COOKIE_PARTITIONED`.
        salt: The salt of the signature.
        key_derivation: How itsdangerous makes the key of the signature.
        digest_method: The hash of the signature.
        serializer: What turns a session into text.
    """

    secret_key: str | bytes = field(repr=False)
    fallbacks: Sequence[str | bytes] = field(default=(), repr=False)
    name: str = "session"
    lifetime: float = _MONTH
    refresh_each_request: bool = True
    domain: str | None = None
    path: str = "/"
    secure: bool = False
    httponly: bool = True
    samesite: str | None = None
    partitioned: bool = False
    salt: str = "cookie-session"
    key_derivation: str = "hmac"
    digest_method: Callable[..., Any] = _sha1
    serializer: Any = field(default_factory=TaggedJson)

    def __post_init__(self) -> None:
        if not self.secret_key:
            raise StartupError("Flask's sessions need a secret key", "pass the `SECRET_KEY` of the Flask application")

    @classmethod
    def of(cls, app: Any) -> FlaskCookie:  # noqa: ANN401 - a Flask application, which need not be installed
        """The cookie of a Flask application, with all its settings.

        Raises:
            StartupError: when its sessions are not in a signed cookie.
        """
        interface = app.session_interface
        if not hasattr(interface, "get_signing_serializer"):
            kind = type(interface).__name__
            hint = "read the key of the session from the cookie, and ask the store of the old application"
            raise StartupError(f"the sessions of the Flask application are not in its cookie, but in `{kind}`", hint)
        return cls(
            app.secret_key,
            tuple(app.config.get("SECRET_KEY_FALLBACKS") or ()),
            app.config["SESSION_COOKIE_NAME"],
            app.permanent_session_lifetime.total_seconds(),
            app.config["SESSION_REFRESH_EACH_REQUEST"],
            interface.get_cookie_domain(app),
            interface.get_cookie_path(app) or "/",
            interface.get_cookie_secure(app),
            interface.get_cookie_httponly(app),
            interface.get_cookie_samesite(app),
            bool(app.config.get("SESSION_COOKIE_PARTITIONED", False)),
            interface.salt,
            interface.key_derivation,
            interface.digest_method,
            interface.serializer,
        )

    def read(self, text: str) -> dict[str, Any] | None:
        """The session in a cookie; `None` if the signature is wrong or too old."""
        try:
            found = self._signer().loads(text, max_age=int(self.lifetime))
        except BadData:
            return None
        return found if isinstance(found, dict) else None

    def write(self, session: Mapping[str, Any]) -> str:
        """A session, signed."""
        return self._signer().dumps(dict(session))

    def set_header(self, session: Mapping[str, Any], *, permanent: bool) -> str:
        """The value of `Set-Cookie` that stores a session."""
        expires = formatdate(time.time() + self.lifetime, usegmt=True) if permanent else None
        return self._header(self.write(session), expires=expires)

    def delete_header(self) -> str:
        """The value of `Set-Cookie` that removes it."""
        return self._header("", expires="Thu, 01 Jan 1970 00:00:00 GMT", max_age=0)

    def _signer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            [_bytes(key) for key in (*self.fallbacks, self.secret_key)],  # the last one signs
            salt=self.salt,
            serializer=self.serializer,
            signer_kwargs={"key_derivation": self.key_derivation, "digest_method": self.digest_method},
        )

    def _header(self, value: str, *, expires: str | None, max_age: int | None = None) -> str:
        parts = (
            f"{self.name}={value}",
            self.domain and f"Domain={self.domain.lstrip('.')}",
            expires and f"Expires={expires}",
            max_age is not None and f"Max-Age={max_age}",
            self.secure and "Secure",
            self.httponly and "HttpOnly",
            f"Path={self.path}",
            self.samesite and f"SameSite={self.samesite}",
            self.partitioned and "Partitioned",
        )
        return "; ".join(part for part in parts if isinstance(part, str) and part)
