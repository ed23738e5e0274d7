"""What the comparison of shadow traffic says: as numbers, as JSON, and of several processes together.

The admin listener shows it (`src/admin/shadow.rs`). `rsgi.compare.observer` makes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rsgi.compare.observer import merged


def merged_json(documents: Sequence[str]) -> str:
    """Add up what several processes say."""
    summaries = [read for text in documents if (read := json.loads(text))]
    return to_json(merged(summaries))


def to_json(summary: Mapping[str, Any]) -> str:
    """A summary as the admin listener shows it."""
    return json.dumps(summary, indent=2, ensure_ascii=False)
