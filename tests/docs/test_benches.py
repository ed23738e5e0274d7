"""The comparison with other servers: its statistics, and its smallest case from end to end with rsgi alone.

Apart because `benches/` is a tool beside the package; it should not rot between the runs that need it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

BENCHES = Path(__file__).parents[2] / "benches"
sys.path.insert(0, str(BENCHES))

from cases import CASES  # noqa: E402
from catalogue import catalogue  # noqa: E402
from environment import peers_folder  # noqa: E402
from figures import Failure, Measurement, Results, judge, median_of, problems, ratios  # noqa: E402
from http2_load import run_http2_load  # noqa: E402
from load import MeasurementError  # noqa: E402
from newest_python import candidates, newest  # noqa: E402
from plot import render_plot  # noqa: E402
from report import render_report  # noqa: E402
from servers import server_environment  # noqa: E402
from targets import EVERY, TARGETS, Target  # noqa: E402

from server import Server  # noqa: E402


def runs(*rates: float) -> list[Measurement | Failure]:
    return [Measurement({"rate": rate, "p50": 1e6 / rate}) for rate in rates]


def test_ratios_are_taken_within_a_round() -> None:
    ours, theirs = runs(200, 30), runs(100, 10)
    assert ratios(ours, theirs) == [2, 3]
    theirs[0] = Failure("it did not start")
    assert ratios(ours, theirs) == [3]


def test_a_median_is_over_the_rounds_that_gave_a_figure() -> None:
    assert median_of([*runs(10, 30), Failure("gone")], "rate") == 20
    assert median_of([Failure("gone")], "rate") is None


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target("rate", 2, peer="granian"), True),
        (Target("rate", 2.1, peer="granian"), False),
        (Target("p50", 0.5, at_least=False, peer="granian"), True),
        (Target("p50", 0.4, at_least=False, peer="granian"), False),
        (Target("rate", 200), True),
        (Target("rate", 1, peer="absent"), None),
        (Target("rate", 0.5, peer="rsgi", case="other"), True),
        (Target("rate", 1, peer=EVERY), True),
        (Target("rate", 1.5, peer=EVERY), False),
        (Target("p50", 0.8, at_least=False, peer=EVERY), True),
        (Target("p50", 0.6, at_least=False, peer=EVERY), False),
        (Target("instructions", 1, at_least=False, peer=EVERY), None),
    ],
)
def test_a_target_is_met_missed_or_open(target: Target, met: bool | None) -> None:
    results: Results = {
        ("case", "rsgi"): runs(200, 200),
        ("case", "granian"): runs(100, 100),
        ("case", "weft"): runs(160, 160),
        # Other configurations of rsgi are no peers, and who gave no figures is none either.
        ("case", "rsgi-busy"): runs(900, 900),
        ("case", "uvicorn"): [Failure("it did not start")],
        ("other", "rsgi"): runs(400, 400),
    }
    assert judge("case", target, results).met is met


def test_every_row_and_every_target_stays_in_the_report() -> None:
    case = next(case for case in CASES if case.name == "flask-64")
    results: Results = {
        (case.name, "rsgi"): runs(100),
        (case.name, "granian"): runs(300),
        (case.name, "gunicorn"): runs(50),
        (case.name, "weft"): [Failure("it did not start")],
    }
    report = render_report(["a title"], CASES, results, {}, [])
    assert "| granian | 300 | 0.33 (0.33 to 0.33) |" in report
    assert "1 of 1 runs failed" in report
    assert (
        "| requests/s | granian, the closest of every peer | 0.33 times | at least 1.25 times | **missed** |" in report
    )
    assert "1 missed." in report
    assert problems(results) == [f"{case.name}, weft, round 1: it did not start"]


def test_the_plot_is_svg_with_all_that_have_figures() -> None:
    case = CASES[0]
    svg = ElementTree.fromstring(
        render_plot([case], {(case.name, "rsgi"): runs(100), (case.name, "granian"): runs(50)})
    )
    texts = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [case.heading, "rsgi", "1.00", "granian", "0.50"]


def test_names_of_cases_are_distinct_and_their_servers_are_in_the_catalogue() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    known = {(server.interface, server.name) for server in catalogue({"rsgi": Path("rsgi")}, Path("bin"))}
    for case in CASES:
        assert {(case.interface, server) for server in case.servers} <= known, case.name


def test_targets_name_cases_and_servers_that_take_part() -> None:
    servers = {case.name: case.servers for case in CASES}
    for case, targets in TARGETS.items():
        assert all(target.peer in {None, EVERY, *servers[target.case or case]} for target in targets), case


def test_the_newest_python_that_runs_is_found(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("broken", "old", "good", "pyenv/versions/a/bin")}
    said = {"broken": "exit 127", "old": "echo 3 9 2", "good": "echo 3 11 7", "pyenv/versions/a/bin": "echo 3 13 0"}
    for name, folder in folders.items():
        folder.mkdir(parents=True)
        python = folder / "python3"
        python.write_text(f"#!/bin/sh\n{said[name]}\n")
        python.chmod(0o755)
    path = os.pathsep.join(str(folders[name]) for name in ("broken", "old", "missing", "good") if name in folders)
    without, with_it = str(tmp_path / "none"), str(tmp_path / "pyenv")
    assert newest(candidates({"PATH": path, "PYENV_ROOT": without})) == folders["good"] / "python3"
    assert newest(candidates({"PATH": path, "PYENV_ROOT": with_it})) == folders["pyenv/versions/a/bin"] / "python3"
    assert newest(candidates({"PATH": str(folders["old"]), "PYENV_ROOT": without})) is None


@pytest.mark.skipif(shutil.which("h2load") is None, reason="h2load is not installed")
def test_a_load_over_http2_counts_what_was_answered(asgi_server: Server) -> None:
    load = run_http2_load(f"http://127.0.0.1:{asgi_server.port}/hello", 2, 1)
    assert load.requests > 0
    assert 0 < load.p50 <= load.p99
    assert load.errors == {}
    with pytest.raises(MeasurementError, match=r"no request was answered .*failed requests"):
        run_http2_load(f"http://127.0.0.1:{asgi_server.port}/no-such-path", 1, 1)


def test_another_build_is_not_shadowed_by_this_one() -> None:
    own = str(BENCHES.parent / "python")
    assert own not in server_environment(Path("/elsewhere/bin/rsgi"))["PYTHONPATH"].split(os.pathsep)
    assert own in server_environment(peers_folder() / "granian")["PYTHONPATH"].split(os.pathsep)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_the_smallest_case_runs_from_end_to_end(tmp_path: Path) -> None:
    report, plot = tmp_path / "report.md", tmp_path / "plot.svg"
    options = "--case wsgi-hello-1 --rounds 1 --seconds 1 --servers rsgi --no-valgrind".split()
    command = [sys.executable, str(BENCHES / "run.py"), *options, "--output", str(report), "--plot", str(plot)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stderr
    row = next(line for line in report.read_text().splitlines() if line.startswith("| rsgi | "))
    assert float(row.split(" | ")[1].replace(",", "")) > 0
    assert plot.read_text().startswith("<svg")
