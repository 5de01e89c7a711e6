#!/usr/bin/env python3
"""Every metric on random predictions against scikit-learn and SciPy: `check_sklearn.py PROGRAM [SEED]`.

PROGRAM is eval_values of the build. Random tasks, sizes, ties, imbalance and rare classes; the seed of a failure is printed.
Tolerance 1e-9 relative to max(1, |value|): sums are taken in another order. What scikit-learn calls NaN, 0 or an error where
one class is absent is `undefined` here, and is checked to be so.
"""
import os
import subprocess
import sys
import warnings

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import make_expected  # noqa: E402

TOLERANCE = 1e-9
NEEDS_BOTH = {"roc_auc", "average_precision", "ks", "gini"}


def run(program, task, truth, predicted):
    width = predicted.shape[1]
    lines = [f"{task} {len(truth)} {width}"]
    lines += [" ".join(repr(float(v)) for v in (t, *p)) for t, p in zip(truth, predicted)]
    out = subprocess.run([program], input="\n".join(lines), capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in out.splitlines())


def rounded(rng, p):
    digits = rng.choice([1, 2, 3, 17])
    return p if digits == 17 else np.clip(np.round(p, digits), 0, 1)


def binary_case(rng):
    n = int(rng.integers(2, 3000))
    y = (rng.random(n) < rng.choice([0.5, 0.1, 0.01])).astype(int)
    s = rounded(rng, 1 / (1 + np.exp(-(y * rng.normal() + rng.normal(size=n) * rng.choice([0.3, 1, 20])))))
    return "binary", y, s.reshape(-1, 1), lambda: make_expected.binary(y, s)


def multiclass_case(rng):
    n, k = int(rng.integers(5, 2000)), int(rng.integers(3, 8))
    y = np.minimum(rng.geometric(rng.choice([0.2, 0.5]), n) - 1, k - 1)
    p = rng.random((n, k)) ** 2
    p[np.arange(n), y] += rng.random(n)
    p = rounded(rng, p / p.sum(axis=1, keepdims=True))
    return "multiclass", y, p, lambda: make_expected.multiclass(y, p)


def regression_case(rng):
    n = int(rng.integers(3, 3000))
    y = rng.choice([rng.normal(size=n), rng.exponential(size=n) * 1e6, np.round(rng.normal(size=n) * 3)])
    p = y * rng.normal() + rng.normal(size=n) * y.std()
    return "regression", y, p.reshape(-1, 1), lambda: make_expected.regression(y, p)


def compare(task, y, ours, theirs):
    problems = []
    one_class = task == "binary" and len(set(y)) < 2
    for name, want in theirs.items():
        got = ours.pop(name)
        if (one_class and name in NEEDS_BOTH) or not np.isfinite(want):
            if got != "undefined":
                problems.append(f"{name}: {got}, expected undefined")
        elif got == "undefined" or abs(float(got) - want) > TOLERANCE * max(1, abs(want)):
            problems.append(f"{name}: {got}, scikit-learn {want!r}")
    problems += [f"{name}: {value}, not compared" for name, value in ours.items() if value != "undefined"]
    return problems


def main():
    program, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20240501
    cases = [binary_case, multiclass_case, regression_case]
    compared = failed = 0
    warnings.simplefilter("ignore")
    for i in range(120):
        task, y, p, peer = cases[i % 3](np.random.default_rng(seed + i))
        ours, theirs = run(program, task, y, p), peer()
        compared += len(theirs)
        for problem in compare(task, y, ours, theirs):
            failed += 1
            print(f"seed {seed + i} {task}, {len(y)} rows: {problem}")
    print(f"{compared} values compared, {failed} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
