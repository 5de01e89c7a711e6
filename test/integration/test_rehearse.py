"""History replayed: nothing of the future is known, what is served is what a run at that time would serve, and a kill loses nothing."""
import datetime
import json
import random
import subprocess
import time
import unittest

import gm

START = datetime.datetime(2024, 1, 1)
DAYS, TURN = 84, 49  # on day TURN what makes an order late turns round, and amounts rise

YAML = """pipeline: orders
data:
  orders:
    from: orders.csv
    key: [id]
    time: at
  weather:
    from: weather.csv
    key: place
    time: hour
    checks: [rain between 0 and 10]
target: late
features:
  join:
    weather: { by: place, within: 2h }
  use: [amount, place, kind, weather.rain]
train:
  split: { by: time, validation: 15%, test: 15% }
  try: [logistic]
gates: [roc_auc >= 0.4]
monitor:
  window: 1 day
  drift: psi > 0.5
  columns: { weather.rain: none }
  labels: { delay: 1 day }
  rows_min: 20
  labels_min: 20
"""
POLICIES = ["never", "every 14 days", "decay in 2 of 3 windows"]
RUN = ["rehearse", "--first", "28d", "--json"] + ["--policy", POLICIES[0], "--policy", POLICIES[1], "--policy", POLICIES[2]]


def stamp(hours):
    return (START + datetime.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S")


def rows(seed=1, per_hour=4):
    """(hours since START, row as a dict) in a jumbled order: a source need not be sorted by time."""
    r = random.Random(seed)
    out = []
    for h in range(DAYS * 24):
        for k in range(per_hour):
            late_world = h >= TURN * 24
            amount = round(r.gauss(70 if late_world else 50, 12), 2)
            kind = r.choice(["a", "b", "c"] if not late_world else ["a", "b", "d"])
            rain = weather_at(h)
            p = 0.15 + 0.5 * (rain > 3) + 0.2 * ((kind == "a") != late_world)
            out.append((h, {"id": f"o{h}-{k}", "at": stamp(h + 0.25 * k), "amount": amount, "place": r.choice(["north", "south"]),
                            "kind": kind, "late": "yes" if r.random() < p else "no", "note": "" if h < 60 * 24 else "checked"}))
    r.shuffle(out)
    return out


def weather_at(hour):
    return random.Random(hour // 3).choice([0.0, 0.5, 1.5, 4.0, 6.5])


def orders_csv(table):
    names = ["id", "at", "amount", "place", "kind", "late", "note"]
    return ",".join(names) + "\n" + "".join(",".join(str(row[n]) for n in names) + "\n" for _, row in table)


def weather_csv(until=DAYS * 24):
    lines = ["place,hour,rain"]
    for h in range(until):
        for place in ("north", "south"):
            lines.append(f"{place},{stamp(h)},{weather_at(h)}")
    return "\n".join(lines) + "\n"


def without_cost(answer):
    answer = dict(answer)
    answer.pop("cost")
    return answer


class Rehearse(gm.Case):
    def history(self, yaml=YAML, table=None, weather=None):
        return self.project(yaml, **{"orders.csv": orders_csv(table or rows()), "weather.csv": weather or weather_csv()})

    def replay(self, p, *args, env=None):
        return self.ok(p.gm(*(args or RUN), env=env)).json()

    def by_name(self, answer):
        return {p["policy"]: p for p in answer["policies"]}

    def test_what_is_served_is_what_a_run_at_that_time_serves(self):
        p = self.history()
        policy = self.by_name(self.replay(p))[POLICIES[1]]
        trained = [d for d in policy["decisions"] if d["package"]]
        self.assertGreaterEqual(len(trained), 3)
        for d in trained[:3]:
            at = hours(d["at"])
            # The files as they were: rows before the moment, in the files' order, and no label younger than a day.
            then = [(h, row if moment(row) + 24 <= at else {**row, "late": ""}) for h, row in rows() if moment(row) < at]
            truncated = self.history(table=then, weather=weather_csv(int(at)))
            run = truncated.gm("run", "--json")
            self.assertIn(run.code, (0, 1), run)
            self.assertEqual(run.json()["package"], d["package"], d["at"])

    def test_nothing_of_the_future_is_seen(self):
        """Two histories that agree up to a training and on the labels known by then, and have nothing in common afterwards: up to that moment
        every package, every decision and every window is the same, to the bit."""
        first = self.replay(self.history())
        at = self.by_name(first)[POLICIES[1]]["decisions"][2]["at"]
        now = hours(at)
        other, r = [], random.Random(9)
        for h, row in rows():
            if moment(row) >= now:  # another world, which gives every label away in columns that were harmless
                row = {**row, "amount": 1000.0 if row["late"] == "yes" else -1000.0, "kind": "leak-" + row["late"], "note": row["late"]}
                if h == now or r.random() < 0.5:  # the rows of that very moment are among those that are gone
                    continue
            elif moment(row) + 24 > now:  # its label comes too late to be known
                row = {**row, "late": "yes" if row["late"] == "no" else "no"}
            other.append((h, row))
        head, *lines = weather_csv().splitlines()  # and so does the joined data, where it also breaks a check
        leaky = [line.rsplit(",", 1)[0] + ",99" if line.split(",")[1] >= at else line for line in lines]
        self.assertNotEqual(lines, leaky)
        second = self.replay(self.history(table=other, weather="\n".join([head, *leaky]) + "\n"))
        packages, windows = 0, 0
        for name in POLICIES:
            a, b = self.by_name(first)[name], self.by_name(second)[name]
            known, same = ([d for d in x["decisions"] if d["at"] <= at] for x in (a, b))
            self.assertEqual(known, same)
            packages += sum(d["package"] is not None for d in known)
            for x, y in zip(a["windows"], b["windows"]):
                if hours(x["until"]) <= now - 48:
                    self.assertEqual(x, y)
                    windows += 1
        self.assertGreaterEqual(packages, 5)
        self.assertGreaterEqual(windows, 30)
        self.assertNotEqual(first["policies"][0]["overall"], second["policies"][0]["overall"])

    def test_the_turn_is_found_and_retraining_pays(self):
        answer = self.by_name(self.replay(self.history(), *RUN, "--history", "14d"))
        never, fortnight, decay = (answer[name] for name in POLICIES)
        self.assertEqual((never["trainings"], never["promoted"]), (0, 0))
        before = [w for w in never["windows"] if w["until"] <= stamp(TURN * 24)]
        after = [w for w in never["windows"] if w["from"] >= stamp(TURN * 24)]
        self.assertTrue(all(w["drifted"] for w in after))
        self.assertFalse(any(w["drifted"] for w in before))
        self.assertIn("kind", after[0]["drifted_names"])
        self.assertGreater(sum(w["decayed"] for w in after), 3 * sum(w["decayed"] for w in before))
        self.assertGreater(fortnight["promoted"], 0)
        self.assertGreater(fortnight["overall"]["value"], never["overall"]["value"])
        self.assertGreater(decay["overall"]["value"], never["overall"]["value"])
        first = [d for d in decay["decisions"] if d["at"] > stamp(TURN * 24)][0]
        self.assertIn("decay in 2 of 3 windows: roc_auc", first["reason"])
        # Two days must have their labels, which come a day later.
        self.assertGreaterEqual(first["at"], stamp((TURN + 3) * 24))
        # At most one training in seven days where the file says nothing.
        at = [datetime.datetime.fromisoformat(d["at"]) for d in decay["decisions"]]
        self.assertTrue(all((b - a).days >= 7 for a, b in zip(at[1:], at[2:])))

    def test_a_second_rehearsal_takes_everything_from_the_first(self):
        p = self.history()
        first = self.replay(p)
        self.assertGreater(first["cost"]["trained"], 0)
        began = time.monotonic()
        second = self.replay(p)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(second["cost"]["trained"], 0)
        self.assertEqual(second["cost"]["trainings_cpu_s"], 0)
        self.assertEqual(without_cost(first), without_cost(second))
        self.assertEqual(first["cost"]["policies_cpu_s"], second["cost"]["policies_cpu_s"])

    def test_a_changed_threshold_trains_nothing_anew(self):
        p = self.history()
        args = ["rehearse", "--first", "28d", "--json", "--policy", "never", "--policy", "every 14 days"]
        first = self.replay(p, *args)
        p.write("gristmill.yaml", YAML.replace("psi > 0.5", "psi > 50"))
        second = self.replay(p, *args)
        self.assertEqual(second["cost"]["trained"], 0)
        a, b = (self.by_name(x)["never"] for x in (first, second))
        self.assertGreater(*(sum(w["drifted_columns"] for w in p["windows"]) for p in (a, b)))
        self.assertEqual([w["metric"] for w in a["windows"]], [w["metric"] for w in b["windows"]])

    def test_a_killed_rehearsal_goes_on_and_comes_to_the_same(self):
        import os
        import signal
        whole = self.replay(self.history())
        p, r, kills = self.history(), random.Random(3), 0
        for _ in range(12):
            child = subprocess.Popen([gm.PROGRAM, *RUN], cwd=p.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(r.uniform(0.02, 0.6))
            if child.poll() is None:
                os.kill(child.pid, signal.SIGKILL)
                kills += 1
            child.wait()
        self.assertGreater(kills, 0)
        self.assertEqual(without_cost(whole), without_cost(self.replay(p)))
        self.ok(p.gm("rehearse", "--first", "28d", "--policy", "never"))

    def test_a_kill_at_a_durable_write_loses_nothing(self):
        whole = self.replay(self.history())
        p = self.history()
        for n in (3, 20, 45, 90, 160):
            p.gm(*RUN, env={"GRISTMILL_FAULT": f"kill:{n}"})
        self.assertEqual(without_cost(whole), without_cost(self.replay(p)))

    def test_the_real_store_sees_nothing_of_it(self):
        p = self.history()
        self.ok(p.gm("run", "--quiet"))
        before, runs = self.ok(p.gm("models", "--json")).out, self.ok(p.gm("log", "--json")).out
        self.replay(p)
        self.assertEqual(self.ok(p.gm("models", "--json")).out, before)
        self.assertEqual(self.ok(p.gm("log", "--json")).out, runs)
        self.ok(p.gm("fsck"))
        self.ok(p.gm("gc"))
        self.assertEqual(self.replay(p)["cost"]["trained"], 0)

    def test_a_check_that_asks_for_more_rows_delays_the_first_model(self):
        yaml = YAML.replace("    time: at\n", "    time: at\n    checks: [rows >= 3500]\n")
        answer = self.replay(self.history(yaml), "rehearse", "--first", "28d", "--json", "--policy", "never")
        decisions = answer["policies"][0]["decisions"]
        self.assertEqual([d["outcome"] for d in decisions], ["refused", "refused", "first"])
        self.assertIn("rows >= 3500", decisions[0]["detail"])
        self.assertEqual(answer["policies"][0]["windows"][0]["from"], decisions[-1]["at"])
        again = self.history(YAML.replace("    time: at\n", "    time: at\n    checks: [rows >= 1000000]\n"))
        self.fails(again.gm("rehearse", "--policy", "never"), 3, "no model could be trained in the period")

    def test_a_first_package_that_is_refused_decides_nothing(self):
        """What everything is judged by is the metric of the first model that was let in."""
        answer = self.replay(self.history(YAML.replace("roc_auc >= 0.4", "rows >= 450")), "rehearse", "--first", "28d", "--json", "--policy", "never")
        decisions = answer["policies"][0]["decisions"]
        self.assertEqual([d["outcome"] for d in decisions], ["refused", "first"])
        self.assertIn("rows >= 450", decisions[0]["detail"])
        self.assertTrue(all(0.5 < d["test_metric"] < 1 for d in decisions))
        self.assertEqual((answer["metric"], answer["higher_is_better"]), ("roc_auc", True))

    def test_a_gate_refuses_and_the_champion_stays(self):
        yaml = YAML.replace("gates: [roc_auc >= 0.4]", "gates: [roc_auc >= champion + 0.5]")
        answer = self.replay(self.history(yaml), "rehearse", "--first", "28d", "--json", "--policy", "never", "--policy", "every 14 days")
        never, other = answer["policies"]
        self.assertEqual({d["outcome"] for d in other["decisions"][1:]}, {"refused"})
        self.assertIn("roc_auc >= champion + 0.5", other["decisions"][1]["detail"])
        self.assertEqual(never["overall"], other["overall"])
        self.assertEqual(other["against_first"]["delta"], 0)

    def test_the_files_own_triggers(self):
        yaml = YAML + "retrain: { when: [every 21 days, decay > 0.9], at_most: 1 per day, history: 3 weeks }\n"
        answer = self.replay(self.history(yaml), "rehearse", "--first", "28d", "--json")
        self.assertEqual([p["policy"] for p in answer["policies"]], ["never", "file"])
        self.assertEqual(answer["history_days"], 21)
        self.assertEqual({d["reason"] for d in answer["policies"][1]["decisions"][1:]}, {"every 21 days"})
        self.fails(self.history().gm("rehearse", "--policy", "file"), 3, "needs a section `retrain`")

    def test_trainers(self):
        yaml = YAML.replace("try: [logistic]", "try: [logistic, lightgbm: { rounds: 20 }]")
        common = ["rehearse", "--first", "28d", "--json", "--policy", "every 14 days"]
        p = self.history(yaml)
        for option in ([], ["--trainer", "lightgbm"], ["--trainer", "xgboost"], ["--search"]):
            decisions = self.replay(p, *common, *option)["policies"][0]["decisions"]
            trainers = {d["trainer"] for d in decisions if d["package"]}
            if option != ["--search"]:
                self.assertEqual(len(trainers), 1)  # the first model's
            if option[:1] == ["--trainer"]:
                self.assertEqual(trainers, {option[1]})
        self.fails(p.gm("rehearse", "--trainer", "xgbost"), 3, "xgboost")

    def test_numbers_and_classes(self):
        for target, metric in (("amount", "rmse"), ("kind", "log_loss")):
            yaml = YAML.replace("target: late", "target: " + target).replace("use: [amount, place, kind, weather.rain]", "use: [place, weather.rain, late]")
            yaml = yaml.replace("try: [logistic]", "try: [linear]" if target == "amount" else "try: [logistic]").replace("roc_auc >= 0.4", metric + " <= 1000")
            answer = self.replay(self.history(yaml), "rehearse", "--first", "28d", "--json", "--policy", "never", "--policy", "every 14 days")
            self.assertEqual((answer["metric"], answer["higher_is_better"]), (metric, False))
            never, other = answer["policies"]
            self.assertGreater(other["trainings"], 2)
            self.assertTrue(all(w["metric"] is not None for w in never["windows"]))
            if target == "amount":
                self.assertLess(other["overall"]["value"], never["overall"]["value"])
            else:  # a class that appears in the middle: models of other questions have no common number, each window has its own
                self.assertEqual({d["outcome"] for d in other["decisions"]} & {"promoted", "refused", "failed"}, {"promoted", "failed"})

    def test_a_changed_check_is_judged_anew(self):
        """What a check allows, where and how severely is part of what a verdict follows from, not its text alone."""
        p = self.history()
        for check, broken in (("allow: 60%", False), ("allow: 25%", True), ("allow: 25%, severity: warning", False),
                              ("allow: 25%, where: amount > 0", True), ("allow: 25%, where: amount > 1000", False)):
            p.write("gristmill.yaml", YAML.replace("    time: at\n", f"    time: at\n    checks: [{{ check: amount < 60, {check} }}]\n"))
            policy = self.replay(p, "rehearse", "--first", "28d", "--json", "--policy", "failed_checks > 0", "--to", "2024-02-07")["policies"][0]
            self.assertEqual(len(policy["decisions"]) > 1, broken, check)

    def test_a_window_pulls_a_trigger_once(self):
        """One day of another world: `1 of 7 windows` asks when that day ends and then no more, as live does."""
        table = [(h, {**row, "kind": "c", "amount": row["amount"] + 400} if h // 24 == 40 else row) for h, row in rows() if h < TURN * 24]
        yaml = YAML.replace("drift: psi > 0.5", "drift: psi > 1") + "retrain: { when: drift in 1 of 7 windows, at_most: 1 per day }\n"
        yaml = yaml.replace("roc_auc >= 0.4", "roc_auc >= champion + 0.9")  # the first model stays
        p = self.history(yaml, table=table)
        decisions = self.replay(p, "rehearse", "--first", "28d", "--json", "--policy", "file")["policies"][0]["decisions"][1:]
        self.assertEqual([d["at"] for d in decisions], [stamp(41 * 24)])

    def test_decayed_is_about_decay(self):
        """The verdict by its name is asked about once labels are in, as `decay` is, and belongs to the policy of that name."""
        p = self.history(YAML + "retrain: { when: [decayed, every 3 days] }\n")
        args = ["rehearse", "--first", "28d", "--json", "--history", "14d", "--policy"]
        named = self.replay(p, *args, "decay")["policies"][0]
        self.assertEqual({d["reason"].split(":")[0] for d in named["decisions"][1:]}, {"decayed"})
        p.write("gristmill.yaml", YAML)
        plain = self.replay(p, *args, "decay in 1 of 1 windows")["policies"][0]
        self.assertEqual([d["at"] for d in named["decisions"][:3]], [d["at"] for d in plain["decisions"][:3]])

    def test_a_window_that_is_not_judged_does_not_count(self):
        """Too few rows on every second day: `2 of 2 windows` is about the judged ones, the newest among them."""
        odd = {day for day in range(TURN, 70) if day % 2}
        table = [(h, row) for h, row in rows() if h // 24 not in odd or h % 24 == 0]
        yaml = YAML + "retrain: { when: drift in 2 of 2 windows, at_most: 1 per day }\n"
        yaml = yaml.replace("roc_auc >= 0.4", "roc_auc >= champion + 0.9")
        answer = self.replay(self.history(yaml, table=table), "rehearse", "--first", "28d", "--json", "--policy", "file", "--to", "2024-03-05")
        policy = answer["policies"][0]
        self.assertIn(False, {w["judged"] for w in policy["windows"] if w["from"] >= stamp(TURN * 24)})
        drifted = [w["until"] for w in policy["windows"] if w["drifted"]]
        self.assertEqual([d["at"] for d in policy["decisions"][1:]], [at for at in drifted[1:] if at < answer["until"]])

    def test_a_check_of_freshness_goes_by_the_rehearsals_time(self):
        yaml = YAML.replace("    time: at\n", "    time: at\n    checks: [freshness(at) < 2 days]\n")
        p = self.history(yaml)
        args = ["rehearse", "--first", "28d", "--json", "--policy", "every 14 days"]
        first = self.replay(p, *args)
        self.assertNotIn("freshness", " ".join(d["detail"] for d in first["policies"][0]["decisions"]))
        self.assertEqual(first["policies"][0]["refused"], 0)
        second = self.replay(p, *args)
        self.assertEqual((second["cost"]["trained"], without_cost(second)), (0, without_cost(first)))
        self.fails(p.gm("run"), 1, "freshness(at) < 2 days")  # now they are old
        at = first["policies"][0]["decisions"][2]["at"]  # and within a rehearsal, when no row came for five days
        gap = [(h, row) for h, row in rows() if not hours(at) - 120 <= moment(row) < hours(at)]
        decisions = self.replay(self.history(yaml, table=gap), *args)["policies"][0]["decisions"]
        self.assertEqual([d["at"] for d in decisions if "freshness" in d["detail"]], [at])

    def test_a_personal_input(self):
        """The package's reference rows leave it out: with one output their predictions were kept, with several they cannot be made again."""
        personal = YAML.replace("    time: at\n", "    time: at\n    personal: [place]\n", 1)
        args = ["rehearse", "--first", "28d", "--policy", "never"]
        out = self.replay(self.history(personal), *args, "--json")["policies"][0]
        self.assertTrue(all(w["judged"] for w in out["windows"]))
        self.assertTrue(any(w["estimated"] is not None for w in out["windows"]))
        classes = personal.replace("target: late", "target: kind").replace("use: [amount, place, kind, weather.rain]", "use: [place, amount, weather.rain]")
        classes = classes.replace("roc_auc >= 0.4", "log_loss <= 1000")
        p = self.history(classes)
        self.assertIn('no reference rows: the package leaves out "place"', self.ok(p.gm(*args)).out)
        self.assertTrue(all(w["judged"] for w in self.replay(p, *args, "--json")["policies"][0]["windows"]))

    def test_a_source_with_types_keeps_them_where_nothing_is_known(self):
        """`note` is empty for 60 days: in a text source a column of missing numbers, while a Parquet file says what it is."""
        def parquet(q):
            q.write("convert.yaml", "steps: { s: { sql: 'SELECT * REPLACE (CAST(note AS VARCHAR) AS note) FROM p', in: { p: orders.csv }, out: { rows: orders.parquet } } }\n")
            self.ok(q.gm("run", "--quiet", "--file", "convert.yaml"))
            digest = self.ok(q.gm("show", "s")).json()["outputs"]["rows"]
            q.write("orders.parquet", subprocess.run([gm.PROGRAM, "show", digest], cwd=q.dir, capture_output=True, check=True).stdout)
        then = [(h, row if moment(row) <= 27 * 24 else {**row, "late": ""}) for h, row in rows() if moment(row) < 28 * 24]
        yaml = YAML.replace("orders.csv", "orders.parquet").replace("    time: at\n", "    time: at\n    checks: [type(note) == 'string']\n")
        whole, truncated = self.history(), self.history(table=then, weather=weather_csv(28 * 24))
        for q in (whole, truncated):
            parquet(q)
            q.write("gristmill.yaml", yaml)
        first = self.replay(whole, "rehearse", "--first", "28d", "--json", "--policy", "never")["policies"][0]["decisions"][0]
        self.assertEqual(first["outcome"], "first", first)
        self.assertEqual(truncated.gm("run", "--json").json()["package"], first["package"])

    def test_a_named_calendar_is_not_held_back(self):
        answer = self.replay(self.history(), "rehearse", "--first", "28d", "--json", "--policy", "every 3 days", "--policy", "drift", "--to", "2024-02-20")
        days, drift = answer["policies"]
        at = [hours(d["at"]) / 24 for d in days["decisions"]][1:]
        self.assertEqual({b - a for a, b in zip(at, at[1:])}, {3.0})
        self.assertEqual(days["put_off"], 0)
        at = [hours(d["at"]) / 24 for d in drift["decisions"]][1:]
        self.assertTrue(all(b - a >= 7 for a, b in zip(at, at[1:])))

    def test_policies_are_compared_by_days(self):
        answer = self.replay(self.history(), "rehearse", "--first", "28d", "--json", "--policy", "never", "--policy", "every 14 days")
        c = answer["policies"][1]["against_first"]
        self.assertEqual(c["method"], "paired block bootstrap")
        self.assertTrue(c["low"] < c["delta"] < c["high"])
        self.assertAlmostEqual(c["delta"], answer["policies"][1]["overall"]["value"] - answer["policies"][0]["overall"]["value"], 9)
        few = self.replay(self.history(), "rehearse", "--first", "77d", "--json", "--policy", "never", "--policy", "every 2 days")
        self.assertIsNone(few["policies"][1]["against_first"]["low"])  # seven days are no sample of days

    def test_rows_of_unknown_classes_are_counted(self):
        yaml = YAML.replace("target: late", "target: kind").replace("use: [amount, place, kind, weather.rain]", "use: [place, weather.rain, late]")
        yaml = yaml.replace("roc_auc >= 0.4", "log_loss <= 1000")
        args = ["rehearse", "--first", "28d", "--policy", "never"]
        p = self.history(yaml)
        policy = self.replay(p, *args, "--json")["policies"][0]
        unknown = sum(row["kind"] == "d" for _, row in rows())
        self.assertEqual((policy["unknown_class"], policy["labelled"] + unknown), (unknown, policy["rows"]))
        self.assertIn(f"never: {unknown} rows of classes that the model which answered did not know", self.ok(p.gm(*args)).out)
        self.assertEqual(self.replay(self.history(), *args, "--json")["policies"][0]["unknown_class"], 0)

    def test_the_page_and_the_terminal(self):
        p = self.history()
        out = self.ok(p.gm("rehearse", "--first", "28d", "--policy", "never,every 14 days", "--html", "r.html")).out
        for part in ("every 14 days", "against first", "promoted", "2024-01-29", "Known", "labels 1 day after"):
            self.assertIn(part, out)
        page = p.read("r.html")
        self.assertLess(len(page.encode()), 200 * 1024)
        self.assertIn("<svg", page)
        self.assertNotIn("<script", page)

    def test_mistakes_are_named(self):
        p = self.history()
        self.fails(p.gm("rehearse", "--policy", "sometimes"), 3, 'unrecognized policy "sometimes"', "every 14 days")
        self.fails(p.gm("rehearse", "--policy", "never,never"), 3, "named twice")
        self.fails(p.gm("rehearse", "--from", "yesterday"), 3, "--from: expected a date")
        self.fails(p.gm("rehearse", "--from", "2024-03", "--to", "2024-02"), 3, "ends before it begins")
        self.fails(p.gm("rehearse", "--from", "2031", "--policy", "never"), 3, "the period begins at 2031-01-01", "nothing is left to replay")
        self.fails(p.gm("rehearse", "--to", "2019", "--policy", "never"), 3, "the period ends at 2020-01-01", "the data begin at 2024-01-01")
        self.fails(p.gm("rehearse", "--first", "1000d", "--policy", "never"), 3, "nothing is left to replay")
        self.fails(p.gm("rehearse", "--step", "1s"), 3, "--step: expected at least a minute")
        self.fails(p.gm("rehearse", "missing.yaml"), 4, 'no file "missing.yaml"')
        p.write("gristmill.yaml", YAML.replace("    time: at\n", "").replace("by: time,", "by: random,").replace(", within: 2h", ""))
        self.fails(p.gm("rehearse", "--policy", "never"), 3, "needs to know when each row")


def hours(at):
    return (datetime.datetime.fromisoformat(at) - START).total_seconds() / 3600


def moment(row):
    return hours(row["at"])


if __name__ == "__main__":
    gm.main()
