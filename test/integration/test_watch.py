"""`watch` on what a real server logged: drift, decay once labels come, checks, alerts, the page, the metrics, and kills on the way."""
import html.parser
import http.client
import http.server
import json
import re
import sqlite3
import struct
import subprocess
import threading
import time

import gm
import serving
from test_up import Up

YAML = """pipeline: leavers
data: { people: { from: t.csv, key: customer, checks: [rows >= 10, age between 0 and 90, missing(monthly) < 50%, customer is unique] } }
target: churned
train: { try: [logistic], split: { by: random } }
gates:
  - roc_auc >= 0.4
monitor: { window: WINDOW, rows_min: 50, labels_min: 50, labels: { from: "labels-*.csv" }ALERT }
"""
ROWS = 600  # of the data; a window holds half of them
WINDOW = 300


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def with_other_answers(segment):
    """A segment of the prediction log whose requests were answered a little otherwise in their last row; docs/formats/prediction-log.md."""
    out, at, changed = bytearray(segment[:8]), 8, 0
    while at + 8 <= len(segment):
        length, _ = struct.unpack_from("<II", segment, at)
        body = bytearray(segment[at + 8:at + 8 + length])
        if body[0] == 2:
            struct.pack_into("<d", body, length - 8, struct.unpack_from("<d", body, length - 8)[0] * 0.999)
            changed += 1
        out += struct.pack("<II", length, crc32c(body)) + body
        at += 8 + length
    return bytes(out), changed


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class Page(html.parser.HTMLParser):
    """Open elements, and what a page must not have."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.bad, self.counts = [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag in ("script", "img", "link", "iframe") or any(k.startswith("on") or k in ("src", "href") for k, _ in attrs):
            self.bad.append((tag, attrs))
        if tag not in ("meta",):
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_endtag(self, tag):
        if not self.stack or self.stack.pop() != tag:
            self.bad.append(("unbalanced", tag))


class Watch(gm.Case):
    def begin(self, window=f"{WINDOW} rows", alert=""):
        self.p = self.project(YAML.replace("WINDOW", window).replace("ALERT", alert), **{"t.csv": gm.churn(ROWS)})
        self.ok(self.p.gm("run"))
        self.rows = serving.records(self.p.read("t.csv"))
        self.server = serving.Server(self.p.dir, "leavers", "--log", "full")
        self.addCleanup(self.server.close)

    def send(self, rows, **change):
        c = self.server.connect()
        for at in range(0, len(rows), 50):
            body = [{k: change[k](v) if k in change else v for k, v in r.items() if k != "churned"} for r in rows[at:at + 50]]
            self.assertEqual(self.server.post("/v1/models/leavers:predict", {"instances": body}, connection=c).status, 200)
        c.close()

    def labels(self, rows, name="labels-1.csv", turned=False):
        other = {"yes": "no", "no": "yes"}
        self.p.write(name, "customer,churned\n" + "".join(f"{r['customer']},{other[r['churned']] if turned else r['churned']}\n" for r in rows))

    def settle(self):
        time.sleep(6)  # a window counts once its rows are surely in the log

    def sql(self, text):
        db = sqlite3.connect(self.p.dir / ".gristmill/meta.db", timeout=20)
        try:
            with db:
                return db.execute(text).fetchall()
        finally:
            db.close()

    def log_began_earlier(self, seconds):
        """Once its server has ended; the names of segments say when they were begun."""
        for path in (self.p.dir / ".gristmill/predictions/raw").glob("*.seg"):
            begun, rest = path.name.split("-", 1)
            path.rename(path.with_name(f"{int(begun) - seconds * 1_000_000:016d}-{rest}"))

    def look(self, *args, **more):
        return self.ok(self.p.gm("watch", "--once", "--json", *args, **more)).json()

    def whole(self, seen):
        return [w["result"] for w in seen["windows"] if not w["under_way"]]

    def column(self, result, name):
        return next(c for c in result["drift"]["columns"] if c["name"] == name)


class Drift(Watch):
    def test_windows_are_judged_and_labels_judge_them_again(self):
        self.begin()
        self.send(self.rows[:WINDOW])
        self.send(self.rows[WINDOW:], age=lambda v: v + 30)
        self.send(self.rows[:20])
        self.settle()
        seen = self.look()
        first, second = self.whole(seen)
        self.assertEqual((first["rows"], second["rows"]), (WINDOW, WINDOW))
        self.assertFalse(first["drifted"], first["drift"])
        self.assertTrue(second["drifted"])
        age = self.column(second, "age")
        self.assertTrue(age["drifted"] and age["value"] > age["limit"] == 0.2 and age["out_of_range"], age)
        self.assertEqual([c["name"] for c in second["drift"]["columns"] if c["drifted"]], ["age"])
        self.assertEqual(second["checks"]["failed"], 1)
        self.assertEqual({c["name"] for c in second["checks"]["left_out"]}, {"rows >= 10", "customer is unique"})
        self.assertEqual((first["traffic"]["recomputed"], first["traffic"]["skewed"]), (100, 0))
        self.assertEqual((first["traffic"]["requests"], first["performance"]["labelled"]), (6, 0))
        self.assertIsNone(first["performance"]["realised"])
        self.assertIn("age moved first", seen["likely_cause"])
        self.assertIn("no labels: their source is not there yet", seen["notes"])
        under_way = [w for w in seen["windows"] if w["under_way"]]
        self.assertEqual([w["result"]["rows"] for w in under_way], [20])
        self.assertFalse(under_way[0]["result"]["judged"])
        self.assertEqual(self.look()["judged"], 0)  # nothing new

        self.labels(self.rows[:WINDOW])
        seen = self.look()
        first, second = self.whole(seen)
        self.assertEqual(seen["judged"], 2)
        self.assertEqual((first["performance"]["labelled"], second["performance"]["labelled"]), (WINDOW, 0))
        realised = first["performance"]["realised"]
        self.assertTrue(realised["low"] < realised["value"] < realised["high"])
        self.assertAlmostEqual(first["performance"]["decay"], first["performance"]["reference"] - realised["value"], 12)
        self.assertEqual([w["final"] for w in seen["windows"] if not w["under_way"]], [True, False])

        self.labels(self.rows[WINDOW:], "labels-2.csv", turned=True)
        seen = self.look()
        second = self.whole(seen)[1]
        self.assertEqual(seen["judged"], 1)  # the first one is final
        self.assertTrue(second["decayed"] and second["performance"]["decay"] > 0.2)
        rules = {(a["rule"], a["state"]) for a in seen["alerts"]}
        self.assertIn(("drift", "firing"), rules)
        self.assertIn(("decay", "firing"), rules)

        text = self.ok(self.p.gm("watch", "--kept")).out
        self.assertRegex(text, r"1 of 3: age psi \d\.?\d* > 0\.2")
        self.assertIn("Likely cause", text)
        self.metrics(second)
        self.page()

    def metrics(self, second):
        s = self.server
        s.until(lambda: s.metric("gristmill_metric_realised", metric="roc_auc") and s.metric("gristmill_alert_firing", rule="decay"))
        self.assertEqual(s.metric("gristmill_window_drifted", model="leavers"), 1)
        self.assertAlmostEqual(s.metric("gristmill_drift_value", model="leavers", column="age", detector="psi"), self.column(second, "age")["value"])
        self.assertEqual(s.metric("gristmill_window_rows", model="leavers", version="1"), WINDOW)
        self.assertAlmostEqual(s.metric("gristmill_metric_realised", metric="roc_auc"), second["performance"]["realised"]["value"])
        self.assertEqual(s.metric("gristmill_alert_firing", rule="drift", severity="warning"), 1)
        text = s.get("/metrics").body.decode()
        for name in set(re.findall(r"^(gristmill_(?:window|metric|drift|alert)\w*)[{ ]", text, re.M)):
            self.assertEqual(len(re.findall(rf"^# TYPE {name} gauge$", text, re.M)), 1, name)
            lines = [i for i, line in enumerate(text.splitlines()) if re.match(rf"{name}[{{ ]", line)]
            self.assertEqual(lines, list(range(lines[0], lines[0] + len(lines))), name)

    def page(self):
        self.ok(self.p.gm("watch", "--once", "--html", "watch.html"))
        text = self.p.read("watch.html")
        page = Page(text)
        self.assertLess(len(text.encode()), 200 * 1024)
        self.assertEqual((page.bad, page.stack), ([], []))
        self.assertGreaterEqual(page.counts["svg"], 4)  # metric, drift, and the columns
        self.assertIn("age: psi", text)

    def test_windows_of_time(self):
        self.begin("4s")
        time.sleep(4 - time.time() % 4 + 0.1)
        self.send(self.rows[:100])
        self.assertLess(time.time() % 4, 3.5, "the machine is too busy for windows of four seconds")
        time.sleep(4 - time.time() % 4 + 5.5)
        seen = self.look()
        one = [w for w in self.whole(seen) if w["rows"]]
        self.assertEqual([w["rows"] for w in one], [100])
        self.assertEqual((one[0]["from_us"] % 4_000_000, one[0]["until_us"] - one[0]["from_us"]), (0, 4_000_000))
        self.assertEqual(self.look()["judged"], 0)

    def test_each_version_is_compared_with_its_own_package(self):
        self.begin()
        self.send(self.rows[:200])
        file = self.p.read("gristmill.yaml").replace("try: [logistic]", "try: [lightgbm]")
        self.p.write("gristmill.yaml", file)
        self.ok(self.p.gm("run"))
        self.server.until(lambda: self.server.metric("gristmill_model_info", version="2", role="champion") == 1)
        self.send(self.rows[200:WINDOW])
        self.settle()
        self.labels(self.rows)
        seen = self.look()
        whole = {w["version"]: w["result"] for w in seen["windows"] if not w["under_way"]}
        self.assertEqual({v: r["rows"] for v, r in whole.items()}, {1: 200, 2: WINDOW - 200})
        self.assertEqual({r["from_us"] for r in whole.values()}, {whole[1]["from_us"]})
        self.assertEqual({v: r["traffic"]["skewed"] for v, r in whole.items()}, {1: 0, 2: 0})
        self.assertNotEqual(whole[1]["performance"]["reference"], whole[2]["performance"]["reference"])
        self.assertEqual({v: r["performance"]["labelled"] for v, r in whole.items()}, {1: 200, 2: WINDOW - 200})

    def test_answers_that_the_package_does_not_give_are_skew(self):
        self.begin(alert=", alert: { rules: [skewed_rows > 0], send: [] }")
        self.send(self.rows[:100])
        self.server.terminate()
        changed = 0
        for path in (self.p.dir / ".gristmill/predictions/raw").glob("*.seg"):
            data, n = with_other_answers(path.read_bytes())
            path.write_bytes(data)
            changed += n
        self.assertEqual(changed, 2)  # two requests of 50 rows
        seen = self.look()
        now = [w["result"] for w in seen["windows"] if w["under_way"]][0]
        self.assertEqual((now["traffic"]["recomputed"], now["traffic"]["skewed"]), (100, 2))

    def test_labels_that_cannot_be_read_are_told_and_read_when_they_can(self):
        self.begin()
        self.send(self.rows[:WINDOW])
        self.settle()
        self.p.write("labels-1.csv", "customer,churned\nC00000,yes\nC00001,yes,")  # still being written
        seen = self.look()
        self.assertEqual(self.whole(seen)[0]["performance"]["labelled"], 0)
        self.assertTrue(any("labels-1.csv" in note for note in seen["notes"]), seen["notes"])
        self.p.write("labels-1.csv", "client,churned\nC00000,yes\n")
        self.assertTrue(any('no column "customer"' in note for note in self.look()["notes"]))
        self.labels(self.rows)
        self.assertEqual(self.whole(self.look())[0]["performance"]["labelled"], WINDOW)

    def test_sealed_and_sampled_it_comes_to_the_same(self):
        self.begin()
        self.send(self.rows[:WINDOW])
        self.settle()
        first = self.whole(self.look())[0]
        self.server.terminate()
        self.ok(self.p.gm("predictions", "--seal"))
        self.assertTrue(list((self.p.dir / ".gristmill/predictions/profiles/leavers/1").glob("*.profile")))
        (self.p.dir / ".gristmill/predictions/raw").rmdir()
        self.labels(self.rows[:WINDOW // 2])
        again = self.whole(self.look())[0]
        self.assertEqual(again["drift"], first["drift"])
        self.assertEqual(again["performance"]["labelled"], WINDOW // 2)

        self.labels(self.rows[:WINDOW])
        share = self.whole(self.look("--rows-max", "100"))[0]
        self.assertEqual((share["rows"], share["performance"]["labelled"], share["traffic"]["recomputed"]), (WINDOW, 100, 100))
        self.assertTrue(any("33.3 % of the rows" in note for note in share["notes"]), share["notes"])
        for column, before in zip(share["drift"]["columns"], first["drift"]["columns"]):
            self.assertEqual(column["rows_current"], WINDOW)
            if before["value"] is not None:
                self.assertAlmostEqual(column["plain"] if "plain" in column else column["value"], before.get("plain", before["value"]), 9)


class Tasks(Watch):
    """The other two tasks, whose answers are several numbers or one of any size."""

    def of(self, target, metric, prediction):
        yaml = YAML.replace("WINDOW", "200 rows").replace("ALERT", "").replace("target: churned", f"target: {target}")
        self.p = self.project(yaml.replace("  - roc_auc >= 0.4", f"  - {metric}").replace("logistic", "lightgbm"), **{"t.csv": gm.churn(ROWS)})
        self.ok(self.p.gm("run"))
        self.rows = serving.records(self.p.read("t.csv"))
        self.server = serving.Server(self.p.dir, "leavers", "--log", "full")
        self.addCleanup(self.server.close)
        c = self.server.connect()
        for at in range(0, 200, 50):
            body = [{k: v == "yes" if k == "churned" else v for k, v in r.items() if k != target} for r in self.rows[at:at + 50]]
            self.assertEqual(self.server.post("/v1/models/leavers:predict", {"instances": body}, connection=c).status, 200)
        c.close()
        self.p.write("labels-1.csv", f"customer,{target}\n" + "".join(f"{r['customer']},{r[target]}\n" for r in self.rows))
        self.settle()
        result = self.whole(self.look())[0]
        self.assertEqual((result["rows"], result["performance"]["labelled"]), (200, 200))
        self.assertEqual((result["traffic"]["recomputed"], result["traffic"]["skewed"]), (100, 0))
        self.assertEqual([c["name"] for c in result["prediction"]["columns"]], [prediction])
        self.assertIsNotNone(result["performance"]["realised"])
        return result

    def test_classes(self):
        result = self.of("plan", "accuracy >= 0", "class")
        self.assertEqual(result["prediction"]["columns"][0]["type"], "string")
        self.assertEqual(result["performance"]["metric"], "log_loss")
        self.assertAlmostEqual(result["performance"]["decay"], result["performance"]["realised"]["value"] - result["performance"]["reference"], 12)

    def test_numbers(self):
        result = self.of("monthly", "rmse <= 1000", "value")
        self.assertEqual(result["performance"]["metric"], "rmse")
        self.assertIn("missing(monthly) < 50%", {c["name"] for c in result["checks"]["left_out"]})


class Alerts(Watch):
    def setUp(self):
        self.hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        self.hook.got = []
        threading.Thread(target=self.hook.serve_forever, daemon=True).start()
        self.addCleanup(self.hook.server_close)
        self.addCleanup(self.hook.shutdown)

    def test_killed_anywhere_an_alert_comes_once(self):
        self.begin(alert=f', alert: [{{ webhook: "http://127.0.0.1:{self.hook.server_port}/" }}]')
        self.send(self.rows[:WINDOW], age=lambda v: v + 30)
        self.settle()
        self.server.terminate()
        for n in list(range(1, 12)) + list(range(12, 60, 7)):
            killed = self.p.gm("watch", "--once", env={"GRISTMILL_FAULT": f"kill:{n}"})
            if killed.code == 0:
                break
            self.assertEqual(killed.code, -9, killed)
        seen = self.look()
        self.assertEqual(len(self.whole(seen)), 1)
        self.assertEqual([a["rule"] for a in seen["alerts"] if a["state"] == "firing"].count("drift"), 1)
        ids = {m["id"] for m in self.hook.got if m["rule"] == "drift"}
        self.assertEqual(len(ids), 1, self.hook.got)  # the same one, if it came twice
        self.ok(self.p.gm("watch", "--once"))
        self.assertEqual({m["id"] for m in self.hook.got if m["rule"] == "drift"}, ids)

    def test_killed_between_rules_and_records(self):
        self.begin(alert=f', alert: [{{ webhook: "http://127.0.0.1:{self.hook.server_port}/" }}]')
        self.send(self.rows[:WINDOW], age=lambda v: v + 30)
        self.settle()
        self.assertEqual(self.p.gm("watch", "--once", env={"GRISTMILL_FAULT": "kill:1@watch.keep"}).code, -9)
        seen = self.ok(self.p.gm("watch", "--kept", "--json")).json()
        self.assertEqual((seen["windows"], [a["rule"] for a in seen["alerts"]].count("drift")), ([], 1))
        self.assertEqual(self.look()["judged"], 1)
        self.assertEqual([m["kind"] for m in self.hook.got if m["rule"] == "drift"], ["firing"])

    def test_it_recovers(self):
        self.begin(alert=f', alert: [{{ webhook: "http://127.0.0.1:{self.hook.server_port}/" }}]')
        self.send(self.rows[:WINDOW], age=lambda v: v + 30)
        self.send(self.rows[WINDOW:])
        self.settle()
        self.look()
        self.assertEqual([m["kind"] for m in self.hook.got if m["rule"] == "drift"], ["firing", "resolved"])


    def test_no_traffic_is_told_and_its_end_too(self):
        self.begin("4s", alert=f', alert: {{ send: [{{ webhook: "http://127.0.0.1:{self.hook.server_port}/" }}],'
                               " rules: [{ when: rows < 10, name: no traffic }] }")
        self.send(self.rows[:100])
        self.server.terminate()
        self.log_began_earlier(100)
        time.sleep(14)  # the window is over and settled, and so is the one after it
        self.look()
        quiet = [m for m in self.hook.got if m["rule"] == "no traffic"]
        self.assertEqual([m["kind"] for m in quiet], ["firing", "resolved", "firing"], quiet)
        self.assertEqual({m["version"] for m in quiet}, {"leavers/1"}, quiet)
        began = min(int(p.name.split("-")[0]) for p in (self.p.dir / ".gristmill/predictions/raw").glob("*.seg"))
        self.assertGreaterEqual(self.sql("SELECT min(window_until_us) FROM alert_memory")[0][0], began)

    def test_labels_that_come_out_of_order(self):
        self.begin(alert=f', alert: {{ send: [{{ webhook: "http://127.0.0.1:{self.hook.server_port}/" }}], rules: [decayed] }}')
        self.send(self.rows)
        self.settle()
        self.labels(self.rows[WINDOW:])
        seen = self.look()
        self.assertEqual([w["performance"]["labelled"] for w in self.whole(seen)], [0, WINDOW])
        self.labels(self.rows[:WINDOW], "labels-2.csv", turned=True)
        self.look()  # the first window fires, and the second one, held until now, ends it
        self.assertEqual([m["kind"] for m in self.hook.got], ["firing", "resolved"], self.hook.got)


class Trouble(Watch):
    """Clocks, kills, and packages that are not there."""

    def begin(self, window, alert=""):
        self.p = self.project(YAML.replace("WINDOW", window).replace("ALERT", alert), **{"t.csv": gm.churn(ROWS)})
        self.ok(self.p.gm("run"))
        self.rows = serving.records(self.p.read("t.csv"))

    def up(self):
        return Up(self, self.p, "--log", "full").ready()

    def ask(self, u, rows):
        for at in range(0, len(rows), 50):
            body = [{k: v for k, v in r.items() if k != "churned"} for r in rows[at:at + 50]]
            u.until(lambda: u.post("/v1/models/leavers:predict", {"instances": body})[0] == 200)

    def windows(self, where):
        return self.sql(f"SELECT version, from_us, until_us, rows, final, result FROM windows WHERE {where} ORDER BY from_us")

    def test_killed_it_goes_by_the_package_of_the_new_champion(self):
        self.begin("100 rows")
        u = self.up()
        self.ask(u, self.rows[:100])
        u.until(lambda: self.windows("version = 1"))
        u.process.kill()
        u.process.wait()
        self.assertTrue((self.p.dir / ".gristmill/up/watch/0").exists())
        self.p.write("gristmill.yaml", self.p.read("gristmill.yaml").replace("try: [logistic]", "try: [lightgbm]"))
        self.ok(self.p.gm("run"))
        (self.p.dir / "up.log").unlink()
        u = self.up()
        self.ask(u, self.rows[100:200])
        u.until(lambda: self.windows("version = 2"))
        first, second = (json.loads(self.windows(f"version = {v}")[0][-1]) for v in (1, 2))
        self.assertEqual((second["traffic"]["recomputed"], second["traffic"]["skewed"]), (100, 0))
        self.assertNotEqual(first["performance"]["reference"], second["performance"]["reference"])
        u.stop()
        self.assertFalse((self.p.dir / ".gristmill/up/watch").exists())

    def test_folders_of_packages_go_with_their_versions(self):
        self.begin("180 rows")
        u = self.up()
        lines = self.p.read("t.csv").splitlines(keepends=True)
        for version in range(1, 10):
            if version > 1:
                self.p.write("t.csv", "".join(lines[:-version]))
                self.ok(self.p.gm("run"))
            u.until(lambda: (f'gristmill_model_info{{model="leavers",version="{version}"' in self.metrics(u)))
            self.ask(u, self.rows[20 * version:20 * version + 20])
        u.until(lambda: self.windows("version = 9"))
        self.assertEqual([w[3] for w in self.windows("1")], 9 * [20])
        folders = {p.name for p in (self.p.dir / ".gristmill/up/watch").iterdir() if p.is_dir()}
        self.assertEqual(len(folders), 8, folders)  # as many as are kept open
        u.stop()

    def metrics(self, u):
        c = http.client.HTTPConnection("127.0.0.1", u.port, timeout=20)
        c.request("GET", "/metrics")
        return c.getresponse().read().decode()

    def test_a_clock_that_ran_ahead_hides_no_window(self):
        self.begin("4s", ", alert: { rules: [{ when: rows < 10, name: no traffic }], send: [] }")
        u = self.up()
        self.ask(u, self.rows[:50])
        time.sleep(2)
        u.later(600_000_000)
        time.sleep(4)
        u.later(-600_000_000)
        now = time.time() * 1e6
        self.assertEqual(self.windows(f"until_us > {now:.0f}"), [])
        self.assertLess(self.sql("SELECT coalesce(max(window_until_us), 0) FROM alert_memory")[0][0], now)

        first = int(time.time() // 4 + 1) * 4_000_000  # and what was written down before it came is not believed
        for at in range(first, first + 5 * 4_000_000, 4_000_000):
            self.sql(f"INSERT INTO windows VALUES ('leavers', {at}, {at + 4_000_000}, 0, 0, 0, 1, '{{}}', {at + 100_000_000})")
        time.sleep(first / 1e6 - time.time() + 0.1)
        self.ask(u, self.rows[:100])
        u.until(lambda: sum(w[3] for w in self.windows(f"version = 1 AND from_us >= {first}")) == 100)
        u.stop()

    def test_what_nobody_could_judge_is_judged_later(self):
        self.begin("100 rows")
        self.server = serving.Server(self.p.dir, "leavers", "--log", "full")
        self.addCleanup(self.server.close)
        self.send(self.rows[:100])
        self.server.terminate()
        self.settle()
        self.sql("UPDATE model_versions SET version = 77")
        self.assertTrue(any("leavers/1 is not judged" in note for note in self.look()["notes"]))
        self.assertEqual([(w[0], w[4]) for w in self.windows("1")], [(0, 0)])
        self.sql("UPDATE model_versions SET version = 1")
        self.assertEqual(self.look()["judged"], 0)  # not at once
        self.sql("UPDATE windows SET updated_us = updated_us - 61000000")
        seen = self.look()
        self.assertEqual((seen["judged"], [w["rows"] for w in self.whole(seen)]), (1, [100]))
        self.assertEqual(self.look()["judged"], 0)

    def test_it_stops_in_the_midst_of_many_windows(self):
        self.begin("1s")
        server = serving.Server(self.p.dir, "leavers", "--log", "full")
        self.server = server
        self.addCleanup(server.close)
        self.send(self.rows[:100])
        server.terminate()
        self.log_began_earlier(4000)
        u = Up(self, self.p, "--no-serve")
        u.until(lambda: self.windows("1"))
        began = time.monotonic()
        u.stop()
        self.assertLess(time.monotonic() - began, 2)
        count = len(self.windows("1"))
        self.assertLess(count, 1900)
        self.look()
        self.assertGreaterEqual(len(self.windows("1")), 1990)


class Command(Watch):
    def test_mistakes_are_told(self):
        self.p = self.project(YAML.replace("WINDOW", "1 day").replace("ALERT", ""), **{"t.csv": gm.churn(ROWS)})
        self.fails(self.p.gm("watch", "--once"), 4, "nothing was run here yet")
        self.ok(self.p.gm("run"))
        self.assertIn("Nothing was served", self.ok(self.p.gm("watch", "--once")).out)
        self.fails(self.p.gm("watch", "--once", "nobody"), 4, 'makes no model "nobody"', '"leavers"')
        self.p.write("gristmill.yaml", YAML.replace("WINDOW", "every now and then").replace("ALERT", ""))
        self.fails(self.p.gm("watch", "--once"), 3, "gristmill.yaml:7:", "expected a window")

    def test_a_page_of_two_files(self):
        self.p = self.project(**{"a.csv": gm.churn(ROWS), "b.csv": gm.churn(ROWS, seed=8).replace(",basic,", ",<b>,")})
        self.ok(self.p.gm("drift", "a.csv", "b.csv", "--html", "drift.html"))
        text = self.p.read("drift.html")
        page = Page(text)
        self.assertEqual((page.bad, page.stack), ([], []))
        self.assertIn("&lt;b&gt;", text)
        self.assertGreaterEqual(page.counts["svg"], 4)

    def test_lines_where_nobody_looks(self):
        self.begin()
        watch = subprocess.Popen([gm.PROGRAM, "watch", "--every", "1s"], cwd=self.p.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.send(self.rows[:WINDOW], age=lambda v: v + 30)
        line = watch.stdout.readline()
        watch.terminate()
        out, err = watch.communicate(timeout=30)
        self.assertEqual((watch.returncode, err), (0, ""))
        while line.startswith("note:"):
            line, _, out = out.partition("\n")
        self.assertRegex(line, r"version 1  300 rows, 0 labelled .* drifted: 1 of 3: age psi")


if __name__ == "__main__":
    gm.main()
