"""peer.py - what the scripts of this folder share: packages in an environment of their own, a served model, and checks that are counted.

Some clients ask for other versions of the same packages than the rest of `make test-peers`; theirs are in <name>.txt, installed into
build/peers-<name> at first use.
"""
import filecmp
import os
import pathlib
import shutil
import subprocess
import sys
import traceback

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[2] / "build"
SKIPPED = 77  # the exit code that tools/test_peers.sh counts as skipped

sys.path.insert(0, str(HERE.parents[1] / "integration"))
if len(sys.argv) > 1:
    os.environ["GRISTMILL"] = os.path.abspath(sys.argv[1])


def environment(name):
    """The Python of build/peers-<name> with the packages of <name>.txt; ends the script, saying why, when they cannot be had."""
    pins, where = HERE / f"{name}.txt", BUILD / f"peers-{name}"
    done, python = where / ".pins", where / "bin/python"
    if done.exists() and filecmp.cmp(pins, done, shallow=False):
        return python
    shutil.rmtree(where, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", where], check=True)
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary=:all:", "--no-deps", "-r", pins]
    if subprocess.run(install).returncode != 0:
        print(f"the packages of {name}.txt could not be installed: is PyPI reachable from here?")
        sys.exit(SKIPPED)
    shutil.copy(pins, done)
    return python


def run_in(name):
    """Goes on in the Python of environment(name): the script is started again there unless it runs there already."""
    if pathlib.Path(sys.prefix) != BUILD / f"peers-{name}":
        python = environment(name)
        os.execv(python, [python, *sys.argv])


def run(checks, subject, *args):
    """Calls each check(*args). One says what it found by assert. Prints the outcome; the last line sums up."""
    failed = 0
    for check in checks:
        title = check.__name__.removeprefix("check_").replace("_", " ")
        try:
            note = check(*args)
            print(f"ok   {title}{f': {note}' if note else ''}")
        except Exception:
            failed += 1
            print(f"FAIL {title}\n{traceback.format_exc()}")
    print(f"{subject}: {len(checks) - failed} of {len(checks)} checks hold")
    return 1 if failed else 0
