"""Measures rsgi beside other servers, in turn, and prints the result as Markdown (README.md says how and how much).

This file holds the options and the order of the runs; `cases` says what is measured, `figures` and `report` what came of it.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from cases import CASES, Case
from cases import Load as Kind
from catalogue import Server, catalogue
from counters import counting_instructions, perf_counts_instructions, process_tree, read_usage
from environment import MissingError, describe_machine, find_rsgi, install_peers, peers_folder, versions
from figures import Failure, Measurement, Results, problems
from http2_load import h2load_is_there, run_http2_load
from instructions import count_instructions, valgrind_is_there
from load import MeasurementError, run_load, wrk_version
from loads import run_case
from plot import render_plot
from report import render_report
from servers import check_response, running, url_of

_WARM_UP_SECONDS = 1
# What starting and stopping a server takes, roughly; only for the estimate at the start.
_AROUND_SECONDS = 1.5
# What `--quick` measures.
_QUICK = ("asgi-hello-64", "asgi-hello-1", "wsgi-hello-64", "wsgi-hello-1", "mixed-64", "websocket-echo-64")


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
    skipped = _skipped(options.cases, servers)
    title = _title(options, wrk)
    results: Results = {}
    not_counted: list[str] = []
    interrupted = False
    try:
        _run_all(options, servers, results, skipped, not_counted)
    except KeyboardInterrupt:
        interrupted = True
        print("interrupted; this is what there is", file=sys.stderr)
        title.append("**Interrupted before the end.**")
    started = [_how_started(server) for server in servers]
    report = render_report(title, options.cases, results, skipped, started, not_counted)
    print(report, end="")
    if options.output:
        options.output.write_text(report)
    if options.plot:
        options.plot.write_text(render_plot(options.cases, results))
    return int(interrupted or bool(problems(results)))


def _skipped(cases: list[Case], servers: list[Server]) -> dict[str, str]:
    """The cases that cannot run here, and why."""
    skipped = {}
    if not h2load_is_there():
        reason = "it needs `h2load` (Debian: `apt-get install nghttp2-client`)"
        skipped.update({case.name: reason for case in cases if case.load is Kind.HTTP2})
    for server in servers:
        if server.interface == "workers":
            said = subprocess.run([server.command[0], "serve", "--help"], capture_output=True, text=True, check=False)
            if "--workers" not in said.stdout:
                reason = "this rsgi has no `--workers`"
                skipped.update({case.name: reason for case in cases if case.interface == "workers"})
    return skipped


def _how_started(server: Server) -> list[str]:
    executable, *arguments = server.command
    return [
        f"{server.name} ({server.interface})",
        versions(executable, server.distributions),
        server.remark,
        f"`{Path(executable).name} {' '.join(arguments)}`".replace("{port}", "PORT").replace("{app}", "APP"),
    ]


def _run_all(
    options: argparse.Namespace,
    servers: list[Server],
    results: Results,
    skipped: dict[str, str],
    not_counted: list[str],
) -> None:
    """All cases, all rounds; in each round every server has its turn, and each round another one begins."""
    with_perf = perf_counts_instructions()
    per_case = {case: _fitting(case, servers) for case in options.cases if case.name not in skipped}
    total = options.rounds * sum(len(fitting) for fitting in per_case.values())
    minutes = total * (options.seconds + _WARM_UP_SECONDS + _AROUND_SECONDS) / 60
    print(f"{total} runs, about {minutes:.0f} minutes", file=sys.stderr)
    done = 0
    for case, fitting in per_case.items():
        results.update({(case.name, server.name): [] for server in fitting})  # the rows keep this order
        counted = {} if with_perf or options.no_valgrind else _count_apart(case, fitting, not_counted)
        for number in range(options.rounds):
            first = number % max(1, len(fitting))
            for server in fitting[first:] + fitting[:first]:
                run = _measure(server, case, options.seconds, with_perf)
                if isinstance(run, Measurement) and server.name in counted:
                    run = Measurement({**run.figures, "instructions": counted[server.name]}, run.errors)
                results[case.name, server.name].append(run)
                done += 1
                print(f"{done:3}/{total} {case.name:16} round {number + 1} {_progress(server, run)}", file=sys.stderr)


def _fitting(case: Case, servers: list[Server]) -> list[Server]:
    return [
        server
        for server in servers
        if server.interface == case.interface and (server.name in case.servers or server.build == "other")
    ]


def _count_apart(case: Case, servers: list[Server], not_counted: list[str]) -> dict[str, float]:
    """User instructions per request of each server, where valgrind can count them."""
    counted: dict[str, float] = {}
    if not case.instructions or not valgrind_is_there():
        return counted
    for server in servers:
        try:
            counted[server.name] = count_instructions(server, case)
            said = f"{counted[server.name]:,.0f} user instructions/request"
        except (MeasurementError, OSError) as error:
            said = f"instructions not counted: {error}"
            not_counted.append(f"{case.name}, {server.name}: {error}")
        print(f"        {case.name:16} valgrind {server.name:10} {said}", file=sys.stderr)
    return counted


def _measure(server: Server, case: Case, seconds: int, with_perf: bool) -> Measurement | Failure:
    """Starts the server, warms it up, measures, checks that it still answers, and stops it."""
    try:
        with running(server, case.app) as (port, process):
            _warm_up(case, url_of(server, port))
            processes = process_tree(process)
            with counting_instructions(processes, with_perf) as instructions:
                before = read_usage(processes)
                load, extra = run_case(case, url_of(server, port), port, process, seconds)
                after = read_usage(processes)
            check_response(server, port, case.app)
            if process_tree(process) != processes:
                raise MeasurementError("its processes changed under load: what they used is not known")
    except (MeasurementError, OSError, subprocess.TimeoutExpired) as error:
        return Failure(str(error))
    figures = {
        "rate": load.requests / load.seconds,
        "p50": load.p50,
        "p99": load.p99,
        "cpu": (after.cpu_seconds - before.cpu_seconds) * 1e6 / load.requests,
        "switches": (after.switches - before.switches) / load.requests,
        "resident": after.resident / 2**20,
        **({} if instructions.value is None else {"instructions": instructions.value / load.requests}),
        **extra,
    }
    if case.load is Kind.MIXED:  # three loads in one: what one request cost is not known
        figures = {name: value for name, value in figures.items() if name not in ("cpu", "switches", "instructions")}
    return Measurement(figures, load.errors)


def _warm_up(case: Case, url: str) -> None:
    if case.load is Kind.HTTP2:
        run_http2_load(url, case.connections, _WARM_UP_SECONDS)
    elif case.load is not Kind.IDLE:
        run_load(url, min(64, case.connections), _WARM_UP_SECONDS, case.upload, case.fields)


def _progress(server: Server, run: Measurement | Failure) -> str:
    if isinstance(run, Failure):
        return f"{server.name:10} FAILED: {run.reason}"
    errors = f"  ERRORS: {run.errors}" if run.errors else ""
    return f"{server.name:10} {run.figures['rate']:9,.0f} requests/s  p50 {run.figures['p50']:6,.0f} µs{errors}"


def _choose_servers(options: argparse.Namespace) -> list[Server]:
    builds = dict(options.rsgi or [("rsgi", None)])
    servers = catalogue({name: find_rsgi(path) for name, path in builds.items()}, peers_folder())
    known = {server.name for server in servers}
    if unknown := set(options.servers or ()) - known:
        raise MissingError(f"no server is called {', '.join(sorted(unknown))}; hint: {', '.join(sorted(known))}")
    interfaces = {case.interface for case in options.cases}
    chosen = [
        server
        for server in servers
        if server.interface in interfaces and (not options.servers or server.name in options.servers)
    ]
    # The frameworks are there, too.
    frameworks = any(case.app.startswith("frameworks:") for case in options.cases)
    if frameworks or any(Path(server.command[0]).parent == peers_folder() for server in chosen):
        install_peers()
    return chosen


def _title(options: argparse.Namespace, wrk: str) -> list[str]:
    now = datetime.now(timezone.utc)
    return [
        f"{now:%Y-%m-%d %H:%M} UTC; {describe_machine()}.",
        f"Medians of {options.rounds} rounds; {options.seconds} s measured each, after {_WARM_UP_SECONDS} s of warm-up. "
        f"Load: wrk {wrk}, over HTTP/2 h2load, one thread, on the same machine. Ratios are taken within a round. "
        "`README.md` beside this says how it is measured and what it does not show.",
    ]


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures rsgi beside other servers; needs Linux and wrk.")
    parser.add_argument("--rounds", type=_positive, default=5, help="turns each server has (default: 5)")
    parser.add_argument("--seconds", type=_positive, default=2, help="seconds measured in each turn (default: 2)")
    parser.add_argument(
        "--case", "--cases", dest="cases", type=_cases, metavar="LIST", help="some only, divided by commas"
    )
    parser.add_argument("--quick", action="store_true", help="the main cases, two rounds of a second each")
    parser.add_argument(
        "--servers", type=lambda text: text.split(","), metavar="LIST", help="some only, divided by commas"
    )
    parser.add_argument(
        "--rsgi",
        type=_build,
        action="append",
        metavar="[NAME=]PATH",
        help="the rsgi executable (default: beside this Python); again, with a name, for another build",
    )
    parser.add_argument("--no-valgrind", action="store_true", help="leave out the runs that count instructions")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report there as well")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it there, as SVG")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 2, 1
    options.cases = options.cases or [case for case in CASES if not options.quick or case.name in _QUICK]
    return options


def _build(text: str) -> tuple[str, Path]:
    name, _, path = text.rpartition("=")
    return name or "rsgi", Path(path)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _cases(text: str) -> list[Case]:
    known = {case.name: case for case in CASES}
    if unknown := [name for name in text.split(",") if name not in known]:
        raise argparse.ArgumentTypeError(f"no case is called {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in text.split(",")]


if __name__ == "__main__":
    started_at = time.monotonic()
    status = main()
    print(f"took {(time.monotonic() - started_at) / 60:.1f} minutes", file=sys.stderr)
    sys.exit(status)
