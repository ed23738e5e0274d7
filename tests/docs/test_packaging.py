"""The packaging: one version, the files of the source distribution, and a release that calls targets which are there.

Wheels are built by the release, not here. `make check-package` installs one and serves with it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[2]
RELEASE = PROJECT / ".github/workflows/release.yml"
if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())


def steps() -> list[dict[str, object]]:
    jobs = yaml.safe_load(RELEASE.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def test_the_release_calls_targets_that_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    called = {name for step in steps() for name in re.findall(r"make ([a-z-]+)", str(step.get("run", "")))}
    assert called == {"build", "check-dist", "check-package", "check-version", "sdist", "wheel-in-container"}
    assert called <= targets


def test_only_a_tag_is_published() -> None:
    jobs = yaml.safe_load(RELEASE.read_text())["jobs"]
    assert jobs["publish"]["if"] == "github.ref_type == 'tag'"
    assert set(jobs["publish"]["needs"]) == set(jobs) - {"publish"}
    writing = [name for name, job in jobs.items() if "write" in str(job.get("permissions", ""))]
    assert writing == ["publish"]


def check_version(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "packaging/check_version.py", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60)


def test_the_version_stands_in_one_place() -> None:
    version = check_version().stdout.strip()
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    named = subprocess.run(
        ["git", "grep", "-lF", f'version = "{version}"', "--", "*.toml"],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if named.returncode == 0:  # else it is no repository
        assert named.stdout.split() == ["Cargo.toml"]


def test_a_tag_of_another_version_is_refused() -> None:
    refused = check_version("v9.9.9")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: the tag is v9.9.9, and the version in Cargo.toml is ")


def test_interpreters_agree() -> None:
    listed = re.findall(r":: (3\.\d+)$", "\n".join(PYPROJECT["project"]["classifiers"]), re.MULTILINE)
    built = yaml.safe_load(RELEASE.read_text())["jobs"]["linux"]["strategy"]["matrix"]["python"]
    assert listed == built[: len(listed)]
    assert PYPROJECT["project"]["requires-python"] == f">={built[0]}"
    assert {"Typing :: Typed", "Programming Language :: Rust"} <= set(PYPROJECT["project"]["classifiers"])


def test_the_image_copies_what_the_build_reads() -> None:
    recipe = (PROJECT / "examples/deploy/docker/Dockerfile").read_text()
    copied = {word for line in re.findall(r"^COPY (?!--)(.*)", recipe, re.MULTILINE) for word in line.split()[:-1]}
    assert {"Cargo.toml", "Cargo.lock", "build.rs", "pyproject.toml", "README.md", "LICENSE"} <= copied
    assert {"src", "bridge", "benches", "python"} <= copied
