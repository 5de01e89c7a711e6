#!/usr/bin/env python3
"""Run the test programs and say how it went, one line each; the last line is `N passed, N failed, N skipped`.

    run_tests.py [--unit BUILD_FOLDER] [--program GRISTMILL] [--only TEXT]

--unit     the C tests of a build folder, through ctest
--program  the Python tests of test/cli, test/integration and test/crash, on this program
--only     those whose name contains TEXT

A test program prints `N passed, N failed, N skipped` as its last line of that form; one that prints none counts as one test, by its exit
code. The output of a program that failed is shown whole, that of the others not at all, but for the reasons of skipped tests.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped", re.M)
PROGRAM_TIMEOUT_S = 1800


class Outcome:
    def __init__(self, name, passed, failed, skipped, seconds, output):
        self.name, self.passed, self.failed, self.skipped = name, passed, failed, skipped
        self.seconds, self.output = seconds, output


def outcome(name, command, cwd, env, timeout_s):
    begun = time.monotonic()
    try:
        p = subprocess.run(command, cwd=cwd, env=env, timeout=timeout_s, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text, code = p.stdout.decode(errors="replace"), p.returncode
    except subprocess.TimeoutExpired as e:
        text, code = (e.stdout or b"").decode(errors="replace") + f"\nstopped after {timeout_s} s\n", -1
    except OSError as e:
        text, code = f"could not start: {e}\n", -1
    seconds = time.monotonic() - begun
    counts = SUMMARY.findall(text)
    if not counts:
        return Outcome(name, int(code == 0), int(code != 0), 0, seconds, text)
    passed, failed, skipped = map(int, counts[-1])
    if code != 0 and failed == 0:  # died after its summary: a leak, a crash at exit
        failed = 1
    return Outcome(name, passed, failed, skipped, seconds, text)


def unit_jobs(build):
    listing = subprocess.run(["ctest", "--show-only=json-v1"], cwd=build, check=True, capture_output=True).stdout
    for test in json.loads(listing)["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        if "command" not in test:
            yield test["name"], ["false"], ROOT, None, 1
            continue
        yield (test["name"], test["command"], properties.get("WORKING_DIRECTORY", build), dict(os.environ),
               properties.get("TIMEOUT", 600))


def program_jobs(program):
    env = {**os.environ, "GRISTMILL": str(pathlib.Path(program).resolve()), "PYTHONDONTWRITEBYTECODE": "1"}
    for folder in ("cli", "integration", "crash"):
        for path in sorted((ROOT / "test" / folder).glob("test_*.py")):
            yield f"{folder}/{path.stem}", [sys.executable, str(path)], ROOT, env, PROGRAM_TIMEOUT_S


def show(result):
    state = "FAIL" if result.failed else "ok  "
    counts = f"{result.passed} passed" + (f", {result.failed} failed" if result.failed else "") + \
        (f", {result.skipped} skipped" if result.skipped else "")
    print(f"{state} {result.name:<36} {result.seconds:7.1f} s  {counts}", flush=True)
    if result.failed:
        print("\n".join("     | " + line for line in result.output.rstrip().splitlines()[-400:]), flush=True)
    elif result.skipped:
        reasons = [line.strip() for line in result.output.splitlines() if "skip" in line.lower() and not SUMMARY.match(line)]
        print("\n".join("     - " + reason for reason in reasons[:10]), flush=True)


def pass_on_default_signals():
    """Under nohup or in the background of a script some signals are ignored, and programs would inherit that; tests send them. A handler
    that does nothing keeps them ignored here, and becomes the default action in what is started from here."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def main():
    pass_on_default_signals()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--unit", metavar="BUILD_FOLDER")
    parser.add_argument("--program", metavar="GRISTMILL")
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1))
    args = parser.parse_args()
    jobs = []
    if args.unit:
        jobs += unit_jobs(pathlib.Path(args.unit).resolve())
    if args.program:
        jobs += program_jobs(args.program)
    jobs = [job for job in jobs if args.only in job[0]]
    results = []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(outcome, *job) for job in jobs]):
            results.append(done.result())
            show(results[-1])
    failed = sum(r.failed for r in results)
    if failed:
        print("\nfailed: " + " ".join(sorted(r.name for r in results if r.failed)))
    print(f"{sum(r.passed for r in results)} passed, {failed} failed, {sum(r.skipped for r in results)} skipped")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
