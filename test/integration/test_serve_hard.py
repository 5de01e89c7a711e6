"""Hard days of a server: slow and many clients, no descriptors, a full disk, a store that goes away, versions exchanged under load, and its end.

GM_EXCHANGES says how often two versions are exchanged (20).
"""
import json
import os
import resource
import selectors
import shutil
import socket
import struct
import threading
import time

import gm
import serving
from test_serve import make_project

PREDICT = "/v1/models/churn:predict"
ROW = {"age": 40, "plan": "basic", "monthly": 20.5, "joined": "2024-03-02"}
BODY = json.dumps({"instances": [ROW]}).encode()
EXCHANGES = int(os.environ.get("GM_EXCHANGES", "20"))


def infer_body(request_id):
    return {"id": request_id, "inputs": [{"name": n, "datatype": d, "shape": [1], "data": [v]} for n, d, v in
            (("age", "INT64", 40), ("plan", "BYTES", "basic"), ("monthly", "FP64", 20.5), ("joined", "BYTES", "2024-03-02"))]}


def resident_mb(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize() / 2**20


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Clients:
    """Threads that ask one after the other, each with ids of its own, until told to stop or nobody answers any more."""

    def __init__(self, server, count, path="/v2/models/churn/infer"):
        self.server, self.path, self.stopping = server, path, threading.Event()
        self.answered, self.refused, self.torn, self.unanswered = [], [], [], 0
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(count)]
        for t in self.threads:
            t.start()

    def run(self, index):
        c, n = self.server.connect(), 0
        while not self.stopping.is_set():
            request_id, n = f"c{index}-{n}", n + 1
            try:
                r = self.server.post(self.path, infer_body(request_id), connection=c)
            except ConnectionRefusedError:
                return
            except OSError:  # no byte of an answer came: http.client's RemoteDisconnected and resets
                self.unanswered += 1
                c.close()
                continue
            except Exception as e:  # an answer that broke off
                self.torn.append(repr(e))
                return
            (self.answered if r.status == 200 else self.refused).append(request_id if r.status == 200 else r)

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join()


class Hard(gm.Case):
    @classmethod
    def setUpClass(cls):
        cls.made = make_project()

    @classmethod
    def tearDownClass(cls):
        cls.made.close()

    def copy(self):
        p = self.project()
        shutil.copytree(self.made.dir, p.dir, dirs_exist_ok=True)
        return p

    def start(self, p, *args, **more):
        s = serving.Server(p.dir, *args, **more)
        self.addCleanup(s.close)
        return s

    def ends_well(self, s):
        code, log = s.terminate()
        self.assertEqual(code, 0, log)
        self.assertNotIn("Sanitizer", log)
        return log

    def logged(self, p):
        shown = self.ok(p.gm("predictions", "--json", "--limit", "1000000")).json()
        return shown if isinstance(shown, list) else shown["predictions"]

    # ---- clients

    def test_slow_connections_and_readers(self):
        s = self.start(self.copy(), "--log", "off")
        pid, watch, begun, closed = s.process.pid, selectors.DefaultSelector(), time.monotonic(), []
        slow = []
        for _ in range(1000):
            c = socket.create_connection(("127.0.0.1", s.port))
            c.send(b"G")
            slow.append(c)
            watch.register(c, selectors.EVENT_READ)
        opened = time.monotonic()
        readers = [socket.socket() for _ in range(10)]
        for c in readers:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            c.connect(("127.0.0.1", s.port))
            c.setblocking(False)
            try:
                for _ in range(2000):
                    c.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
            except BlockingIOError:
                pass
        memory, health, probe, more = resident_mb(pid), [], s.connect(), opened + 5
        while watch.get_map() and time.monotonic() < opened + 15:
            asked = time.monotonic()
            self.assertEqual(s.get("/v2/health/live", connection=probe).status, 200)
            health.append(time.monotonic() - asked)
            for key, _ in watch.select(0.02):
                closed.append(time.monotonic())
                watch.unregister(key.fileobj)
                try:
                    self.assertIn(key.fileobj.recv(4096)[:12], (b"HTTP/1.1 408", b""))
                except ConnectionResetError:
                    pass
            if time.monotonic() > more:
                more += 5
                for key in list(watch.get_map().values()):
                    try:
                        key.fileobj.send(b"E")
                    except OSError:
                        pass
        self.assertEqual(len(closed), 1000)
        self.assertLess(max(closed) - opened, 11)
        health.sort()
        self.assertLess(health[len(health) * 99 // 100], 0.05)
        s.until(lambda: s.metric("gristmill_http_connections") <= 2, 8)  # slow readers are gone as well
        self.assertLess(resident_mb(pid) - memory, 32 if "asan" not in gm.PROGRAM else 128)
        self.assertLess(memory, 400)
        for c in slow + readers:
            c.close()
        self.ends_well(s)

    def test_connections_come_and_go(self):
        s = self.start(self.copy(), "--log", "off")
        head = b"POST " + PREDICT.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(BODY)
        self.assertEqual(s.post(PREDICT, BODY).status, 200)
        before = descriptors(s.process.pid)
        for n in range(1500):
            c = socket.create_connection(("127.0.0.1", s.port))
            how = n % 6
            if how == 1:
                c.send(head)
            elif how == 2:
                c.send(head + BODY[:9])
            elif how == 3:
                c.send((head + BODY) * 5)
            elif how == 4:
                c.send(head + BODY)
                c.shutdown(socket.SHUT_WR)
                self.assertIn(b" 200 ", c.recv(100))
            if how in (2, 3, 5):
                c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            c.close()
        s.until(lambda: descriptors(s.process.pid) <= before)
        self.assertEqual(s.post(PREDICT, BODY).status, 200)
        self.ends_well(s)

    def test_few_descriptors(self):
        p = self.copy()
        s = self.start(p, "--log", "full", "--loops", "2")
        first = s.connect()
        self.assertEqual(s.post(PREDICT, BODY, connection=first).status, 200)
        limits = resource.prlimit(s.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(s.process.pid, resource.RLIMIT_NOFILE, (64, limits[1]))
        crowd = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(150)]
        time.sleep(0.5)
        used = cpu_seconds(s.process.pid)
        time.sleep(1)
        self.assertLess(cpu_seconds(s.process.pid) - used, 0.5)
        self.assertLessEqual(descriptors(s.process.pid), 64)
        self.assertIn(s.post(PREDICT, BODY, connection=first).status, (200, 503))  # 503: no descriptor for a segment of the log
        for c in crowd:
            c.close()
        s.until(lambda: s.post(PREDICT, BODY).status == 200)
        self.ends_well(s)

    # ---- disks

    def test_full_disk(self):
        p = self.copy()
        s = self.start(p, "--log", "full", "--loops", "1")
        good = sum(s.post(PREDICT, BODY).status == 200 for _ in range(5))
        limits = resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
        statuses = []
        for _ in range(200):
            r = s.post(PREDICT, BODY)
            statuses.append(r.status)
            if r.status != 200:
                self.assertEqual((r.status, r.headers["Retry-After"]), (503, "1"), r)
                self.assertIn("prediction log", r.json()["error"])
        self.assertEqual(statuses, sorted(statuses))  # 200 until it is full, 503 from then on
        self.assertEqual(statuses[-1], 503)
        self.assertEqual(s.get("/v2/health/live").status, 200)
        resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, limits)
        self.assertEqual(s.post(PREDICT, BODY).status, 200)
        log = self.ends_well(s)
        self.assertEqual(log.count("cannot be written"), 1, log)
        self.assertEqual(log.count("is written again"), 1, log)
        self.assertEqual(len(self.logged(p)), good + statuses.count(200) + 1)

    def test_full_disk_when_sampled(self):
        p = self.copy()
        s = self.start(p, "--log", "100%", "--loops", "1")
        limits = resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
        c = s.connect()
        for _ in range(3):
            for _ in range(60):
                self.assertEqual(s.post(PREDICT, BODY, connection=c).status, 200)
            time.sleep(1.1)  # a tick writes what is there
        lost = s.until(lambda: s.metric("gristmill_prediction_log_lost_rows_total"))
        resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE, limits)
        self.assertEqual(s.post(PREDICT, BODY).status, 200)
        self.ends_well(s)
        self.assertEqual(len(self.logged(p)), 181 - lost)

    def test_the_log_folder_is_removed(self):
        p = self.copy()
        s = self.start(p, "--log", "full", "--loops", "1")
        self.assertEqual(s.post(PREDICT, BODY).status, 200)
        shutil.rmtree(p.dir / ".gristmill/predictions")
        s.until(lambda: not any("(deleted)" in os.readlink(f"/proc/{s.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{s.process.pid}/fd")), 5)
        self.assertEqual([s.post(PREDICT, BODY).status for _ in range(3)], [200] * 3)
        s.process.kill()
        s.process.wait()
        self.assertEqual(len(self.logged(p)), 3)

    # ---- the store

    def test_the_store_is_removed(self):
        p = self.copy()
        s = self.start(p, "--log", "off")
        before = s.post(PREDICT, BODY).body
        shutil.rmtree(p.dir / ".gristmill")
        time.sleep(1)
        self.assertEqual(s.post(PREDICT, BODY).body, before)
        self.assertGreaterEqual(s.post("/v2/repository/models/other/load", {}).status, 400)
        self.assertEqual(s.post(PREDICT, BODY).body, before)
        self.assertLess(len(self.ends_well(s)), 4000)

    def test_the_champion_is_taken_away(self):
        p = self.copy()
        every, named = self.start(p, "--log", "off"), self.start(p, "churn", "--log", "off")
        self.ok(p.gm("models", "churn/2", "--drop-alias", "champion"))
        every.until(lambda: every.post(PREDICT, BODY).status == 404)
        self.assertEqual(every.get("/v2/health/ready").status, 503)
        time.sleep(0.5)
        self.assertEqual(named.post(PREDICT, BODY).status, 200)  # asked for by name: what answered goes on
        self.ok(p.gm("models", "churn/1", "--alias", "champion"))
        for s in (every, named):
            s.until(lambda: s.post(PREDICT, BODY).status == 200 and s.get("/v2/models/churn").json()["versions"][:1] == ["1"])
            self.ends_well(s)

    def test_versions_are_exchanged(self):
        p = self.copy()
        s = self.start(p, "--log", "1%")
        clients, memory = Clients(s, 2), None
        for n in range(EXCHANGES):
            version = str(n % 2 + 1)
            self.ok(p.gm("models", f"churn/{version}", "--alias", "champion"))
            s.until(lambda: s.get("/v2/models/churn").json()["versions"][:1] == [version])
            if n == EXCHANGES // 2:
                memory = resident_mb(s.process.pid)
        grown = resident_mb(s.process.pid) - memory
        clients.stop()
        self.assertEqual((clients.refused, clients.torn, clients.unanswered), ([], [], 0))
        self.assertLess(grown, 8 + 0.05 * EXCHANGES if "asan" not in gm.PROGRAM else 128)  # freed memory stays in ASan's quarantine
        self.ends_well(s)

    # ---- the end

    def test_terminated_under_load(self):
        p = self.copy()
        s = self.start(p, "--log", "full")
        clients = Clients(s, 4)
        s.until(lambda: len(clients.answered) > 200, 30)
        log = self.ends_well(s)
        clients.stop()
        self.assertEqual((clients.refused, clients.torn), ([], []))
        kept = {r["id"] for r in self.logged(p)}
        self.assertEqual(set(clients.answered) - kept, set(), log)
        self.assertLessEqual(len(kept) - len(clients.answered), clients.unanswered)
        self.assertLessEqual(clients.unanswered, 4)

    def test_killed_under_load(self):
        p = self.copy()
        s = self.start(p, "--log", "full")
        clients = Clients(s, 4)
        s.until(lambda: len(clients.answered) > 200, 30)
        s.process.kill()
        s.process.wait()
        clients.stop()
        rows = [r["id"] for r in self.logged(p)]
        self.assertEqual(set(clients.answered) - set(rows), set())
        self.assertEqual(len(rows), len(set(rows)))
        again = self.start(p, "--log", "full")  # a later server does not touch what the killed one left
        self.assertEqual(again.post(PREDICT, BODY).status, 200)
        self.ends_well(again)
        self.assertEqual(len(self.logged(p)), len(rows) + 1)


if __name__ == "__main__":
    gm.main()
