"""rsgi side by side with other servers, in one run: `make bench`, or `python benches/run.py --help`.

Each round starts every server in turn, in another order each time, so that a machine that slows down slows all of them.
The table holds medians over the rounds, and ratios: what matters is how the servers compare, not the machine.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import statistics
import sys
from collections import defaultdict
from pathlib import Path

import servers
from measure import Failed, Sample, measure

CASES = {
    "wsgi-1": ("wsgi", 1, "WSGI hello, 1 connection"),
    "wsgi-64": ("wsgi", 64, "WSGI hello, 64 connections"),
    "asgi-1": ("asgi", 1, "ASGI hello, 1 connection"),
    "asgi-64": ("asgi", 64, "ASGI hello, 64 connections"),
}


def main() -> int:
    """Run the cases asked for, print the tables, and write them to a file if one is named."""
    options = _options()
    if not shutil.which("wrk"):
        print("error: wrk is missing\n\nhint: install it (Debian: apt-get install wrk)", file=sys.stderr)
        return 1
    servers.install_peers()
    parts = [_machine(options)]
    for case in options.cases:
        table = _table(case, _run_case(case, options))
        print(table, flush=True)
        parts.append(table)
    if options.output:
        Path(options.output).write_text("\n\n".join(["# Results", *parts]) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each server (default 5)")
    parser.add_argument("--seconds", type=float, default=3, help="length of a run after its warm-up (default 3)")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="which cases (default all)")
    parser.add_argument("--servers", nargs="+", metavar="NAME", help="only servers whose names begin so")
    parser.add_argument("--rsgi", default=str(Path(sys.executable).with_name("rsgi")), help="the rsgi to measure")
    parser.add_argument("--output", metavar="FILE", help="write the tables there, as Markdown")
    return parser.parse_args()


def _run_case(case: str, options: argparse.Namespace) -> dict[str, list[Sample]]:
    interface, connections, title = CASES[case]
    chosen = [
        name
        for name in servers.names(interface)
        if not options.servers or any(name.startswith(begin) for begin in options.servers)
    ]
    samples: dict[str, list[Sample]] = defaultdict(list)
    for number in range(options.rounds):
        order = chosen[number % len(chosen) :] + chosen[: number % len(chosen)]
        for name in order:
            try:
                sample = _sample(interface, name, connections, options)
                samples[name].append(sample)
                rate = f"{sample.requests_per_second:,.0f} requests/s {sample.errors}"
            except Failed as failure:
                samples[name] = samples[name]
                rate = f"FAILED: {failure}"
            print(f"{title}, round {number + 1} of {options.rounds}: {name}: {rate}", file=sys.stderr, flush=True)
    return {name: samples[name] for name in chosen}


def _sample(interface: str, name: str, connections: int, options: argparse.Namespace) -> Sample:
    server = servers.start(interface, name, options.rsgi)
    try:
        return measure(server, connections, options.seconds)
    finally:
        server.stop()


def _table(case: str, samples: dict[str, list[Sample]]) -> str:
    _, _, title = CASES[case]
    reference = next(name for name in samples if name.startswith("rsgi")) if samples else ""
    base = _median([sample.requests_per_second for sample in samples[reference]])
    lines = [
        f"## {title}",
        "",
        f"| server | requests/s | {reference} is | p50 µs | p99 µs | CPU µs | user instructions | switches | MiB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, runs in samples.items():
        if not runs:
            lines.append(f"| {name} | did not survive the load |" + " |" * 7)
            continue
        rate = _median([run.requests_per_second for run in runs])
        cells = [
            f"{rate:,.0f}",
            "1" if name == reference else f"{base / rate:.2f} x",
            *(f"{_median([getattr(run, field) for run in runs]):,.0f}" for field in ("p50", "p99")),
            f"{_median([run.cpu for run in runs]):.1f}",
            _count([run.instructions for run in runs], "{:,.0f}"),
            _count([run.switches for run in runs], "{:.2f}"),
            f"{_median([run.memory for run in runs]):.0f}",
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        errors = sorted({run.errors for run in runs if run.errors})
        lines += [f"| ^ errors: {'; '.join(errors)} |" + " |" * 8] if errors else []
    return "\n".join(lines)


def _median(values: list[float]) -> float:
    return statistics.median(values)


def _count(values: list[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    return form.format(statistics.median(known)) if known else "-"


def _machine(options: argparse.Namespace) -> str:
    processor = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").open() if line.startswith("model name")), "?"
    )
    peers = ", ".join((servers.HERE / "requirements.txt").read_text().split())
    return (
        f"{datetime.date.today()}; {processor}, {os.cpu_count()} cores shared with the load; CPython "
        f"{platform.python_version()}; medians of {options.rounds} alternating runs of {options.seconds:g} s; {peers}. "
        "CPU, instructions (user mode) and context switches are per request, over all processes of a server."
    )


if __name__ == "__main__":
    sys.exit(main())
