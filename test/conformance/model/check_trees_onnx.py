#!/usr/bin/env python3
"""Tree ensembles as converters write them against ONNX Runtime: `check_trees_onnx.py PROGRAM`, PROGRAM being trees_onnx_values of the build.

Forests and boosting of scikit-learn (skl2onnx), XGBoost (onnxmltools), 100 trees, float inputs, rows with values at the thresholds.
Allowed: 1e-6, of the value's size above 1, as where the program itself decides whether its engine may answer.
"""
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnxruntime
    import xgboost
    from onnxmltools.convert import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType as XgboostFloat
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

ROWS, COLUMNS = 2000, 8


def models(x, y):
    classes = np.digitize(y, [-0.5, 0.8])
    for name, target in [("2 classes", (y > 0).astype(int)), ("3 classes", classes)]:
        yield "forest, " + name, RandomForestClassifier(100, max_depth=8, random_state=1).fit(x, target)
        yield "boosting, " + name, GradientBoostingClassifier(n_estimators=100, random_state=1).fit(x, target)
        yield "XGBoost, " + name, xgboost.XGBClassifier(n_estimators=100, max_depth=6).fit(x, target)
    yield "forest, numbers", RandomForestRegressor(100, max_depth=8, random_state=1).fit(x, y)
    yield "boosting, numbers", GradientBoostingRegressor(n_estimators=100, random_state=1).fit(x, y)
    yield "XGBoost, numbers", xgboost.XGBRegressor(n_estimators=100, max_depth=6).fit(x, y)


def convert(m):
    if isinstance(m, xgboost.XGBModel):
        return convert_xgboost(m, initial_types=[("x", XgboostFloat([None, COLUMNS]))], target_opset=15)
    options = {"zipmap": False} if hasattr(m, "classes_") else None
    return to_onnx(m, initial_types=[("x", FloatTensorType([None, COLUMNS]))], options=options, target_opset={"": 18, "ai.onnx.ml": 3})


def main(program):
    rng = np.random.default_rng(1)
    x = np.round(rng.normal(size=(ROWS, COLUMNS)), 1).astype(np.float32)
    y = x[:, 0] + x[:, 1] * x[:, 2] + 0.2 * rng.normal(size=ROWS)
    text = f"{ROWS} {COLUMNS}\n" + "\n".join(" ".join(repr(float(v)) for v in row) for row in x)
    worst, problems, count = 0.0, [], 0
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "model.onnx")
        for name, m in models(x, y):
            count += 1
            try:
                graph = convert(m)
            except Exception as e:  # a converter that does not know this version of its library is none of ours
                print(f"not converted: {name}: {e}"[:200])
                continue
            with open(path, "wb") as f:
                f.write(graph.SerializeToString())
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            output = session.get_outputs()[-1].name
            theirs = session.run([output], {session.get_inputs()[0].name: x})[0].astype(float)
            done = subprocess.run([program, path, output], input=text, capture_output=True, text=True)
            if done.returncode:
                problems.append(f"{name}: {done.stderr.strip()}")
                continue
            ours = np.array([[float(v) for v in line.split()] for line in done.stdout.splitlines()])
            theirs = theirs[:, 1:] if hasattr(m, "classes_") and theirs.shape[1] == 2 else theirs.reshape(ROWS, -1)
            gap = float((np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))).max())
            worst = max(worst, gap)
            if not gap <= 1e-6:
                problems.append(f"{name}: differs by {gap:.3g}")
    for p in problems:
        print(p)
    print(f"{count} tree ensembles, largest difference {worst:.2g}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
