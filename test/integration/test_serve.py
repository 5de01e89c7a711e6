"""`gristmill serve` as its clients meet it: protocols, versions exchanged under load, the end, the limits of who may ask what."""
import csv
import gzip
import json
import math
import os
import random
import struct
import threading

import gm
import serving


def make_project():
    """A store with two versions of one model: champion is version 2."""
    p = gm.Project(serving.TRAINED, **{"churn.csv": gm.churn(800, 7)})
    for seed in (7, 8):
        p.write("churn.csv", gm.churn(800, seed))
        result = p.gm("run")
        assert result.code == 0, result
    result = p.gm("models", "churn/2", "--alias", "champion")
    assert result.code == 0, result
    return p


class Answers(gm.Case):
    """One server, many ways to ask; the answers are those of `predict`, to the bit."""

    @classmethod
    def setUpClass(cls):
        cls.p = make_project()
        table = gm.churn(40, 99).replace("pro,", ",", 3)  # some missing values
        cls.p.write("new.csv", table)
        result = cls.p.gm("predict", "churn", "new.csv", "--out", "out.csv")
        assert result.code == 0, result
        answers = list(csv.DictReader(cls.p.read("out.csv").splitlines()))
        cls.expected = [float(r["probability"]) for r in answers]
        cls.labels = [r["label"] for r in answers]
        cls.rows = serving.records(table)
        for r in cls.rows:
            del r["churned"]
        cls.table = table
        cls.s = serving.Server(cls.p.dir, "--log", "off")

    @classmethod
    def tearDownClass(cls):
        cls.s.close()
        cls.p.close()

    def same(self, reply, pick):
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual([pick(x) for x in reply.json()["predictions"]], self.expected)

    def columns(self):
        names = ["age", "plan", "monthly", "joined"]
        return {n: [r[n] for r in self.rows] for n in names}

    def tensors(self):
        c = self.columns()
        texts = lambda v: ["" if x is None else x for x in v]
        return [{"name": "age", "datatype": "INT64", "shape": [40], "data": c["age"]},
                {"name": "plan", "datatype": "BYTES", "shape": [40, 1], "data": c["plan"]},
                {"name": "monthly", "datatype": "FP64", "shape": [40], "data": c["monthly"]},
                {"name": "joined", "datatype": "BYTES", "shape": [40], "data": texts(c["joined"])}]

    def test_health(self):
        for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/churn/ready", "/v2/models/churn/versions/2/ready", "/ping", "/health"):
            self.assertEqual(self.s.get(path).status, 200, path)
        self.assertEqual(self.s.get("/v2/models/none/ready").status, 404)

    def test_oip_json(self):
        r = self.s.post("/v2/models/churn/infer", {"id": "a1", "inputs": self.tensors()})
        self.assertEqual(r.status, 200, r)
        answer = r.json()
        self.assertEqual((answer["id"], answer["model_name"], answer["model_version"]), ("a1", "churn", "2"))
        outputs = {o["name"]: o for o in answer["outputs"]}
        self.assertEqual(outputs["probability"]["data"], self.expected)
        self.assertEqual(outputs["label"]["data"], self.labels)

    def test_oip_binary(self):
        c = self.columns()
        parts = [struct.pack("<40q", *c["age"]), serving.bytes_tensor(["" if x is None else x for x in c["plan"]]),
                 struct.pack("<40d", *c["monthly"]), serving.bytes_tensor(c["joined"])]
        inputs = [{"name": t["name"], "datatype": t["datatype"], "shape": t["shape"], "parameters": {"binary_data_size": len(b)}}
                  for t, b in zip(self.tensors(), parts)]
        head = json.dumps({"inputs": inputs, "outputs": [{"name": "probability", "parameters": {"binary_data": True}}]}).encode()
        for compress in (False, True):
            body, headers = head + b"".join(parts), {"Inference-Header-Content-Length": str(len(head))}
            if compress:
                body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
            r = self.s.post("/v2/models/churn/infer", body, headers)
            self.assertEqual(r.status, 200, r)
            size = int(r.headers["Inference-Header-Content-Length"])
            self.assertEqual(json.loads(r.body[:size])["outputs"][0]["name"], "probability")
            self.assertEqual(list(struct.unpack("<40d", r.body[size:])), self.expected)

    def test_kserve_and_vertex(self):
        self.same(self.s.post("/v1/models/churn:predict", {"instances": self.rows}), lambda x: x["probability"] if isinstance(x, dict) else x)
        self.assertEqual(self.s.get("/v1/models").json()["models"], ["churn"])

    def test_explain(self):
        found = self.s.post("/v1/models/churn:explain", {"instances": self.rows}).json()["explanations"]
        self.assertEqual(len(found), len(self.expected))
        for e, probability in zip(found, self.expected):
            self.assertAlmostEqual(e["base"] + sum(c["value"] for c in e["contributions"]), e["margin"], places=9)
            self.assertAlmostEqual(1 / (1 + math.exp(-e["margin"])), probability, places=6)
        self.assertEqual(self.s.post("/v1/models/churn:explain", {"instances": [{}]}).status, 400)

    def test_mlflow(self):
        names = list(self.rows[0])
        split = {"dataframe_split": {"columns": names, "data": [[r[n] for n in names] for r in self.rows]}}
        for body in (split, {"dataframe_records": self.rows}, {"instances": self.rows}, {"inputs": self.columns()}):
            self.same(self.s.post("/invocations", body), lambda x: x["probability"])
        self.same(self.s.post("/invocations", self.table.encode(), {"Content-Type": "text/csv"}), lambda x: x["probability"])
        both = self.s.post("/invocations", {**split, "instances": []})
        self.assertEqual(both.status, 400)
        self.assertEqual(both.json()["error_code"], "BAD_REQUEST")

    def test_one_row_at_a_time_on_one_connection(self):
        c = self.s.connect()
        for row, wanted in zip(self.rows, self.expected):
            r = self.s.post("/v1/models/churn:predict", {"instances": [row]}, connection=c)
            got = r.json()["predictions"][0]
            self.assertEqual(got["probability"] if isinstance(got, dict) else got, wanted)
        c.close()

    def test_key_and_unknown_columns_are_no_features(self):
        row = {**self.rows[0], "nonsense": 5}
        r = self.s.post("/invocations", {"dataframe_records": [row]})
        self.assertEqual(r.json()["predictions"][0]["probability"], self.expected[0])

    def test_wrong_requests(self):
        good = self.rows[0]
        cases = [({"instances": [{**good, "age": "old"}]}, 400, "age"), ({"instances": [{k: v for k, v in good.items() if k != "monthly"}]}, 400, "monthly"),
                 ({"instances": [[1, 2]]}, 400, ""), ({"instances": []}, 400, ""), ({"instances": 3}, 400, ""), ({}, 400, "instances")]
        for body, status, word in cases:
            r = self.s.post("/v1/models/churn:predict", body)
            self.assertEqual(r.status, status, (body, r))
            self.assertIn(word, r.json()["error"])
        self.assertEqual(self.s.post("/v1/models/nobody:predict", {"instances": [good]}).status, 404)
        self.assertEqual(self.s.get("/nowhere").status, 404)
        self.assertEqual(self.s.get("/invocations").status, 405)
        self.assertEqual(self.s.post("/invocations", b"x", {"Content-Type": "application/pickle"}).status, 415)

    def test_metrics_count(self):
        before = self.s.metric("gristmill_inference_rows_total", version="2"), self.s.metric("gristmill_schema_breaches_total", column="plan", kind="unknown_category")
        self.s.post("/v1/models/churn:predict", {"instances": [{**self.rows[0], "plan": "gold"}] * 3})
        self.assertEqual(self.s.metric("gristmill_inference_rows_total", version="2"), before[0] + 3)
        self.assertEqual(self.s.metric("gristmill_schema_breaches_total", column="plan", kind="unknown_category"), before[1] + 3)
        self.assertGreater(self.s.metric("gristmill_inference_duration_seconds_count"), 0)

    def test_openapi_lists_the_routes(self):
        doc = self.s.get("/openapi.json").json()
        self.assertTrue(doc["openapi"].startswith("3.1"))
        for path in ("/invocations", "/v2/models/{model}/infer", "/metrics"):
            self.assertIn(path, doc["paths"])


class Joined(gm.Case):
    """Columns of a joined data set that requests leave out."""

    YAML = """pipeline: sales
data:
  sales: { from: sales.csv, key: id, time: at }
  weather: { from: weather.csv, key: city, time: at }
target: sold
features: { join: { weather: { by: city, within: 3h } }, use: [price, city, weather.temp, weather.sky] }
train: { try: [lightgbm], split: { by: random } }
gates: [roc_auc >= 0.5]
"""
    CITIES = ["Bern", "Genf", "Chur"]

    def weather(self, hours):
        r = random.Random(4)
        lines = ["city,at,temp,sky"]
        for h in range(hours):
            for city in self.CITIES:
                lines.append(f"{city},2024-01-{1 + h // 24:02d}T{h % 24:02d}:00:00,{r.uniform(-5, 25):.1f},{r.choice(['sun', 'rain', ''])}")
        return "\n".join(lines) + "\n"

    def sales(self):
        r = random.Random(5)
        lines = ["id,at,city,price,sold"]
        for i in range(900):
            h, price, city = r.randrange(240), r.uniform(1, 9), r.choice(self.CITIES)
            lines.append(f"S{i},2024-01-{1 + h // 24:02d}T{h % 24:02d}:30:00,{city},{price:.2f},{int(r.random() < 0.2 + 0.08 * price)}")
        return "\n".join(lines) + "\n"

    def test_looked_up_by_key(self):
        p = self.project(self.YAML, **{"sales.csv": self.sales(), "weather.csv": self.weather(240)})
        self.ok(p.gm("run"))
        s = serving.Server(p.dir, "--log", "off")
        self.addCleanup(s.close)

        def ask(at, city="Bern", **more):
            r = s.post("/v1/models/sales:predict", {"instances": [{"price": 5.5, "city": city, "at": at, **more}]})
            self.assertEqual(r.status, 200, r)
            return r.json()["predictions"][0]["probability"], r.headers["X-Gristmill-Online"]

        last = [line for line in self.weather(240).splitlines() if line.startswith("Bern")][-1].split(",")
        given = {"weather.temp": float(last[2]), "weather.sky": last[3] or None}
        nothing = {"weather.temp": None, "weather.sky": None}
        self.assertEqual(ask("2024-01-11T01:00:00"), (ask("2024-01-11T01:00:00", **given)[0], "weather=PRESENT"))
        self.assertEqual(ask("2024-01-11T02:00:01"), (ask("2024-01-11T01:00:00", **nothing)[0], "weather=EXPIRED"))
        self.assertEqual(ask("2024-01-10T22:59:59")[1], "weather=MISSING")  # the row is later than the event
        self.assertEqual(ask("2024-01-11T00:00:00", city="Rom")[1], "weather=MISSING")
        self.assertIsNone(ask("2024-01-11T01:00:00", **given)[1])
        both = s.post("/v1/models/sales:predict", {"instances": [{"price": 5.5, "city": c, "at": "2024-01-11T01:00:00"} for c in ("Bern", "Rom")]})
        self.assertEqual(both.headers["X-Gristmill-Online"], "weather=PRESENT:1,MISSING:1")
        self.assertEqual(s.metric("gristmill_online_lookups_total", status="EXPIRED"), 1)

        p.write("weather.csv", self.weather(250))  # the next run refreshes what the server looks up
        p.gm("run")
        s.until(lambda: ask("2024-01-11T12:00:00")[1] == "weather=PRESENT")


class Life(gm.Case):
    def start(self, p, *args, **more):
        s = serving.Server(p.dir, *args, **more)
        self.addCleanup(s.close)
        return s

    def row(self):
        return {"instances": [{"age": 40, "plan": "basic", "monthly": 20.5, "joined": "2024-03-02"}]}

    def test_exchange_under_load(self):
        p = make_project()
        self.addCleanup(p.close)
        s = self.start(p, "--log", "off")
        stop, bad, versions = threading.Event(), [], set()

        def load():
            c = s.connect()
            while not stop.is_set():
                r = s.post("/v2/models/churn/infer", {"inputs": [{"name": n, "datatype": d, "shape": [1], "data": [v]} for n, d, v in
                           [("age", "INT64", 40), ("plan", "BYTES", "basic"), ("monthly", "FP64", 20.5), ("joined", "BYTES", "2024-03-02")]]}, connection=c)
                if r.status != 200:
                    bad.append(r)
                else:
                    versions.add(r.json()["model_version"])
        threads = [threading.Thread(target=load) for _ in range(4)]
        for t in threads:
            t.start()
        for version in ("1", "2", "1"):
            self.ok(p.gm("models", f"churn/{version}", "--alias", "champion"))
            s.until(lambda: s.get("/v2/models/churn").json()["versions"][:1] == [version])
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(bad, [])
        self.assertEqual(versions, {"1", "2"})

    def test_drain(self):
        p = make_project()
        self.addCleanup(p.close)
        s = self.start(p, "--log", "off", "--drain_delay", "1s")
        c = s.connect()
        self.assertEqual(s.post("/v1/models/churn:predict", self.row(), connection=c).status, 200)
        s.process.terminate()
        s.until(lambda: s.get("/v2/health/ready").status != 200, 1)
        self.assertEqual(s.post("/v1/models/churn:predict", self.row(), connection=c).status, 200)  # on for a while
        code, err = s.terminate(send=False)
        self.assertEqual(code, 0, err)
        self.assertNotIn("Sanitizer", err)

    def test_canary_sticky_and_promotion(self):
        p = make_project()
        self.addCleanup(p.close)
        s = self.start(p, "--log", "full")
        self.ok(p.gm("deploy", "churn/1", "--canary", "30%"))
        s.until(lambda: s.metric("gristmill_release_share") == 0.3)
        seen = {}
        c = s.connect()
        for key in range(300):
            for _ in range(2):
                r = s.post("/v2/models/churn/infer", {"inputs": [{"name": n, "datatype": d, "shape": [1], "data": [v]} for n, d, v in
                           [("age", "INT64", 40), ("plan", "BYTES", "basic"), ("monthly", "FP64", 20.5), ("joined", "BYTES", "2024-03-02")]]},
                           {"X-Gristmill-Sticky": f"k{key}"}, c)
                seen.setdefault(key, set()).add(r.json()["model_version"])
        self.assertTrue(all(len(v) == 1 for v in seen.values()))
        share = sum(v == {"1"} for v in seen.values()) / len(seen)
        self.assertTrue(0.2 < share < 0.4, share)
        r = s.post("/v1/models/churn:predict", self.row(), {"X-Gristmill-Variant": "candidate"})
        self.assertEqual(r.status, 200, r)
        self.ok(p.gm("promote", "churn"))
        s.until(lambda: s.get("/v2/models/churn").json()["versions"][:1] == ["1"])

    def test_a_damaged_package_is_not_served(self):
        p = make_project()
        self.addCleanup(p.close)
        s = self.start(p, "--log", "off")
        files = {}
        for version in "12":
            self.ok(p.gm("models", f"churn/{version}", "--export", version))
            listed = json.loads((p.dir / version / "manifest.json").read_text())["files"]
            files[version] = {f["sha256"]: (p.dir / version / f["name"]).stat().st_size for f in listed}
        damaged = 0
        for digest in files["1"].keys() - files["2"].keys():
            for path in (p.dir / ".gristmill/packs").iterdir():  # a record is the digest, then the bytes
                data = bytearray(path.read_bytes())
                at = data.find(bytes.fromhex(digest))
                if at >= 0:
                    data[at + 32 + files["1"][digest] // 2] ^= 1
                    path.write_bytes(data)
                    damaged += 1
        self.assertGreater(damaged, 0)
        self.ok(p.gm("models", "churn/1", "--alias", "champion"))
        s.until(lambda: s.metric("gristmill_model_load_failures_total") > 0)
        self.assertEqual(s.post("/v1/models/churn:predict", self.row()).status, 200)
        self.assertEqual(s.get("/v2/models/churn").json()["versions"][:1], ["2"])

    def test_what_could_not_be_loaded_is_tried_again(self):
        """The server's scratch folder cannot be written for a while: the index says so, and nothing else has to happen for the version to be loaded."""
        p = make_project()
        self.addCleanup(p.close)
        (p.dir / "scratch").mkdir()
        s = self.start(p, "--log", "off", env={"TMPDIR": str(p.dir / "scratch")})
        folder = next((p.dir / "scratch").iterdir())
        folder.rename(p.dir / "away")
        folder.write_text("no folder")
        self.ok(p.gm("models", "churn/1", "--alias", "champion"))
        index = lambda: {v["version"]: v for v in s.post("/v2/repository/index", {}).json()}
        s.until(lambda: "again in 2 s" in index().get("1", {}).get("reason", ""))
        self.assertEqual((index()["1"]["state"], index()["2"]["state"]), ("UNAVAILABLE", "READY"))
        self.assertEqual([v["version"] for v in s.post("/v2/repository/index", {"ready": True}).json()], ["2"])
        self.assertEqual(s.post("/v1/models/churn:predict", self.row()).status, 200)
        folder.unlink()
        (p.dir / "away").rename(folder)
        s.until(lambda: list(index()) == ["1"])
        _, log = s.terminate()
        self.assertIn("again in 1 s", log)
        self.assertEqual((log.count("again in"), log.count("loaded churn version 1")), (2, 1), log)

    def test_tokens(self):
        p = make_project()
        self.addCleanup(p.close)
        p.write("infer.token", "secret-one\n")
        p.write("admin.token", "secret-two\n")
        s = self.start(p, "--log", "off", "--infer_token_file", "infer.token", "--admin_token_file", "admin.token")
        self.assertEqual(s.post("/v1/models/churn:predict", self.row()).status, 401)
        self.assertEqual(s.post("/v1/models/churn:predict", self.row(), {"Authorization": "Bearer wrong"}).status, 401)
        self.assertEqual(s.post("/v1/models/churn:predict", self.row(), {"Authorization": "Bearer secret-one"}).status, 200)
        self.assertIn(s.post("/v2/repository/models/churn/unload", {}, {"Authorization": "Bearer secret-one"}).status, (401, 403))
        self.assertEqual(s.post("/v2/repository/models/churn/unload", {}, {"Authorization": "Bearer secret-two"}).status, 200)
        self.assertEqual(s.post("/v1/models/churn:predict", self.row(), {"Authorization": "Bearer secret-one"}).status, 404)
        self.assertEqual(s.post("/v2/repository/models/churn/load", {}, {"Authorization": "Bearer secret-two"}).status, 200)
        self.assertEqual(s.post("/v1/models/churn:predict", self.row(), {"Authorization": "Bearer secret-one"}).status, 200)
        _, log = s.terminate()
        self.assertNotIn("secret", log)

    def test_a_package_alone(self):
        p = make_project()
        self.addCleanup(p.close)
        self.ok(p.gm("models", "churn", "--export", "package"))
        other = self.project()
        (p.dir / "package").rename(other.dir / "package")
        s = self.start(other, "--package", "package")
        self.assertEqual(s.post("/v1/models/churn:predict", self.row()).status, 200)
        s2 = self.start(other, env={"GRISTMILL_PACKAGE": "package", "AIP_PREDICT_ROUTE": "/v1/endpoints/7:predict", "AIP_HEALTH_ROUTE": "/alive"})
        self.assertEqual(s2.get("/alive").status, 200)
        self.assertEqual(s2.post("/v1/endpoints/7:predict", self.row()).status, 200)
        s3 = self.start(other, env={"GRISTMILL_PACKAGE": "package", "AIP_PREDICT_ROUTE": "/invocations", "AIP_HEALTH_ROUTE": "/health"})
        self.assertEqual((s3.get("/health").status, s3.post("/invocations", self.row()).status), (200, 200))

    def test_why_a_prediction(self):
        p = make_project()
        self.addCleanup(p.close)
        s = self.start(p, "--log", "full")
        answer = s.post("/v2/models/churn/infer", {"id": "order-17", "inputs": [{"name": n, "datatype": d, "shape": [1], "data": [v]} for n, d, v in
                        [("age", "INT64", 40), ("plan", "BYTES", "basic"), ("monthly", "FP64", 20.5), ("joined", "BYTES", "2024-03-02")]]}).json()
        shown = self.ok(p.gm("why", "prediction", "order-17", "--json")).json()
        probability = [o for o in answer["outputs"] if o["name"] == "probability"][0]["data"][0]
        self.assertIn(repr(probability), json.dumps(shown))
        s.process.kill()  # what was answered was written
        s.process.wait()
        self.ok(p.gm("why", "prediction", "order-17"))
        self.assertEqual(self.ok(p.gm("predictions", "--seal")).code, 0)
        self.ok(p.gm("why", "prediction", "order-17"))

    def test_a_linear_model_is_explained_alike(self):
        """By the server and by `why`: against the means of the package's reference rows."""
        p = self.project(serving.TRAINED.replace("[logistic, lightgbm]", "[logistic]"), **{"churn.csv": gm.churn(800, 7)})
        self.ok(p.gm("run"))
        s = self.start(p, "--log", "full")
        row = {"age": 40, "plan": "pro", "monthly": 20.5, "joined": "2024-03-02"}
        served = s.post("/v1/models/churn:explain", {"instances": [row]}).json()["explanations"][0]
        inputs = [{"name": n, "datatype": d, "shape": [1], "data": [row[n]]} for n, d in (("age", "INT64"), ("plan", "BYTES"), ("monthly", "FP64"), ("joined", "BYTES"))]
        self.assertEqual(s.post("/v2/models/churn/infer", {"id": "one", "inputs": inputs}).status, 200)
        again = self.ok(p.gm("why", "prediction", "one", "--json")).json()["explanation"]
        self.assertEqual(served, again)
        self.ok(p.gm("models", "churn", "--export", "package"))
        self.ok(p.gm("predict", "package", "package/reference.parquet", "--out", "out.csv"))
        margins = [math.log(v / (1 - v)) for v in (float(r["probability"]) for r in csv.DictReader(p.read("out.csv").splitlines()))]
        self.assertGreater(len(margins), 50)
        self.assertAlmostEqual(served["base"], sum(margins) / len(margins), places=9)  # the mean of the margins is the margin of the means

    def test_it_says_what_is_missing(self):
        other = self.project()
        self.fails(other.gm("serve"), 4, "no store")
        p = make_project()
        self.addCleanup(p.close)
        self.fails(p.gm("serve", "nobody", "--port", "0"), 4, "nobody")
        self.fails(p.gm("serve", "--port", "0", "--log", "often"), 3, "often")


if __name__ == "__main__":
    gm.main()
