"""The sections `monitor` and `retrain`: what they take, and each mistake with its place."""
import json

import gm

FILE = """\
data: { from: t.csv, key: id, time: day }
target: churned
monitor:
  window: 7 days every 1 day
  drift: psi > 0.25
  columns: { age: wasserstein > 0.5, plan: none }
  drifted: 30% of columns
  labels: { from: labels.csv, key: id, delay: 2 days }
  alert:
    - webhook: http://127.0.0.1:1/hook
retrain:
  when: [drift, decay > 0.02 in 2 of 3 windows, new data of 100 rows, every monday at 06:30, cron 0 3 * * 1-5, webhook]
  at_most: 2 per 6h
  history: 90 days
"""


def rows(n=300):
    head, *lines = gm.churn(n).strip().split("\n")
    return "id,day," + head + "\n" + "".join(f"{i},2024-{1 + i // 28 % 12:02d}-{1 + i % 28:02d},{line}\n" for i, line in enumerate(lines))


class Sections(gm.Case):
    def check_file(self, yaml):
        return self.project(yaml, **{"t.csv": rows()}).gm("check")

    def bad(self, old, new, *parts):
        self.assertIn(old, FILE)
        return self.fails(self.check_file(FILE.replace(old, new)), 3, "gristmill.yaml:", *parts)

    def test_a_file_with_everything(self):
        self.ok(self.check_file(FILE))

    def test_the_full_file_keeps_them_and_means_the_same(self):
        p = self.project(FILE, **{"t.csv": rows()})
        full = self.ok(p.gm("explain")).out
        self.assertIn("monitor:", full)
        self.assertIn("retrain:", full)
        p.write("gristmill.yaml", full)
        self.ok(p.gm("check"))

    def test_the_schema_knows_them(self):
        schema = json.loads(self.ok(self.project().gm("schema")).out)
        self.assertIn("window", schema["$defs"]["monitor"]["properties"])
        self.assertIn("when", schema["$defs"]["retrain"]["properties"])

    def test_mistakes(self):
        self.bad("7 days every 1 day", "sometimes", ":4:11", "sometimes", "1 day")
        self.bad("psi > 0.25", "pis > 0.25", ":5:", "pis", "psi")
        self.bad("psi > 0.25", "psi < 0.25", ":5:")
        self.bad("age: wasserstein", "aeg: wasserstein", ":6:", "aeg")
        self.bad("plan: none", "plan: ks > 0.1", ":6:", "plan")
        self.bad("30% of columns", "a few", ":7:", "a few", "30% of columns")
        self.bad("key: id, delay", "key: idd, delay", ":8:", "idd")
        self.bad("delay: 2 days", "delay: soon", ":8:", "soon")
        self.bad("- webhook: http", "- webhoook: http", ":10:", "webhook")
        self.bad("decay > 0.02 in 2", "decya > 0.02 in 2", ":12:", "decya", "decay")
        self.bad("decay > 0.02 in", "drift.agee > 1 in", ":12:", "agee")
        self.bad("2 of 3 windows", "4 of 3 windows", ":12:", "4 of 3")
        self.bad("every monday", "every moonday", ":12:", "moonday")
        self.bad("cron 0 3", "cron 0 33", ":12:", "33")
        self.bad("history: 90 days", "history: 9" + "0" * 30 + " days", ":14:", "thousand years")
        self.bad("30% of columns", "1" + "0" * 40 + " columns", ":7:")
        self.bad("2 per 6h", "often", ":13:", "often", "1 per day")
        self.bad("history: 90 days", "history: long", ":14:", "long")
        self.bad(", time: day", "", "time")

    def test_without_triggers_retrain_says_nothing(self):
        self.fails(self.check_file("data: t.csv\ntarget: churned\nretrain: {}\n"), 3, "gristmill.yaml:3:", "when")


class Gates(gm.Case):
    def test_a_row_without_a_time_does_not_open_the_gate(self):
        """Test rows that all lie before the champion's last training row are no ground for a comparison, whether or not one has no time."""
        yaml = "pipeline: churn\ndata: { t: { from: t.csv, key: id, time: day } }\ntarget: churned\n"
        yaml += "train: { try: [logistic], split: { by: time, column: seen } }\ngates: [roc_auc >= champion - 1]\n"

        def table(count, blank):
            head, *lines = rows(300).strip().split("\n")
            days = [f"2024-{1 + i // 25:02d}-{1 + i % 25:02d}" for i in range(300)]
            out = ["seen," + head]
            for i, line in enumerate(lines[:count]):
                number, _, rest = line.split(",", 2)
                out.append(f"{days[i]},{number},{'' if i == blank else days[i]},{rest}")
            return "\n".join(out) + "\n"

        for blank in (None, 95):
            p = self.project(yaml, **{"t.csv": table(300, None)})
            self.ok(p.gm("run"))
            p.write("t.csv", table(100, blank))  # it ends before the champion's training rows do
            self.fails(p.gm("run"), 1, "no test row is later than the champion's last training row")


if __name__ == "__main__":
    gm.main()
