#!/usr/bin/env python3
"""Write expected.csv: what scikit-learn, SciPy and statsmodels' formulas give for binary.csv, multiclass.csv, regression.csv.

Usage: make_expected.py > expected.csv      (scikit-learn 1.9.1, numpy, scipy)
"""
import csv
import math
import os

import numpy as np
import scipy
import sklearn
import sklearn.metrics as m
from scipy import stats

HERE = os.path.dirname(os.path.abspath(__file__))


def load(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        rows = list(csv.DictReader(line for line in f if not line.startswith("#")))
    return {k: np.array([r[k] for r in rows]) if k == "group" else np.array([float(r[k]) for r in rows]) for k in rows[0]}


def binary(y, s, threshold=0.5):
    p = (s >= threshold).astype(int)
    bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], s)
    ece = sum(abs(y[bins == b].mean() - s[bins == b].mean()) * (bins == b).mean() for b in range(10) if (bins == b).any())
    fpr, tpr, _ = m.roc_curve(y, s, drop_intermediate=False)
    return {
        "accuracy": m.accuracy_score(y, p), "average_precision": m.average_precision_score(y, s),
        "balanced_accuracy": m.balanced_accuracy_score(y, p), "brier": m.brier_score_loss(y, s),
        "cohen_kappa": m.cohen_kappa_score(y, p), "ece": ece, "f1": m.f1_score(y, p),
        "gini": 2 * m.roc_auc_score(y, s) - 1, "ks": (tpr - fpr).max(),
        "log_loss": m.log_loss(y, np.column_stack([1 - s, s])), "mcc": m.matthews_corrcoef(y, p),
        "precision": m.precision_score(y, p, zero_division=0), "recall": m.recall_score(y, p),
        "roc_auc": m.roc_auc_score(y, s), "specificity": m.recall_score(y, p, pos_label=0),
    }


def multiclass(y, p):
    c = p.argmax(axis=1)
    out = {
        "accuracy": m.accuracy_score(y, c), "balanced_accuracy": m.balanced_accuracy_score(y, c),
        "cohen_kappa": m.cohen_kappa_score(y, c), "log_loss": m.log_loss(y, p, labels=list(range(p.shape[1]))),
        "mcc": m.matthews_corrcoef(y, c),
        "roc_auc_ovr": np.mean([m.roc_auc_score(y == k, p[:, k]) for k in range(p.shape[1])]),
    }
    for average in ("macro", "weighted"):
        for name, f in (("f1", m.f1_score), ("precision", m.precision_score), ("recall", m.recall_score)):
            out[f"{name}_{average}"] = f(y, c, average=average, zero_division=0)
    return out


def regression(y, p):
    out = {
        "explained_variance": m.explained_variance_score(y, p), "mae": m.mean_absolute_error(y, p),
        "mape": m.mean_absolute_percentage_error(y, p), "max_error": m.max_error(y, p),
        "median_absolute_error": m.median_absolute_error(y, p), "mse": m.mean_squared_error(y, p),
        "pearson": stats.pearsonr(y, p).statistic, "r2": m.r2_score(y, p), "rmse": m.root_mean_squared_error(y, p),
        "spearman": stats.spearmanr(y, p).statistic,
    }
    if (y > -1).all() and (p > -1).all():
        out["rmsle"] = m.root_mean_squared_log_error(y, p)
    return out


def delong(y, scores):
    """Variances and covariances of AUCs by their placement values (DeLong, DeLong & Clarke-Pearson 1988)."""
    pos, neg = y == 1, y == 0
    v10, v01 = [], []
    for s in scores:
        both, own_p, own_n = stats.rankdata(s), stats.rankdata(s[pos]), stats.rankdata(s[neg])
        v10.append((both[pos] - own_p) / neg.sum())
        v01.append(1 - (both[neg] - own_n) / pos.sum())
    cov = np.cov(v10) / pos.sum() + np.cov(v01) / neg.sum()
    return np.array([v.mean() for v in v10]), cov


def comparison(y, a, b):
    auc, cov = delong(y, [a, b])
    se = math.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    half = stats.norm.ppf(0.975) * math.sqrt(cov[0, 0])
    right_a, right_b = (a >= 0.5) == (y == 1), (b >= 0.5) == (y == 1)
    only_a, only_b = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    low, high = stats.binomtest(int(right_a.sum()), len(y)).proportion_ci(method="wilson")
    return {
        "delong_low": auc[0] - half, "delong_high": auc[0] + half, "delong_delta": auc[0] - auc[1],
        "delong_p": 2 * stats.norm.sf(abs(auc[0] - auc[1]) / se), "delong_half_width": stats.norm.ppf(0.975) * se,
        "mcnemar_only_a": only_a, "mcnemar_only_b": only_b, "mcnemar_p": stats.binomtest(min(only_a, only_b), only_a + only_b).pvalue,
        "wilson_low": low, "wilson_high": high,
    }


def main():
    b, c, r = load("binary.csv"), load("multiclass.csv"), load("regression.csv")
    print(f"# made by make_expected.py: scikit-learn {sklearn.__version__}, scipy {scipy.__version__}, numpy {np.__version__}")
    print("table,name,value")
    tables = {
        "binary": binary(b["truth"].astype(int), b["score"]),
        "binary_at_0.3": binary(b["truth"].astype(int), b["score"], 0.3),
        "multiclass": multiclass(c["truth"].astype(int), np.column_stack([c["p0"], c["p1"], c["p2"]])),
        "regression": regression(r["truth"], r["predicted"]),
        "positive": regression(np.exp(r["truth"] / 3), np.exp(r["predicted"] / 3)),
        "comparison": comparison(b["truth"].astype(int), b["score"], b["score_b"]),
    }
    for table, values in tables.items():
        for name, value in values.items():
            print(f"{table},{name},{float(value)!r}")


if __name__ == "__main__":
    main()
