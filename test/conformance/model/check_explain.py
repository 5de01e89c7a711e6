#!/usr/bin/env python3
"""Contributions of random models against their libraries and shap: `check_explain.py PROGRAM [SEED]`.

PROGRAM is explain_values of the build. XGBoost pred_contribs (float32 sums there: 2e-5 of the row's largest value), LightGBM pred_contrib and, where
shap is installed, its TreeExplainer(feature_perturbation="tree_path_dependent") and LinearExplainer (double: 1e-9). Base + contributions must be the margin:
1e-12 of the sum of absolute values for LightGBM, whose sums are double, 1e-5 for XGBoost. Also prints the CPU time of both on one thread.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

import lightgbm
import numpy as np
import xgboost

try:
    import shap
except ImportError:
    shap = None


def ours(program, kind, path, x, means=None, *extra):
    lines = [f"{x.shape[0]} {x.shape[1]}"]
    lines += [" ".join(repr(float(v)) for v in row) for row in ([] if means is None else [means])]
    lines += [" ".join(repr(float(v)) for v in row) for row in x]
    out = subprocess.run([program, kind, path, *extra], input="\n".join(lines), capture_output=True, text=True, check=True).stdout
    return np.array([[float(v) for v in line.split()] for line in out.splitlines()])


def data(rng, rows, cols, categories=False):
    x = rng.normal(size=(rows, cols))
    x[:, : cols // 3] = np.round(x[:, : cols // 3], 1)
    x[rng.random(x.shape) < 0.1] = np.nan
    if categories:
        x[:, -1] = rng.integers(0, 12, rows)
    z = np.nan_to_num(x)
    margin = z[:, 0] + z[:, 1] * z[:, 2] + np.sin(z[:, -1] * 2)
    return x, margin


def near(name, got, want, tolerance, problems):
    scale = np.abs(want).max(axis=1, keepdims=True) + 1e-12
    worst = float((np.abs(got - want) / scale).max())
    if not worst <= tolerance:
        problems.append(f"{name}: differs by {worst:.3g} of the row's largest value, allowed {tolerance}")
    return worst


def additive(name, table, tolerance, problems):
    values, margin = table[:, :-1], table[:, -1]
    gap = np.abs(values.sum(axis=1) - margin) / (np.abs(values).sum(axis=1) + 1)
    if not gap.max() <= tolerance:
        problems.append(f"{name}: base and contributions miss the margin by {gap.max():.3g}")


def target(rng, margin, task):
    if task == "multiclass":
        return np.digitize(margin + rng.normal(size=len(margin)) * 0.3, [-0.7, 0.7])
    if task == "binary":
        return (margin + rng.normal(size=len(margin)) > 0).astype(int)
    return margin


def check_xgboost(program, rng, folder, task, problems):
    x, margin = data(rng, 3000, int(rng.integers(4, 12)))
    objective = {"binary": "binary:logistic", "multiclass": "multi:softprob", "regression": "reg:squarederror"}[task]
    params = {"objective": objective, "max_depth": int(rng.integers(1, 10)), "nthread": 1, "seed": int(rng.integers(1 << 30)),
              "min_child_weight": float(rng.choice([0.1, 1, 20]))}
    if task == "multiclass":
        params["num_class"] = 3
    booster = xgboost.train(params, xgboost.DMatrix(x, target(rng, margin, task)), int(rng.integers(1, 30)))
    path = os.path.join(folder, "model.json")
    booster.save_model(path)
    table = ours(program, "xgboost", path, x[:60])
    want = booster.predict(xgboost.DMatrix(x[:60]), pred_contribs=True).astype(float).reshape(table.shape[0], -1)
    near(f"xgboost {task} {params}", table[:, :-1], want, 2e-5, problems)
    additive(f"xgboost {task}", table, 1e-5, problems)
    if shap and task != "multiclass":
        theirs = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent").shap_values(x[:20])
        near(f"shap on xgboost {task}", table[:20, :-2], np.asarray(theirs, float), 2e-5, problems)


def check_lightgbm(program, rng, folder, task, problems):
    x, margin = data(rng, 3000, int(rng.integers(4, 12)), categories=True)
    params = {"objective": task, "num_leaves": int(rng.integers(2, 70)), "num_threads": 1, "seed": int(rng.integers(1 << 30)), "verbose": -1,
              "min_data_in_leaf": int(rng.choice([2, 20])), "zero_as_missing": bool(rng.random() < 0.3)}
    if task == "multiclass":
        params["num_class"] = 3
    train = lightgbm.Dataset(x, target(rng, margin, task), categorical_feature=[x.shape[1] - 1])
    booster = lightgbm.train(params, train, int(rng.integers(1, 30)))
    path = os.path.join(folder, "model.txt")
    booster.save_model(path)
    table = ours(program, "lightgbm", path, x[:60])
    want = booster.predict(x[:60], pred_contrib=True).reshape(table.shape[0], -1)
    near(f"lightgbm {task} {params}", table[:, :-1], want, 1e-9, problems)
    additive(f"lightgbm {task}", table, 1e-12, problems)


def check_linear(program, rng, folder, problems):
    features, outputs = int(rng.integers(1, 9)), int(rng.choice([1, 3]))
    weights, intercept = rng.normal(size=(outputs, features)), rng.normal(size=outputs)
    x, means = rng.normal(size=(40, features)), rng.normal(size=features)
    path = os.path.join(folder, "linear.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"format": "gristmill-linear", "version": 1, "link": "softmax" if outputs > 1 else "identity", "features": features, "outputs": outputs,
                   "weights": weights.tolist(), "intercept": intercept.tolist()}, f)
    table = ours(program, "linear", path, x, means)
    additive("linear", table, 1e-12, problems)
    if shap:
        for k in range(outputs):
            explainer = shap.LinearExplainer((weights[k], intercept[k]), means.reshape(1, -1))
            near("shap on linear", table[k::outputs, :-2], explainer.shap_values(x), 1e-12, problems)


def speed(program, rng, folder):
    x, margin = data(rng, 4000, 30)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 6, "nthread": 1}, xgboost.DMatrix(x, target(rng, margin, "binary")), 500)
    path = os.path.join(folder, "model.json")
    booster.save_model(path)
    rows = xgboost.DMatrix(x[:200])
    booster.predict(rows)
    begun = time.process_time()
    booster.predict(rows, pred_contribs=True)
    theirs = time.process_time() - begun
    mine = ours(program, "xgboost", path, x[:200], None, "time")[0, 0]
    return f"500 trees of depth 6, one thread: {mine / 200 * 1e6:.0f} us a row, XGBoost {theirs / 200 * 1e6:.0f} us"


def main():
    program, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    rng, problems, models = np.random.default_rng(seed), [], 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(5):
            for task in ("binary", "multiclass", "regression"):
                check_xgboost(program, rng, folder, task, problems)
                check_lightgbm(program, rng, folder, task, problems)
            check_linear(program, rng, folder, problems)
            models += 7
        timing = speed(program, rng, folder)
    for problem in problems:
        print(f"seed {seed}: {problem}")
    print(f"{models} models, {'with' if shap else 'without'} shap; {timing}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
