"""The tree engine against XGBoost, LightGBM, ONNX Runtime and lleaves: one row and 10,000 rows, 500 trees of depth 6, one thread.

Trains both models (kept in build/bench/trees), measures the peers through their Python calls and ours through bench_engine_trees, all in one
run. CPU time, the least of several rounds. Lines of JSON go to standard output, a table to standard error. Packages come from PyPI into
build/bench/venv; what cannot be installed is left out with a line that says so.
"""
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
HOME = ROOT / "build/bench/trees"
VENV = ROOT / "build/bench/venv"
PINS = ["numpy==2.4.6", "xgboost-cpu==3.2.0", "lightgbm==4.7.0", "onnx==1.23.2", "onnxruntime==1.32.0", "scipy==1.17.1"]
LLEAVES = ["--no-deps", "lleaves", "llvmlite==0.44.0"]  # later llvmlite lacks a call that lleaves makes
ROWS, FEATURES, TREES, DEPTH, TRAINING = 10_000, 30, 500, 6, 30_000
REACH = {"one row": {"scalar": "2.6 us", "avx512": "1 us"}, "10,000 rows": {"scalar": "0.4 M/s", "avx2": "2.5 M/s", "avx512": "8 M/s"}}
LINES = []


def report(line):
    LINES.append(line)
    print(json.dumps(line), flush=True)


def skip(who, why):
    report({"bench": "trees", "who": who, "skipped": why})


def in_venv():
    """Go on in the venv with the peers, made first where it is missing."""
    if sys.prefix == str(VENV):
        return
    python = VENV / "bin/python"
    if not (VENV / ".done").exists():
        print(f"bench: installing {len(PINS)} packages from PyPI into {VENV.relative_to(ROOT)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary=:all:"]
        if subprocess.run(pip + PINS).returncode:
            sys.exit("bench: could not install the peers: is PyPI reachable from here?")
        subprocess.run(pip + LLEAVES)  # without it, it is skipped below
        (VENV / ".done").touch()
    os.environ["OMP_NUM_THREADS"] = "1"
    os.execv(python, [str(python), __file__])


def least(work, rounds, count=1):
    """Least CPU microseconds of one of `count` calls inside work."""
    best = 1e30
    for _ in range(rounds):
        began = time.process_time_ns()
        work()
        best = min(best, (time.process_time_ns() - began) / count / 1e3)
    return best


def measure(who, one, many, x):
    singles = [x[i : i + 1].copy() for i in range(300)]
    one(singles[0]), many(x)
    us = least(lambda: [one(row) for row in singles], 5, len(singles))
    report({"bench": "trees", "who": who, "what": "one row", "us_per_row": round(us, 4), "rows_per_s": round(1e6 / us)})
    us = least(lambda: many(x), 3, len(x))
    report({"bench": "trees", "who": who, "what": "10,000 rows", "us_per_row": round(us, 4), "rows_per_s": round(1e6 / us)})


def data(np):
    rng = np.random.default_rng(7)
    x = rng.normal(size=(TRAINING, FEATURES)).astype(np.float32)
    weights = rng.normal(size=FEATURES) * (np.arange(FEATURES) < 20)
    noise = rng.normal(size=TRAINING)
    y = (x @ weights + 1.5 * x[:, 0] * x[:, 1] + np.sin(3 * x[:, 2]) + noise > 0).astype(int)
    return x, y


def train(np, xgb, lgb):
    x, y = data(np)
    rows = np.ascontiguousarray(x[:ROWS])
    if not (HOME / "lightgbm.txt").exists():
        HOME.mkdir(parents=True, exist_ok=True)
        rows.T.astype(np.float64).tofile(HOME / "rows.f64")
        conf = {"max_depth": DEPTH, "eta": 0.1, "objective": "binary:logistic", "tree_method": "hist", "nthread": 1}
        xgb.train(conf, xgb.DMatrix(x, y), TREES).save_model(HOME / "xgboost.json")
        conf = {"max_depth": DEPTH, "num_leaves": 2**DEPTH, "objective": "binary", "num_threads": 1, "verbosity": -1}
        lgb.train(conf, lgb.Dataset(x, y), TREES).save_model(HOME / "lightgbm.txt")
    return rows


def as_onnx(onnx):
    """XGBoost's trees as one TreeEnsembleRegressor: its margin."""
    learner = json.loads((HOME / "xgboost.json").read_text())["learner"]
    at = {k: [] for k in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids", "missing_value_tracks_true")}
    leaf = {"treeids": [], "nodeids": [], "ids": [], "weights": []}
    for number, tree in enumerate(learner["gradient_booster"]["model"]["trees"]):
        for i, left in enumerate(tree["left_children"]):
            end = left == -1
            row = (number, i, 0 if end else tree["split_indices"][i], "LEAF" if end else "BRANCH_LT", 0.0 if end else tree["split_conditions"][i],
                   0 if end else left, 0 if end else tree["right_children"][i], 0 if end else int(tree["default_left"][i]))
            for key, value in zip(at, row):
                at[key].append(value)
            if end:
                for key, value in zip(leaf, (number, i, 0, tree["split_conditions"][i])):
                    leaf[key].append(value)
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["margin"], domain="ai.onnx.ml", n_targets=1,
                            **{f"nodes_{k}": v for k, v in at.items()}, **{f"target_{k}": v for k, v in leaf.items()})
    graph = helper.make_graph([node], "trees", [helper.make_tensor_value_info("x", kind, [None, FEATURES])],
                              [helper.make_tensor_value_info("margin", kind, [None, 1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=9)
    onnx.save(model, HOME / "model.onnx")


def onnxruntime(rows):
    try:
        import onnx
        import onnxruntime as ort
    except ImportError as why:
        return skip("onnxruntime", str(why))
    as_onnx(onnx)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(HOME / "model.onnx", options, providers=["CPUExecutionProvider"])
    measure(f"onnxruntime {ort.__version__}", lambda x: session.run(None, {"x": x}), lambda x: session.run(None, {"x": x}), rows)


def lleaves(np, rows):
    try:
        import lleaves as ll
    except ImportError as why:
        return skip("lleaves", str(why))
    model = ll.Model(model_file=str(HOME / "lightgbm.txt"))
    model.compile(cache=str(HOME / "lleaves.o"))  # minutes the first time
    measure("lleaves", lambda x: model.predict(x, n_jobs=1), lambda x: model.predict(x, n_jobs=1), rows.astype(np.float64))


def ours(kind, file):
    build = pathlib.Path(os.environ.get("GRISTMILL", ROOT / "build/release/gristmill")).parent
    subprocess.run(["cmake", "--build", str(build), "--target", "bench_engine_trees", "--", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    program = next(p for p in build.rglob("bench_engine_trees") if p.is_file())
    out = subprocess.run([program, kind, HOME / file, HOME / "rows.f64"], check=True, capture_output=True, text=True).stdout
    for line in map(json.loads, out.splitlines()):
        level = line["who"].split()[1]
        if "what" in line and level in REACH.get(line["what"], {}):
            line["reach"] = REACH[line["what"]][level]
        report({**line, "model": kind})


def main():
    in_venv()
    import lightgbm as lgb
    import numpy as np
    import xgboost as xgb

    rows = train(np, xgb, lgb)
    ours("xgboost", "xgboost.json")
    ours("lightgbm", "lightgbm.txt")
    booster = xgb.Booster({"nthread": 1}, model_file=HOME / "xgboost.json")
    predict = lambda x: booster.inplace_predict(x, predict_type="margin")  # noqa: E731
    measure(f"xgboost {xgb.__version__}", predict, predict, rows)
    light = lgb.Booster(model_file=HOME / "lightgbm.txt")
    predict = lambda x: light.predict(x, raw_score=True, num_threads=1)  # noqa: E731
    measure(f"lightgbm {lgb.__version__}", predict, predict, rows)
    onnxruntime(rows)
    lleaves(np, rows)
    for line in LINES:
        if "us_per_row" in line:
            text = f"{line['who']:34} {line.get('model', ''):9} {line['what']:12} {line['us_per_row']:10.3f} us {line['rows_per_s']:>10} rows/s"
            print(text + (f"   reach {line['reach']}" if "reach" in line else ""), file=sys.stderr)
        elif "skipped" in line:
            print(f"{line['who']:34} skipped: {line['skipped']}", file=sys.stderr)


main()
