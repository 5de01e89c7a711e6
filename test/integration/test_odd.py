"""Odd names, odd places, odd shapes: refused where they stand, or carried through whole; nothing is silently something else."""
import json
import os
import random
import shutil
import tempfile
import unittest

import gm

ONE = "train: { try: [logistic], split: { by: random } }\n"
INVALID = 3


def ages():
    """plan, age -> temp, for every plan and age of gm.churn()."""
    return "plan,age,temp\n" + "".join(f"{p},{a},{a * 7 % 13}\n" for p in ("basic", "plus", "pro") for a in range(18, 81))


class Names(gm.Case):
    def bad(self, yaml, *parts, **files):
        p = self.project(yaml, **{"t.csv": gm.churn(200), "w.csv": ages(), **files})
        return self.fails(p.gm("check"), INVALID, *parts)

    def test_steps_are_told_apart(self):
        head = "data: t.csv\ntarget: churned\n" + ONE + "steps:\n"
        for name in ("examples", "select", "inspect", "card"):
            self.bad(head + f"  {name}: {{ shell: 'true' }}\n", "gristmill.yaml:5:3", "step of every pipeline")
        self.bad(head + "  'load t': { shell: 'true' }\n", "gristmill.yaml:5:", '"load t"')
        self.bad(head + "  t: { shell: 'true', in: { x: t } }\n", "gristmill.yaml:5:3", "data set too")
        for name in ("''", '"a\\nb"', "a/b", "..", "x" * 101):
            self.bad(head + f"  {name}: {{ shell: 'true' }}\n", "gristmill.yaml:5:", "cannot be called")

    def test_data_sets_and_the_pipeline(self):
        for name in ("a/b", "''", "..", "'t w'"):
            self.bad(f"data: {{ {name}: {{ from: t.csv }} }}\ntarget: churned\n", "gristmill.yaml:1:", "data set cannot be called")
        self.bad("pipeline: 'a/b@c'\ndata: t.csv\ntarget: churned\n", "gristmill.yaml:1:12", "model name")
        self.bad("pipeline: " + "x" * 3000 + "\ndata: t.csv\ntarget: churned\n", "gristmill.yaml:1:11", "3000 bytes")

    def test_inputs_and_outputs(self):
        self.bad("steps:\n  s: { shell: 'true', out: { a: o.txt, b: o.txt } }\n", "two outputs")
        self.bad("steps:\n  s: { run: [cat, '{x}'], in: [d/x.csv, e/x.csv] }\n", "two inputs", **{"d/x.csv": "1", "e/x.csv": "2"})
        self.bad("steps:\n  s: { run: [cp, '{x}', '{x}'], in: { x: t.csv }, out: { x: o } }\n", "an input and an output")
        self.bad("steps:\n  s: { shell: 'true', in: { ../x: t.csv } }\n", "gristmill.yaml:2:", "input cannot be called")

    def test_many_steps_are_an_error_of_the_file(self):
        self.bad("steps:\n" + "".join(f"  s{i}: {{ shell: 'true' }}\n" for i in range(9000)), "at most 1000 steps")

    def test_more_mistakes_than_are_listed(self):
        self.bad("data:\n" + "".join(f"  t{i}: {{ from: t.csv, x: 1 }}\n" for i in range(200)) + "  z: { format: nope }\ntarget: churned\n"
                 "train: { search: [1], split: { by: nope } }\nsteps:\n  s: { run: [[]], timeout: x }\n", "gristmill.yaml:2:", "more mistakes")

    def test_candidates(self):
        step = "steps:\n  {}: {{ shell: 'true', out: {{ model: model.onnx }} }}\n"
        head = "data: t.csv\ntarget: churned\n"
        self.bad(head + "train: { try: [logistic, logistic] }\n", "gristmill.yaml:3:26", "twice")
        self.bad(head + "train: { try: [m, m] }\n" + step.format("m"), "gristmill.yaml:3:19", "twice")
        self.bad(head + "train: { try: [logistic] }\n" + step.format("logistic"), "gristmill.yaml:3:16", "of a step and of a trainer")
        self.bad(head + "train: { try: [m: { a: 1 }] }\n" + step.format("m"), "no parameters")

    def test_columns(self):
        head = "data: { t: { from: t.csv }, w: { from: w.csv } }\ntarget: churned\n"
        self.bad(head + "features: { join: { t: { by: customer } } }\n", "gristmill.yaml:3:21", "joined to itself")
        self.bad(head + "features: { join: { w: { by: [] } } }\n", "gristmill.yaml:3:21", "names no columns")
        self.bad(head + "features:\n  drop: [aeg]\n", "gristmill.yaml:4:10", 'Did you mean "age"?')
        self.bad(head + "features: { use: [age, age] }\n", "gristmill.yaml:3:24", "twice")
        self.bad(head + "features: { use: [w.plan], join: { w: { by: [plan, age] } } }\n", "gristmill.yaml:3:19", '"w.plan"')
        self.bad(head, "__target", **{"t.csv": gm.churn(200).replace("monthly", "__target", 1)})
        self.bad(head + "features: { join: { w: { by: [plan, age] } } }\n", "gristmill.yaml:3:21", 'second column "w.temp"',
                 **{"t.csv": gm.churn(200).replace("monthly", "w.temp", 1)})

    def test_numbers_that_do_not_fit(self):
        self.bad("data: t.csv\ntarget: churned\ntrain: { seed: 99999999999999999999 }\n", "gristmill.yaml:3:16", "whole number")
        self.bad("data: t.csv\ntarget: churned\ntrain: { try: [logistic: { c: 1e999 }] }\n", "gristmill.yaml:3:", "1e999")

    def test_columns_with_any_characters_are_carried_through(self):
        r = random.Random(1)
        names = ["a[b]", "a<b", '"a,b"', "a:b", "{x}", "é😀", '"n\nl"', '"a""q"""', "t\tb", "#c", "x" * 3000]
        rows = "".join(",".join(f"{r.random():.3f}" for _ in names) + "," + r.choice(['"a ""q"""', '"new\nline"', "[x]", "l" * 700 + "1", "l" * 700 + "2"]) + "\n" for _ in range(300))
        p = self.project("data: t.csv\ntarget: 'y'\ntrain: { try: [logistic, lightgbm, xgboost], split: { by: random }, seed: -7 }\n",
                         **{"t.csv": ",".join(names) + ",y\n" + rows})
        self.ok(p.gm("run"))
        json.loads(self.ok(p.gm("run", "--json")).out)
        model = self.ok(p.gm("models", "--json")).json()[0]["model"]
        self.assertEqual(self.ok(p.gm("predict", model, "t.csv", "--out", 'out "1".csv', "--json")).json(), {"rows": 300, "out": 'out "1".csv'})
        p.write("full.yaml", self.ok(p.gm("explain")).out)  # every name is in it, quoted so that it reads back
        self.assertIn("seed: -7", p.read("full.yaml"))
        again = self.ok(p.gm("explain", "-f", "full.yaml")).out
        self.assertEqual(len([l for l in again.splitlines() if l.startswith("    - ") and "# number" in l]), len(names))


class Data(gm.Case):
    def test_equal_files_and_a_data_set_called_data(self):
        yaml = ("data: { w: { from: w.csv, personal: temp }, t: { from: t.csv, checks: [\"references(plan, data.plan)\"] }, data: { from: w.csv } }\n"
                "target: churned\nfeatures: { of: t, join: { data: { by: [plan, age] }, w: { by: [plan, age] } } }\n" + ONE)
        p = self.project(yaml, **{"t.csv": gm.churn(200), "w.csv": ages()})
        self.ok(p.gm("run"))
        self.assertFalse([s for s in self.ok(p.gm("run", "--json")).json()["steps"] if s["state"] != "cached"])
        explained = self.ok(p.gm("explain")).out
        self.assertIn("    - data.temp  # number", explained)
        self.assertIn("# not w.temp: marked personal", explained)
        model = self.ok(p.gm("models", "--json")).json()[0]["model"]
        self.ok(p.gm("models", model, "--export", "package"))
        kept = self.ok(p.gm("data", "package/reference.parquet")).out
        self.assertIn("data.temp", kept)
        self.assertNotIn("w.temp", kept)

    def test_equal_bytes_of_two_formats_are_read_as_their_names_say(self):
        p = self.project("data: { a: a.json, b: b.csv }\nsteps:\n  s: { sql: 'SELECT count(*) AS n FROM a', in: { a: a } }\n",
                         **{"a.json": '{"v":1}\n' * 20, "b.csv": '{"v":1}\n' * 20})
        self.ok(p.gm("run", "--jobs", "1"))
        self.assertEqual({d["name"]: d["rows"] for d in self.ok(p.gm("data", "--json")).json()}, {"a": 20, "b": 19})

    def test_a_champion_of_other_classes_is_not_compared(self):
        p = self.project("data: t.csv\ntarget: churned\n" + ONE, **{"t.csv": gm.churn(200).replace(",yes", ",left").replace(",no", ",here")})
        self.ok(p.gm("run"))
        p.write("t.csv", gm.churn(200).replace(",yes", ",away").replace(",no", ",stay"))
        self.fails(p.gm("run"), INVALID, "another question")

    def test_tables_without_rows_or_columns(self):
        for data, words in (("a,b,churned\n", "0 rows"), ("churned\n" + "1\n0\n" * 50, "no column is left")):
            p = self.project("data: t.csv\ntarget: churned\n", **{"t.csv": data})
            self.fails(p.gm("run"), INVALID, "gristmill.yaml:2:9", words)


class Places(gm.Case):
    def test_spaces_quotes_links_and_other_folders(self):
        above = tempfile.mkdtemp(prefix="gm ' ")
        self.addCleanup(shutil.rmtree, above)
        p = self.project("data: \"t a'b.csv\"\ntarget: churned\n" + ONE +
                         "steps:\n  s: { run: [cp, '{i}', '{o}'], in: { i: \"t a'b.csv\" }, out: { o: 'a \"b\".csv' } }\n"
                         "  q: { sql: 'SELECT count(*) AS n FROM x', in: { x: s.o } }\n", **{"t a'b.csv": gm.churn(200)})
        shutil.move(p.dir, above + "/it's")
        p.dir, elsewhere = type(p.dir)(above + "/it's"), self.project()
        (elsewhere.dir / "link").symlink_to(p.dir)
        env = {k: v for k, v in os.environ.items() if k != "HOME"}
        saved = os.environ.pop("HOME", None)
        try:
            self.ok(elsewhere.gm("run", "-f", str(p.dir / "gristmill.yaml"), env=env))
        finally:
            if saved is not None:
                os.environ["HOME"] = saved
        self.assertEqual(list(elsewhere.dir.iterdir()), [elsewhere.dir / "link"])
        self.assertTrue((p.dir / "reports/model_card.md").exists() and (p.dir / "gristmill.lock").exists())
        shown = self.ok(p.gm("show", "s")).json()
        self.assertEqual(self.ok(p.gm("show", shown["outputs"]["o"])).out, gm.churn(200))
        for args in (["-f", "link/gristmill.yaml"], ["-f", os.path.relpath(p.dir, elsewhere.dir.resolve()) + "/gristmill.yaml"]):
            self.assertFalse([s for s in self.ok(elsewhere.gm("run", "--json", *args)).json()["steps"] if s["state"] != "cached"])

    @unittest.skipIf(os.geteuid() == 0, "the superuser may write everywhere")
    def test_a_folder_that_cannot_be_written(self):
        p = self.project("data: t.csv\ntarget: churned\n", **{"t.csv": gm.churn(200)})
        os.chmod(p.dir, 0o555)
        self.addCleanup(os.chmod, p.dir, 0o755)
        self.fails(p.gm("run"), 7, ".gristmill", "ermission denied")


if __name__ == "__main__":
    gm.main()
