"""`gristmill up`: it serves, and retrains when there is reason to; wishes by hand, by webhook, by the clock, by data; gates, releases, history.

Its clock is set by a file ($GRISTMILL_CLOCK), so that a day passes in a moment."""
import http.client
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import time

import gm

DAY = 86400 * 1000000
QUICK = "pipeline: churn\ndata: { t: { from: churn.csv, key: customer } }\ntarget: churned\ntrain: { try: [logistic], split: { by: random } }\n"


class Up:
    def __init__(self, case, project, *args, env=None):
        self.project, self.case = project, case
        self.clock = project.dir / "clock"
        self.clock.write_text("0")
        self.log = open(project.dir / "up.log", "ab")
        self.process = subprocess.Popen([gm.PROGRAM, "up", "--json", "--port", "0", *args], cwd=project.dir, stdout=self.log, stderr=self.log,
                                        env={**os.environ, "GRISTMILL_CLOCK": str(self.clock), **(env or {})})
        case.addCleanup(self.close)

    def text(self):
        return (self.project.dir / "up.log").read_text()

    def until(self, what, seconds=40):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := what():
                return value
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError("it did not come about in time\n" + self.text()[-5000:])

    def status(self):
        return self.project.gm("up", "--status", "--json").json()

    def ready(self):
        self.until(lambda: '"line":"ready"' in self.text())
        self.port = int(self.until(lambda: self.status().get("url")).rsplit(":", 1)[1])  # written a moment later
        return self

    def trigger(self, cause, *states, seconds=40):
        """The wish whose cause begins so, once it is in one of the states (over, by default)."""
        wanted = states or ("done", "failed", "refused", "dropped")
        return self.until(lambda: next((t for t in triggers(self.project) if t["cause"].startswith(cause) and t["state"] in wanted), None), seconds)

    def later(self, us):
        self.clock.write_text(str(int(self.clock.read_text()) + us))

    def post(self, path, body=None, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        c.request("POST", path, json.dumps(body) if body is not None else None, headers or {})
        r = c.getresponse()
        return r.status, json.loads(r.read() or b"null")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.case.assertEqual(self.process.wait(60), 0, self.text()[-3000:])

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


def triggers(project):
    path = project.dir / ".gristmill/meta.db"
    if not path.exists():
        return []
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
    db.row_factory = sqlite3.Row
    try:
        return [dict(r) for r in db.execute("SELECT * FROM triggers ORDER BY id")]
    except sqlite3.OperationalError:
        return []  # it is being made
    finally:
        db.close()


def put_data(project, text):
    project.write("churn.new", text)
    os.replace(project.dir / "churn.new", project.dir / "churn.csv")


def dated(days, rows_a_day=40, first=0, seed=3, noise=0.0):
    """Rows of days in order of time, whose label follows from x but for some noise."""
    r = random.Random(seed)
    lines = ["id,x,z,at,late"]
    for d in range(first, first + days):
        for i in range(rows_a_day):
            x = r.uniform(0, 1)
            late = (x > 0.5) != (r.random() < 0.1 + noise)
            at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1356998400 + d * 86400 + i * 86400 // rows_a_day))
            lines.append(f"{d}-{i},{x:.4f},{r.uniform(0, 1):.4f},{at},{'yes' if late else 'no'}")
    return "\n".join(lines) + "\n"


DATED = "pipeline: late\ndata: { t: { from: t.csv, key: id, time: at } }\ntarget: late\ntrain: { try: [logistic] }\n"


class Loop(gm.Case):
    def up(self, yaml, *args, env=None, **files):
        p = self.project(yaml, **(files or {"churn.csv": gm.churn(400)}))
        return Up(self, p, *args, env=env)

    def test_it_trains_serves_and_answers_wishes_until_it_is_stopped(self):
        u = self.up(QUICK + "gates: [roc_auc >= 0.5]\n").ready()
        first = u.trigger("first")
        self.assertEqual((first["state"], first["outcome"], first["attempts"]), ("done", "registered churn/1, champion at once", 1))
        row = {"customer": "n1", "age": 30, "plan": "pro", "monthly": 50.5, "joined": "2024-03-01"}
        u.until(lambda: u.post("/v1/models/churn:predict", {"instances": [row]})[0] == 200)
        kept = self.ok(u.project.gm("predictions", "--json")).json()["predictions"]
        self.assertIn("n1", [r["customer"] for r in kept])  # in full unless told otherwise
        asked = self.ok(u.project.gm("retrain", "--reason", "because", "--json", "--now")).json()
        self.assertTrue(asked["up"])
        by_hand = u.trigger("now manual")
        self.assertEqual((by_hand["id"], by_hand["reason"]), (asked["trigger"], "because"))
        self.assertEqual((by_hand["state"], by_hand["outcome"]), ("done", "nothing changed: it came to churn/1 again"))
        shown = self.ok(u.project.gm("up", "--status"))
        self.assertIn("answers at http://127.0.0.1:", shown.out)
        self.assertIn("nothing changed", self.ok(u.project.gm("retrain", "--list")).out)
        self.fails(u.project.gm("up", "--port", "0"), 5, f"it is up already, as process {u.process.pid}")
        self.ok(u.project.gm("up", "--stop"))
        self.assertEqual(u.process.wait(10), 0)
        self.assertEqual(u.project.gm("up", "--status").code, 1)
        self.fails(u.project.gm("up", "--stop"), 4, "not up")
        for line in u.text().splitlines():
            if not line.startswith("serve: "):
                self.assertEqual(set(json.loads(line)) - {"url"}, {"time", "part", "line"})

    def test_a_wish_waits_for_the_loop_to_be_up(self):
        p = self.project(QUICK, **{"churn.csv": gm.churn(400)})
        self.fails(p.gm("retrain"), 4, "nothing was run here yet")
        self.ok(p.gm("run"))
        asked = self.ok(p.gm("retrain", "--json")).json()
        self.assertFalse(asked["up"])
        u = Up(self, p, "--no-serve")
        self.assertEqual(u.trigger("manual")["state"], "done")

    def test_a_reason_from_outside_moves_no_cursor_and_begins_no_line(self):
        p = self.project(QUICK, **{"churn.csv": gm.churn(400)})
        self.ok(p.gm("run"))
        self.ok(p.gm("retrain", "--reason", "new\x1b[2J prices\n2026-12-01 up forged\x7f\u009b1m café"))
        out = self.ok(p.gm("retrain", "--list")).out
        self.assertIn("new [2J prices 2026-12-01 up forged   1m café", out)
        self.assertEqual(len(out.splitlines()), 2)
        log = open(p.dir / "plain.log", "wb")
        self.addCleanup(log.close)
        up = subprocess.Popen([gm.PROGRAM, "up", "--no-serve"], cwd=p.dir, stdout=log, stderr=log)
        self.addCleanup(lambda: (up.kill(), up.wait()))
        for _ in range(400):
            text = (p.dir / "plain.log").read_text()
            if "began:" in text:
                break
            time.sleep(0.1)
        self.assertIn("began: new [2J prices 2026-12-01 up forged   1m café", text)
        self.assertNotIn("\x1b", text)

    def test_new_data_retrains_and_a_worse_candidate_is_refused_though_the_file_compares_nothing(self):
        u = self.up(QUICK + "gates: [roc_auc >= 0.5]\nretrain: { when: new data, at_most: 100 per 1h }\n", "--no-serve")
        u.trigger("first")
        lines = gm.churn(400).splitlines()
        r = random.Random(5)
        put_data(u.project, "\n".join([lines[0]] + [l.rsplit(",", 1)[0] + ("," + r.choice(["yes", "no"]) if r.random() < 0.6 else "," + l.rsplit(",", 1)[1])
                                                    for l in lines[1:]]) + "\n")
        t = u.trigger("new data")
        self.assertEqual(t["state"], "refused", t)
        self.assertIn('gates: the gate "roc_auc', t["outcome"])
        put_data(u.project, gm.churn(1200, seed=7))
        u.until(lambda: len([t for t in triggers(u.project) if t["state"] in ("done", "refused")]) == 3)
        u.stop()
        plan = [t["kind"] for t in triggers(u.project)]
        self.assertEqual(plan, ["new data"] * 3)
        gates = [s for s in sqlite3.connect(u.project.dir / ".gristmill/meta.db").execute("SELECT key_fields.fields FROM steps JOIN key_fields USING(key) WHERE name = 'gates'")]
        self.assertTrue(all("roc_auc >= champion" in g[0] for g in gates), gates)

    def test_the_clock_begins_trainings_but_no_more_than_at_most(self):
        u = self.up(QUICK + "retrain: { when: [every day at 03:00], at_most: 1 per 2 days }\n", "--no-serve")
        u.trigger("first")
        u.later(DAY)
        t = u.trigger("schedule", "waiting")
        u.until(lambda: u.status()["why"])
        self.assertIn("at most 1 in 48 h", u.status()["why"])
        self.assertIn("T03:00:00 every day at 03:00", t["cause"])
        u.later(DAY + DAY // 24)
        u.until(lambda: any(x["state"] == "done" and x["kind"] == "schedule" for x in triggers(u.project)))
        self.assertLessEqual(len([x for x in triggers(u.project) if x["kind"] == "schedule"]), 3)

    def test_a_webhook_asks_once_for_each_id_and_needs_the_token(self):
        p = self.project(QUICK + "retrain: { when: [webhook], at_most: 100 per 1h }\n", **{"churn.csv": gm.churn(400), "token": "s3cret\n"})
        self.ok(p.gm("run"))
        u = Up(self, p, "--admin-token-file", "token").ready()
        path, token = "/v1/models/churn:retrain", {"Authorization": "Bearer s3cret"}
        self.assertEqual(u.post(path, {"id": "a"})[0], 401)
        self.assertEqual(u.post(path, {"id": "a", "reason": "prices", "ref": "refs/heads/main"}, token), (202, {"trigger": 1, "new": True}))
        self.assertEqual(u.post(path, {"id": "a"}, token), (202, {"trigger": 1, "new": False}))
        self.assertEqual(u.trigger("webhook a")["reason"], "webhook: prices")
        self.assertEqual(u.post("/v1/models/other:retrain", {}, token)[0], 404)
        for body in ([1], {"reason": 5}, {"id": "x" * 300}):
            self.assertEqual(u.post(path, body, token)[0], 400, body)
        self.assertEqual(u.post(path, None, token)[1]["new"], True)  # a sender without anything to say
        p.write("gristmill.yaml", QUICK)  # the file no longer wants any
        u.until(lambda: "the file was read again" in u.text())
        self.assertEqual(u.post(path, {"id": "b"}, token)[0], 202)
        self.assertEqual(u.trigger("webhook b")["state"], "dropped")

    def test_the_server_is_started_again_on_its_port(self):
        u = self.up(QUICK).ready()
        u.trigger("first")
        server = u.status()["server"]
        os.kill(server, signal.SIGKILL)
        u.until(lambda: u.status()["ready"] and u.status()["server"] not in (0, server))
        self.assertEqual(int(u.status()["url"].rsplit(":", 1)[1]), u.port)
        u.until(lambda: u.post("/v1/models/churn:predict", {"instances": [{"customer": "n", "age": 3, "plan": "pro", "monthly": 5.5, "joined": "2024-03-01"}]})[0] == 200)

    def test_it_goes_on_without_a_terminal(self):
        p = self.project(QUICK, **{"churn.csv": gm.churn(400)})
        self.addCleanup(lambda: p.gm("up", "--stop"))
        out = self.ok(p.gm("up", "--detach", "--port", "0", "--json")).json()
        self.assertTrue(out["url"].startswith("http://127.0.0.1:"))
        status = p.gm("up", "--status", "--json").json()
        self.assertTrue(status["running"] and status["ready"])
        os.kill(status["pid"], signal.SIGKILL)
        end = time.monotonic() + 40
        while time.monotonic() < end:
            again = p.gm("up", "--status", "--json").json()
            if again["ready"] and again["pid"] != status["pid"]:
                break
            time.sleep(0.2)
        else:
            self.fail(again)
        self.ok(p.gm("up", "--stop"))
        self.assertFalse(p.gm("up", "--status", "--json").json()["running"])

    def test_drift_of_what_was_served_asks_and_promotes_nothing_by_itself(self):
        u = self.up(QUICK + "monitor: { window: 100 rows, rows_min: 50 }\nretrain: { when: [drift], at_most: 100 per 1h }\n").ready()
        u.trigger("first")
        row = {"age": 200, "plan": "zzz", "monthly": 50.5, "joined": "2024-03-01"}
        u.until(lambda: u.post("/v1/models/churn:predict", {"instances": [{"customer": "d0", **row}]})[0] == 200)
        for i in range(110):
            self.assertEqual(u.post("/v1/models/churn:predict", {"instances": [{"customer": f"n{i}", **row}]})[0], 200)
        t = u.trigger("drift ")
        self.assertEqual((t["kind"], t["state"], t["outcome"]), ("drift", "done", "nothing changed: it came to churn/1 again"))
        self.assertIn("plan", t["reason"])
        self.assertTrue(t["cause"].endswith("of version 1"), t["cause"])

    def test_a_release_is_part_of_the_outcome_and_holds_up_the_next_training(self):
        u = self.up(QUICK + "gates: [roc_auc >= champion - 1]\ndeploy: { canary: 10% }\nretrain: { when: new data, at_most: 100 per 1h }\n", "--no-serve")
        u.trigger("first")
        put_data(u.project, gm.churn(500, seed=9))
        t = u.trigger("new data t", "done")
        self.assertIn("registered churn/2; canary of 10 % of the requests (release 1): running", t["outcome"])
        put_data(u.project, gm.churn(600, seed=10))
        u.until(lambda: "release 1 of churn/2 is undecided" in u.status()["why"])
        self.ok(u.project.gm("promote", "churn"))
        u.until(lambda: "(release 1): promoted" in triggers(u.project)[1]["outcome"])
        u.until(lambda: triggers(u.project)[-1]["state"] == "done")
        self.assertIn("registered churn/3; canary", triggers(u.project)[-1]["outcome"])

    def test_a_file_that_cannot_be_read_goes_on_with_what_it_said(self):
        u = self.up(QUICK, "--no-serve")
        u.trigger("first")
        u.project.write("gristmill.yaml", QUICK + "retrian: 5\n")
        u.until(lambda: "going on with what it said" in u.text())
        self.ok(u.project.gm("up", "--stop"))
        self.fails(u.project.gm("up", "--no-serve"), 3, "retrian")


class History(gm.Case):
    def test_a_training_reads_the_rows_of_the_last_days(self):
        p = self.project(DATED + "retrain: { when: every week, history: 10 days }\n", **{"t.csv": dated(30)})
        out = self.ok(p.gm("run"))
        self.assertIn("400 of 1200 rows are of the last 10 days", out.out)
        again = self.ok(p.gm("run", "--json")).json()
        self.assertTrue(all(s["state"] == "cached" for s in again["steps"]), again)
        p.write("gristmill.yaml", DATED + "retrain: { when: every week, history: 20 days }\n")
        self.assertIn("800 of 1200 rows", self.ok(p.gm("run")).out)
        p.write("gristmill.yaml", DATED)
        self.assertNotIn("rows are of the last", self.ok(p.gm("run")).out)

    def test_candidate_and_champion_are_compared_on_rows_that_neither_has_seen(self):
        p = self.project(DATED + "gates: [roc_auc >= champion - 1]\n", **{"t.csv": dated(30)})
        self.ok(p.gm("run"))
        p.write("t.csv", dated(12))  # it ends before the champion's training rows do
        self.fails(p.gm("run"), 1, "no test row is later than the champion's last training row")
        p.write("t.csv", dated(24))  # its last days are later than the first 21, which the champion learned from
        self.assertIn("compared on 120 test rows after the champion's last training row", self.ok(p.gm("run")).out)
        p.write("t.csv", dated(40))
        self.assertEqual(p.gm("run", "--trigger", "9", "--json").json()["state"], "done")
        self.assertIn("trigger 9 was answered by run", self.ok(p.gm("run", "--trigger", "9")).out)


if __name__ == "__main__":
    gm.main()
