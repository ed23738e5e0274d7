"""`fuzz/run.py`, with programs in place of fuzz targets: what it says, and that it fails when one of them does."""

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parents[2] / "fuzz"
STATISTICS = "echo stat::number_of_executed_units: 1234567\n"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A copy of the tool, because it writes beside itself, and a folder for programs."""
    for name in ("run.py", "corpus.py"):
        (tmp_path / name).write_text((FUZZ / name).read_text())
    (tmp_path / "programs").mkdir()
    return tmp_path / "programs"


def run(programs: Path, targets: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    for name, script in targets.items():
        program = programs / name
        program.write_text(f"#!/bin/sh\n{script}")
        program.chmod(0o755)
    command = [sys.executable, programs.parent / "run.py", programs, *targets, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_it_says_how_many_inputs_each_target_had(programs: Path) -> None:
    done = run(programs, {"first": STATISTICS, "second": STATISTICS}, "--seconds", "7", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "fuzzing 2 targets, 7 s each, 2 at a time"
    assert sorted(lines[1:]) == [f"{name}: 1,234,567 inputs, nothing found" for name in ("first", "second")]


def test_it_passes_time_seed_and_folders(programs: Path) -> None:
    here = programs.parent
    assert run(programs, {"target": 'echo "$@"\n' + STATISTICS}, "--seconds", "7", "--seed", "5").returncode == 0
    arguments = (here / "artifacts/target/log").read_text().splitlines()[0].split()
    assert arguments[:3] == [
        str(here / "corpus/target"),
        str(here / "seeds/target"),
        f"-artifact_prefix={here}/artifacts/target/",
    ]
    assert {"-max_total_time=7", "-seed=5"} <= set(arguments)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (STATISTICS + "echo 'panicked at src/wire/head.rs'; exit 77\n", "exit code 77"),
        ("echo 'no input ran'\n", "exit code 0"),
    ],
)
def test_it_fails_if_a_target_does(programs: Path, script: str, reason: str) -> None:
    done = run(programs, {"good": STATISTICS, "bad": script})
    assert done.returncode == 1
    assert f"bad: failed ({reason}); see {programs.parent}/artifacts/bad" in done.stdout
    assert "the last lines of bad:" in done.stdout
    assert ("panicked at" in done.stdout) == ("panicked" in script)
    assert "good: 1,234,567 inputs, nothing found" in done.stdout


MERGES = 'if [ "$1" = -merge=1 ]; then cp "$3"/* "$2"; exit; fi\n'


def test_what_is_kept_is_there_in_the_next_run(programs: Path) -> None:
    here, finds = programs.parent, MERGES + 'printf found > "$1/input"\n' + STATISTICS
    done = run(programs, {"target": finds}, "--keep")
    assert done.stdout.splitlines()[-1] == "target: 1 inputs kept"
    archive = (here / "kept/target.zip").read_bytes()
    (here / "corpus/target/input").unlink()
    assert run(programs, {"target": STATISTICS}).returncode == 0
    assert (here / "corpus/target/input").read_bytes() == b"found"
    assert run(programs, {"target": finds}, "--keep").returncode == 0
    assert (here / "kept/target.zip").read_bytes() == archive


def test_each_target_has_a_kept_corpus() -> None:
    targets = {target.stem for target in (FUZZ / "fuzz_targets").glob("*.rs")}
    kept = {archive.stem for archive in (FUZZ / "kept").glob("*.zip")}
    assert targets
    assert kept == targets
