"""`gristmill changes`: where a column's mean has moved."""
import random

import gm


def column(values, name="x"):
    return name + "\n" + "".join(f"{v}\n" for v in values)


class Changes(gm.Case):
    def changes(self, text, *args):
        return self.ok(self.project(**{"t.csv": text}).gm("changes", "t.csv", "x", "--json", *args)).json()

    def test_a_step_is_found_where_it_is(self):
        draw = random.Random(3)
        found = self.changes(column([round(draw.gauss(0, 1), 4) for _ in range(2000)] + [round(draw.gauss(1.5, 1), 4) for _ in range(2000)]))
        self.assertEqual(found["values"], 4000)
        self.assertEqual(len(found["changes"]), 1, found)
        change, = found["changes"]
        self.assertTrue(1800 <= change["since_row"] <= 2100 and 2000 < change["told_row"] < 2300, change)
        self.assertAlmostEqual(change["mean_before"], 0, delta=0.15)
        self.assertAlmostEqual(change["mean_after"], 1.5, delta=0.15)

    def test_noise_and_constants_have_none(self):
        draw = random.Random(4)
        self.assertEqual(self.changes(column(round(draw.gauss(0, 1), 4) for _ in range(4000)))["changes"], [])
        self.assertEqual(self.changes(column([7] * 500))["changes"], [])
        self.assertEqual(self.changes("x,y\n" + ",1\n" * 50)["changes"], [])  # nothing but missing values

    def test_rows_are_taken_in_the_order_of_their_time(self):
        rows = [(f"2024-01-{1 + i // 96:02d} {i // 4 % 24:02d}:{i % 4 * 15:02d}:00", 0 if i < 1000 else 1) for i in range(2000)]
        random.Random(5).shuffle(rows)
        found = self.changes("t,x\n" + "".join(f"{t},{v}\n" for t, v in rows), "--time", "t")
        self.assertEqual(len(found["changes"]), 1, found)
        self.assertEqual(found["changes"][0]["since"][:10], "2024-01-11")

    def test_page_hinkley_takes_the_columns_units(self):
        values = [0] * 500 + [1] * 500
        self.assertEqual(self.changes(column(values), "--detector", "page_hinkley", "--threshold", "1000")["changes"], [])
        found = self.changes(column(values), "--detector", "page_hinkley", "--threshold", "10")
        self.assertTrue(500 < found["changes"][0]["told_row"] < 540, found)

    def test_exit_code_and_mistakes(self):
        p = self.project(**{"t.csv": "x,s\n" + "".join(f"{int(i >= 300)},a\n" for i in range(600))})
        self.assertEqual(p.gm("changes", "t.csv", "x").code, 0)
        self.assertEqual(p.gm("changes", "t.csv", "x", "--fail").code, 1)
        self.fails(p.gm("changes", "t.csv", "s"), 3, "texts", "gristmill drift")
        self.fails(p.gm("changes", "t.csv", "y"), 3, '"y"')
        self.fails(p.gm("changes", "t.csv", "x", "--time", "s"), 3, '"s"', "--time")
        self.fails(p.gm("changes", "u.csv", "x"), 4, "u.csv")


if __name__ == "__main__":
    gm.main()
