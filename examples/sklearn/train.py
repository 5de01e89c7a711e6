#!/usr/bin/env python3
"""Train a scikit-learn pipeline on the rows of a CSV file and export it as ONNX: `train.py ROWS.csv MODEL.onnx UNITS`.

The graph has one input per raw column, named as the column: float numbers (missing is NaN), texts (missing is "__missing__"). Everything that
the model does to the columns is inside the graph. Numbers are float and not double because ONNX Runtime has most operators of ai.onnx.ml for
float only. Its output `probabilities` has a column per class in the order of the target's numbers.
"""
import csv
import sys

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ["age", "monthly", "calls"]
TEXTS = ["plan"]
BOOLS = ["newsletter"]
MISSING = "__missing__"


def read(path):
    """Columns as the graph will be fed: [rows, columns] of objects, and the class numbers."""
    with open(path, newline="") as f:
        rows = list(csv.DictReader(f))
    columns = [np.array([[float(r[c]) if r[c] else np.nan] for r in rows]) for c in NUMBERS]
    columns += [np.array([[float(r[c] == "true")] for r in rows]) for c in BOOLS]
    columns += [np.array([[r[c] or MISSING] for r in rows], dtype=object) for c in TEXTS]
    return np.concatenate([c.astype(object) for c in columns], axis=1), np.array([int(float(r["__target"])) for r in rows])


def main(rows_path, model_path, units):
    x, y = read(rows_path)
    names = NUMBERS + BOOLS + TEXTS
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    model = make_pipeline(
        ColumnTransformer([("numbers", numbers, list(range(len(NUMBERS + BOOLS)))),
                           ("texts", OneHotEncoder(handle_unknown="ignore"), list(range(len(NUMBERS + BOOLS), len(names))))]),
        MLPClassifier(hidden_layer_sizes=(int(units),), alpha=0.1, max_iter=400, random_state=1))
    model.fit(x, y)
    types = [(c, StringTensorType([None, 1]) if c in TEXTS else FloatTensorType([None, 1])) for c in names]
    graph = to_onnx(model, initial_types=types, options={"zipmap": False}, target_opset={"": 18, "ai.onnx.ml": 3})
    with open(model_path, "wb") as f:
        f.write(graph.SerializeToString(deterministic=True))
    print(f"trained on {len(y)} rows")


if __name__ == "__main__":
    main(*sys.argv[1:])
