"""What was done is not done again; what changed is, and `why` says so."""
import os
import pathlib
import time
import unittest

import gm

YAML = "data: t.csv\ntarget: churned\n" + gm.QUICK


class Cache(gm.Case):
    def states(self, result):
        self.assertIn(result.code, (0, 1), result)  # 1: another model was trained, and the champion is better
        return {s["name"]: s["state"] for s in result.json()["steps"]}

    def test_a_second_run_has_no_misses_and_is_quick(self):
        p = self.project(YAML, **{"t.csv": gm.churn()})
        first = self.states(p.gm("run", "--json"))
        self.assertEqual(set(first.values()), {"done"})
        before = p.digests()
        began = time.monotonic()
        second = self.states(p.gm("run", "--json"))
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual(set(second.values()), {"cached"})
        self.assertEqual(before, p.digests())

    def test_touching_a_file_or_commenting_the_yaml_changes_nothing(self):
        p = self.project(YAML, **{"t.csv": gm.churn()})
        self.ok(p.gm("run"))
        os.utime(p.dir / "t.csv", (1, 1))
        p.write("gristmill.yaml", "# a comment\n" + YAML)
        self.assertEqual(set(self.states(p.gm("run", "--json")).values()), {"cached"})

    def test_a_changed_parameter_runs_only_what_needs_it(self):
        p = self.project(YAML, **{"t.csv": gm.churn()})
        self.ok(p.gm("run"))
        p.write("gristmill.yaml", YAML.replace("[logistic, lightgbm]", "[logistic, lightgbm: { num_leaves: 7 }]"))
        states = self.states(p.gm("run", "--json"))
        self.assertEqual(states["train logistic"], "cached")
        self.assertEqual(states["load t"], "cached")
        self.assertEqual(states["train lightgbm"], "done")
        self.assertIn("num_leaves", self.ok(p.gm("why", "train lightgbm")).out)
        p.write("gristmill.yaml", YAML)
        self.assertEqual(self.states(p.gm("run", "--json"))["train lightgbm"], "cached")  # reverted: restored, not made again

    def test_early_cutoff(self):
        """A change that a step's output does not show stops there: a new column that no feature uses."""
        p = self.project("data: t.csv\ntarget: churned\nfeatures: { use: [age, plan] }\n" + gm.QUICK, **{"t.csv": gm.churn()})
        self.ok(p.gm("run"))
        p.write("t.csv", gm.churn().replace("\n", "\r\n"))  # other bytes, same rows
        states = self.states(p.gm("run", "--json"))
        self.assertEqual(states["load t"], "done")
        self.assertEqual(states["examples"], "cached")
        self.assertEqual(states["train lightgbm"], "cached")

    def test_new_rows_make_a_new_version_and_the_champion_is_met(self):
        p = self.project(YAML, **{"t.csv": gm.churn(600)})
        self.ok(p.gm("run"))
        p.write("t.csv", gm.churn(900))
        result = p.gm("run", "--json")
        self.assertIn(result.code, (0, 1), result)
        versions = self.ok(p.gm("data", "--json")).json()
        self.assertEqual([v["version"] for v in versions if v["name"] == "t"], [2, 1] if versions[0]["version"] == 2 else [1, 2])
        if result.code == 0:
            self.assertEqual(set(self.states(p.gm("run", "--json")).values()), {"cached"})  # no miss after promotion either

    def test_equal_inputs_give_equal_digests_in_another_folder(self):
        a, b = self.project(YAML, **{"t.csv": gm.churn()}), self.project("pipeline: x\n" + YAML, **{"t.csv": gm.churn()})
        gates = "gates: [roc_auc > 0.5, latency_us.p99 < 1000000]\n"  # what is measured must not be in any artifact
        a.write("gristmill.yaml", "pipeline: x\n" + YAML + gates)
        b.write("gristmill.yaml", "pipeline: x\n" + YAML + gates)
        self.ok(a.gm("run"))
        self.ok(b.gm("run", "--jobs", "1"))
        self.assertEqual(a.digests(), b.digests())

    def test_a_flipped_byte_is_found_and_never_used(self):
        p = self.project(YAML, **{"t.csv": gm.churn(20000)})
        self.ok(p.gm("run"))
        blobs = sorted((f for f in (p.dir / ".gristmill/objects").rglob("*") if f.is_file()), key=lambda f: -f.stat().st_size)
        blob = blobs[0]
        os.chmod(blob, 0o644)
        data = bytearray(blob.read_bytes())
        data[len(data) // 2] ^= 1
        blob.write_bytes(data)
        self.fails(p.gm("fsck"), 9, "corrupt")
        result = p.gm("run", "--force", "--json")
        self.assertIn(result.code, (0, 9), result)  # made again, or refused: never silently read

    def test_two_files_in_one_folder_keep_apart(self):
        p = self.project(YAML, **{"t.csv": gm.churn(), "other.yaml": "pipeline: other\n" + YAML})
        self.ok(p.gm("run"))
        lock, card = p.read("gristmill.lock"), p.read("reports/model_card.md")
        self.ok(p.gm("run", "-f", "other.yaml"))
        self.assertEqual((p.read("gristmill.lock"), p.read("reports/model_card.md")), (lock, card))
        self.assertIn("other", p.read("reports-other/model_card.md"))
        shown = self.ok(p.gm("models", "other/1", "--json")).json()
        self.assertEqual([m["version"] for m in shown], [1])
        self.assertIsInstance(shown[0]["metrics"]["validation"], float)

    def test_a_damaged_small_blob_is_made_again(self):
        p = self.project(YAML, **{"t.csv": gm.churn(300)})
        self.ok(p.gm("run"))
        before = p.digests()
        for pack in (p.dir / ".gristmill/packs").iterdir():
            if pack.is_file():
                os.chmod(pack, 0o644)
                data = bytearray(pack.read_bytes())
                for at in range(200, len(data), 997):  # some byte of most blobs
                    data[at] ^= 1
                pack.write_bytes(data)
        self.fails(p.gm("fsck"), 9, "corrupt")
        result = p.gm("run", "--force")
        self.assertEqual(result.code, 0, result)
        self.assertEqual(before, p.digests())
        self.assertEqual(self.ok(p.gm("run", "--json")).json()["message"], "")

    def test_a_damaged_input_is_made_again_by_the_step_that_made_it(self):
        p = self.project(YAML, **{"t.csv": gm.churn(20000)})
        self.ok(p.gm("run"))
        before = p.digests()
        blob = p.dir / ".gristmill/objects" / before["examples", "examples"][:2]
        blob = next(f for f in blob.parent.rglob("*") if f.is_file() and before["examples", "examples"] in str(f).replace("/", ""))
        os.chmod(blob, 0o644)
        data = bytearray(blob.read_bytes())
        data[len(data) // 2] ^= 1
        blob.write_bytes(data)
        p.write("gristmill.yaml", YAML.replace("[logistic, lightgbm]", "[logistic, lightgbm: { num_leaves: 9 }]"))
        result = p.gm("run")
        self.assertIn(result.code, (0, 1), result)
        self.assertIn("damaged", result.out)
        self.ok(p.gm("fsck"))

    def test_two_runs_at_once(self):
        import subprocess
        p = self.project("steps:\n  slow:\n    shell: sleep 3; echo x > $GRISTMILL_OUT_o\n    out: { o: o.txt }\n")
        first = subprocess.Popen([gm.PROGRAM, "run"], cwd=p.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1)
        self.fails(p.gm("run"), 5, str(first.pid))
        self.ok(p.gm("status"))  # reading needs no lock
        self.assertEqual(first.wait(), 0)


if __name__ == "__main__":
    gm.main()
