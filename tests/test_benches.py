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

BENCHES = Path(__file__).parent.parent / "benches"
sys.path.insert(0, str(BENCHES))

from cases import CASES, Target  # noqa: E402
from environment import peers_folder  # noqa: E402
from figures import Failure, Measurement, Results, judge, median_of, problems, ratios  # noqa: E402
from plot import render_plot  # noqa: E402
from report import render_report  # noqa: E402
from servers import server_environment  # noqa: E402


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
    ],
)
def test_a_target_is_met_missed_or_open(target: Target, met: bool | None) -> None:
    results: Results = {
        ("case", "rsgi"): runs(200, 200),
        ("case", "granian"): runs(100, 100),
        ("other", "rsgi"): runs(400, 400),
    }
    assert judge("case", target, results).met is met


def test_every_row_stays_in_the_report() -> None:
    case = CASES[0]
    results: Results = {
        (case.name, "rsgi"): runs(100),
        (case.name, "granian"): runs(300),
        (case.name, "uvicorn"): [Failure("it did not start")],
    }
    report = render_report(["a title"], [case], results, {}, [])
    assert "| granian | 300 | 0.33 (0.33 to 0.33) |" in report
    assert "1 of 1 runs failed" in report
    assert "**missed**" in report
    assert problems(results) == [f"{case.name}, uvicorn, round 1: it did not start"]


def test_the_plot_is_svg_with_all_that_have_figures() -> None:
    case = CASES[0]
    svg = ElementTree.fromstring(
        render_plot([case], {(case.name, "rsgi"): runs(100), (case.name, "granian"): runs(50)})
    )
    texts = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [case.heading, "rsgi", "1.00", "granian", "0.50"]


def test_names_of_cases_are_distinct_and_targets_name_servers_that_take_part() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    for case in CASES:
        assert all(target.peer in {None, *case.servers} for target in case.targets), case.name


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
