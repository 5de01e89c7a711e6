#!/usr/bin/env python3
"""Write estimate_expected.csv and isotonic.csv: what NannyML and scikit-learn give for estimate_reference.csv and estimate_current.csv.

Usage: make_estimate.py      (nannyml 0.13.1, scikit-learn 1.9.1, lightgbm 4.5, pandas below 3; chunks of 250 rows)

Rows of the tables: what, name, period, chunk, value, error (NannyML's sampling error; empty = none).
"""
import logging
import os
import warnings

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

import nannyml as nml  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import sklearn  # noqa: E402
from nannyml.calibration import IsotonicCalibrator, needs_calibration  # noqa: E402
from sklearn.isotonic import IsotonicRegression  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
CHUNK = 250
BINARY = ["roc_auc", "average_precision", "accuracy", "precision", "recall", "specificity", "f1"]
MULTICLASS = {"roc_auc": "roc_auc_ovr", "accuracy": "accuracy", "precision": "precision_macro", "recall": "recall_macro", "f1": "f1_macro"}
VALUES = ["mae", "mape", "mse", "rmse"]
DOMAIN_INPUTS = ["c_big", "grp", "score", "x_int", "x_norm", "x_skew"]
DLE_INPUTS = ["x_norm", "x_skew", "x_few", "x_int", "c_small"]
PCA_INPUTS = ["x_norm", "x_skew", "x_int", "score", "c_small", "c_big", "grp"]
TEXTS = ["c_small", "c_big", "grp"]


def load(name):
    t = pd.read_csv(os.path.join(HERE, name), comment="#")
    return t.astype({c: object for c in TEXTS})  # NannyML takes pandas' newer texts for neither number nor category


def rows(data, column):
    """period, chunk, value, sampling error of one metric."""
    counts = {}
    for period, value, error in zip(data[("chunk", "period")], data[(column, "value")], data[(column, "sampling_error")]):
        counts[period] = counts.get(period, -1) + 1
        yield period, counts[period], value, error


def write(out, what, name, data, column):
    for period, chunk, value, error in rows(data, column):
        out.write(f"{what},{name},{period},{chunk},{float(value)!r},{float(error)!r}\n")


def main():
    ref, cur = load("estimate_reference.csv"), load("estimate_current.csv")
    with open(os.path.join(HERE, "estimate_expected.csv"), "w", encoding="utf-8") as out:
        out.write(f"# made by make_estimate.py: nannyml {nml.__version__}, scikit-learn {sklearn.__version__}, numpy {np.__version__}, chunks of {CHUNK}\n")
        out.write("what,name,period,chunk,value,error\n")
        e = nml.CBPE(y_pred_proba="score", y_pred="pred", y_true="y", metrics=BINARY, chunk_size=CHUNK, problem_type="classification_binary")
        e.fit(ref)
        r = e.estimate(cur).data
        for m in BINARY:
            write(out, "cbpe", m, r, m)
        out.write(f"cbpe_calibrates,score,reference,0,{int(e.needs_calibration)},nan\n")

        e = nml.CBPE(y_pred_proba={0: "pm0", 1: "pm1", 2: "pm2"}, y_pred="predmulti", y_true="ymulti", metrics=list(MULTICLASS), chunk_size=CHUNK,
                     problem_type="classification_multiclass")
        e.fit(ref)
        r = e.estimate(cur).data
        for m, ours in MULTICLASS.items():
            write(out, "cbpe_multiclass", ours, r, m)
        for k in range(3):
            helps = needs_calibration((ref["ymulti"] == k).astype(int).to_numpy(), ref[f"pm{k}"].to_numpy(), IsotonicCalibrator())
            out.write(f"cbpe_calibrates,pm{k},reference,0,{int(helps)},nan\n")

        for m in VALUES:
            e = nml.DLE(feature_column_names=DLE_INPUTS, y_pred="predreg", y_true="yreg", metrics=[m], chunk_size=CHUNK)
            e.fit(ref)
            write(out, "dle", m, e.estimate(cur).data, m)

        e = nml.DataReconstructionDriftCalculator(column_names=PCA_INPUTS, chunk_size=CHUNK)
        e.fit(ref)
        r = e.calculate(cur).data
        write(out, "pca", "reconstruction_error", r, "reconstruction_error")
        out.write(f"pca_limits,lower,reference,0,{float(r[('reconstruction_error', 'lower_threshold')].iloc[0])!r},nan\n")
        out.write(f"pca_limits,upper,reference,0,{float(r[('reconstruction_error', 'upper_threshold')].iloc[0])!r},nan\n")

        e = nml.DomainClassifierCalculator(feature_column_names=DOMAIN_INPUTS, chunk_size=CHUNK)
        e.fit(ref)
        r = e.calculate(cur).filter(period="analysis").data
        for chunk, value in enumerate(r[("domain_classifier_auroc", "value")]):
            out.write(f"domain,auc,analysis,{chunk},{float(value)!r},nan\n")

    with open(os.path.join(HERE, "isotonic.csv"), "w", encoding="utf-8") as out:
        out.write(f"# made by make_estimate.py: scikit-learn {sklearn.__version__}; fitted on the columns of estimate_reference.csv, asked at `at`\n")
        out.write("score,truth,at,value\n")
        at = np.concatenate([[-1.0, 0.0, 1.0, 2.0], np.linspace(0.0007, 0.9991, 60)])
        for score, truth in (("score", (ref["y"] == 1)), ("pm0", ref["ymulti"] == 0), ("pm2", ref["ymulti"] == 2)):
            c = IsotonicRegression(out_of_bounds="clip").fit(ref[score], truth.astype(float))
            for x, y in zip(at, c.predict(at)):
                out.write(f"{score},{0 if score == 'score' else score[2]},{float(x)!r},{float(y)!r}\n")


if __name__ == "__main__":
    main()
