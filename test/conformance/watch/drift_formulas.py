#!/usr/bin/env python3
"""Write drift_expected.csv: what the definitions of TFDV and Deequ give for drift_ref.csv against drift_cur.csv, and for the two small files.

Usage: drift_formulas.py > drift_expected.csv

A restatement in plain Python that shares nothing with the C code: dictionaries and lists, counted value by value. Sources:
TFDV  tensorflow_data_validation/anomalies/metrics.cc: Jensen-Shannon divergence, base 2, of standard histograms (10 buckets of equal width, here
      counted exactly; TFDV takes them from a quantile sketch), both spread over the union of their boundaries; missing values are a bucket of
      each side that the other has empty. L-infinity of normalised counts.
Deequ com.amazon.deequ.analyzers.Distance: robust distances (1.8), chi-square p-value with small expected counts merged
      (equal ones in the order of their texts; its own order is that of a hash map).
"""
import csv
import math
import os
from fractions import Fraction

HERE = os.path.dirname(os.path.abspath(__file__))
NUMBERS, TEXTS = ["x_norm", "x_skew", "x_few", "x_int", "score"], ["c_small", "c_big", "grp"]


def load(name):
    with open(os.path.join(HERE, f"drift_{name}.csv"), encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    return {c: [r[c] for r in rows] for c in rows[0]}


def buckets(values):
    low, high = min(values), max(values)
    edges = [low + (high - low) / 10 * k for k in range(10)] + [high]
    counts = [0] * 10
    for v in values:
        k = 0
        while k < 9 and v >= edges[k + 1]:
            k += 1
        counts[k] += 1
    return edges, counts


def spread(edges, counts, low, high):
    """How much of a histogram lies between two boundaries, evenly spread within its buckets."""
    for k in range(10):
        if edges[k] <= low and high <= edges[k + 1]:
            return counts[k] * (high - low) / (edges[k + 1] - edges[k])
    return 0.0


def divergence(p, q):
    total_p, total_q, both = sum(p), sum(q), 0.0
    for a, b in zip(p, q):
        a, b = a / total_p, b / total_q
        m = (a + b) / 2
        both += (a * math.log2(a / m) if a else 0) + (b * math.log2(b / m) if b else 0)
    return min(both / 2, 1.0)


def tfdv_numbers(ref, cur):
    (er, cr), (ec, cc) = (buckets([float(v) for v in side if v]) for side in (ref, cur))
    edges = sorted(set(er) | set(ec))
    p = [spread(er, cr, a, b) for a, b in zip(edges, edges[1:])]
    q = [spread(ec, cc, a, b) for a, b in zip(edges, edges[1:])]
    return divergence(p + [ref.count(""), 0], q + [0, cur.count("")])


def counts(side):
    out = {}
    for v in side:
        if v:
            out[v] = out.get(v, 0) + 1
    return out


def tfdv_texts(ref, cur):
    a, b = counts(ref), counts(cur)
    keys = sorted(set(a) | set(b))
    return divergence([a.get(k, 0) for k in keys], [b.get(k, 0) for k in keys])


def l_infinity(ref, cur):
    a, b = counts(ref), counts(cur)
    n, m = sum(a.values()), sum(b.values())
    return max(abs(a.get(k, 0) / n - b.get(k, 0) / m) for k in set(a) | set(b)), n, m


def ks(ref, cur):
    x, y = ([float(v) for v in side if v] for side in (ref, cur))
    distance = max(abs(sum(v <= t for v in x) / len(x) - sum(v <= t for v in y) / len(y)) for t in set(x) | set(y))
    return distance, len(x), len(y)


def robust(distance, n, m):
    return max(0.0, distance - 1.8 * math.sqrt((n + m) / (n * m)))


def chi_square_tail(x, df):
    """Q(df / 2, x / 2) in exact steps: the recurrence Q(a + 1, z) = Q(a, z) + z^a e^-z / Gamma(a + 1) from a = 1/2 or 1."""
    z, a = x / 2, 1.0
    q = math.exp(-z)
    if df % 2:
        a, q = 0.5, math.erfc(math.sqrt(z))
    while a < df / 2 - 0.25:
        q += math.exp(a * math.log(z) - z - math.lgamma(a + 1))
        a += 1
    return q


def deequ_chi_square(ref, cur):
    """The current counts against the reference's shares; the two smallest are merged until enough expected counts are large."""
    a, b = counts(ref), counts(cur)
    n, seen = sum(a.values()), sum(c for k, c in b.items() if k in a)
    expected, sample = {k: Fraction(c * seen, n) for k, c in a.items()}, {k: b.get(k, 0) for k in a}
    while len(expected) >= 2:
        few, allowed = (5, int(0.2 * len(expected))) if len(expected) > 2 else (10, 0)
        if sum(e < few for e in expected.values()) <= allowed:
            break
        first = min(expected, key=lambda k: (expected[k], k))
        e, s = expected.pop(first), sample.pop(first)
        second = min(expected, key=lambda k: (expected[k], k))
        expected[second] += e
        sample[second] += s
    x2 = sum((sample[k] - e) ** 2 / e for k, e in expected.items())
    return chi_square_tail(float(x2), len(expected) - 1)


def main():
    print("size,column,program,detector,value")
    for size, end in (("large", ""), ("small", "_s")):
        ref, cur = load("ref" + end), load("cur" + end)
        for c in NUMBERS:
            print(f"{size},{c},tfdv,jensen_shannon,{tfdv_numbers(ref[c], cur[c])!r}")
            print(f"{size},{c},deequ,ks,{robust(*ks(ref[c], cur[c]))!r}")
        for c in TEXTS:
            print(f"{size},{c},tfdv,jensen_shannon,{tfdv_texts(ref[c], cur[c])!r}")
            print(f"{size},{c},tfdv,l_infinity,{l_infinity(ref[c], cur[c])[0]!r}")
            print(f"{size},{c},deequ,l_infinity,{robust(*l_infinity(ref[c], cur[c]))!r}")
            print(f"{size},{c},deequ,chi_square,{deequ_chi_square(ref[c], cur[c])!r}")


if __name__ == "__main__":
    main()
