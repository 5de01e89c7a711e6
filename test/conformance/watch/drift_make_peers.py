#!/usr/bin/env python3
"""Write drift_{ref,cur}[_s].csv, drift_evidently.csv and drift_nannyml.csv from a folder with the peers' own answers.

Usage: drift_make_peers.py FOLDER

FOLDER holds ref.csv, cur.csv (2,000 and 1,500 rows), ref_s.csv, cur_s.csv (400 and 300), evidently.json (Evidently 0.7.23: each statistic on
each column, nulls dropped) and nannyml.json (NannyML 0.13.1: chunks of 250 rows of both files against ref.csv), as their own programs printed
them with pandas 2, NumPy 2 and SciPy 1.17.1.

drift_evidently.csv: detector "default X" is the choice that the program makes by itself, X. drift_nannyml.csv: chunks 0 to 7 are rows of
drift_ref.csv, 8 to 13 of drift_cur.csv.
"""
import csv
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
COLUMNS = ["x_norm", "x_skew", "x_few", "x_bin", "x_int", "score", "c_small", "c_big", "grp"]
EVIDENTLY = {"ks": "ks", "wasserstein": "wasserstein", "psi": "psi", "jensenshannon": "jensen_shannon", "hellinger": "hellinger",
             "chisquare": "chi_square", "z": "z_test"}
NANNYML = {"kolmogorov_smirnov": "ks", "jensen_shannon": "jensen_shannon", "wasserstein": "wasserstein", "hellinger": "hellinger",
           "chi2": "chi_square", "l_infinity": "l_infinity"}


def write(name, columns, rows):
    with open(os.path.join(HERE, name), "w", encoding="utf-8", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(columns)
        out.writerows(rows)


def main(folder):
    for name in ("ref", "cur", "ref_s", "cur_s"):
        with open(os.path.join(folder, name + ".csv"), encoding="utf-8") as f:
            rows = [[r[c] for c in COLUMNS] for r in csv.DictReader(f)]
        write(f"drift_{name}.csv", COLUMNS, rows)
    with open(os.path.join(folder, "evidently.json"), encoding="utf-8") as f:
        evidently = json.load(f)
    rows = []
    for size in ("large", "small"):
        for key, tests in evidently[size].items():
            column, kind = key.split("|")
            for test, answer in tests.items():
                if test == "default":
                    rows.append([size, column, kind, "default " + EVIDENTLY[answer["test"]], repr(answer["score"]), int(answer["drifted"])])
                elif test in EVIDENTLY and answer["score"] is not None:
                    rows.append([size, column, kind, EVIDENTLY[test], repr(answer["score"]), int(answer["drifted"])])
    write("drift_evidently.csv", ["size", "column", "kind", "detector", "score", "drifted"], rows)
    with open(os.path.join(folder, "nannyml.json"), encoding="utf-8") as f:
        nannyml = json.load(f)
    rows = []
    for key, chunks in nannyml["univariate"].items():
        column, method = key.split("|")
        for number, chunk in enumerate(chunks):
            limit = chunk["upper_threshold"]
            rows.append([column, NANNYML[method], number, repr(chunk["value"]), "" if limit is None else repr(limit), int(chunk["alert"])])
    write("drift_nannyml.csv", ["column", "detector", "chunk", "value", "limit", "alert"], rows)


if __name__ == "__main__":
    main(sys.argv[1])
