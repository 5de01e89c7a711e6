"""Tables that nobody here chose work with the two-line file, and `explain` says what was made of each column."""
import random
import unittest

import gm


class TwoLines(gm.Case):
    def run_table(self, data, target, **files):
        p = self.project(f"data: t.csv\ntarget: '{target}'\n", **{"t.csv": data, **files})
        self.ok(p.gm("run"))
        explained = self.ok(p.gm("explain")).out
        models = self.ok(p.gm("models", "--json")).json()
        self.assertEqual(len(models), 1)
        self.assertIn("champion", models[0]["aliases"])
        again = self.ok(p.gm("run", "--json")).json()
        self.assertFalse([s for s in again["steps"] if s["state"] not in ("cached",)], again)
        return p, explained

    def test_a_tidy_table(self):
        p, explained = self.run_table(gm.churn(), "churned")
        self.assertIn("not customer: an ID", explained)
        self.assertIn('positive is "true"', explained)  # yes and no are read as true and false
        self.assertIn("by: time", explained)  # one column of dates: judged on later rows
        full = self.project(explained.replace("from: t.csv", "from: t.csv"), **{"t.csv": gm.churn()})
        self.ok(full.gm("run"))  # what explain prints can be run

    def test_id_leak_date_and_rare_class_change_the_plan(self):
        r = random.Random(3)
        lines = ["row_id,amount,closed_reason,opened,country,fraud"]
        for i in range(3000):
            amount = r.lognormvariate(3, 1)
            fraud = r.random() < (0.12 if amount > 60 else 0.01)
            lines.append(f"{100000 + i},{amount:.2f},{'chargeback' if fraud else 'paid'},2024-{1 + i // 270:02d}-{1 + i % 28:02d},"
                         f"{r.choice(['DE', 'FR', 'US'])},{int(fraud)}")
        p, explained = self.run_table("\n".join(lines) + "\n", "fraud")
        self.assertIn("not row_id: an ID", explained)
        self.assertIn("not closed_reason: LEAK?", explained)
        self.assertIn("by: time", explained)
        self.assertIn("metric: average_precision", explained)  # the positive class is rare

    def test_odd_columns(self):
        r = random.Random(5)
        head = '"Customer Status","it\'s ""odd""",price (EUR),many,mostly missing,constant,empty,when,active,y'
        lines = [head]
        for i in range(4000):
            y = r.random() < 0.4
            price = f'"{r.randint(1, 9)},{r.randint(100, 999)}.{r.randint(10, 99)}"'
            lines.append(",".join([r.choice(["new", "old", ""]), str(r.randint(0, 9) + 3 * y), price, f"cat{r.randint(0, 999)}",
                                   str(r.random()) if r.random() < 0.1 else "", "same", "",
                                   f"{r.randint(1, 28):02d}/{r.randint(1, 12):02d}/2023", r.choice(["true", "false"]), str(int(y))]))
        data = b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n"
        p, explained = self.run_table(data, "y")
        for part in ("not constant: the same value", "not empty: no value", "Customer Status", "- many  # category", 'it\'s "odd"', "price (EUR)"):
            self.assertIn(part, explained)
        shown = self.ok(p.gm("data", "t.csv")).out
        self.assertIn("thousands", shown)

    def test_regression(self):
        r = random.Random(11)
        lines = ["size,rooms,city,price"]
        for _ in range(800):
            size, rooms, city = r.uniform(20, 200), r.randint(1, 7), r.choice(["A", "B", "C"])
            lines.append(f"{size:.1f},{rooms},{city},{size * 30 + rooms * 500 + (city == 'A') * 900 + r.gauss(0, 150):.0f}")
        p, explained = self.run_table("\n".join(lines) + "\n", "price")
        self.assertIn("task: regression", explained)
        self.assertIn("metric: rmse", explained)

    def test_three_classes(self):
        r = random.Random(12)
        lines = ["a,b,species"]
        for _ in range(900):
            k = r.randrange(3)
            lines.append(f"{r.gauss(k, 0.7):.3f},{r.gauss(-k, 0.9):.3f},{['ant', 'bee', 'cat'][k]}")
        p, explained = self.run_table("\n".join(lines) + "\n", "species")
        self.assertIn("task: multiclass", explained)
        self.assertIn("ant, bee, cat", explained)

    def test_parquet_is_read_alike(self):
        p = self.project("steps:\n  made:\n    sql: \"SELECT * FROM t\"\n    in: { t: t.csv }\n    out: { rows: t.parquet }\n", **{"t.csv": gm.churn()})
        self.ok(p.gm("run"))


if __name__ == "__main__":
    gm.main()
