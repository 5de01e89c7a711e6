"""Every trainer on every task it knows: runs, registers, is cached the second time, and model.onnx answers as our own engine does."""
import json
import unittest

import gm
import tables

ROWS = 2000


class TrainersTasks(gm.Case):
    def case(self, trainer, task):
        p = self.project(tables.pipeline(trainer, task), **{"rows.csv": tables.table(task, ROWS)})
        self.ok(p.gm("run"))
        versions = self.ok(p.gm("models", "--json")).json()
        self.assertEqual([(v["trainer"], v["aliases"]) for v in versions], [(trainer, "champion")])
        facts = self.ok(p.gm("show", "package")).json()["result"]["facts"]
        self.assertEqual(facts["checked_rows"], ROWS // 5)
        self.assertLessEqual(facts["largest_difference"], 1e-6)
        if trainer in ("logistic", "linear"):  # no sums in float32 anywhere
            self.assertLessEqual(facts["largest_difference"], 1e-9)
        digests = p.digests()
        again = self.ok(p.gm("run", "--json")).json()
        self.assertEqual({s["state"] for s in again["steps"]}, {"cached"}, again)
        self.assertEqual(p.digests(), digests)
        self.ok(p.gm("models", f"{trainer}_{task}", "--export", "package"))
        self.ok(p.gm("predict", "package", "rows.csv", "--out", "all.csv"))
        self.assertEqual(len(p.read("all.csv").splitlines()), ROWS + 1)
        schema = json.loads(p.read("package/schema.json"))
        self.assertEqual(schema["task"], task)
        self.assertEqual(schema["classes"], {"binary": ["false", "true"], "multiclass": ["high", "low", "middle", "top"], "regression": []}[task])


def add(trainer, task):
    setattr(TrainersTasks, f"test_{trainer}_{task}", lambda self: self.case(trainer, task))


for _case in tables.CASES:
    add(*_case)

if __name__ == "__main__":
    gm.main()
