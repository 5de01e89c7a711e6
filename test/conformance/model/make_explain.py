#!/usr/bin/env python3
"""Write explain_*.txt: small models of XGBoost and LightGBM, rows, and the contributions that the libraries and shap give: `make_explain.py FOLDER`."""
import os
import sys

import lightgbm
import numpy as np
import shap
import xgboost


def write(folder, name, producer, x, want, means=None):
    with open(os.path.join(folder, name + ".txt"), "w", encoding="utf-8") as f:
        f.write(f"# {producer}\n# rows cols lines width; {'means; ' if means is not None else ''}rows; contributions and base, a line per row and output\n")
        want = want.reshape(-1, want.shape[-1])
        f.write(f"{x.shape[0]} {x.shape[1]} {want.shape[0]} {want.shape[1]}\n")
        for row in ([means] if means is not None else []) + list(x) + list(want):
            f.write(" ".join(repr(float(v)) for v in row) + "\n")


def main():
    folder, rng = sys.argv[1], np.random.default_rng(4)
    x = np.round(rng.normal(size=(400, 5)), 2)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[:, 4] = rng.integers(0, 8, 400)
    z = np.nan_to_num(x)
    margin = z[:, 0] + z[:, 1] * z[:, 2] + np.isin(z[:, 4], [1, 5, 6])
    y = (margin + rng.normal(size=400) * 0.5 > 0.4).astype(int)
    classes = np.digitize(margin, [0, 1])
    rows = x[:12]

    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 4, "nthread": 1}, xgboost.DMatrix(x, y), 5)
    booster.save_model(os.path.join(folder, "explain_xgboost.json"))
    want = booster.predict(xgboost.DMatrix(rows), pred_contribs=True).astype(float)
    write(folder, "explain_xgboost", f"XGBoost {xgboost.__version__} pred_contribs", rows, want)
    theirs = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    want = np.c_[theirs.shap_values(rows), np.full(len(rows), theirs.expected_value)]
    write(folder, "explain_xgboost_shap", f"shap {shap.__version__} TreeExplainer, tree_path_dependent, of the XGBoost model", rows, want)

    params = {"objective": "multiclass", "num_class": 3, "num_leaves": 9, "min_data_in_leaf": 3, "num_threads": 1, "verbose": -1}
    booster = lightgbm.train(params, lightgbm.Dataset(x, classes, categorical_feature=[4]), 3)
    booster.save_model(os.path.join(folder, "explain_lightgbm.model"))
    want = booster.predict(rows, pred_contrib=True).reshape(-1, 6)
    write(folder, "explain_lightgbm", f"LightGBM {lightgbm.__version__} pred_contrib", rows, want)

    weights, intercept, means = np.array([0.5, -1.25, 2, 0.1, -0.3]), 0.7, z.mean(axis=0)
    explainer = shap.LinearExplainer((weights, intercept), means.reshape(1, -1))
    want = np.c_[explainer.shap_values(z[:12]), np.full(12, explainer.expected_value)]
    write(folder, "explain_linear", f"shap {shap.__version__} LinearExplainer of weights 0.5 -1.25 2 0.1 -0.3, intercept 0.7", z[:12], want, means)


if __name__ == "__main__":
    main()
