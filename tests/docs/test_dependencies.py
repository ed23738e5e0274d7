"""Each library that the project names is on the page of dependencies with its reason, and nothing else is.

Apart from `test_docs.py` because it reads manifests. `cargo deny` itself is run by hand: few machines have it. What
it says about licences is said here too.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs/dependencies.md").read_text()


def manifest(name: str) -> dict[str, Any]:
    return tomllib.loads((PROJECT / name).read_text())


def listed(section: str) -> set[str]:
    """The names in the first column of a section's table."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \| (\S.*) \|$", text, re.MULTILINE)
    return {name for first, _ in rows for name in re.findall(r"`([^`]+)`", first)}


def test_every_crate_has_a_reason() -> None:
    root, bridge = manifest("Cargo.toml"), manifest("bridge/Cargo.toml")
    named = {
        *root["dependencies"],
        *root["dev-dependencies"],
        *bridge["dependencies"],
        *bridge["build-dependencies"],
        *root["workspace"]["dependencies"],
    }
    assert listed("Rust") == named


def test_every_package_has_a_reason() -> None:
    project = manifest("pyproject.toml")["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["uvloop"], *extras["reload"]]
    assert listed("Python") == {re.split(r"[<>=; ]", each)[0] for each in needed}


@pytest.mark.parametrize("package", ["openssl", "openssl-sys", "native-tls"])
def test_what_is_banned_is_not_there(package: str) -> None:
    assert {"crate": package} in manifest("deny.toml")["bans"]["deny"]
    locked = {each["name"] for each in manifest("Cargo.lock")["package"]}
    assert package not in locked


def test_every_crate_comes_from_the_registry() -> None:
    """`deny.toml` names no registry, so cargo-deny allows cargo's own alone."""
    assert manifest("deny.toml")["sources"] == {"unknown-registry": "deny", "unknown-git": "deny"}
    sources = {each["source"] for each in manifest("Cargo.lock")["package"] if "source" in each}
    assert len(sources) == 1, sources
    assert sources.pop().startswith("registry+")


def allowed(licence: str, names: set[str]) -> bool:
    """Whether an SPDX expression is satisfied by these licences; older crates write `/` for `OR`."""
    # `(A OR B) AND C` is all that is nested here.
    found = re.fullmatch(r"\(([^()]*)\) AND (\S+)", licence)
    if found:
        return found[2] in names and allowed(found[1], names)
    choices = re.split(r" OR |\s*/\s*", licence)
    return any(all(each in names for each in choice.split(" AND ")) for choice in choices)


def test_every_licence_is_allowed() -> None:
    cargo = shutil.which("cargo")
    if cargo is None:
        pytest.skip("cargo is not installed")
    names = set(manifest("deny.toml")["licenses"]["allow"])
    target = ("--filter-platform", "x86_64-unknown-linux-gnu")
    command = [cargo, "metadata", "--offline", "--locked", "--format-version", "1", *target]
    ran = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    if ran.returncode != 0:
        pytest.skip(f"cargo needs the network: {ran.stderr[-200:]}")
    found = json.loads(ran.stdout)
    used = {node["id"] for node in found["resolve"]["nodes"]}
    licences = {each["name"]: each["license"] or "" for each in found["packages"] if each["id"] in used}
    assert len(licences) > 50
    assert {name: licence for name, licence in licences.items() if not allowed(licence, names)} == {}
