"""What a behaviour is: its number, its name, what is wanted, and the check that shows it.

Apart from the themes so that a list of them can be made. A check asks a host (`hosts.py`, `driver.py`) and returns, or
raises `NotSo` with what it saw instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wire import ConnectionEnded, MalformedResponse

if TYPE_CHECKING:
    from behaviours.exchange import Host

Check = Callable[["Host"], None]
Place = frozenset[str]

NATIVE: Place = frozenset({"native"})  # a server that calls the WSGI application itself
BRIDGED: Place = frozenset({"bridged"})  # a bridge under an ASGI server
DRIVER: Place = frozenset({"driver"})  # a bridge with a `receive` and a `send` made by hand
WIRE = NATIVE | BRIDGED
ANY_BRIDGE = BRIDGED | DRIVER
EVERYWHERE = WIRE | DRIVER

TIMEOUT = 5.0  # seconds


class NotSo(AssertionError):
    """The behaviour was not seen; the text says what was."""


class Broken(Exception):
    """The response broke off: what came is known not to be the whole."""


@dataclass(frozen=True)
class Behaviour:
    """One behaviour.

    Attributes:
        number: Its place in the checklist, which groups what belongs together.
        name: The name of its check, unique.
        wanted: One sentence.
        where: The kinds of host that it can be asked of.
        variant: How the host must be started: `plain`, `streaming` (bodies are not collected first), `narrow` (two
            threads, two waiting requests), or `own` (a process that nothing else uses).
    """

    number: int
    name: str
    wanted: str
    check: Check
    where: Place
    variant: str


BEHAVIOURS: list[Behaviour] = []


def behaviour(number: int, where: Place = EVERYWHERE, variant: str = "plain") -> Callable[[Check], Check]:
    """Put a check into the list; the first line of its docstring says what is wanted."""

    def register(check: Check) -> Check:
        wanted = (check.__doc__ or "").partition("\n")[0].rstrip(".")
        BEHAVIOURS.append(Behaviour(number, check.__name__, wanted, check, where, variant))
        return check

    return register


def expect(what: str, seen: Any, wanted: Any) -> None:
    """Raise `NotSo` unless what was seen is what was wanted."""
    if seen != wanted:
        raise NotSo(f"{what}: {_short(seen)}, not {_short(wanted)}")


def demand(holds: object, seen: str) -> None:
    """Raise `NotSo` with what was seen unless the condition holds."""
    if not holds:
        raise NotSo(seen)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:80]}… ({len(text)} characters)"


def verdict(asked: Behaviour, host: Host) -> str | None:
    """Ask a host; `None` when the behaviour was seen, else what was seen."""
    try:
        asked.check(host)
    except TimeoutError:
        return f"no response within {host.timeout:g} s"
    except (ConnectionEnded, ConnectionResetError, BrokenPipeError):
        return "the connection was cut before the response"
    except Broken:
        return "the response broke off"
    except MalformedResponse as error:
        return f"malformed response: {error}"
    except AssertionError as error:
        return str(error)
    except (ValueError, LookupError) as error:  # a response that the check cannot read
        return f"unreadable response: {error!r}"
    return None
