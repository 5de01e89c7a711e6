"""`gristmill predict`: rows come as people have them, not as the model had them in training."""
import csv
import unittest

import gm

YAML = """pipeline: leavers
data: { people: { from: t.csv, key: customer } }
target: churned
features: { add: { month: month(joined) }, use: [age, plan, monthly, joined, month, code, active] }
train: { try: [lightgbm], split: { by: random } }
"""


def people(rows=1500, seed=3):
    """The churn table and a column of codes that are texts in training, and a bool; dates with the day first; some of all are missing."""
    lines = gm.churn(rows, seed).splitlines()
    out = [lines[0].replace(",churned", ",code,active,churned")]
    for i, line in enumerate(lines[1:]):
        customer, age, plan, monthly, joined, churned = line.split(",")
        y, m, d = joined.split("-")
        code = ["A1", "7", "12", "B2"][i % 4]
        active = ["true", "false"][i * 7 % 3 == 0]
        out.append(",".join([customer, "" if i % 11 == 0 else age, "" if i % 13 == 0 else plan, monthly, "" if i % 17 == 0 else f"{d}/{m}/{y}",
                             code, active, churned]))
    return "\n".join(out) + "\n"


class Predict(gm.Case):
    @classmethod
    def setUpClass(cls):
        cls.p = gm.Project(YAML, **{"t.csv": people()})
        result = cls.p.gm("run")
        assert result.code == 0, result
        result = cls.p.gm("models", "leavers", "--export", "package")
        assert result.code == 0, result

    @classmethod
    def tearDownClass(cls):
        cls.p.close()

    def predict(self, text, *args, name="new.csv", out="out.csv"):
        self.p.write(name, text)
        self.ok(self.p.gm("predict", "leavers", name, "--out", out, *args))
        return self.rows(out)

    def rows(self, name):
        return list(csv.DictReader(self.p.read(name).splitlines()))

    def from_parquet(self, name):
        """A Parquet file's rows, read by a step of the program itself."""
        other = self.project("steps: { r: { sql: SELECT * FROM p, in: { p: rows.parquet }, out: { rows: rows.csv } } }\n", **{"rows.parquet": (self.p.dir / name).read_bytes()})
        self.ok(other.gm("run"))
        digest = self.ok(other.gm("show", "r")).json()["outputs"]["rows"]
        return list(csv.DictReader(self.ok(other.gm("show", digest)).out.splitlines()))

    def probabilities(self, rows, name="probability"):
        return [float(r[name]) for r in rows]

    def test_as_in_the_held_out_rows(self):
        self.ok(self.p.gm("predict", "leavers", "t.csv", "--out", "all.csv"))
        every = {r["customer"]: r for r in self.rows("all.csv")}
        self.assertEqual(len(every), 1500)
        held_out = self.from_parquet("reports/predictions.parquet")
        self.assertGreater(len(held_out), 150)
        for r in held_out:
            self.assertEqual(float(every[r["customer"]]["probability"]), float(r["probability"]))
            self.assertEqual(every[r["customer"]]["label"], r["label"])

    def test_a_folder_without_a_store(self):
        self.ok(self.p.gm("predict", "leavers", "t.csv", "--out", "a.csv"))
        other = self.project(None, **{"t.csv": people()})
        self.ok(other.gm("predict", str(self.p.dir / "package"), "t.csv", "--out", "b.csv"))
        self.assertEqual(other.read("b.csv"), self.p.read("a.csv"))
        self.assertEqual(sorted(f.name for f in other.dir.iterdir()), ["b.csv", "t.csv"])

    def test_parquet_and_globs(self):
        self.ok(self.p.gm("predict", "leavers", "t.csv", "--out", "a.parquet"))
        again = self.from_parquet("a.parquet")
        self.ok(self.p.gm("predict", "leavers", "a.parquet", "--out", "b.csv"))  # it has columns of our names already
        both = self.rows("b.csv")
        self.assertEqual(self.probabilities(both), self.probabilities(again))
        self.assertEqual(self.probabilities(both, "probability_"), self.probabilities(both))
        lines = people().splitlines()
        self.p.write("part-1.csv", "\n".join(lines[:701]) + "\n")
        self.p.write("part-2.csv", "\n".join(lines[:1] + lines[701:]) + "\n")
        self.ok(self.p.gm("predict", "leavers", "part-*.csv", "--out", "parts.csv"))
        self.assertEqual([(r["customer"], r["probability"]) for r in self.rows("parts.csv")], [(r["customer"], r["probability"]) for r in both])

    def test_columns_missing_extra_and_in_another_order(self):
        head = "customer,age,plan,monthly,joined,code,active"
        want = self.predict(head + "\nX,40,basic,70,13/05/2024,A1,true\n")
        got = self.predict("remark,active,code,joined,monthly,plan,age\nhello,true,A1,13/05/2024,70,basic,40\n")
        self.assertEqual(self.probabilities(got), self.probabilities(want))
        self.assertEqual(got[0]["remark"], "hello")
        self.p.write("less.csv", "customer,age,plan,joined,code,active\nX,40,basic,13/05/2024,A1,true\n")
        self.fails(self.p.gm("predict", "leavers", "less.csv", "--out", "never.csv"), 3, '"monthly"')
        self.assertFalse((self.p.dir / "never.csv").exists())

    def test_one_row_no_row_and_nothing_known(self):
        head = "age,plan,monthly,joined,code,active\n"
        self.assertEqual(len(self.predict(head + "40,basic,70,13/05/2024,A1,true\n")), 1)
        for out in ("none.csv", "none.parquet"):
            self.p.write("none-in.csv", head)
            result = self.p.gm("predict", "leavers", "none-in.csv", "--out", out)
            self.ok(result)
            rows = self.rows(out) if out.endswith("csv") else self.from_parquet(out)
            self.assertEqual(rows, [])
        self.assertIn("probability", self.p.read("none.csv").splitlines()[0])
        unknown = self.predict(head + ",,,,,\n,,,,,\n")
        self.assertEqual(len({r["probability"] for r in unknown}), 1)
        self.assertTrue(0 < float(unknown[0]["probability"]) < 1)

    def test_unseen_categories_are_like_one_another(self):
        head = "age,plan,monthly,joined,code,active\n"
        got = self.predict(head + "".join(f"40,{plan},70,13/05/2024,{code},true\n" for plan, code in (("never", "Q"), ("seen", "R"), ("Ünseen ☃", "S"))))
        self.assertEqual(len({r["probability"] for r in got}), 1)

    def test_digits_where_texts_were(self):
        head = "age,plan,monthly,joined,code,active\n"
        rows = [f"{30 + i},basic,70,13/05/2024,{code},true\n" for i, code in enumerate(("7", "12", "7"))]
        mixed = self.predict(head + "".join(rows) + "30,basic,70,13/05/2024,A1,true\n")  # "A1" makes it a column of texts
        digits = self.predict(head + "".join(rows))
        self.assertEqual(self.probabilities(digits), self.probabilities(mixed)[:3])

    def test_texts_where_numbers_were(self):
        self.p.write("bad.csv", "age,plan,monthly,joined,code,active\n40,basic,70,13/05/2024,7,true\nforty,basic,70,13/05/2024,7,true\n")
        self.fails(self.p.gm("predict", "leavers", "bad.csv"), 3, '"age"', '"forty"', "row 2", "int")
        self.p.write("bad.csv", "age,plan,monthly,joined,code,active\n40,basic,70,17,7,true\n")
        self.fails(self.p.gm("predict", "leavers", "bad.csv"), 3, '"joined"', "17", "time")

    def test_dates_in_other_formats(self):
        head = "age,plan,monthly,joined,code,active\n"
        want = self.probabilities(self.predict(head + "40,basic,70,2024-05-13,7,true\n40,basic,70,2024-07-03,7,true\n"))
        for one, two in (("13/05/2024", "03/07/2024"), ("13.05.2024", "03.07.2024"), ("05/13/2024", "07/03/2024"), ("13 May 2024", "3 Jul 2024"),
                         ("2024-05-13 00:00:00", "2024-07-03T00:00:00Z"), ("13/05/2024", "2024-07-03")):
            got = self.probabilities(self.predict(f"{head}40,basic,70,{one},7,true\n40,basic,70,{two},7,true\n"))
            self.assertEqual(got, want, (one, two))
        # alone, 03/07 could be either: it is read as training was, with the day first
        self.assertEqual(self.probabilities(self.predict(head + "40,basic,70,03/07/2024,7,true\n")), want[1:])

    def test_json_and_what_is_written(self):
        self.p.write("new.csv", "age,plan,monthly,joined,code,active\n40,basic,70,13/05/2024,7,true\n")
        self.assertEqual(self.ok(self.p.gm("predict", "leavers", "new.csv", "--out", "o.csv", "--json")).json(), {"rows": 1, "out": "o.csv"})
        self.assertIn("o.csv", self.ok(self.p.gm("lineage", "leavers")).out)
        self.fails(self.p.gm("predict", "leavers", "absent.csv"), 4, "absent.csv")
        self.fails(self.p.gm("predict", "leaver", "new.csv"), 4, 'no model "leaver"')

    def test_export_is_whole_and_never_over_something(self):
        self.fails(self.p.gm("models", "leavers", "--export", "package"), 5, "is there already")
        self.fails(self.p.gm("models", "--export", "new"), 3, "name a model version")
        self.ok(self.p.gm("models", "leavers/1", "--export", "again"))
        self.assertEqual({f.name: f.read_bytes() for f in (self.p.dir / "again").glob("*.*")}, {f.name: f.read_bytes() for f in (self.p.dir / "package").glob("*.*")})
        self.assertFalse([f for f in self.p.dir.rglob("*.part-*")])


if __name__ == "__main__":
    gm.main()
