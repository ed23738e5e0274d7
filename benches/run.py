"""Measures rsgi beside other servers, in turn, and prints the result as Markdown (README.md says how and how much).

This file holds the options and the order of the runs; `servers`, `load`, `counters` and `report` do the rest.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from counters import counting_instructions, perf_counts_instructions, process_tree, read_usage
from environment import MissingError, describe_machine, find_rsgi, peers_environment, versions
from load import MeasurementError, run_load, wrk_version
from report import Failure, Measurement, Results, has_failures, render_report
from servers import Server, catalogue, check_answer, running

_DEFAULT_CASES = "wsgi-1,wsgi-64,asgi-1,asgi-64,bridged-64,bridged-upload-8,hosted-64,hosted-upload-8"
_UPLOAD = 2**20
_HEADINGS = {
    "wsgi": "WSGI",
    "asgi": "ASGI",
    "bridged": "WSGI as ASGI, under rsgi",
    "hosted": "WSGI as ASGI, under uvicorn",
}
_WARM_UP_SECONDS = 1
# What starting and stopping a server takes, roughly; only for the estimate at the start.
_AROUND_SECONDS = 1.5


@dataclass(frozen=True)
class Case:
    """One kind of application under one load."""

    interface: str
    upload: bool
    connections: int

    @property
    def name(self) -> str:
        """As `--cases` has it."""
        return f"{self.interface}-{'upload-' * self.upload}{self.connections}"

    @property
    def heading(self) -> str:
        """As the report has it."""
        work = ", 1 MiB uploads" if self.upload else ""
        return f"{_HEADINGS[self.interface]}{work}, {self.connections} connection{'s' * (self.connections > 1)}"


def main() -> int:
    """Runs the comparison; 0 when every run gave figures without errors, 1 otherwise or when interrupted."""
    options = _parse_options()
    # However it is told to end, the server that is running is stopped first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        servers = _choose_servers(options)
        wrk = wrk_version()
        if wrk is None:
            raise MissingError("wrk is missing; hint: install it (Debian: apt-get install wrk)")
    except MissingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    title = _title(options, wrk)
    results: Results = {}
    interrupted = False
    try:
        _run_all(options, servers, results)
    except KeyboardInterrupt:
        interrupted = True
        print("interrupted; this is what there is", file=sys.stderr)
        title.append("**Interrupted before the end.**")
    started = [_how_started(server) for server in servers]
    report = render_report(title, {case.name: case.heading for case in options.cases}, results, started)
    print(report, end="")
    if options.output:
        options.output.write_text(report)
    return int(interrupted or has_failures(results))


def _how_started(server: Server) -> list[str]:
    executable, *arguments = server.command
    return [
        f"{server.name} ({server.interface})",
        versions(executable, server.distributions),
        server.remark,
        f"`{Path(executable).name} {' '.join(arguments)}`".replace("{port}", "PORT"),
    ]


def _run_all(options: argparse.Namespace, servers: list[Server], results: Results) -> None:
    """All cases, all rounds; in each round every server has its turn, and each round another one begins."""
    with_perf = perf_counts_instructions()
    if not with_perf:
        print("perf cannot count instructions here: that column stays empty", file=sys.stderr)
    per_case = {case: [server for server in servers if server.interface == case.interface] for case in options.cases}
    total = options.rounds * sum(len(fitting) for fitting in per_case.values())
    minutes = total * (options.seconds + _WARM_UP_SECONDS + _AROUND_SECONDS) / 60
    print(f"{total} runs, about {minutes:.0f} minutes", file=sys.stderr)
    done = 0
    for case, fitting in per_case.items():
        results.update({(case.name, server.name): [] for server in fitting})  # the rows keep this order
        for number in range(options.rounds):
            first = number % max(1, len(fitting))
            for server in fitting[first:] + fitting[:first]:
                run = _measure(server, case, options.seconds, with_perf)
                results[case.name, server.name].append(run)
                done += 1
                print(f"{done:3}/{total} {case.name:16} round {number + 1} {_progress(server, run)}", file=sys.stderr)


def _measure(server: Server, case: Case, seconds: int, with_perf: bool) -> Measurement | Failure:
    """Starts the server, warms it up, measures, checks that it still answers, and stops it."""
    try:
        with running(server) as (port, process):
            url = f"http://127.0.0.1:{port}/"
            upload = _UPLOAD if case.upload else 0
            run_load(url, case.connections, _WARM_UP_SECONDS, upload)
            processes = process_tree(process)
            with counting_instructions(processes, with_perf) as instructions:
                before = read_usage(processes)
                load = run_load(url, case.connections, seconds, upload)
                after = read_usage(processes)
            check_answer(port)
            if process_tree(process) != processes:
                raise MeasurementError("its processes changed under load: what they used is not known")
    except (MeasurementError, OSError) as error:
        return Failure(str(error))
    return Measurement(
        rate=load.requests / load.seconds,
        p50=load.p50,
        p99=load.p99,
        cpu=(after.cpu_seconds - before.cpu_seconds) * 1e6 / load.requests,
        instructions=None if instructions.value is None else instructions.value / load.requests,
        switches=(after.switches - before.switches) / load.requests,
        resident=after.resident / 2**20,
        errors=load.errors,
    )


def _progress(server: Server, run: Measurement | Failure) -> str:
    if isinstance(run, Failure):
        return f"{server.name:10} FAILED: {run.reason}"
    errors = f"  ERRORS: {run.errors}" if run.errors else ""
    return f"{server.name:10} {run.rate:9,.0f} requests/s  p50 {run.p50:6,.0f} µs{errors}"


def _choose_servers(options: argparse.Namespace) -> list[Server]:
    servers = catalogue(find_rsgi(options.rsgi), peers_environment())
    known = {server.name for server in servers}
    if unknown := set(options.servers or ()) - known:
        raise MissingError(f"no server is called {', '.join(sorted(unknown))}; hint: {', '.join(sorted(known))}")
    interfaces = {case.interface for case in options.cases}
    return [
        server
        for server in servers
        if server.interface in interfaces and (not options.servers or server.name in options.servers)
    ]


def _title(options: argparse.Namespace, wrk: str) -> list[str]:
    now = datetime.now(timezone.utc)
    return [
        f"{now:%Y-%m-%d %H:%M} UTC; {describe_machine()}.",
        f"Medians of {options.rounds} rounds; {options.seconds} s measured each, after {_WARM_UP_SECONDS} s of warm-up. "
        f"Load: wrk {wrk}, one thread, on the same machine. Ratios are taken within a round. "
        "`README.md` beside this says how it is measured and what it does not show.",
    ]


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures rsgi beside other servers; needs Linux and wrk.")
    parser.add_argument("--rounds", type=_positive, default=5, help="turns each server has (default: 5)")
    parser.add_argument("--seconds", type=_positive, default=3, help="seconds measured in each turn (default: 3)")
    parser.add_argument(
        "--cases",
        type=_cases,
        default=_DEFAULT_CASES,
        metavar="LIST",
        help=f"interface and connections of each, divided by commas (default: {_DEFAULT_CASES})",
    )
    parser.add_argument(
        "--servers", type=lambda text: text.split(","), metavar="LIST", help="some only, divided by commas"
    )
    parser.add_argument("--rsgi", type=Path, metavar="PATH", help="the rsgi executable (default: beside this Python)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report there as well")
    return parser.parse_args()


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _cases(text: str) -> list[Case]:
    found = [re.fullmatch(r"(wsgi|asgi|bridged|hosted)-(upload-)?([1-9]\d*)", part) for part in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list like `wsgi-1,asgi-64`")
    return [Case(match[1], bool(match[2]), int(match[3])) for match in found if match]


if __name__ == "__main__":
    started_at = time.monotonic()
    status = main()
    print(f"took {(time.monotonic() - started_at) / 60:.1f} minutes", file=sys.stderr)
    sys.exit(status)
