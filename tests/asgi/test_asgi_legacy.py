"""Applications that speak ASGI 2 are refused at start, with the way out; no ASGI 3 application is taken for one.

Apart from the plan's own tests because a user's command line and answers are looked at. Nothing is wrapped silently: what
ASGI 2 frameworks there were ended before Python 3.10, so such an application is nearly always a mistake (a class or
factory that lacks its parentheses). Covers ASGI 3.0 "Legacy Applications".
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from server import Server, run_rsgi
from wire import get


@pytest.mark.parametrize("target", ["Consumer", "two_functions", "router", "partial_consumer"])
def test_legacy_application_is_refused_with_a_hint(target: str) -> None:
    ended = run_rsgi("--asgi", f"legacy_apps:{target}")
    assert ended.returncode == 1
    assert f"error: `legacy_apps:{target}` is a legacy ASGI 2 application, called with the scope alone" in ended.stderr
    assert "hint: " in ended.stderr
    assert "asgiref.compatibility.guarantee_single_callable(app)" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("wrapped_consumer", b"a consumer at /where"),
        ("wrapped_function", b"a function at /where"),
        ("wrapped_router", b"a consumer at /where"),
    ],
)
def test_the_way_out_leads_out(start: Callable[..., Server], target: str, body: bytes) -> None:
    assert get(start("--asgi", f"legacy_apps:{target}", "--lifespan", "off"), "/where").body == body


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("instance", b"an instance"),
        ("Instance()", b"an instance"),
        ("AwaitedInstance", b"an awaited instance"),
        ("method", b"a method"),
        ("class_method", b"a class method"),
        ("static_method", b"a static method"),
        ("partial", b"a partial"),
        ("partial_of_partial", b"twice"),
        ("partial_of_instance", b"an instance"),
        ("with_more", b"a default"),
        ("takes_anything", b"anything"),
        ("plain", b"plain"),
        ("named_as_legacy", b"wrapper"),
        ("no_name", b"a lambda"),
    ],
)
def test_what_takes_three_arguments_is_asgi_3(start: Callable[..., Server], target: str, body: bytes) -> None:
    server = start("--asgi", f"legacy_apps:{target}", "--lifespan", "off")
    assert get(server, "/").body == body
