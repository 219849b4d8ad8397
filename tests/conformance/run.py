"""Runs a test suite of asyncio that others wrote, with Pounce's loop in place of asyncio's, and prints the outcome as JSON.

    run.py cpython               the tests of this Python (test.test_asyncio)
    run.py uvloop|anyio|aiohttp FOLDER  those in an unpacked source distribution

What fails is run once more: a test may suffer from what another has left behind. What fails again is run with asyncio's own loop. A
test that fails there as well is about this machine, such as one without IPv6, and not about the loop.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent

# What selects the tests of each suite that use the loop which is replaced.
SELECTIONS = {
    # Its other tests are of uvloop's own loop.
    "uvloop": ["-k", "not UV"],
    "anyio": ["-k", "uvloop"],
    # The other parameter is uvloop, and Autobahn has a command of its own.
    "aiohttp": ["-k", "not uvloop", "--ignore", "tests/autobahn"],
}


def run(suite, folder, loop, tests=()):
    """Runs tests, all if none are named, and returns the outcome of each by its name."""
    with tempfile.NamedTemporaryFile("r") as report:
        variables = {"CONFORMANCE_LOOP": loop, "CONFORMANCE_SUITE": suite, "CONFORMANCE_REPORT": report.name}
        variables["PYTHONPATH"] = str(HERE)
        command = [sys.executable, "-m"]
        if suite == "cpython":
            command += ["cpython", *tests]
        else:
            command += ["pytest", "-q", "-p", "no:cacheprovider", "-p", "replacement", "-o", "addopts="]
            command += ["--timeout", "120"]
            command += tests or [*SELECTIONS[suite], "tests"]
        log = subprocess.run(
            command, cwd=folder, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        outcomes = {}
        for line in report:
            name, outcome, reason = json.loads(line)
            # A test has several outcomes: of its setup, its call, its subtests. The worst counts.
            if outcomes.get(name, ("passed", ""))[0] != "failed":
                outcomes[name] = (outcome, reason)
    if not outcomes:
        sys.exit(log.stdout.decode(errors="replace"))
    if log.returncode < 0:
        outcomes["the whole run"] = ("failed", f"it ended by signal {-log.returncode}")
    return outcomes, log.stdout.decode(errors="replace")


def failures(names, outcomes):
    """Those of the tests that failed."""
    return [name for name in names if outcomes.get(name, ("", ""))[0] == "failed"]


def main():
    suite, folder = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    outcomes, log = run(suite, folder, "pounce")
    first = failures(outcomes, outcomes)
    again = failures(first, run(suite, folder, "pounce", first)[0]) if first else []
    on_asyncio = failures(again, run(suite, folder, "asyncio", again)[0]) if again else []
    failed = [name for name in again if name not in on_asyncio]
    if failed:
        sys.stderr.write(log)
    reasons = {}
    for name, (outcome, reason) in outcomes.items():
        if outcome == "skipped":
            reasons[reason] = reasons.get(reason, 0) + 1
    print(json.dumps({
        "passed": sum(outcome == "passed" for outcome, _ in outcomes.values()),
        "failed": failed,
        "skipped": reasons,
        "fails_on_asyncio": on_asyncio,
        "failed_once": [name for name in first if name not in again],
    }))


if __name__ == "__main__":
    main()
