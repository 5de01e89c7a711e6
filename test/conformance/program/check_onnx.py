#!/usr/bin/env python3
"""Every trainer on every task it knows, from a raw table to numbers, against the tools that people use: `check_onnx.py GRISTMILL [ONLY]`.

Needs duckdb, numpy, onnx, onnxruntime, scikit-learn, scipy, xgboost, lightgbm. For each pair:
  - the pipeline is run on a generated table with missing values, infinities, numbers as far out as doubles go, dates, bools, and categories
    that only later rows know; its package is exported;
  - 10,000 raw rows that training has not seen: `gristmill predict FOLDER` against onnxruntime, fed by the rule of the decision page on the
    model package: double for numbers and bools, string, int64 microseconds; missing is NaN, "__missing__" and INT64_MIN;
  - the native file of XGBoost or LightGBM, loaded by that library's own package, on the feature matrix, which is a tensor of the graph;
  - every metric that the card records, computed anew by scikit-learn from reports/predictions.parquet.
"""
import csv
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile

import duckdb
import lightgbm
import numpy as np
import onnx
import onnxruntime
import xgboost

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "eval"), str(HERE.parents[1] / "integration")]
import make_expected  # noqa: E402
import tables  # noqa: E402

TRAINING_ROWS, NEW_ROWS = 4000, 10000
# Of a value's size, with one thread in ONNX Runtime. With more it adds float32 trees in another order: 1e-6 of the largest value. Linear models are double throughout; XGBoost's sums are float32 in the same order on both sides, and only the link differs;
# LightGBM's are double, while the operator gives float32.
THREADS = 1e-6
ONNX = {"logistic": 1e-12, "linear": 1e-12, "xgboost": 1e-12, "lightgbm": 1e-6}
# XGBoost's package gives float32 after the link; LightGBM's gives the doubles that we give.
NATIVE = {"xgboost": 1e-6, "lightgbm": 1e-12}
METRICS = 1e-9


def run(program, folder, *args):
    p = subprocess.run([program, *args], cwd=folder, capture_output=True, text=True)
    assert p.returncode == 0, f"gristmill {' '.join(args)} ended with {p.returncode}:\n{p.stdout[-2000:]}\n{p.stderr}"
    return p.stdout


def difference(got, want, what):
    got, want = np.asarray(got, dtype=np.float64).reshape(want.shape), np.asarray(want)
    assert (np.isfinite(got) == np.isfinite(want)).all(), f"{what}: not finite where the other is"
    return float(np.max(np.abs(got - want) / np.maximum(1, np.abs(want))))


def microseconds(text):
    t = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)
    return (t - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


def feed(session, rows):
    """Raw texts of a CSV file as the graph's inputs. Several inputs are [N], a lone one is [N,1]."""
    feeds = {}
    for port in session.get_inputs():
        texts = [r[port.name] for r in rows]
        if port.type == "tensor(string)":
            column = np.array([t or "__missing__" for t in texts], dtype=object)
        elif port.type == "tensor(int64)":
            column = np.array([microseconds(t) if t else np.iinfo(np.int64).min for t in texts], dtype=np.int64)
        else:
            assert port.type == "tensor(double)", port
            column = np.array([float({"": "nan", "true": 1, "false": 0}.get(t, t)) for t in texts])
        feeds[port.name] = column if len(session.get_inputs()) > 1 else column.reshape(-1, 1)
    return feeds


def ours(task, predicted, classes):
    names = {"binary": ["probability"], "regression": ["prediction"]}.get(task, [f"probability_{c}" for c in classes])
    return np.array([[float(r[n]) for n in names] for r in predicted])


def check_graph(case, folder, rows, predicted, schema):
    trainer, task = case
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = folder / "package/model.onnx"
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    assert not [i for i in schema["onnx_inputs"] if i["computed"]], "this table's features are all in the graph"
    feeds, mine = feed(session, rows), ours(task, predicted, schema["classes"])
    output = "prediction" if task == "regression" else "probability"
    outputs = dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds)))
    if task != "regression":
        assert list(outputs["label"].ravel()) == [r["label"] for r in predicted], f"{case}: labels differ"
    worst = difference(outputs[output], mine, f"{case} onnx")
    assert worst <= ONNX[trainer], f"{case}: ONNX Runtime differs by {worst:.3g}"
    many = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run([output], feeds)[0]
    several = np.abs(many.reshape(mine.shape) - mine).max() / max(1, np.abs(mine).max())
    assert several <= THREADS, f"{case}: ONNX Runtime with several threads differs by {several:.3g}"
    return worst, several, feeds, mine


def matrix_of(folder, feeds):
    """The feature matrix, made an output of the graph: up from the trees, past what rewrites it for the operator, to where columns are joined."""
    model = onnx.load(folder / "package/model.onnx")
    made_by = {o: n for n in model.graph.node for o in n.output}
    at = next(n for n in model.graph.node if n.op_type.startswith("TreeEnsemble"))
    name = at.input[0]
    while made_by[name].op_type != "Concat":
        n = made_by[name]
        name = n.input[{"Cast": 0, "Gather": 0, "Where": 2}[n.op_type]]
    model.graph.output.append(onnx.ValueInfoProto(name=name))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([name], feeds)[0]


def check_native(case, folder, feeds, mine, schema):
    trainer, _ = case
    x, path = matrix_of(folder, feeds), str(folder / "package" / schema["native"])
    if trainer == "xgboost":
        booster = xgboost.Booster(model_file=path)
        with np.errstate(over="ignore"):
            x = x.astype(np.float32)
        finite = ~np.isinf(x).any(axis=1)  # its Python package refuses infinities
        assert finite.mean() > 0.9
        x, mine = x[finite], mine[finite]
        got = booster.predict(xgboost.DMatrix(x, missing=np.nan, feature_names=booster.feature_names))
    else:
        got = lightgbm.Booster(model_file=path).predict(x)
    worst = difference(got, mine, f"{case} native")
    assert worst <= NATIVE[trainer], f"{case}: {trainer}'s own package differs by {worst:.3g}"
    return worst


def check_metrics(case, folder, program, schema):
    _, task = case
    path = folder / "reports/predictions.parquet"
    cursor = duckdb.sql(f"SELECT * FROM '{path}'")
    held_out = [dict(zip(cursor.columns, row)) for row in cursor.fetchall()]
    classes, p = schema["classes"], ours(task, held_out, schema["classes"])
    truth = [r["truth"] for r in held_out]
    if task == "regression":
        want = make_expected.regression(np.array(truth, dtype=np.float64), p[:, 0])
    elif task == "binary":
        want = make_expected.binary(np.array([classes.index(t) for t in truth]), p[:, 0])
    else:
        want = make_expected.multiclass(np.array([classes.index(t) for t in truth]), p)
    recorded = json.loads(run(program, folder, "card", "--json"))["evaluation"]["metrics"]
    assert set(want) <= set(recorded) | {"rmsle"}, f"{case}: the card lacks {set(want) - set(recorded)}"
    worst = 0
    for name, m in recorded.items():
        if m.get("value") is None:  # not defined for these rows
            continue
        assert name in want, f"{case}: nothing to compare {name} with"
        d = abs(m["value"] - want[name]) / max(1, abs(want[name]))
        assert d <= METRICS, f"{case}: {name} is {m['value']!r}, scikit-learn says {want[name]!r}"
        worst = max(worst, d)
    return worst, len(recorded)


def check(case, program, folder):
    trainer, task = case
    (folder / "gristmill.yaml").write_text(tables.pipeline(trainer, task))
    (folder / "rows.csv").write_text(tables.table(task, TRAINING_ROWS))
    (folder / "new.csv").write_text(tables.table(task, NEW_ROWS, seed=2))
    run(program, folder, "run")
    run(program, folder, "models", f"{trainer}_{task}", "--export", "package")
    run(program, folder, "predict", "package", "new.csv", "--out", "new_out.csv")
    with open(folder / "new.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    with open(folder / "new_out.csv", newline="") as f:
        predicted = list(csv.DictReader(f))
    assert len(rows) == len(predicted) == NEW_ROWS
    schema = json.loads((folder / "package/schema.json").read_text())
    graph, several, feeds, mine = check_graph(case, folder, rows, predicted, schema)
    native = f"{check_native(case, folder, feeds, mine, schema):8.1e}" if trainer in NATIVE else "       -"
    metrics, count = check_metrics(case, folder, program, schema)
    print(f"{trainer:9} {task:11} onnx {graph:8.1e}  with threads {several:8.1e}  native {native}  {count} metrics {metrics:8.1e}")


def main(program, only=""):
    program = str(pathlib.Path(program).resolve())
    cases = [c for c in tables.CASES if only in " ".join(c)]
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            check(case, program, pathlib.Path(folder))
    print(f"{len(cases)} pairs of trainer and task on {NEW_ROWS:,} raw rows agree with ONNX Runtime, the native libraries and scikit-learn")


if __name__ == "__main__":
    main(*sys.argv[1:])
