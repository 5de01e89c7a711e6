"""Bad input: a clear error with its place, an exit code by class, nothing half-written."""
import os
import sqlite3
import unittest

import gm

INVALID, NOT_FOUND, CONFLICT, REFUSED = 3, 4, 5, 1


class BadFile(gm.Case):
    def bad(self, yaml, *parts, code=INVALID, data=None):
        p = self.project(yaml, **{"t.csv": data or gm.churn(200)})
        result = self.fails(p.gm("check"), code, *parts)
        self.assertFalse((p.dir / "gristmill.lock").exists())
        self.assertFalse((p.dir / "reports").exists())
        return result

    def test_no_file(self):
        self.fails(self.project().gm("run"), NOT_FOUND, "gristmill.yaml", "gristmill init")

    def test_not_yaml(self):
        self.bad("data: [t.csv\n", "gristmill.yaml:")
        self.bad("data: t.csv\n\ttarget: churned\n", "gristmill.yaml:2:1", "tab")
        self.bad("data: t.csv\ndata: u.csv\ntarget: churned\n", "gristmill.yaml:2")
        self.bad("", "empty")
        self.bad("data: &a t.csv\ntarget: *a\n", "anchor")

    def test_unknown_words_get_a_suggestion(self):
        self.bad("data: t.csv\ntarget: churned\nfeautres: {}\n", "gristmill.yaml:3:1", '"feautres"', 'Did you mean "features"?')
        self.bad("data: t.csv\ntarget: churnd\n", "gristmill.yaml:2:9", "churned")
        self.bad("data: t.csv\ntarget: churned\ntrain: { try: [ligthgbm] }\n", "gristmill.yaml:3:16", 'Did you mean "lightgbm"?')
        self.bad("data: t.csv\ntarget: churned\ntrain: { try: [lightgbm: { num_leafs: 3 }] }\n", "num_leafs", "num_leaves")
        self.bad("data: t.csv\ntarget: churned\ntrain: { metric: roc_acu }\n", "roc_acu", "roc_auc")
        self.bad("data: t.csv\ntarget: churned\nfeatures: { use: [aeg] }\n", "gristmill.yaml:3:", "aeg", "age")
        self.bad("data: t.csv\ntarget: churned\nfeatures: { transform: { age: standardise } }\n", "standardise", "standardize")
        self.bad("data: { from: t.csv, checks: [rwos > 3] }\ntarget: churned\n", "rwos")

    def test_all_mistakes_at_once(self):
        result = self.bad("data: t.csv\ntarget: churned\nfeautres: {}\ntrain: { try: [ligthgbm], search: many }\n", "feautres", "ligthgbm", "many")
        self.assertGreaterEqual(result.err.count("gristmill.yaml:"), 3)

    def test_types_in_expressions(self):
        self.bad("data: t.csv\ntarget: churned\nfeatures: { add: { x: plan + 1 } }\n", "gristmill.yaml:3:")
        self.bad("data: t.csv\ntarget: churned\nfeatures: { add: { x: 'age +' } }\n", "gristmill.yaml:3:")
        self.bad("data: { from: t.csv, checks: [plan > 3] }\ntarget: churned\n", "gristmill.yaml:1:")

    def test_gates_must_name_a_metric(self):
        self.bad("data: t.csv\ntarget: churned\ngates:\n  - 1 > 0\n", "gristmill.yaml:4:")
        self.bad("data: t.csv\ntarget: churned\ngates:\n  - roc_uac > 0.5\n", "gristmill.yaml:4:", "roc_auc")

    def test_later_sections_need_what_they_name(self):
        self.bad("data: { t: { from: t.csv }, u: { from: t.csv } }\ntarget: churned\nfeatures: { join: { w: { by: plan } } }\n", '"w"')
        self.bad("data: { t: { from: t.csv }, u: { from: t.csv } }\ntarget: churned\nfeatures: { join: { u: { by: plan, within: 3h } } }\n", "time")
        self.bad("data: { from: t.csv, time: age }\ntarget: churned\n", "not a time")


class BadData(gm.Case):
    def bad(self, data, *parts, code=INVALID, target="churned", yaml=None):
        p = self.project(yaml or f"data: t.csv\ntarget: {target}\n")
        if data is not None:
            p.write("t.csv", data)
        result = self.fails(p.gm("run"), code, *parts)
        self.assertFalse((p.dir / "gristmill.lock").exists())
        return p, result

    def test_files(self):
        self.bad(None, "t.csv", code=NOT_FOUND)
        self.bad("", "empty")
        self.bad("a,b,churned\n1,2,yes\n1,2\n1,2,no\n", "t.csv:3")
        self.bad(b"a,churned\ncaf\xe9,yes\nx,no\n", "UTF-8")
        self.bad("a,a,churned\n1,2,yes\n", '"a"')
        p = self.project("data: t.csv\ntarget: churned\n", **{"t.csv": gm.churn(50)})
        os.chmod(p.dir / "t.csv", 0)
        if os.geteuid() != 0:
            self.fails(p.gm("run"), 7, "permission")

    def test_targets(self):
        self.bad("a,churned\n1,yes\n2,yes\n3,yes\n", "one value only", "gristmill.yaml:2:9")
        self.bad("a,churned\n1,\n2,\n3,\n", "no value in any of 3 rows")
        lines = "\n".join(f"{i},word{i} and more" for i in range(300))
        self.bad("a,churned\n" + lines + "\n", "distinct values")

    def test_too_few_rows(self):
        self.bad("a,churned\n1,yes\n2,no\n", "")

    def test_all_features_missing(self):
        self.bad("a,b,churned\n" + ",,yes\n,,no\n" * 100, "no column is left")

    def test_a_column_that_vanished(self):
        yaml = "data: t.csv\ntarget: churned\nfeatures: { use: [age, plan] }\n" + gm.QUICK
        p = self.project(yaml, **{"t.csv": gm.churn()})
        self.ok(p.gm("run"))
        lock = p.read("gristmill.lock")
        p.write("t.csv", gm.churn().replace("plan", "tariff", 1))
        self.fails(p.gm("run"), INVALID, '"plan"', "gristmill.yaml:3:")
        self.assertEqual(p.read("gristmill.lock"), lock)

    def test_failing_checks_refuse_and_quarantine(self):
        yaml = ("data:\n  t:\n    from: t.csv\n    checks:\n      - age between 18 and 70\n      - { check: monthly < 89, allow: 5% }\n"
                "target: churned\n" + gm.QUICK)
        p = self.project(yaml, **{"t.csv": gm.churn()})
        self.fails(p.gm("run"), REFUSED, "gristmill.yaml:5:9", "age between 18 and 70")
        self.assertIn("broken_check", self.ok(p.gm("data", "t", "--quarantine")).out)
        p.write("gristmill.yaml", yaml.replace("      - age between 18 and 70\n", ""))
        self.ok(p.gm("run"))
        self.assertIn("monthly < 89", self.ok(p.gm("data", "t", "--quarantine")).out)

    def test_a_leak_is_named(self):
        rows = gm.churn(800).splitlines()
        data = rows[0] + ",closed\n" + "\n".join(r + ("," + ("x" if r.endswith("yes") else "y")) for r in rows[1:]) + "\n"
        p = self.project("data: t.csv\ntarget: churned\nfeatures: { use: [age, plan, closed] }\n" + gm.QUICK, **{"t.csv": data})
        self.assertIn("closed", self.ok(p.gm("run")).out)
        self.assertIn("warning", self.ok(p.gm("run", "--force")).out)


class BadStore(gm.Case):
    def test_a_newer_store_is_left_alone(self):
        p = self.project("data: t.csv\ntarget: churned\n" + gm.QUICK, **{"t.csv": gm.churn(200)})
        self.ok(p.gm("run"))
        meta = next((p.dir / ".gristmill").glob("*.db"))
        c = sqlite3.connect(meta)
        c.execute("PRAGMA user_version = 9999")
        c.close()
        before = meta.read_bytes()
        self.fails(p.gm("run"), INVALID, "9999")
        self.assertEqual(meta.read_bytes(), before)

    def test_not_a_store(self):
        p = self.project("data: t.csv\ntarget: churned\n", **{"t.csv": gm.churn(200)})
        self.ok(p.gm("check"))
        meta = next((p.dir / ".gristmill").glob("*.db"))
        for f in meta.parent.glob(meta.name + "-*"):
            f.unlink()
        meta.write_bytes(os.urandom(8192))
        before = meta.read_bytes()
        self.assertNotEqual(p.gm("run").code, 0)
        self.assertEqual(meta.read_bytes(), before)

    def test_no_store_yet(self):
        self.fails(self.project("data: t.csv\ntarget: x\n").gm("status"), NOT_FOUND, "gristmill run")

    def test_models_that_are_not_there(self):
        p = self.project("data: t.csv\ntarget: churned\n" + gm.QUICK, **{"t.csv": gm.churn(200)})
        self.ok(p.gm("check"))
        self.fails(p.gm("predict", "nobody", "t.csv"), NOT_FOUND, "nobody")
        self.fails(p.gm("card"), NOT_FOUND, "no model")


class CommandLine(gm.Case):
    def test_words(self):
        p = self.project()
        self.fails(p.gm("rnu"), 2, "rnu", '"run"')
        self.fails(p.gm("run", "--jbos", "3"), 2, "--jobs")
        self.fails(p.gm("run", "--jobs"), 2, "needs a value")
        self.fails(p.gm("run", "--jobs", "many"), 2, "whole number")
        self.fails(p.gm("predict"), 2, "missing")
        self.ok(p.gm())
        self.ok(p.gm("--version"))

    def test_every_command_has_help_with_examples(self):
        p = self.project()
        listed = [l.split()[0] for l in self.ok(p.gm("help")).out.splitlines() if l.startswith("  ") and not l.startswith("  data:") and not l.startswith("  target:")]
        self.assertGreater(len(listed), 20)
        for command in listed:
            shown = self.ok(p.gm(command, "--help")).out
            self.assertIn("Examples", shown, command)
            self.assertIn("--json", shown)

    def test_made_from_the_same_tables(self):
        import json
        import shutil
        import subprocess
        p = self.project()
        json.loads(self.ok(p.gm("schema")).out)
        self.assertIn("--keep-runs", self.ok(p.gm("completion", "bash")).out)
        subprocess.run(["bash", "-n"], input=p.gm("completion").out.encode(), check=True)
        page = self.ok(p.gm("man")).out
        self.assertIn(".SH EXIT STATUS", page)
        for name in ("commands", "file", "items", "expressions"):
            self.assertTrue(self.ok(p.gm("reference", name)).out.startswith("<!-- Made by"))


if __name__ == "__main__":
    gm.main()
