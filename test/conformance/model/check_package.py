#!/usr/bin/env python3
"""The packages that we write, read by the tools they are written for.

    check_package.py BUILD/test/make_packages

Needs the Python packages onnx, onnxruntime, mlflow-skinny and pandas. For each package of make_packages.c:
  - onnx.checker accepts model.onnx with full_check (types and shapes inferred, strictly);
  - ONNX Runtime and, where it has the operators, onnx's own reference evaluator give the answers of our engine within 1e-6;
  - mlflow.onnx.load_model and mlflow.pyfunc.load_model load the folder, and a DataFrame of raw columns gives the same answers;
  - the signature names the graph's inputs.
"""
import json
import logging
import pathlib
import subprocess
import sys
import tempfile

import mlflow.onnx
import mlflow.pyfunc
import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pandas as pd

TOLERANCE = 1e-6
COLUMNS = ["n0", "n1", "carrier"]


def rows_of(case):
    """The raw columns as a DataFrame: numbers as float64 with NaN, texts as objects."""
    frame = pd.DataFrame({name: np.array(case[name], dtype=np.float64) for name in ("n0", "n1")})
    frame["carrier"] = pd.Series(case["carrier"], dtype=object)
    return frame


def close(got, want, what):
    got = np.asarray(got, dtype=np.float64).reshape(want.shape)
    scale = np.maximum(1, np.abs(np.nan_to_num(want)))
    assert (np.isnan(got) == np.isnan(want)).all(), f"{what}: NaN in other places"
    worst = float(np.nan_to_num(np.abs(got - want) / scale).max())
    assert worst <= TOLERANCE, f"{what}: differs by {worst}"
    return worst


def attributes(path):
    return {attribute.name for node in onnx.load(path).graph.node for attribute in node.attribute}


def check(folder, case):
    path = str(folder / "model.onnx")
    rows, output, width = rows_of(case), case["output"], case["width"]
    want = np.array(case["answers"], dtype=np.float64).reshape(-1, width)
    worst = {}

    onnx.checker.check_model(onnx.load(path), full_check=True)
    feed = {name: rows[name].to_numpy() for name in COLUMNS}
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    worst["onnxruntime"] = close(session.run([output], feed)[0], want, "onnxruntime")
    one = {name: values[:1] for name, values in feed.items()}
    close(session.run([output], one)[0], want[:1], "onnxruntime, one row")

    if "nodes_values_as_tensor" not in attributes(path):  # double ensembles: not in onnx's evaluator
        reference = onnx.reference.ReferenceEvaluator(path)
        worst["reference"] = close(reference.run([output], feed)[0], want, "onnx.reference")

    assert isinstance(mlflow.onnx.load_model(str(folder)), onnx.ModelProto)
    model = mlflow.pyfunc.load_model(str(folder))
    assert model.metadata.signature.inputs.input_names() == COLUMNS
    if width == 1:  # MLflow's onnx flavor flattens outputs into columns, so it has no place for [N, classes]
        answers = model.predict(rows)
        worst["mlflow"] = close(answers[output], want, "mlflow.pyfunc")
        if output == "probability":
            assert (answers["label"] == np.where(want[:, 0] >= 0.5, "late", "early")).all()
    else:
        labels = session.run(["label"], feed)[0].reshape(-1)
        assert (labels == np.array(["early", "late", "lost"])[want.argmax(axis=1)]).all()
    return worst


def main():
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    failed = 0
    with tempfile.TemporaryDirectory() as root:
        listed = subprocess.run([sys.argv[1], root], check=True, capture_output=True, text=True).stdout
        again = subprocess.run([sys.argv[1], root], check=True, capture_output=True, text=True).stdout
        assert listed == again, "the same contents gave another digest"
        names = [line.split()[0] for line in listed.splitlines()]
        for name in names:
            case = json.loads((pathlib.Path(root) / f"{name}.answers.json").read_text())
            try:
                print(f"ok - {name}: largest differences {check(pathlib.Path(root) / name, case)}")
            except Exception as error:  # one bad package must not hide the next
                failed += 1
                print(f"not ok - {name}: {type(error).__name__}: {error}")
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
