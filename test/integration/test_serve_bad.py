"""What clients should not send, and what each of it is answered: a status, an error in JSON, and nothing else changes.

One server under tokens, with a full prediction log and an access log, gets it all; at the end it still answers as before, has counted and logged
only what it answered, has told no secret, and ends without a complaint.
"""
import gzip
import hashlib
import http.client
import json
import random
import socket
import struct
import time

import gm
import serving
import test_foreign
import tiny_onnx as onnx
from test_serve import make_project

INFER, ADMIN = "hush-infer-5f1c", "hush-admin-99e0"
INFER_ROUTE, V1_ROUTE = "/v2/models/churn/infer", "/v1/models/churn:predict"
ROW = {"age": 40, "plan": "basic", "monthly": 20.5, "joined": "2024-03-02"}
BEARER = {"Authorization": f"Bearer {INFER}"}


def tensor(name, datatype, data, shape=None, **more):
    return {"name": name, "datatype": datatype, "shape": [len(data)] if shape is None else shape, "data": data, **more}


def tensors(**changed):
    """The inputs of one good row, with some exchanged; None leaves one out."""
    made = {"age": tensor("age", "INT64", [40]), "plan": tensor("plan", "BYTES", ["basic"]), "monthly": tensor("monthly", "FP64", [20.5]),
            "joined": tensor("joined", "BYTES", ["2024-03-02"]), **changed}
    return {"inputs": [t for t in made.values() if t is not None]}


def head(method="POST", path=V1_ROUTE, *lines, host="localhost", token=INFER):
    return "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", *([f"Host: {host}"] if host else []),
                                              *([f"Authorization: Bearer {token}"] if token else []), *lines)).encode()


def chunked(body, size):
    return b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + size]), body[i:i + size]) for i in range(0, len(body), size)) + b"0\r\n\r\n"


class Wire:
    """A reply to bytes as they are; `closed` says whether the server ended the connection."""

    def __init__(self, port, data, await_close=False, timeout=20):
        self.begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as s:
            try:
                s.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before all was sent: the reply is there
            r = http.client.HTTPResponse(s, method="HEAD" if data.startswith(b"HEAD") else None)
            r.begin()
            self.status, self.headers, self.body = r.status, r.headers, r.read()
            self.seconds = time.monotonic() - self.begun
            self.closed = await_close and s.recv(1) == b""

    def __repr__(self):
        return f"HTTP {self.status} {dict(self.headers)}\n{self.body[:1000]!r}"


class Bad(gm.Case):
    @classmethod
    def setUpClass(cls):
        cls.p = make_project()
        cls.p.write("infer.token", INFER + "\n")
        cls.p.write("admin.token", ADMIN + "\n")
        cls.s = serving.Server(cls.p.dir, "--log", "full", "--access_log", "access.log", "--infer_token_file", "infer.token",
                               "--admin_token_file", "admin.token")
        cls.answered = 0
        cls.expected = cls.good()
        cls.bodies = []  # of every refusal, to look for secrets in

    @classmethod
    def tearDownClass(cls):
        cls.s.close()
        cls.p.close()

    @classmethod
    def good(cls):
        r = cls.s.post(V1_ROUTE, {"instances": [ROW]}, BEARER)
        assert r.status == 200, r
        cls.answered += 1
        return r.body

    def setUp(self):
        self.before = self.state()

    def tearDown(self):
        self.assertEqual(self.state(), self.before)
        self.assertEqual(self.good(), self.expected)
        self.assertIsNone(self.s.process.poll())

    def state(self):
        """What a refused request must leave as it is; rows less those of our own good requests."""
        index = self.s.post("/v2/repository/index", {}, BEARER).body
        return index, self.s.metric("gristmill_inference_rows_total") - self.answered, self.s.metric("gristmill_prediction_log_rows_total") - self.answered

    def refused(self, r, statuses, word="", mlflow=False):
        statuses = statuses if isinstance(statuses, tuple) else (statuses,)
        self.assertIn(r.status, statuses, r)
        self.bodies.append(r.body)
        error = json.loads(r.body)
        text = error["message"] if mlflow else error["error"]
        if mlflow:
            self.assertIn("error_code", error)
        self.assertTrue(text)
        self.assertIn(word.lower(), text.lower())
        self.assertEqual(r.headers["Content-Type"].split(";")[0], "application/json")

    def wire(self, data, statuses, word="", closes=True):
        r = Wire(self.s.port, data, closes)
        self.refused(r, statuses, word)
        self.assertEqual(r.closed, closes, "the connection")
        return r

    def json_refused(self, text, statuses=400, word="", path=V1_ROUTE, **headers):
        body = text if isinstance(text, (bytes, str)) else json.dumps(text)
        r = self.s.post(path, body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass"), {"Content-Type": "application/json", **BEARER, **headers})
        self.refused(r, statuses, word, mlflow=path == "/invocations")
        return r

    # ---- browsers and hosts

    def test_hosts(self):
        self.wire(head(host=None) + b"Content-Length: 0\r\n\r\n", 400, "host")
        self.wire(b"GET /v2 HTTP/1.1\r\nHost: one\r\nHost: two\r\n\r\n", 400, "host")
        self.wire(b"GET http://evil.example/v2 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "host")
        self.wire(b"GET /v2 HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "host")
        self.wire(b"GET /v2 HTTP/1.1\r\nHost:\r\n\r\n", 400, "host")

    def test_pages_of_other_sites(self):
        body = json.dumps({"instances": [ROW]}).encode()
        for line in ("Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"):
            for method, path, token in (("POST", V1_ROUTE, INFER), ("POST", "/invocations", INFER), ("POST", "/v2/repository/models/churn/unload", ADMIN),
                                        ("DELETE", "/models/churn", ADMIN)):
                length = f"Content-Length: {len(body) if path in (V1_ROUTE, '/invocations') else 0}"
                with self.subTest(line=line, path=path):
                    self.wire(head(method, path, line, length, token=token) + b"\r\n" + (body if not length.endswith(" 0") else b""), 403, "site", closes=False)
        r = Wire(self.s.port, b"OPTIONS /invocations HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n")
        self.assertLess(r.status, 500)
        self.assertEqual([n for n in r.headers if n.lower().startswith("access-control")], [])

    def test_content_types(self):
        body = json.dumps({"instances": [ROW]}).encode()
        for kind in ("text/plain", "multipart/form-data; boundary=x", "application/pickle", "application/x-python-serialize"):
            for path in (V1_ROUTE, "/invocations", INFER_ROUTE):
                with self.subTest(kind=kind, path=path):
                    self.refused(self.s.post(path, body, {"Content-Type": kind, **BEARER}), (400, 415), mlflow=path == "/invocations")

    # ---- who may ask

    def test_every_route_without_a_token(self):
        document = self.s.get("/openapi.json", headers=BEARER).json()
        open_paths = {"/", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/{model}/ready", "/v2/models/{model}/versions/{version}/ready", "/ping",
                      "/health", "/version", "/metrics"}
        seen = set()
        for path, methods in document["paths"].items():
            real = path.replace("{model}", "churn").replace("{version}", "2").replace("{region}", "r")
            for method in methods:
                for how in {method.upper(), "HEAD"} if method == "get" else {method.upper()}:
                    r = self.s.ask(how, real)
                    seen.add(path)
                    self.assertEqual(r.status, 200 if path in open_paths else 401, (how, path, r))
                    wrong = self.s.ask(how, real, headers={"Authorization": "Basic aHVzaA=="})
                    self.assertEqual(wrong.status, 200 if path in open_paths else 401, (how, path, wrong))
                slash = self.s.ask(method.upper(), real + "/")
                self.assertIn(slash.status, (401, 404), (path, slash))
        self.assertTrue(open_paths < seen)

    def test_the_inference_token_does_not_rule(self):
        for method, path in (("POST", "/v2/repository/models/churn/unload"), ("POST", "/v2/repository/models/churn/load"), ("DELETE", "/models/churn"),
                             ("POST", "/models"), ("GET", "/v2/logging"), ("POST", "/v2/trace/setting")):
            self.refused(self.s.ask(method, path, headers=BEARER), (401, 403))

    # ---- framing

    def test_lengths(self):
        body = b'{"instances":[]}'
        for lines, word in ((["Content-Length: 16", "Transfer-Encoding: chunked"], ""), (["Transfer-Encoding: chunked", "Content-Length: 16"], ""),
                            (["Content-Length: 16", "Content-Length: 17"], ""), (["Content-Length: -1"], ""), (["Content-Length: +5"], ""),
                            (["Content-Length: 0x5"], ""), (["Content-Length: 5,5"], ""), (["Content-Length: " + "9" * 20], ""), (["Content-Length: 5 5"], ""),
                            (["Content-Length: "], "")):
            with self.subTest(lines=lines):
                self.wire(head("POST", V1_ROUTE, *lines) + b"\r\n" + body, 400, word)

    def test_transfer_encodings(self):
        for lines in (["Transfer-Encoding: xchunked"], ["Transfer-Encoding: chunked, identity"], ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
                      ["Transfer-Encoding: gzip, chunked"], ["Transfer-Encoding: "], ["Transfer-Encoding: chunked\x0b"]):
            with self.subTest(lines=lines):
                self.wire(head("POST", V1_ROUTE, *lines) + b"\r\n0\r\n\r\n", (400, 501))
        self.wire(head("POST", V1_ROUTE, "Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n0\r\n\r\n", 400)
        for chunks in (b"zz\r\n", b"-1\r\n", b"10000000000000000\r\nx", b"5\r\nabcdefgh\r\n0\r\n\r\n", b"5;a=\x00b\r\nabcde\r\n0\r\n\r\n", b"3\nabc\n0\n\n"):
            with self.subTest(chunks=chunks):
                self.wire(head("POST", V1_ROUTE, "Transfer-Encoding: chunked") + b"\r\n" + chunks, 400)

    def test_heads(self):
        for line in (b"Host : localhost", b"X-A: a\x00b", b"X-A: a\rb", b"X A: b", b": b", b"X-A\x00: b", b"X-A: a\r\n folded", b"X-A: a\r\n\tfolded", b"(X): a"):
            with self.subTest(line=line):
                self.wire(b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n" + line + b"\r\n\r\n", 400)
        self.wire(b"GET /v2 HTTP/1.1\nHost: localhost\n\n", 400)
        self.wire(b"GET /v2 HTTP/1.1\r\nHost: localhost\nX-A: b\r\n\r\n", 400)
        for line in (b"GET  /v2 HTTP/1.1", b"GET /v2", b"get /v2 HTTP/1.1", b"GET /v2 HTTP/2.0", b"GET /v2 HTTP/1.10", b"GET v2 HTTP/1.1", b"BREW /v2 HTTP/1.1",
                     b"\x16\x03\x01\x02\x00\x01", b"PRI * HTTP/2.0"):
            with self.subTest(line=line):
                self.wire(line + b"\r\nHost: localhost\r\n\r\n", (400, 501, 505))

    def test_large_heads(self):
        lines = [f"X-{i}: y" for i in range(63)]
        self.assertEqual(Wire(self.s.port, head("GET", "/v2", *lines, token=None) + b"\r\n").status, 200)
        self.wire(head("GET", "/v2", *lines, "X-64: y", token=None) + b"\r\n", 431)
        self.wire(head("GET", "/v2", "X-A: " + "y" * (16 << 10), token=None) + b"\r\n", 431)
        self.wire(head("GET", "/v2?" + "y" * (8 << 10), token=None) + b"\r\n", 414)
        self.wire(b"GET /" + b"y" * 200000, 414)

    def test_bodies_that_are_announced(self):
        for size in (10**12, 2**63 - 1, 2**63):
            r = self.wire(head("POST", V1_ROUTE, f"Content-Length: {size}") + b"\r\n", (400, 413))
            self.assertLess(r.seconds, 5)
        self.wire(head("POST", "/v2/repository/index", "Content-Length: 65537") + b"\r\n", 413)
        r = Wire(self.s.port, head("POST", "/v2/repository/index", "Content-Length: 10000000", "Expect: 100-continue") + b"\r\n", True)
        self.refused(r, 413)

    def test_many_small_chunks(self):
        body = json.dumps({"instances": [ROW]}).encode().rjust(1_000_000)
        r = Wire(self.s.port, head("POST", V1_ROUTE, "Transfer-Encoding: chunked", "Content-Type: application/json") + b"\r\n" + chunked(body, 1), timeout=60)
        self.assertEqual((r.status, r.body), (200, self.expected), r)
        type(self).answered += 1

    def test_compressed(self):
        bomb = gzip.compress(bytes(200 << 20), 9)
        for layers, encoding in ((bomb, "gzip"), (gzip.compress(bomb), "gzip, gzip"), (bomb[:-9], "gzip"), (b"no gzip at all", "gzip"), (bomb, "br"), (bomb, "deflate"),
                                 (b"", "zstd, gzip")):
            with self.subTest(encoding=encoding, size=len(layers)):
                r = self.s.post(V1_ROUTE, layers, {"Content-Encoding": encoding, "Content-Type": "application/json", **BEARER})
                self.refused(r, (400, 413, 415))
        whole = gzip.compress(json.dumps({"instances": [ROW]}).encode())
        flipped = whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:]  # the checksum
        self.refused(self.s.post(V1_ROUTE, flipped, {"Content-Encoding": "gzip", "Content-Type": "application/json", **BEARER}), 400)

    def test_paths(self):
        for path in ("/v2/models/%2e%2e/infer", "/v2/models/..%2fchurn/infer", "/v2/../v2", "/v2/models/a%00b", "/v2/models/%c0%ae", "/v2/models/a%5cb", "/v2/models/%zz",
                     "/v2/models/%", "/v2/./health/live", "/v2/..;/x", "/%ed%a0%80"):
            with self.subTest(path=path):
                self.wire(head("GET", path) + b"\r\n", 400, closes=False)
        for path in ("//v2", "/v2//models", "/v3", "/v2/models/churn/versions/2/infer/x", "/" + "a/" * 2000, "/v2/models/%252e%252e"):
            with self.subTest(path=path[:40]):
                self.wire(head("GET", path) + b"\r\n", 404, closes=False)

    def test_names_that_look_alike(self):
        for name in ("churn\u200b", "\u202echurn", "c\u0127urn", "churn\u0301", "CHURN", "churn ", " churn", "churn%00", "churn/1", "churn@champion", "churn\u00a0", "'; DROP TABLE models;--",
                     "..", "a" * 2000, "churn\x1b[2J"):
            quoted = "".join(f"%{b:02x}" for b in name.encode())
            for path in (f"/v1/models/{quoted}:predict", f"/v2/models/{quoted}/infer"):
                with self.subTest(name=name[:20], path=path[:30]):
                    r = self.s.post(path, {"instances": [ROW]}, BEARER)
                    self.refused(r, (400, 404))
                    self.assertNotIn("\x1b", r.json()["error"])
            r = self.s.post(f"/v2/repository/models/{quoted}/load", {}, {"Authorization": f"Bearer {ADMIN}"})
            self.refused(r, (400, 404))
        for version in ("0", "-1", "99", "02", "2.0", "two", "9" * 30, "%32%00"):
            self.refused(self.s.post(f"/v2/models/churn/versions/{version}/infer", tensors(), BEARER), (400, 404))

    # ---- JSON

    def test_broken_json(self):
        row = json.dumps(ROW)
        for path in (V1_ROUTE, INFER_ROUTE, "/invocations"):
            for text in ("", " ", "{", "[", "nul", "{'instances': []}", '{"instances": [1,]}', '{"a": 01}', '{"instances": []} x', "\ufeff{}", '{"a": "\x01"}',
                         '{"a": "\\x"}', b'{"instances": ["\xff"]}', b'{"\xc0\xaf": 1}', '{"a": "\\ud800"}', '{"a": +1}', '{"a": .5}', '{"a": 1.}', '{"a": 0x10}', "{}{}",
                         '{"instances": [], /* */ "a": 1}', "\x00", "5", "null", '"text"', "[]"):
                with self.subTest(path=path, text=text):
                    self.json_refused(text, 400, path=path)
        for text in ('{"instances": [%s], "instances": []}' % row, '{"instances": [%s], "instances": [%s]}' % (row, row),
                     '{"instances": [{"age": 1, "age": 2, "plan": "basic", "monthly": 2, "joined": "2024-01-01"}]}'):
            self.json_refused(text, 400, "twice")
        many = "{" + ",".join(f'"k{i}": 1' for i in range(2000)) + ', "k7": 2, "instances": []}'
        self.json_refused(many, 400, "twice")

    def test_deep_json(self):
        for opening, closing in (("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")):
            for body in (opening * 100_000 + "1" + closing * 100_000, opening * 100_000):
                with self.subTest(opening=opening):
                    begun = time.monotonic()
                    self.json_refused(body, 400)
                    self.json_refused('{"instances": ' + opening * 65 + "1" + closing * 65 + "}", 400)
                    self.assertLess(time.monotonic() - begun, 2)

    def test_values(self):
        def one(**changed):
            return {"instances": [{**ROW, **changed}]}
        for value in ("old", "", [40, 41], [], {"a": 40}, "40x", "0x28", "4e400"):
            with self.subTest(age=value):
                self.json_refused(one(age=value), 400, "age")
        for text in ("1e999", "NaN1", "Infinity", "-Infinity", "1e-"):
            with self.subTest(monthly=text):
                self.json_refused('{"instances": [{"age": 40, "plan": "basic", "monthly": %s, "joined": "2024-03-02"}]}' % text, 400)
        for text in ("9223372036854775808", "100000000000000000000000", "-9223372036854775809", "1e30"):
            with self.subTest(age=text):
                self.json_refused('{"instances": [{"age": %s, "plan": "basic", "monthly": 2, "joined": "2024-03-02"}]}' % text, 400, "age")
        for joined in ("yesterday", "2024-13-01", "2024-02-30", "99999999999-01-01", {"d": 1}, True):
            with self.subTest(joined=joined):
                self.json_refused(one(joined=joined), 400, "joined")
        for plan in (["basic", "plus"], {"a": 1}):
            with self.subTest(plan=plan):
                self.json_refused(one(plan=plan), 400, "plan")
        self.json_refused(one(plan="ba\u0000sic"), 400)
        self.json_refused('{"instances": [{"plan": "\\u0000"}]}', 400)

    def test_shapes_of_requests(self):
        for body in ({}, {"instances": None}, {"instances": {}}, {"instances": "x"}, {"instances": []}, {"instances": [None]}, {"instances": [ROW, 5]}, {"instances": [[1, 2]]},
                     {"instances": [{}]}, {"instances": [ROW, {**ROW, "age": None, "plan": [1]}]}):
            with self.subTest(body=body):
                self.json_refused(body, 400)
        for body in ({"dataframe_split": {"columns": ["age"], "data": [[1, 2]]}}, {"dataframe_split": {"columns": ["age", "age"], "data": [[1, 2]]}}, {"dataframe_split": []},
                     {"dataframe_split": {"data": [[1]]}}, {"dataframe_split": {"columns": 5, "data": []}}, {"dataframe_records": {}}, {"dataframe_records": []},
                     {"inputs": {"age": [1], "plan": ["basic", "plus"], "monthly": [1], "joined": ["2024-01-01"]}}, {"inputs": 7}, {"params": {}},
                     {"dataframe_records": [ROW], "instances": [ROW]}):
            with self.subTest(body=body):
                self.json_refused(body, 400, path="/invocations")
        for text in (b"", b"age\n", b"age,age\n1,2\n", b"age,plan,monthly,joined\n1\n", b"age,plan,monthly,joined\n1,basic,2,2024-01-01,9\n",
                     b'age,plan,monthly,joined\n1,"basic,2,2024-01-01\n', b"age,plan,monthly,joined\nx,basic,2,2024-01-01\n", b"age,plan,monthly,joined\n1,b\x00c,2,2024-01-01\n",
                     b"age,plan,monthly,joined\n1,\xff\xfe,2,2024-01-01\n"):
            with self.subTest(csv=text):
                self.refused(self.s.post("/invocations", text, {"Content-Type": "text/csv", **BEARER}), 400, mlflow=True)

    # ---- tensors

    def test_tensors(self):
        age = lambda data=(40,), kind="INT64", shape=None, **more: tensors(age=tensor("age", kind, list(data), shape, **more))
        cases = [tensors(age=None), {"inputs": []}, {"inputs": {}}, {"inputs": None}, {}, {"inputs": [5]},
                 age(shape=[-1]), age(shape=[2**63]), age(shape=[2**64]), age(shape=[2**32, 2**32]), age(shape=[2**31, 2**33, 2]), age(shape=[1] * 65), age(shape=[0]), age([], shape=[0]),
                 age(shape=[2]), age(shape=["1"]), age(shape=[1.5]), age(shape=1), age(shape={}), age(shape=[True]), age(shape=[10**30]), age(shape=[1, 2]),
                 age(kind="INT65"), age(kind=""), age(kind=5), age(kind="int64"), age(kind="BF16"), age(["40"]), age([None], kind="BYTES"), age([[40, 41]]), age([[[40], 41]]),
                 age([2**63]), age([-2**63 - 1]), age([1.5]), age([True]), age([300], kind="INT8"), age([-1], kind="UINT8"), age([2**32], kind="UINT32"), age([2], kind="BOOL"),
                 age([1e39], kind="FP32"), age([70000], kind="FP16"), age([{}]), age([float("1e308")], kind="FP64"),
                 tensors(age={"name": "age", "datatype": "INT64", "shape": [1]}), tensors(age={"datatype": "INT64", "shape": [1], "data": [1]}),
                 tensors(age={"name": 5, "datatype": "INT64", "shape": [1], "data": [1]}), tensors(again=tensor("age", "INT64", [41])),
                 tensors(age=tensor("age", "INT64", [40], parameters={"binary_data_size": 8})), tensors(age=tensor("age", "INT64", [40], parameters={"shared_memory_region": "r"})),
                 {**tensors(), "outputs": [{"name": "nothing"}]}, {**tensors(), "outputs": 5}, {**tensors(), "id": 5}, {**tensors(), "id": "a\u0000b"}, {**tensors(), "parameters": 5},
                 tensors(plan=tensor("plan", "BYTES", [5])), tensors(plan=tensor("plan", "BYTES", ["basic", "plus"])), tensors(plan=tensor("plan", "INT64", [1]))]
        for body in cases:
            with self.subTest(body=json.dumps(body)[:300]):
                self.json_refused(body, 400, path=INFER_ROUTE)

    def test_binary_tensors(self):
        def body(sizes, parts, **header):
            inputs = [{"name": n, "datatype": d, "shape": [1], "parameters": {"binary_data_size": size}}
                      for n, d, size in zip(("age", "plan", "monthly", "joined"), ("INT64", "BYTES", "FP64", "BYTES"), sizes)]
            text = json.dumps({"inputs": inputs}).encode()
            return text + b"".join(parts), {"Inference-Header-Content-Length": str(header.get("length", len(text))), **BEARER}
        parts = [struct.pack("<q", 40), serving.bytes_tensor(["basic"]), struct.pack("<d", 20.5), serving.bytes_tensor(["2024-03-02"])]
        sizes = [len(p) for p in parts]
        good, headers = body(sizes, parts)
        self.assertEqual(self.s.post(INFER_ROUTE, good, headers).status, 200)
        type(self).answered += 1
        wrong = [body(sizes, parts[:3]), body(sizes, parts + [b"more"]), body([7, *sizes[1:]], parts), body([2**62, *sizes[1:]], parts), body([2**64, *sizes[1:]], parts),
                 body([-1, *sizes[1:]], parts), body(["8", *sizes[1:]], parts), body([8.5, *sizes[1:]], parts),
                 body(sizes, [parts[0], struct.pack("<I", 2**32 - 1) + b"basic", *parts[2:]]), body(sizes, [parts[0], struct.pack("<I", 4) + b"basic", *parts[2:]]),
                 body([8, 3, 8, 14], [parts[0], b"abc", *parts[2:]]), body(sizes, [parts[0], struct.pack("<I", 5) + b"b\xff\xfeic", *parts[2:]]),
                 body(sizes, [parts[0], struct.pack("<I", 5) + b"b\x00sic", *parts[2:]]), body([8, 18, 8, 14], [parts[0], parts[1] * 2, *parts[2:]])]
        for value in ("-1", "0", "+5", "x", "9" * 30, str(len(good) + 1), "5", ""):
            wrong.append((good, {**headers, "Inference-Header-Content-Length": value}))
        for data, fields in wrong:
            with self.subTest(data=data[-60:], length=fields["Inference-Header-Content-Length"]):
                self.refused(self.s.post(INFER_ROUTE, data, fields), 400)

    def test_random_bytes(self):
        """Good requests with bytes exchanged: answered or refused, always in JSON."""
        r = random.Random(11)
        texts = [(V1_ROUTE, json.dumps({"instances": [ROW]}).encode()), (INFER_ROUTE, json.dumps(tensors()).encode()), ("/invocations", json.dumps({"dataframe_records": [ROW]}).encode())]
        c = self.s.connect()
        for _ in range(400):
            path, text = r.choice(texts)
            data = bytearray(text)
            for _ in range(r.randint(1, 4)):
                how, at = r.randrange(3), r.randrange(len(data))
                if how == 0:
                    data[at] = r.choice(b'{}[]",:0e-\\n\x00\xff')
                elif how == 1:
                    del data[at:at + r.randint(1, 8)]
                else:
                    data[at:at] = data[r.randrange(len(data)):][:r.randint(1, 20)]
            reply = self.s.post(path, bytes(data), {"Content-Type": "application/json", **BEARER}, c)
            self.assertIn(reply.status, (200, 400), (data, reply))
            reply.json()
            self.answered_if(reply)
        c.close()

    def answered_if(self, reply):
        if reply.status == 200:
            body = reply.json()
            type(self).answered += body["outputs"][0]["shape"][0] if "outputs" in body else len(body["predictions"])

    # ---- the end

    def test_zz_what_was_kept(self):
        """After everything else: no secret in any log or reply, and the prediction log has what was answered and nothing else."""
        for text in self.bodies + [(self.p.dir / "access.log").read_bytes()]:
            self.assertNotIn(b"hush-", text)
        self.good()
        code, log = self.s.terminate()
        self.assertEqual(code, 0, log)
        self.assertNotIn("Sanitizer", log)
        self.assertNotIn("hush-", log)
        for line in (self.p.dir / "access.log").read_text().splitlines():
            self.assertNotIn("\x1b", line)
            json.loads(line)
        out = self.ok(self.p.gm("predictions", "--json", "--limit", "1000000"))
        kept = out.json()
        self.assertEqual(len(kept if isinstance(kept, list) else kept["predictions"]), self.answered)
        type(self).s = serving.Server(self.p.dir, "--log", "off", "--infer_token_file", "infer.token", "--admin_token_file", "admin.token")
        type(self).before_rows = None
        self.before = self.state()
        type(self).answered = 0
        self.before = self.state()


class Packages(gm.Case):
    """Packages that somebody made wrong, their manifest fitting: refused at the start with a reason, or served; never a crash."""

    @classmethod
    def setUpClass(cls):
        cls.p = gm.Project(test_foreign.YAML.format(target="churned", gate="roc_auc >= 0"), **{"t.csv": gm.churn(), "theirs.onnx": cls.graph(test_foreign.SIGMOID)})
        ran = cls.p.gm("run")
        assert ran.code == 0, ran
        name = cls.p.gm("models", "--json").json()[0]["model"]
        exported = cls.p.gm("models", name, "--export", "package")
        assert exported.code == 0, exported
        cls.whole = {f: (cls.p.dir / "package" / f).read_bytes() for f in ("manifest.json", "model.onnx", "schema.json", "example.json")}

    @classmethod
    def tearDownClass(cls):
        cls.p.close()

    def tearDown(self):
        for name, data in self.whole.items():
            self.p.write(f"package/{name}", data)

    @staticmethod
    def graph(nodes, constants=(), inputs=test_foreign.MONTHLY, outputs=((test_foreign.P, onnx.FLOAT, 2),)):
        return onnx.model(inputs, outputs, nodes, [*test_foreign.CONSTANTS, *constants])

    def replace(self, name, data):
        manifest = json.loads(self.whole["manifest.json"])
        for f in manifest["files"]:
            if f["name"] == name:
                f["sha256"], f["size_bytes"] = hashlib.sha256(data).hexdigest(), len(data)
        self.p.write(f"package/{name}", data)
        self.p.write("package/manifest.json", json.dumps(manifest, indent=2) + "\n")

    def serves(self):
        """None when the package is served, else why not."""
        try:
            s = serving.Server(self.p.dir, "--package", "package")
        except AssertionError as e:
            if "exceeds maximum supported size" in str(e):  # the address sanitizer ends where operator new throws otherwise
                return "out of memory"
            self.assertNotIn("Sanitizer", str(e))
            return json.loads(str(e).strip().splitlines()[-1].removeprefix("the server did not start: "))["error"]["message"]
        r = s.post("/invocations", {"dataframe_records": [{"monthly": 20.5}]})
        code, log = s.terminate()
        self.assertIn(r.status, (200, 500), r)
        self.assertEqual(code, 0, log)
        self.assertNotIn("Sanitizer", log)
        return None

    def test_the_package_itself_is_served(self):
        self.replace("model.onnx", self.whole["model.onnx"])
        self.assertIsNone(self.serves())

    def test_files_that_are_not_those_of_the_manifest(self):
        for name in ("model.onnx", "schema.json", "example.json"):
            with self.subTest(name):
                self.p.write(f"package/{name}", self.whole[name][:-1] + b"?")
                self.assertIsNotNone(self.serves())
                self.p.write(f"package/{name}", self.whole[name])
        self.p.write("package/manifest.json", b"{")
        self.assertIsNotNone(self.serves())

    def test_graphs(self):
        one = test_foreign.SIGMOID
        outside = [onnx.message(5, onnx.number(1, 1), onnx.number(2, onnx.FLOAT), onnx.message(8, name), onnx.message(13, onnx.message(1, "location"), onnx.message(2, place)),
                                onnx.number(14, 1)) for name, place in (("far_away", "../../outside.bin"), ("far_away", "/etc/hostname"))]
        self.p.write("outside.bin", bytes(4))
        use = [*one[:-1], onnx.node("Add", ["score", "far_away"], ["s2"]), onnx.node("Sigmoid", ["s2"], [test_foreign.P])]
        size = onnx.constant("huge", onnx.INT64, [2], [2**40, 2**20])
        endless, counts = onnx.loop(2**63 - 1, "score", "s2")
        cases = {
            "a loop without end": self.graph([*one[:-1], *endless, onnx.node("Sigmoid", ["s2"], [test_foreign.P])], counts),
            "a pickle": b"\x80\x04\x95\x1f\x00\x00\x00cposix\nsystem\n\x8c\x04true\x85R.", "empty": b"", "cut": self.whole["model.onnx"][:-40],
            "data outside": self.graph(use, outside[:1]), "data anywhere": self.graph(use, outside[1:]),
            "a cycle": self.graph([onnx.node("Add", ["monthly", "b"], ["a"]), onnx.node("Identity", ["a"], ["b"]), onnx.node("Sigmoid", ["a"], [test_foreign.P])]),
            "an input that is not there": self.graph([onnx.node("Sigmoid", ["nowhere"], [test_foreign.P])]),
            "an output twice": self.graph([*one, onnx.node("Identity", ["score"], [test_foreign.P])]),
            "an operator that is not there": self.graph([*one[:-1], onnx.node("Pwn", ["score"], [test_foreign.P])]),
            "a domain that is not there": self.graph([*one[:-1], onnx.node("Sigmoid", ["score"], [test_foreign.P], "com.evil")]),
            "2^60 elements": self.graph([*one[:-1], onnx.node("ConstantOfShape", ["huge"], ["big"]), onnx.node("ReduceSum", ["big"], ["sum"]), onnx.node("Add", ["score", "sum"], ["s2"]),
                                         onnx.node("Sigmoid", ["s2"], [test_foreign.P])], [size]),
            "expanded": self.graph([*one[:-1], onnx.node("Expand", ["score", "huge"], ["big"]), onnx.node("ReduceMax", ["big"], ["max"]),
                                    onnx.node("Sigmoid", ["max"], [test_foreign.P])], [size]),
            "another answer": self.graph([*one[:-1], onnx.node("Neg", ["score"], ["s2"]), onnx.node("Sigmoid", ["s2"], [test_foreign.P])]),
        }
        for name, data in cases.items():
            with self.subTest(name):
                self.replace("model.onnx", data)
                why = self.serves()
                self.assertIsNotNone(why)
                if "loop" in name:
                    self.assertIn("and was stopped", why)

    def test_names_with_a_nul(self):
        for name, start in (("schema.json", b'"name": "'), ("example.json", b'"')):
            with self.subTest(name):
                self.assertIn(start + b"monthly", self.whole[name])
                self.replace(name, self.whole[name].replace(start + b"monthly", start + b"monthly\\u0000ly", 1))
                self.assertIn('"monthly" holds a NUL byte', self.serves() or "")
                self.replace(name, self.whole[name])

    def test_descriptions(self):
        for name in ("schema.json", "example.json"):
            for text in (b"", b"{", b"[]", b"null", b"{}", b"[" * 100000, b'{"rows": [{"monthly": "x"}], "answers": [[0.5]], "inputs": [5]}',
                         self.whole[name].replace(b'"', b"'")):
                with self.subTest(name=name, text=text[:40]):
                    self.replace(name, text)
                    self.assertIsNotNone(self.serves())
            self.replace(name, self.whole[name])

    def test_random_graphs(self):
        r = random.Random(5)
        for n in range(12):
            data = bytearray(self.whole["model.onnx"])
            for _ in range(r.randint(1, 3)):
                data[r.randrange(len(data))] = r.randrange(256)
            with self.subTest(n=n):
                self.replace("model.onnx", bytes(data))
                self.serves()


if __name__ == "__main__":
    gm.main()
