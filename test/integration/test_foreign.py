"""Models that other programs made: what is accepted, what is refused and how that is said, and the scikit-learn example."""
import csv
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import unittest

import gm
from tiny_onnx import DOUBLE, FLOAT, INT64, MAPS, STRING, constant, loop, message, model, node, number

VENV = gm.ROOT / "build/examples-venv"
YAML = """data: t.csv
target: {target}
train: {{ try: [theirs], split: {{ by: random }} }}
gates: [{gate}]
steps:
  theirs: {{ run: [cp, '{{file}}', '{{model}}'], in: {{ file: theirs.onnx }}, out: {{ model: model.onnx }} }}
"""

P = "probability"
# (monthly - 60) / 10 under a sigmoid, from a column of floats
SCORE = [node("Sub", ["monthly", "c60"], ["far"]), node("Div", ["far", "c10"], ["score"])]
CONSTANTS = [constant("c60", FLOAT, [1], [60]), constant("c10", FLOAT, [1], [10]), constant("half", FLOAT, [1], [0.5]), constant("one", FLOAT, [1], [1])]
MONTHLY = [("monthly", FLOAT, 2)]
SIGMOID = SCORE + [node("Sigmoid", ["score"], [P])]
PAIR = SIGMOID + [node("Sub", ["one", P], ["no"]), node("Concat", ["no", P], ["probabilities"], axis=1)]


class Foreign(gm.Case):
    def pipeline(self, onnx, target="churned", data=None, gate="roc_auc >= 0"):
        return self.project(YAML.format(target=target, gate=gate), **{"t.csv": data or gm.churn(), "theirs.onnx": onnx})

    def test_what_is_refused(self):
        cases = [
            ("not ONNX", b"this is no model\n", ["ONNX Runtime cannot read the model"]),
            ("empty", b"", ["ONNX Runtime cannot read the model"]),
            ("no such column", model([("nosuch", FLOAT, 2)], [(P, FLOAT, 2)], [node("Sigmoid", ["nosuch"], [P])], []), ['no column "nosuch"', "monthly"]),
            ("a matrix", model([("float_input", FLOAT, ["N", 2])], [(P, FLOAT, ["N", 2])], [node("Softmax", ["float_input"], [P])], []),
             ['no column "float_input"', "one input per column"]),
            ("the target", model([("__target", FLOAT, 2)], [(P, FLOAT, 2)], [node("Identity", ["__target"], [P])], []), ["__target", "known in training only"]),
            ("a column of texts as numbers", model([("plan", FLOAT, 2)], [(P, FLOAT, 2)], [node("Sigmoid", ["plan"], [P])], []), ["plan", "is text"]),
            ("labels alone", model(MONTHLY, [("label", INT64, 2)], SIGMOID + [node("Cast", [P], ["label"], to=INT64)], CONSTANTS), ["no output", '"label" (int)']),
            ("a dictionary per row", model(MONTHLY, [("output_label", INT64, 2), ("output_probability", MAPS, 0)],
                                           PAIR + [node("ZipMap", ["probabilities"], ["output_probability"], "ai.onnx.ml", classlabels_int64s=[0, 1]),
                                                   node("Cast", [P], ["output_label"], to=INT64)], CONSTANTS), ["output_probability", "zipmap=False"]),
            ("margins", model(MONTHLY, [(P, FLOAT, 2)], SCORE + [node("Identity", ["score"], [P])], CONSTANTS), ["no probability", "sigmoid"]),
            ("three columns for two classes", model(MONTHLY, [("probabilities", FLOAT, ["N", 3])], PAIR[:-1] + [node("Concat", ["no", P, P], ["probabilities"], axis=1)], CONSTANTS),
             ["3 values a row"]),
            ("no answer", model(MONTHLY, [(P, FLOAT, 2)], [node("Sub", ["monthly", "c60"], ["far"]), node("Sqrt", ["far"], [P])], CONSTANTS), ["NaN", "impute"]),
            ("the classes the other way round", model(MONTHLY, [("label", INT64, 2), ("probabilities", FLOAT, ["N", 2])],
                                                      SIGMOID + [node("Sub", ["one", P], ["no"]), node("Concat", [P, "no"], ["probabilities"], axis=1),
                                                                 node("Greater", [P, "half"], ["yes"]), node("Cast", ["yes"], ["label"], to=INT64)], CONSTANTS),
             ["labels say that column", '"false"']),
            ("rows that mix", model(MONTHLY, [(P, FLOAT, 2)], SCORE + [node("ReduceMean", ["score"], ["mean"], keepdims=1), node("Sub", ["score", "mean"], ["s"]),
                                                                       node("Sigmoid", ["s"], [P])], CONSTANTS), ["alone", "among others"]),
        ]
        p = self.pipeline(b"")
        for name, onnx, parts in cases:
            with self.subTest(name):
                p.write("theirs.onnx", onnx)
                result = p.gm("run")
                self.assertIn(result.code, (3, 4, 10), result)
                for part in ["gristmill.yaml:", *parts]:
                    self.assertIn(part, result.err, result)
                self.assertNotIn("Sanitizer", result.err)
        self.assertEqual(self.ok(p.gm("models", "--json")).json(), [])

    def test_loops(self):
        def through(trips, **more):
            nodes, constants = loop(trips, "score", "looped", **more)
            return model(MONTHLY, [(P, FLOAT, 2)], [*SCORE, *nodes, node("Sigmoid", ["looped"], [P])], [*CONSTANTS, *constants])
        p = self.pipeline(through(2**63 - 1))
        self.fails(p.gm("run"), 130, "gristmill.yaml:", "did not answer for", "and was stopped", "no end")
        p.write("theirs.onnx", through(2**63 - 1, body=()))
        self.fails(p.gm("run"), 10, "gristmill.yaml:", "Loop", "could not be stopped")
        self.assertEqual(self.ok(p.gm("models", "--json")).json(), [])
        p.write("theirs.onnx", through(3))
        self.ok(p.gm("run"))

    def test_shapes_and_types_that_exporters_make(self):
        label = [node("Greater", [P, "half"], ["yes"]), node("Cast", ["yes"], ["label"], to=INT64)]
        flat = [constant("axis", INT64, [1], [1]), *CONSTANTS]
        cases = [
            ("scikit-learn without ZipMap", model(MONTHLY, [("label", INT64, 2), ("probabilities", FLOAT, ["N", 2])], PAIR + label, CONSTANTS)),
            ("one column of any name", model(MONTHLY, [("linear_7", FLOAT, 2)], SIGMOID + [node("Identity", [P], ["linear_7"])], CONSTANTS)),
            ("rank 1", model(MONTHLY, [(P, FLOAT, 1)], SCORE + [node("Sigmoid", ["score"], ["p2"]), node("Squeeze", ["p2", "axis"], [P])], flat)),
            ("double, rank 1 in", model([("monthly", DOUBLE, 1)], [(P, FLOAT, 1)], [node("Cast", ["monthly"], ["m"], to=FLOAT), node("Sub", ["m", "c60"], ["far"]),
                                                                                    node("Div", ["far", "c10"], ["score"]), node("Sigmoid", ["score"], [P])], CONSTANTS)),
        ]
        p = self.pipeline(b"")
        for name, onnx in cases:
            with self.subTest(name):
                p.write("theirs.onnx", onnx)
                self.ok(p.gm("run"))
                shutil.rmtree(p.dir / "package", ignore_errors=True)
                self.ok(p.gm("models", self.models(p), "--export", "package"))
                self.ok(p.gm("predict", "package", "t.csv", "--out", "out.csv"))
                for row in list(csv.DictReader(p.read("out.csv").splitlines()))[:200]:
                    want = 1 / (1 + math.exp(-(float(row["monthly"]) - 60) / 10))
                    self.assertAlmostEqual(float(row["probability"]), want, places=6)
                    self.assertEqual(row["label"], "true" if float(row["probability"]) >= 0.5 else "false")
        p.write("few.csv", "age,monthly_\n1,2\n")
        self.fails(p.gm("predict", "package", "few.csv"), 3, 'no column "monthly"')

    def models(self, p):
        return self.ok(p.gm("models", "--json")).json()[0]["model"]

    def test_texts_bools_and_times_reach_the_graph(self):
        # p = 0.9 for the plan "basic", 0.6 where it is missing, else 0.2; one day of `joined` adds 1e-9
        lines = gm.churn().splitlines()
        for i in range(1, len(lines), 9):
            cells = lines[i].split(",")
            cells[2] = ""
            lines[i] = ",".join(cells)
        encoder = label_encoder("plan", "code", {"basic": 0.9, "__missing__": 0.6}, 0.2)
        onnx = model([("plan", STRING, 1), ("joined", INT64, 2)], [(P, FLOAT, 2)],
                     [encoder, node("Unsqueeze", ["code", "axis"], ["wide"]), node("Cast", ["joined"], ["us"], to=FLOAT), node("Div", ["us", "huge"], ["tiny"]),
                      node("Add", ["wide", "tiny"], [P])],
                     [constant("axis", INT64, [1], [1]), constant("huge", FLOAT, [1], [1.7e18])])  # about 1e-3 in 2024
        p = self.pipeline(onnx, data="\n".join(lines) + "\n")
        self.ok(p.gm("run"))
        self.ok(p.gm("models", self.models(p), "--export", "package"))
        schema = json.loads(p.read("package/schema.json"))
        self.assertEqual({i["name"]: i["type"] for i in schema["inputs"]}, {"plan": "string", "joined": "time"})
        p.write("new.csv", "plan,joined,other\nbasic,13/06/2024,1\n,03/07/2024,2\nunheard of,09/05/2024,3\n")
        self.ok(p.gm("predict", "package", "new.csv", "--out", "out.csv"))
        got = [float(r["probability"]) for r in csv.DictReader(p.read("out.csv").splitlines())]
        for g, w in zip(got, (0.9, 0.6, 0.2)):
            self.assertAlmostEqual(g, w + 1.0e-3, places=4)

    def test_regression(self):
        onnx = model(MONTHLY, [("variable", FLOAT, 2)], [node("Mul", ["monthly", "c10"], ["variable"])], CONSTANTS)
        p = self.pipeline(onnx, target="age", gate="rmse <= 1e9")
        self.ok(p.gm("run"))
        self.assertEqual(self.ok(p.gm("models", "--json")).json()[0]["trainer"], "theirs")


def label_encoder(x, y, table, default):
    floats = b"".join(message(9, k) for k in table)
    keys = message(5, message(1, "keys_strings"), floats, number(20, 8))
    values = message(5, message(1, "values_floats"), *(b"\x3d" + struct.pack("<f", v) for v in table.values()), number(20, 6))
    rest = message(5, message(1, "default_float"), b"\x15" + struct.pack("<f", default), number(20, 1))
    return message(1, message(1, x), message(2, y), message(4, "LabelEncoder"), keys, values, rest, message(7, "ai.onnx.ml"))


def venv():
    """The Python of a folder that holds the example's packages; kept between runs. None, with the reason, when they cannot be had."""
    pins = gm.ROOT / "examples/sklearn/requirements.txt"
    done = VENV / ".pins"
    if done.exists() and done.read_bytes() == pins.read_bytes():
        return VENV, ""
    shutil.rmtree(VENV, ignore_errors=True)
    for command in ([sys.executable, "-m", "venv", str(VENV)],
                    [str(VENV / "bin/pip"), "install", "-q", "--disable-pip-version-check", "--only-binary=:all:", "-r", str(pins)]):
        p = subprocess.run(command, capture_output=True, text=True)
        if p.returncode:
            return None, (p.stderr.strip().splitlines() or ["no reason given"])[-1]
    shutil.copy(pins, done)
    return VENV, ""


class SklearnExample(gm.Case):
    def test_it_competes_and_is_registered(self):
        where, reason = venv()
        if not where:
            self.skipTest(f"the packages of examples/sklearn cannot be installed: {reason}")
        p = self.project()
        shutil.copytree(gm.ROOT / "examples/sklearn", p.dir, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".gristmill", "data", "reports", "*.lock"))
        subprocess.run([sys.executable, str(p.dir / "make_data.py")], check=True, capture_output=True)
        env = {"PATH": f"{where}/bin:{os.environ['PATH']}"}
        first = self.ok(p.gm("run", env=env))
        self.assertIn("lightgbm", first.out)
        versions = self.ok(p.gm("models", "--json")).json()
        self.assertEqual([(v["trainer"], v["aliases"]) for v in versions], [("sklearn", "champion")], first)
        self.assertEqual({s["state"] for s in self.ok(p.gm("run", "--json", env=env)).json()["steps"]}, {"cached"})
        self.ok(p.gm("models", "leavers", "--export", "package"))
        self.ok(p.gm("predict", "package", "data/customers.csv", "--out", "out.csv"))
        check = subprocess.run([str(where / "bin/python"), "-c", CHECK], cwd=p.dir, capture_output=True, text=True)
        self.assertEqual(check.returncode, 0, check.stderr)


# onnx's own evaluator answers as ONNX Runtime did, from the raw columns.
CHECK = """
import csv, numpy as np, onnx, onnx.reference
rows = list(csv.DictReader(open("out.csv")))[:300]
graph = onnx.reference.ReferenceEvaluator(onnx.load("package/model.onnx"))
number = lambda c: np.array([[float({"true": 1, "false": 0, "": "nan"}.get(r[c], r[c]))] for r in rows], dtype=np.float32)
feeds = {c: number(c) for c in ("age", "monthly", "calls", "newsletter")}
feeds["plan"] = np.array([[r["plan"] or "__missing__"] for r in rows], dtype=object)
p = graph.run(["probabilities"], feeds)[0][:, 1]
assert np.abs(p - [float(r["probability"]) for r in rows]).max() < 1e-5
"""


if __name__ == "__main__":
    gm.main()
