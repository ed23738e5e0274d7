"""Sees that a release has one version: that of `Cargo.toml`, in the changelog, and in the tag if there is one."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_PROJECT = Path(__file__).parents[1]


def main() -> None:
    """Compare; says which version it is."""
    cargo = re.search(r'^version = "([^"]+)"$', (_PROJECT / "Cargo.toml").read_text(), re.MULTILINE)
    entry = re.search(r"^## \[(\d[^\]]*)\] - (\S+)", (_PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    if cargo is None or entry is None or cargo[1] != entry[1]:
        raise SystemExit("error: Cargo.toml and the newest entry of CHANGELOG.md do not have the same version")
    tag = sys.argv[1] if len(sys.argv) > 1 else None
    if tag is not None and tag != f"v{cargo[1]}":
        raise SystemExit(f"error: the tag is {tag}, and the version in Cargo.toml is {cargo[1]}")
    if tag is not None and entry[2] == "Unreleased":
        raise SystemExit("error: the entry in CHANGELOG.md has no date")
    print(cargo[1])


if __name__ == "__main__":
    main()
