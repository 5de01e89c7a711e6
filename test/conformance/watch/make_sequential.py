#!/usr/bin/env python3
"""Write sequential.csv: where river's detectors see a change in streams that test_estimate_sequential.c makes in the same way.

Usage: make_sequential.py > sequential.csv      (river 0.26.1)

Rows: stream, detector, position (0-based; one row each), and at the end of each ADWIN stream its width and mean.
"""
import csv
import os

import river
from river import drift

HERE = os.path.dirname(os.path.abspath(__file__))
MASK = (1 << 64) - 1


def uniforms(seed):
    """Knuth's 64-bit linear congruential generator, upper 53 bits."""
    state = seed
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
        yield (state >> 11) / 9007199254740992.0


def bits(seed, spans):
    u = uniforms(seed)
    return [float(next(u) < p) for count, p in spans for _ in range(count)]


def hills(seed, spans, width):
    """Sums of four uniforms about a mean that goes evenly from one end of a span to the other."""
    u, out = uniforms(seed), []
    for count, start, end in spans:
        for i in range(count):
            out.append(start + (end - start) * i / count + width * ((next(u) + next(u)) + (next(u) + next(u)) - 2.0))
    return out


def table(columns):
    out = []
    for name in ("estimate_reference.csv", "estimate_current.csv"):
        with open(os.path.join(HERE, name), encoding="utf-8") as f:
            out += [columns(r) for r in csv.DictReader(f)]
    return out


def streams():
    yield "wrong", table(lambda r: float(r["y"] != r["pred"]))
    yield "x_norm", table(lambda r: float(r["x_norm"]))
    yield "bits", bits(1, [(2000, 0.1), (2000, 0.3), (2000, 0.2)])
    yield "rare", bits(2, [(5000, 0.01), (5000, 0.05)])
    yield "steps", hills(3, [(3000, 0.0, 0.0), (3000, 1.0, 1.0), (3000, -1.0, -1.0), (3000, -1.0, -1.0)], 1.0)
    yield "slope", hills(4, [(4000, 10.0, 10.0), (8000, 10.0, 14.0), (8000, 14.0, 14.0)], 2.0)
    yield "far", hills(5, [(2000, 1e6, 1e6), (2000, 1e6 + 3, 1e6 + 3)], 1.0)
    yield "same", [0.5] * 3000


def main():
    print(f"# made by make_sequential.py: river {river.__version__}")
    print("stream,detector,position")
    for name, values in streams():
        for kind, make in (("adwin", drift.ADWIN), ("adwin_0.05", lambda: drift.ADWIN(delta=0.05)), ("page_hinkley", drift.PageHinkley),
                           ("page_hinkley_15", lambda: drift.PageHinkley(threshold=15)),
                           ("page_hinkley_own", lambda: drift.PageHinkley(threshold=15, delta=0.01, min_instances=10, alpha=0.999))):
            d = make()
            for i, x in enumerate(values):
                d.update(x)
                if d.drift_detected:
                    print(f"{name},{kind},{i}")
            if kind.startswith("adwin"):
                print(f"{name},{kind}_width,{int(d.width)}")
                print(f"{name},{kind}_mean,{float(d.estimation)!r}")


if __name__ == "__main__":
    main()
