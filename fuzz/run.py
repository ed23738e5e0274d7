"""Runs fuzz targets, several at a time, and says what became of each.

Apart from the Makefile because libFuzzer writes hundreds of lines. They go into a file for each target, and are shown
only if something was found.
"""

import argparse
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from corpus import keep, unpack

HERE = Path(__file__).resolve().parent
# How long a target may take beyond its time, to read its corpus and to stop.
GRACE_SECONDS = 300
# How many lines of the log are shown if something was found.
SHOWN_LINES = 60


def fuzz(target: str, programs: Path, seconds: int, seed: int | None) -> str | None:
    """Runs one target, and prints how many inputs it had. Returns its last lines if it found something or did not run."""
    corpus, found = unpack(target), HERE / "artifacts" / target
    found.mkdir(parents=True, exist_ok=True)
    command = [
        str(programs / target),
        str(corpus),
        str(HERE / "seeds" / target),
        f"-artifact_prefix={found}/",
        f"-max_total_time={seconds}",
        "-timeout=10",
        "-print_final_stats=1",
        *([] if seed is None else [f"-seed={seed}"]),
    ]
    log = found / "log"
    code = None
    with log.open("wb") as output, suppress(subprocess.TimeoutExpired):
        code = subprocess.run(command, stdout=output, stderr=output, timeout=seconds + GRACE_SECONDS).returncode
    text = log.read_text(errors="replace")
    inputs = re.search(r"stat::number_of_executed_units: +([1-9]\d*)", text)
    if code == 0 and inputs:
        print(f"{target}: {int(inputs[1]):,} inputs, nothing found", flush=True)
        return None
    print(f"{target}: failed ({'it did not stop' if code is None else f'exit code {code}'}); see {found}", flush=True)
    return "\n".join(text.splitlines()[-SHOWN_LINES:])


def main() -> int:
    """Runs the targets. Returns 1 if any of them found something."""
    parser = argparse.ArgumentParser(description="Run fuzz targets that are built.")
    parser.add_argument("programs", type=Path, help="the folder with the programs")
    parser.add_argument("targets", nargs="+", help="their names")
    parser.add_argument("--seconds", type=int, default=60, help="how long each runs (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="how many run at a time (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, help="where libFuzzer's random numbers begin (default: elsewhere each time)"
    )
    parser.add_argument(
        "--keep", action="store_true", help="afterwards, write the fewest inputs that reach the same to fuzz/kept/"
    )
    options = parser.parse_args()
    print(
        f"fuzzing {len(options.targets)} targets, {options.seconds} s each, {options.processes} at a time", flush=True
    )
    with ThreadPoolExecutor(options.processes) as pool:
        ends = pool.map(lambda target: fuzz(target, options.programs, options.seconds, options.seed), options.targets)
        failures = {target: end for target, end in zip(options.targets, ends, strict=True) if end is not None}
    for target in options.targets if options.keep else ():
        print(f"{target}: {keep(options.programs / target, target):,} inputs kept", flush=True)
    for target, end in failures.items():
        print(f"the last lines of {target}:\n{end}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
