"""Reads values of other servers' flags that have another form than in rsgi.

Each is a small rule. The setting of rsgi checks the result.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rsgi.migrate import reasons
from rsgi.migrate.flag import CannotCarry, ReadValue

_DEFAULT_PORT = "8000"


def addresses(text: str) -> Sequence[str]:
    """`host:port` and what stands for it: `:8000`, `*:8000`, `host`, `tcp://host:8000`, `unix://path`; several by commas."""
    return tuple(_address(each.strip()) for each in text.split(",") if each.strip())


def address(text: str) -> Sequence[str]:
    """One address; a comma is a part of it."""
    return (_address(text.strip()),)


def _address(text: str) -> str:
    if text.startswith("unix:"):
        return "unix:" + text.removeprefix("unix:").removeprefix("//")
    if text.startswith("fd://"):
        return text  # our own flag says what it makes of that
    if text.startswith("/"):
        return f"unix:{text}"
    host, colon, port = text.removeprefix("tcp://").rpartition(":")
    if not colon or port.endswith("]"):
        host, port = host + colon + port, _DEFAULT_PORT
    return f"{'0.0.0.0' if host in ('', '*') else host}:{port}"  # noqa: S104 - it is what they listen on


def descriptor(text: str) -> Sequence[str]:
    """The number of a socket that is inherited."""
    return (f"fd://{text}",)


def mode_or_all(text: str) -> Sequence[str]:
    """The mode of a socket; without one everybody may connect."""
    return (text or "666",)


def mode_of_umask(text: str) -> Sequence[str]:
    """What a umask leaves of the mode of a socket. It is octal where it begins with 0, as gunicorn has it."""
    return _mode_without(text, 8 if re.fullmatch(r"0[0-7]+", text) else 0)


def mode_of_decimal_umask(text: str) -> Sequence[str]:
    """The same of a umask in decimal digits."""
    return _mode_without(text, 10)


def _mode_without(umask: str, base: int) -> Sequence[str]:
    try:
        return (f"{0o777 & ~int(umask, base):03o}",)
    except ValueError:
        raise CannotCarry(f"`{umask}` is not a umask") from None


def milliseconds(text: str) -> Sequence[str]:
    """A number of milliseconds, as we write it."""
    return (f"{text}ms",)


def max_age(text: str) -> Sequence[str]:
    """How long a file may be kept, in `Cache-Control`; 0 says nothing."""
    if not re.fullmatch(r"\d+", text):
        raise CannotCarry("write seconds: `--static-cache-control max-age=86400`")
    return (f"max-age={text}",) if int(text) else ("off",)


def megabytes(text: str) -> Sequence[str]:
    """A number of megabytes, as we write it."""
    return (f"{text}MiB",)


def without_value(text: str) -> Sequence[str]:
    """Our words say it all: the value is left out."""
    return ()


def dict_config(text: str) -> Sequence[str]:
    """A file that sets up logging; of the kinds that others take we read two."""
    if not text.endswith((".json", ".toml")):
        raise CannotCarry("`--log-config` takes JSON or TOML, as `logging.config.dictConfig` does: convert the file")
    return (text,)


def above_zero(why: str) -> ReadValue:
    """A number, of which 0 has a meaning that we do not have."""

    def read(text: str) -> Sequence[str]:
        if text.strip() in ("0", "-1"):
            raise CannotCarry(why)
        return (text,)

    return read


def one_of(**ours: str) -> ReadValue:
    """Words that have others here; what is not named is handed on as it is. A word that begins with `!` is a reason."""

    def read(text: str) -> Sequence[str]:
        found = ours.get(text.lower().replace("-", "_").replace(".", "_"), text)
        if found.startswith("!"):
            raise CannotCarry(found[1:])
        return (found,)

    return read


log_level = one_of(critical="error", trace="debug", warn="warning", notset="debug", fatal="error")

_LOOP = "!rsgi runs asyncio's event loop and uvloop"
event_loop = one_of(rloop=_LOOP, winloop=_LOOP, zuvloop=_LOOP, trio=_LOOP)

_NOT_ASKED = "!no client is asked for a certificate: remove `--tls-client-ca`"
_TLS_NEEDS = {
    "0": _NOT_ASKED,
    "1": "optional",
    "2": "required",
    "cert_none": _NOT_ASKED,
    "cert_optional": "optional",
    "cert_required": "required",
}


def client_certificate(text: str) -> Sequence[str]:
    """Whether a client needs a certificate, as Python's `ssl` says it."""
    return one_of(**_TLS_NEEDS)(text.rpartition(".")[2])


def proxies(text: str) -> Sequence[str]:
    """Addresses, networks and `*` by commas. What is a path stands for the clients of a Unix socket."""
    named = [each.strip() for each in text.split(",") if each.strip()]
    return (",".join("unix" if each.startswith(("/", "unix:")) else each for each in named),)


def proxy_protocol(text: str) -> Sequence[str]:
    """The versions of the PROXY protocol: ours are always both."""
    if text.lower() == "off":
        raise CannotCarry("it is off by default: remove it")
    return ()


def yes_for_auto(text: str) -> Sequence[str]:
    """A truth, where ours are `auto` and `off`."""
    return ("off" if text.lower() in ("0", "false", "no", "off", "f", "n") else "auto",)


def worker_class(text: str) -> Sequence[str]:
    """The interface that a worker class of gunicorn calls the application with."""
    name = re.split(r"[.:]", text)[-1].lower()
    if name == "asgi" or "uvicorn" in name or "hypercorn" in text.lower() or name == "asgiworker":
        return ("asgi",)
    if name in ("sync", "gthread", "syncworker", "threadworker"):
        return ("wsgi",)
    raise CannotCarry(reasons.GREEN_THREADS)


def interface(text: str) -> Sequence[str]:
    """The interface by the name that uvicorn and Granian have for it."""
    known = {"wsgi": "wsgi", "asgi": "asgi", "asgi3": "asgi", "auto": "auto", "asginl": "asgi"}
    if text.lower() == "asgi2":
        raise CannotCarry("ASGI 2 is not served: wrap it in `asgiref.compatibility.guarantee_single_callable`")
    if text.lower() == "rsgi":
        raise CannotCarry("Granian's own protocol RSGI is not supported here; frameworks also speak ASGI or WSGI")
    if text.lower() not in known:
        raise CannotCarry(f"no interface `{text}` is known")
    return (known[text.lower()],)
