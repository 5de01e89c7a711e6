"""A long day of the server: all protocols, good and bad requests, versions exchanged and tried, and nothing that grows.

    SOAK_SECONDS=600 make bench-soak      prints one line of JSON; exit code 1 when something was wrong

Full load by CLIENTS (4) pipelining connections, beside them broken connections, scrapes, large bodies, exchanges of the champion and canaries.
Memory, descriptors and threads are the medians around minute 1 (a quarter of shorter runs) and at the end. The program is GRISTMILL; MAKER, by
default the same, trains the two models, so that the program may be one with sanitizers.
"""
import json
import os
import pathlib
import random
import socket
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SECONDS, CLIENTS = float(os.environ.get("SOAK_SECONDS", "600")), int(os.environ.get("CLIENTS", "4"))
SERVED = os.environ.get("GRISTMILL", str(ROOT / "build/release/gristmill"))
os.environ["GRISTMILL"] = os.environ.get("MAKER", SERVED)
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "test/integration"))
import gm
import serving
from test_serve import make_project

ROW = {"age": 40, "plan": "basic", "monthly": 20.5, "joined": "2024-03-02"}
COLUMNS = list(ROW)


def request(method, path, body=b"", kind="application/json", *lines):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    more = "".join(f"{line}\r\n" for line in lines)
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{more}"
    return (head + (f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n" if method == "POST" else "") + "\r\n").encode() + body


def tensors(**changed):
    kinds = {"age": "INT64", "plan": "BYTES", "monthly": "FP64", "joined": "BYTES"}
    return {"inputs": [{"name": n, "datatype": kinds[n], "shape": [1], "data": [{**ROW, **changed}[n]]} for n in COLUMNS]}


def binary():
    parts = [(40).to_bytes(8, "little"), serving.bytes_tensor(["basic"]), bytes.fromhex("0000000000803440"), serving.bytes_tensor(["2024-03-02"])]
    inputs = [{"name": n, "datatype": d, "shape": [1], "parameters": {"binary_data_size": len(p)}} for n, d, p in zip(COLUMNS, ("INT64", "BYTES", "FP64", "BYTES"), parts)]
    head = json.dumps({"inputs": inputs}).encode()
    return request("POST", "/v2/models/churn/infer", head + b"".join(parts), "application/octet-stream", f"Inference-Header-Content-Length: {len(head)}")


CSV = (",".join(COLUMNS) + "\n").encode()
LINE = b"40,basic,20.5,2024-03-02\n"
# What is sent, and what it must be answered; the connection goes on after each.
MIX = [(request("POST", "/v1/models/churn:predict", {"instances": [ROW]}), 200), (request("POST", "/v2/models/churn/infer", tensors()), 200), (binary(), 200),
       (request("POST", "/v2/models/churn/infer", tensors(plan="gold"), "application/json", "X-Gristmill-Sticky: a"), 200),
       (request("POST", "/invocations", {"dataframe_split": {"columns": COLUMNS, "data": [list(ROW.values())] * 3}}), 200),
       (request("POST", "/invocations", {"dataframe_records": [ROW]}), 200), (request("POST", "/invocations", {"inputs": {n: [v] for n, v in ROW.items()}}), 200),
       (request("POST", "/invocations", CSV + LINE * 5, "text/csv"), 200), (request("GET", "/v2/health/ready"), 200), (request("GET", "/v2/models/churn"), 200),
       (request("POST", "/v1/models/churn:predict", {"instances": [ROW]}, "application/json", "X-Gristmill-Variant: candidate"), 200),
       (request("POST", "/v1/models/churn:predict", b'{"instances": ['), 400), (request("POST", "/v1/models/churn:predict", {"instances": [{**ROW, "age": "x"}]}), 400),
       (request("POST", "/v2/models/churn/infer", {"inputs": []}), 400), (request("POST", "/v2/models/nobody/infer", tensors()), 404),
       (request("POST", "/invocations", b"x", "application/pickle"), 415), (request("GET", "/nowhere"), 404), (request("GET", "/invocations"), 405),
       (request("POST", "/v1/models/churn:predict", {"instances": [ROW]}, "application/json", "Origin: http://evil.example"), 403)]
LARGE = [(request("POST", "/invocations", CSV + LINE * 20000, "text/csv"), 200), (request("GET", "/metrics"), 200), (request("GET", "/openapi.json"), 200),
         (request("POST", "/invocations", {"dataframe_records": [ROW] * 3000}, "application/json", "Accept-Encoding: gzip"), 200),
         (request("POST", "/v1/models/churn:explain", {"instances": [ROW] * 3}), 200)]
BROKEN = [b"GET /v2 HTTP/1.1\r\nHost : x\r\n\r\n", b"\x16\x03\x01", b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{", b"GET /" + b"y" * 9000,
          b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz", LARGE[0][0][:100000], MIX[0][0] * 40, b""]


class Soak:
    def __init__(self, project, server):
        self.project, self.server = project, server
        self.end = time.monotonic() + SECONDS
        self.lock, self.statuses, self.wrong, self.exchanges = threading.Lock(), {}, [], 0
        self.samples = []  # (seconds since the beginning, MiB, descriptors, threads)

    def runs(self):
        return time.monotonic() < self.end and self.server.process.poll() is None

    def guard(self, work, *args):
        try:
            while self.runs():
                work(*args)
        except Exception as e:
            with self.lock:
                self.wrong.append(f"{work.__name__}: {e!r}"[:500])

    def exchange(self, batch):
        """The batch over one connection, its replies in order."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as s:
            stream = s.makefile("rb", 1 << 16)
            for _ in range(50):
                if not self.runs():
                    return
                s.sendall(b"".join(data for data, _ in batch))
                for data, wanted in batch:
                    self.reply(stream, data, wanted)

    def reply(self, stream, data, wanted):
        status, length = int(stream.readline().split()[1]), 0
        while (line := stream.readline().strip()):
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        body = stream.read(length)
        with self.lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if status != wanted and len(self.wrong) < 10:
                self.wrong.append(f"{data[:120]!r} was answered {status}: {body[:200]!r}")

    def usual(self, r):
        self.exchange([r.choice(MIX) for _ in range(24)])

    def large(self, r):
        self.exchange([r.choice(LARGE)])
        time.sleep(0.05)

    def broken(self, r):
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as s:
            s.sendall(r.choice(BROKEN))
            if r.random() < 0.3:
                s.settimeout(0.2)
                try:
                    s.recv(1000)
                except OSError:
                    pass
        time.sleep(0.01)

    def versions(self):
        for args in (("models", "churn/1", "--alias", "champion"), ("deploy", "churn/2", "--canary", "30%"), ("rollback", "churn"), ("models", "churn/2", "--alias", "champion")):
            result = self.project.gm(*args)
            if result.code and "rolled" not in result.err + result.out:
                raise RuntimeError(repr(result))
            self.exchanges += 1
            time.sleep(0.3)

    def watch(self):
        proc = pathlib.Path(f"/proc/{self.server.process.pid}")
        begun = time.monotonic()
        while self.runs():
            status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
            self.samples.append((time.monotonic() - begun, int(status["VmRSS"].split()[0]) / 1024, len(os.listdir(proc / "fd")), int(status["Threads"])))
            time.sleep(1)

    def around(self, seconds, column):
        near = [s[column] for s in self.samples if abs(s[0] - seconds) <= max(5, SECONDS / 20)]
        return statistics.median(near) if near else 0

    def run(self):
        work = [(self.usual, random.Random(i)) for i in range(CLIENTS)] + [(self.large, random.Random(98)), (self.broken, random.Random(99)), (self.versions,)]
        threads = [threading.Thread(target=self.guard, args=w) for w in work] + [threading.Thread(target=self.watch)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


def main():
    project = make_project()
    gm.PROGRAM = SERVED
    server = serving.Server(project.dir, "--log", "10%", "--access_log", "access.log", "--log_age", "20s")
    threading.Thread(target=lambda: setattr(server, "heard", server.process.stderr.read()), daemon=True).start()  # it never waits for a reader
    gm.PROGRAM = os.environ["GRISTMILL"]
    soak = Soak(project, server)
    soak.run()
    server.process.terminate()
    code = server.process.wait(120)
    time.sleep(0.2)
    heard = server.heard.decode(errors="replace")
    early = min(60, SECONDS / 4)
    numbers = {f"{name}_{when}": round(soak.around(at, column), 1) for column, name in ((1, "memory_mib"), (2, "descriptors"), (3, "threads"))
               for when, at in (("early", early), ("end", SECONDS))}
    complaints = [line for line in heard.splitlines() if "Sanitizer" in line or "runtime error" in line]
    good = not soak.wrong and code == 0 and not complaints
    print(json.dumps({"bench": "soak", "seconds": SECONDS, "replies": sum(soak.statuses.values()), "statuses": dict(sorted(soak.statuses.items())), "exchanges": soak.exchanges,
                      **numbers, "exit": code, "wrong": soak.wrong, "complaints": complaints[:10]}))
    if complaints and "SOAK_HEARD" in os.environ:
        pathlib.Path(os.environ["SOAK_HEARD"]).write_text(heard)
    project.close()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
