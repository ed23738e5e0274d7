"""`rsgi --version`: the version, and what else a report of a fault needs.

The first line is the version alone, so scripts can read it.
"""

from __future__ import annotations

import importlib.metadata
import platform

# What rsgi uses if it is installed, and what for.
EXTRAS = {"uvloop": "event loop", "watchfiles": "reload"}
_FEATURES = "HTTP/1.1, HTTP/2, WebSocket, TLS 1.2 and 1.3, gzip, brotli, zstd"


def version_text() -> str:
    """The version, the interpreter, the features, the libraries and the extras."""
    from rsgi._rsgi import LIBRARIES, PROFILE, VERSION

    extras = ", ".join(f"{name} {version_of(name) or 'not installed'} ({use})" for name, use in EXTRAS.items())
    lines = [
        f"rsgi {VERSION}",
        f"  python: {platform.python_implementation()} {platform.python_version()}, {platform.platform(terse=True)}",
        f"  build: {PROFILE}, {platform.machine()}",
        f"  features: {_FEATURES}",
        f"  libraries: {LIBRARIES}",
        f"  extras: {extras}",
    ]
    return "\n".join(lines)


def version_of(package: str) -> str | None:
    """The version of an installed package; `None` if it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
