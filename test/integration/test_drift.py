"""`gristmill drift`: files, a model's training rows, stored profiles; what it says, what it answers to programs, and what it refuses."""
import os
import random
import shutil
import subprocess
import unittest

import gm

YAML = """pipeline: leavers
data: { people: { from: t.csv, key: customer } }
target: churned
features: { use: [age, plan, monthly, joined] }
train: { try: [logistic], split: { by: random } }
"""
PEERS = gm.ROOT / "test/conformance/watch"


def moved(text, plan="gold", share=0.2):
    """The churn table with everybody older, some on a plan that was not there, and more ages missing."""
    draw = random.Random(5)
    lines = text.splitlines()
    out = [lines[0]]
    for line in lines[1:]:
        customer, age, rest_plan, *rest = line.split(",")
        age = "" if draw.random() < 0.1 else str(int(age) + 15)
        out.append(",".join([customer, age, plan if draw.random() < share else rest_plan, *rest]))
    return "\n".join(out) + "\n"


class Drift(gm.Case):
    @classmethod
    def setUpClass(cls):
        text = gm.churn(2000)
        cls.p = gm.Project(YAML, **{"t.csv": text, "same.csv": gm.churn(1200, seed=9), "moved.csv": moved(gm.churn(1200, seed=9))})
        result = cls.p.gm("run")
        assert result.code == 0, result
        result = cls.p.gm("models", "leavers", "--export", "package")
        assert result.code == 0, result

    @classmethod
    def tearDownClass(cls):
        cls.p.close()

    def drift(self, *args, code=0):
        result = self.p.gm("drift", *args, "--json")
        self.assertEqual(result.code, code, result)
        answer = result.json()
        return answer, {c["name"]: c for c in answer["columns"]}

    def fails(self, *args, says, hint=""):
        result = self.p.gm("drift", *args)
        self.assertNotEqual(result.code, 0, result)
        self.assertIn(says, result.err)
        self.assertIn(hint, result.err)
        self.assertEqual(result.out, "")

    def test_rows_of_the_same_population_do_not_drift(self):
        for reference in ("t.csv", "leavers@champion", "leavers/1", "leavers", "package", "package/profile.bin"):
            answer, columns = self.drift(reference, "same.csv", "--fail")
            self.assertEqual(answer["drifted"], 0, (reference, answer))
            self.assertGreaterEqual(answer["judged"], 3)
            self.assertNotIn("__target", str(answer["missing_columns"]))
            self.assertIn("a time always moves on", columns["joined"]["why"])

    def test_what_moved_is_named(self):
        answer, columns = self.drift("t.csv", "moved.csv", "--fail", code=1)
        self.assertTrue(columns["age"]["drifted"] and columns["age"]["missing_rose"] and columns["age"]["value"] > 0.2)
        self.assertTrue(columns["plan"]["new_values"] and "gold" in columns["plan"]["why"])
        self.assertFalse(columns["monthly"]["drifted"])
        self.assertAlmostEqual(columns["age"]["mean_current"] - columns["age"]["mean_reference"], 15, delta=2)
        shown = self.p.gm("drift", "t.csv", "moved.csv")
        self.assertEqual(shown.code, 0, shown)
        lines = shown.out.splitlines()
        self.assertRegex(lines[0], r"^moved.csv: 1,200 rows, against t.csv: 2,000 rows$")
        self.assertTrue(lines[3].startswith("age") or lines[4].startswith("age"), shown)
        self.assertRegex(shown.out, r"plan .*new values: gold \(\d+ of 1200\)")
        self.assertIn("2 of ", lines[-1])

    def test_a_stored_profile_says_what_its_rows_say(self):
        whole, _ = self.drift("t.csv", "moved.csv", "--columns", "age,plan,monthly")
        kept, _ = self.drift("leavers/1", "moved.csv", "--columns", "age,plan,monthly")
        self.assertEqual([c["drifted"] for c in whole["columns"]], [c["drifted"] for c in kept["columns"]])
        twice, _ = self.drift("package", "leavers@champion")
        self.assertTrue(all(not c["value"] for c in twice["columns"]), twice)

    def test_rules(self):
        answer, columns = self.drift("t.csv", "moved.csv", "--columns", "age,plan,monthly", "--drift", "ks > 0.9,l_infinity > 0.1,monthly: wasserstein > 0")
        self.assertEqual({k: c["detector"] for k, c in columns.items()}, {"age": "ks", "plan": "l_infinity", "monthly": "wasserstein"})
        self.assertFalse(columns["age"]["drifted"])
        self.assertTrue(columns["plan"]["drifted"] and columns["plan"]["value"] > 0.1)
        _, columns = self.drift("t.csv", "moved.csv", "--drift", "monthly: ks > 0.5")
        self.assertEqual(columns["monthly"]["detector"], "ks")
        self.assertEqual(columns["age"]["detector"], "psi")

    def test_numbers_of_other_programs(self):
        for compat, column, value in (("evidently", "x_norm", 0.3591509582551899), ("evidently", "grp", 0.025936807790271844)):
            _, columns = self.drift(str(PEERS / "drift_ref.csv"), str(PEERS / "drift_cur.csv"), "--compat", compat)
            self.assertAlmostEqual(columns[column]["value"], value, delta=1e-9)
        for compat in ("nannyml", "tfdv", "deequ"):
            answer, _ = self.drift(str(PEERS / "drift_ref.csv"), str(PEERS / "drift_cur.csv"), "--compat", compat)
            self.assertEqual(answer["definitions"], compat)
            self.assertTrue(all(c["value"] is not None for c in answer["columns"]))

    def test_the_file_knows_the_programs(self):
        for line, says in (("monitor: { compat: nannyml }", None), ("monitor: { compat: evidently, columns: { age: ks > 0.05 } }", None),
                           ("monitor: { compat: nannyml, drift: psi > 0.1 }", 'gristmill.yaml:6:36: nannyml has no detector "psi"'),
                           ("monitor: { compat: tfdv, columns: { age: ks > 0.1 } }", 'gristmill.yaml:6:42: tfdv has no detector "ks"')):
            p = self.project(YAML + line + "\n", **{"t.csv": gm.churn(300)})
            planned = p.gm("plan")
            self.assertEqual(planned.code == 0, says is None, planned)
            self.assertIn(says or "", planned.err)

    def test_files_of_every_kind(self):
        self.p.write("rows.json", "\n".join('{"age": %d, "plan": "%s"}' % (20 + i % 60, "ab"[i % 2]) for i in range(300)) + "\n")
        self.p.write("part-1.csv", "age,plan\n" + "".join(f"{20 + i % 60},{'ab'[i % 2]}\n" for i in range(150)))
        self.p.write("part-2.csv", "age,plan\n" + "".join(f"{20 + i % 60},{'ab'[i % 2]}\n" for i in range(150, 300)))
        answer, _ = self.drift("rows.json", "part-*.csv")
        self.assertEqual((answer["rows_reference"], answer["rows_current"], answer["drifted"], answer["judged"]), (300, 300, 0, 2))
        self.assertTrue(all(c["value"] == 0 for c in answer["columns"]))

    @unittest.skipUnless(shutil.which("taskset"), "no taskset")
    def test_threads_do_not_change_a_bit(self):
        one = subprocess.run(["taskset", "-c", str(min(os.sched_getaffinity(0))), gm.PROGRAM, "drift", "t.csv", "moved.csv", "--json"], cwd=self.p.dir,
                             capture_output=True, check=True)
        self.assertEqual(self.p.gm("drift", "t.csv", "moved.csv", "--json").out, one.stdout.decode())

    def test_mistakes_are_explained(self):
        self.fails("t.csv", "nowhere.csv", says='no file "nowhere.csv"', hint="profile.bin")
        self.fails("t.csv", "leaver", says='"leaver" is no file, and no model', hint="leavers")
        self.fails("t.csv", "leavers/9", says="is no file, and no model")
        self.fails("t.csv", "same.csv", "--columns", "aeg", says='neither side has a column "aeg"', hint='"age"')
        self.fails("t.csv", "same.csv", "--drift", "pis > 0.2", says='unrecognized detector "pis"', hint='"psi"')
        self.fails("t.csv", "same.csv", "--drift", "psi > lots", says="the limit is a number")
        self.fails("t.csv", "same.csv", "--drift", "plan: ks > 0.1", says='judges numbers, column "plan" holds texts')
        self.fails("t.csv", "same.csv", "--compat", "evidentl", says="unrecognized program", hint="evidently")
        self.fails("t.csv", "same.csv", "--compat", "tfdv", "--drift", "psi > 0.1", says="tfdv has no detector", hint="jensen_shannon")
        self.fails("t.csv", str(PEERS / "drift_ref.csv"), says="no column in common")
        self.p.write("bad.bin", "GMPROF but no profile")
        self.fails("t.csv", "bad.bin", says="", hint="bad.bin")
        self.p.write("ragged.csv", "a,b\n1,2\n1,2,3\n")
        self.fails("t.csv", "ragged.csv", says="fields")
        self.fails("t.csv", says="CURRENT")


if __name__ == "__main__":
    gm.main()
