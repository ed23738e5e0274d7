"""`masks` of a shadow rule: what of a text is not compared.

Apart from `test_shadow_settings.py`, because the comparer knows the masks, and not the settings.
"""

from __future__ import annotations

from typing import Any

import pytest

from rsgi.errors import StartupError
from rsgi.process.shadow import _comparison_of
from rsgi.routing.shadow import resolved
from rsgi.settings.shadow_rules import ParsedShadow, parsed_shadows


def rule(**keys: Any) -> ParsedShadow:
    (parsed,) = parsed_shadows([{"path": "/x", "to": "new", **keys}])
    resolved((parsed,), lambda _: 0)
    return parsed


def test_masks_of_a_rule() -> None:
    assert _comparison_of(rule(masks=["date", "build=v[0-9]+"])).masks == ("date", "build=v[0-9]+")
    assert _comparison_of(rule(masks="none")).masks == ("none",)
    assert _comparison_of(rule()).masks is None


@pytest.mark.parametrize(
    ("masks", "problem"),
    [
        (["dates"], "there is no mask `dates`"),
        (["x=["], "the mask `x` is not a regular"),
        (5, "`masks` is a list of texts"),
    ],
)
def test_wrong_masks(masks: object, problem: str) -> None:
    with pytest.raises(StartupError) as raised:
        rule(masks=masks)
    assert raised.value.message.startswith("shadow rule 1: ")
    assert problem in raised.value.message
    assert raised.value.hint or masks == 5
