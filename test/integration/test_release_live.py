"""Releases under load: a server follows the registry, tries the version, and rolls a worse one back by itself."""
import http.client
import json
import random
import re
import subprocess
import time

import gm

YAML = """pipeline: leavers
data: { people: { from: t.csv, key: customer } }
target: churned
train: { try: [TRAINER], split: { by: random } }
gates:
  - roc_auc >= 0.4
deploy: { canary: 40% for LENGTH, requests: LEAST }
"""
GOOD, OTHER, CONSTANT = "logistic", "logistic: { c: 0.5 }", "logistic: { c: 0.0000001 }"


class Live(gm.Case):
    def setUp(self):
        self.p = self.project(**{"t.csv": gm.churn()})

    def run_with(self, trainer, length="1h", least=1000):
        self.p.write("gristmill.yaml", YAML.replace("TRAINER", trainer).replace("LENGTH", length).replace("LEAST", str(least)))
        self.ok(self.p.gm("run"))

    def serve(self):
        server = subprocess.Popen([gm.PROGRAM, "serve", "leavers", "--port", "0", "--loops", "1", "--log", "off"], cwd=self.p.dir, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        for line in server.stdout:
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            if found:
                self.http = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
                self.addCleanup(self.http.close)
                return
        self.fail("the server did not begin")

    def ask(self, customer, **headers):
        r = random.Random(customer)
        row = {"customer": f"C{customer:05d}", "age": r.randint(18, 80), "plan": r.choice(["basic", "plus", "pro"]), "monthly": round(r.uniform(5, 90), 2),
               "joined": f"2024-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}"}
        self.http.request("POST", "/v2/models/leavers/infer", json.dumps({"inputs": [
            {"name": k, "shape": [1], "datatype": "BYTES" if isinstance(v, str) else "INT64" if isinstance(v, int) else "FP64", "data": [v]} for k, v in row.items()]}),
            {"Content-Type": "application/json", **headers})
        reply = self.http.getresponse()
        body = json.loads(reply.read())
        self.assertEqual(reply.status, 200, body)
        return body["model_version"]

    def release(self):
        return self.ok(self.p.gm("releases", "--json")).json()[0]

    def load_until_over(self, seconds=60):
        """Requests, one after the other, until the release is over; no request fails."""
        end = time.monotonic() + seconds
        for n in range(10**9):
            self.ask(n)
            if n % 100 == 99 and (self.release()["state"] != "running" or time.monotonic() > end):
                return self.release()

    def test_a_worse_version_is_rolled_back(self):
        self.run_with(GOOD)
        self.serve()
        self.assertEqual(self.ask(1), "1")
        self.run_with(CONSTANT)  # while the server runs
        over = self.load_until_over()
        self.assertEqual(over["state"], "rolled_back", over)
        self.assertIn("other scores", over["reason"])
        deadline = time.monotonic() + 10
        while any(self.ask(n) == "2" for n in range(50)) and time.monotonic() < deadline:
            pass
        self.assertEqual({self.ask(n) for n in range(100)}, {"1"})

    def test_a_good_version_stays_and_keeps_its_callers(self):
        self.run_with(GOOD)
        self.run_with(OTHER, "2s", 150)
        self.serve()
        self.ok(self.p.gm("pause", "leavers"))  # so that the arms can be looked at
        deadline = time.monotonic() + 10
        while self.ask(1, **{"X-Gristmill-Variant": "candidate"}) != "1" and time.monotonic() < deadline:
            pass
        self.assertEqual({self.ask(n) for n in range(100)}, {"1"})
        self.ok(self.p.gm("pause", "leavers", "--off"))
        while self.ask(1, **{"X-Gristmill-Variant": "candidate"}) != "2" and time.monotonic() < deadline:
            pass
        self.assertEqual(self.ask(1, **{"X-Gristmill-Variant": "champion"}), "1")
        over = self.load_until_over()
        self.assertEqual(over["state"], "promoted", over)
        self.assertIn("nothing against it", over["reason"])

    def test_a_caller_stays_with_its_version(self):
        self.run_with(GOOD)
        self.run_with(OTHER)
        self.serve()
        first = {n: self.ask(n) for n in range(200)}
        self.assertEqual({n: self.ask(n) for n in range(200)}, first)
        tried = {n for n, version in first.items() if version == "2"}
        self.assertTrue(40 < len(tried) < 120, len(tried))
        self.ok(self.p.gm("deploy", "leavers/2", "--canary", "60%", "--for", "1h"))
        deadline = time.monotonic() + 10
        while True:
            now = {n for n in first if self.ask(n) == "2"}
            if len(now) > len(tried) or time.monotonic() > deadline:
                break
        self.assertTrue(tried < now, (len(tried), len(now)))


if __name__ == "__main__":
    gm.main()
