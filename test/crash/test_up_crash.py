"""`gristmill up` and its processes are killed at random moments under load: nothing acknowledged is lost, no retraining is lost or doubled.

Clients ask for predictions all the while, a webhook asks for retrainings, new data arrives, what is served has drifted, and alerts go to a
server that counts them. At random moments the loop itself, the server, the run or one of its steps is killed with SIGKILL; a killed loop is started
again. Afterwards:

  - every prediction that was answered is in the log;
  - every wish that was acknowledged has come to an end, and none of them `failed`;
  - no wish has two runs that came to an answer, and no version of the data was trained on twice;
  - every alert was told at least once, and no message is left in the queue;
  - the store is whole.

    UP_KILLS=N           so many kills, 20 by default
    UP_SEED=N            the random moments of an earlier run; printed at the start
"""
import http.client
import http.server
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import gm  # noqa: E402

KILLS = int(os.environ.get("UP_KILLS", "20"))
SEED = int(os.environ.get("UP_SEED") or random.SystemRandom().randrange(1 << 31))

YAML = """pipeline: churn
data: { t: { from: churn.csv, key: customer } }
target: churned
train: { try: [logistic, lightgbm: { rounds: 10 }], split: { by: random } }
gates: [ roc_auc >= 0.5, roc_auc >= champion - 1 ]
monitor: { window: 300 rows, rows_min: 50, alert: [webhook: 'http://127.0.0.1:%d/hook'] }
retrain: { when: [new data, webhook, drift], at_most: 100000 per 1h }
"""


def processes_of(folder):
    """Command lines of the processes whose working folder is this one, by process."""
    found = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            stat = open(f"/proc/{entry.name}/stat").read().rsplit(")", 1)[1].split()
            if pathlib.Path(os.readlink(f"/proc/{entry.name}/cwd")) == folder and stat[0] != "Z":
                found[int(entry.name)] = open(f"/proc/{entry.name}/cmdline").read().replace("\0", " ").strip()
        except OSError:
            pass  # it ended meanwhile
    return found


class Hook:
    """Takes alerts and counts them; now and then it says 503, so that messages are tried again."""

    def __init__(self, rng):
        ids, lock = [], threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                refuse = rng.random() < 0.2
                with lock:
                    if not refuse:
                        ids.append(self.headers["X-Gristmill-Id"] or json.loads(body)["id"])
                self.send_response(503 if refuse else 204)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.ids = ids
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Up:
    """`gristmill up` in a folder, started again after each kill on the port that it had first."""

    def __init__(self, folder):
        self.folder, self.port, self.starts = folder, 0, 0
        self.log = open(folder / "up.log", "ab")
        self.start()

    def start(self):
        self.process = subprocess.Popen([gm.PROGRAM, "up", "--json", "--port", str(self.port)], cwd=self.folder, stdout=self.log, stderr=self.log)
        self.starts += 1
        self.wait_port()

    def wait_port(self):
        end = time.monotonic() + 60
        while not self.port:
            assert time.monotonic() < end and self.process.poll() is None, (self.folder / "up.log").read_text()
            time.sleep(0.05)
            try:
                status = json.loads((self.folder / ".gristmill/up/up.json").read_text())
                self.port = int(status["url"].rsplit(":", 1)[1]) if status["ready"] else 0
            except (OSError, ValueError, IndexError):
                pass

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.start()

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.log.close()


class Load:
    """Threads that ask until stopped; what was acknowledged is noted."""

    def __init__(self, up, seed):
        self.up, self.seed = up, seed
        self.stop = threading.Event()
        self.answered, self.asked, self.wished = [], 0, {}
        self.threads = [threading.Thread(target=self.predict, args=(i,)) for i in range(2)] + [threading.Thread(target=self.wish)]
        self.lock = threading.Lock()
        for t in self.threads:
            t.start()

    def post(self, path, body):
        """The answer, or None when there was none: whether it was done is then unknown."""
        try:
            c = http.client.HTTPConnection("127.0.0.1", self.up.port, timeout=20)
            c.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            r = c.getresponse()
            answer = json.loads(r.read())
            c.close()
            return answer if r.status in (200, 202) else None
        except (OSError, http.client.HTTPException, ValueError):
            return None

    def predict(self, which):
        rng, n = random.Random(self.seed + which), 0
        while not self.stop.is_set():
            n += 1
            customer, drifted = f"L{which}-{n}", n // 400 % 2 == 0  # alerts come and go
            age, plan = (rng.randint(150, 250), "zzz") if drifted else (rng.randint(18, 80), rng.choice(["basic", "plus", "pro"]))
            row = {"customer": customer, "age": age, "plan": plan, "monthly": round(rng.uniform(5, 90), 2), "joined": "2024-03-01"}
            ok = self.post("/v1/models/churn:predict", {"instances": [row]})
            with self.lock:
                self.asked += 1
                if ok:
                    self.answered.append(customer)
            time.sleep(0.01 if ok else 0.05)

    def wish(self):
        """New data, then a webhook that is repeated under its id until it is acknowledged."""
        rng, n = random.Random(self.seed + 7), 0
        while not self.stop.is_set():
            n += 1
            new = self.up.folder / "churn.new"
            new.write_text(gm.churn(300 + 20 * n % 200, seed=1000 + n))
            os.replace(new, self.up.folder / "churn.csv")
            while not self.stop.is_set():
                answer = self.post("/v1/models/churn:retrain", {"id": f"w{n}", "reason": f"wish {n}"})
                if answer:
                    self.wished[f"webhook w{n}"] = answer["trigger"]
                    break
                time.sleep(0.1)
            self.stop.wait(rng.uniform(0.5, 3))

    def close(self):
        self.stop.set()
        for t in self.threads:
            t.join()


def rows(folder, sql):
    db = sqlite3.connect(f"file:{folder}/.gristmill/meta.db?mode=ro", uri=True, timeout=30)
    db.row_factory = sqlite3.Row
    try:
        return [dict(r) for r in db.execute(sql)]
    finally:
        db.close()


class Kills(gm.Case):
    def victim(self, rng, folder):
        """The loop, its server, a run, or a step of one, which is waited for a little."""
        kind = rng.choices(["up", "serve", "run", "step"], [4, 2, 3, 3])[0]
        end = time.monotonic() + 2
        while time.monotonic() < end:
            there = [pid for pid, command in processes_of(folder).items() if command.split(" ")[1:2] == [kind]]
            if there:
                return kind, rng.choice(there)
            time.sleep(0.01)
        return None, None

    def settle(self, folder, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            open_ones = rows(folder, "SELECT id, state, kind, outcome FROM triggers WHERE state IN ('waiting', 'running')")
            unsent = rows(folder, "SELECT id, state, last_error FROM deliveries WHERE state = 'waiting'")
            if not open_ones and not unsent:
                return
            time.sleep(0.3)
        self.fail(f"left: {open_ones} {unsent}\n" + (folder / "up.log").read_text()[-4000:])

    def test_kills_at_random_moments_under_load(self):
        print(f"UP_SEED={SEED} UP_KILLS={KILLS}", flush=True)
        rng = random.Random(SEED)
        hook = Hook(random.Random(SEED + 1))
        self.addCleanup(hook.close)
        p = self.project(YAML % hook.port, **{"churn.csv": gm.churn(400)})
        folder = pathlib.Path(os.path.realpath(p.dir))
        up = Up(folder)
        self.addCleanup(up.close)
        self.settle(folder)  # the first model
        load = Load(up, SEED)
        self.addCleanup(load.close)
        killed = {}
        while sum(killed.values()) < KILLS:
            time.sleep(rng.choice([rng.uniform(0, 0.3), rng.uniform(0.2, 2.0)]))
            kind, pid = self.victim(rng, folder)
            if kind == "up":
                up.kill()
            elif kind:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            if kind:
                killed[kind] = killed.get(kind, 0) + 1
        time.sleep(1)
        load.close()
        self.settle(folder)
        if os.environ.get("UP_KEEP"):  # to look at what a failure left
            subprocess.run(["cp", "-r", str(folder), os.environ["UP_KEEP"]], check=True)
        self.check_predictions(p, load)
        self.check_wishes(folder, load)
        self.check_alerts(folder, hook)
        up.close()
        self.ok(p.gm("fsck"))
        print(f"killed {killed}; {len(load.answered)} of {load.asked} requests answered, {len(load.wished)} wishes acknowledged, "
              f"{len(hook.ids)} alerts taken; {up.starts} starts", flush=True)

    def check_predictions(self, p, load):
        shown = self.ok(p.gm("predictions", "--json", "--limit", "1000000")).json()["predictions"]
        kept = {}
        for row in shown:
            kept[row["customer"]] = kept.get(row["customer"], 0) + 1
        lost = [c for c in load.answered if c not in kept]
        self.assertEqual(lost, [], f"{len(lost)} acknowledged predictions are not in the log")
        self.assertGreater(len(load.answered), 20 * KILLS // 4)
        doubled = [c for c in kept if kept[c] > 1]
        self.assertEqual(doubled, [])

    def check_wishes(self, folder, load):
        triggers = rows(folder, "SELECT * FROM triggers")
        by_cause = {t["cause"]: t for t in triggers}
        for cause, wish in load.wished.items():
            self.assertIn(cause, by_cause)
            self.assertEqual(by_cause[cause]["id"], wish)
        self.assertEqual([t for t in triggers if t["state"] not in ("done", "refused", "dropped")], [])
        self.assertGreater(len([t for t in triggers if t["state"] == "done"]), 2)
        answers, versions, by_answer = {}, {}, {}
        runs = {r["id"]: json.loads(r["environment"]).get("trigger") for r in rows(folder, "SELECT id, environment FROM runs")}
        for r in rows(folder, "SELECT id, state, summary FROM runs WHERE state IN ('done', 'refused', 'failed')"):
            if json.loads(r["summary"])["may_retry"]:
                continue  # one of its steps was killed
            answers.setdefault(runs[r["id"]], []).append(r)
        self.assertEqual({t: a for t, a in answers.items() if len(a) > 1}, {}, "a wish was answered twice")
        for t in triggers:
            self.assertEqual(len(answers.get(t["id"], [])), 0 if t["state"] == "dropped" else 1, t)
        # A run that was cut off after it had registered goes on with the data as they are then, so that a wish may have made two versions; but
        # no data make two.
        read = {v["version"]: v["data"] for v in rows(folder, "SELECT v.version, hex(i.digest) AS data FROM model_versions v JOIN artifacts o ON o.digest = v.digest"
                                                              " AND o.output = 1 JOIN artifacts i ON i.step_id = o.step_id AND i.output = 0 AND i.name = 'examples'")}
        ended = {r["id"] for a in answers.values() for r in a}
        for v in rows(folder, "SELECT version, run_id FROM model_versions"):
            self.assertIsNotNone(runs[v["run_id"]], v)
            versions.setdefault(read[v["version"]], []).append(v["version"])
            if v["run_id"] in ended:
                by_answer.setdefault(runs[v["run_id"]], []).append(v["version"])
        self.assertEqual({d: v for d, v in versions.items() if len(v) > 1}, {}, "one version of the data was trained on twice")
        self.assertEqual({t: v for t, v in by_answer.items() if len(v) > 1}, {}, "a wish was answered with two versions")

    def check_alerts(self, folder, hook):
        alerts = rows(folder, "SELECT id FROM alerts")
        self.assertGreater(len(alerts), 0)
        told = {}
        for d in rows(folder, "SELECT alert_id, message_id, state FROM deliveries"):
            told.setdefault(d["alert_id"], []).append(d)
            if d["state"] == "sent":
                self.assertIn(d["message_id"], hook.ids, d)
        for a in alerts:
            self.assertTrue(any(d["message_id"] in hook.ids for d in told.get(a["id"], [])), (a, told.get(a["id"])))


if __name__ == "__main__":
    gm.main()
