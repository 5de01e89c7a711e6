"""gm.py - a pipeline in a temporary folder, and the program run on it as a user would.

GRISTMILL names the program; the build's release program by default. The last line printed is `N passed, N failed, N skipped`.
"""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("GRISTMILL", str(ROOT / "build/release/gristmill"))


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}\n--- out\n{self.out[-4000:]}\n--- err\n{self.err[-4000:]}"


class Project:
    """A folder with a gristmill.yaml; removed when closed."""

    def __init__(self, yaml=None, **files):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="gm-"))
        if yaml is not None:
            self.write("gristmill.yaml", yaml)
        for name, text in files.items():
            self.write(name, text)

    def write(self, name, text):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def read(self, name):
        return (self.dir / name).read_text()

    def gm(self, *args, env=None, timeout=300):
        p = subprocess.run([PROGRAM, *args], cwd=self.dir, capture_output=True, timeout=timeout,
                           env={**os.environ, **(env or {})})
        return Result(p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace"))

    def digests(self):
        """Every output of every cacheable step of the last run, by step and name."""
        lock = json.loads(self.read("gristmill.lock"))
        return {(s["name"], o): d for s in lock["steps"] for o, d in s["outputs"].items()}

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class Case(unittest.TestCase):
    maxDiff = None

    def project(self, yaml=None, **files):
        p = Project(yaml, **files)
        self.addCleanup(p.close)
        return p

    def ok(self, result):
        self.assertEqual(result.code, 0, result)
        return result

    def fails(self, result, code, *parts):
        self.assertEqual(result.code, code, result)
        for part in parts:
            self.assertIn(part, result.err, result)
        self.assertNotIn("Sanitizer", result.err)
        return result


def churn(rows=600, seed=7, header=True):
    """A tidy table whose target follows from its columns, with some noise."""
    r = random.Random(seed)
    lines = ["customer,age,plan,monthly,joined,churned"] if header else []
    for i in range(rows):
        age, plan, monthly = r.randint(18, 80), r.choice(["basic", "plus", "pro"]), round(r.uniform(5, 90), 2)
        p = 0.1 + 0.5 * (plan == "basic") + 0.3 * (monthly > 60)
        lines.append(f"C{i:05d},{age},{plan},{monthly},2024-{r.randint(1, 12):02d}-{r.randint(1, 28):02d},"
                     f"{'yes' if r.random() < p else 'no'}")
    return "\n".join(lines) + "\n"


QUICK = "train: { try: [logistic, lightgbm], split: { by: random } }\n"


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    if len(sys.argv) > 1:
        suite = unittest.TestSuite(t for group in suite for t in group if sys.argv[1] in t.id())
    outcome = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    bad = {getattr(t, "test_case", t).id() for t, _ in outcome.failures + outcome.errors}  # a part of a test that failed is that test
    failed, skipped = len(bad), len(outcome.skipped)
    print(f"{outcome.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)
