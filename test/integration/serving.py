"""serving.py - a server of the program, started as a user would and asked over plain HTTP."""
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import time

import gm

TRAINED = gm.QUICK + "data: churn.csv\ntarget: churned\npipeline: churn\ngates: [roc_auc >= 0.5]\n"


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"HTTP {self.status} {dict(self.headers)}\n{self.body[:2000]!r}"


class Server:
    """`gristmill serve ARGS` on a free port; stopped by close()."""

    def __init__(self, directory, *args, env=None, wait_ready=True):
        self.process = subprocess.Popen([gm.PROGRAM, "serve", "--port", "0", "--json", *args], cwd=directory, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env={**os.environ, **(env or {})})
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the server did not start: {self.process.communicate()[1].decode()}")
        self.port = json.loads(line)["port"]
        self.log = None

    def connect(self, timeout=30):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method, path, body=None, headers=None, connection=None):
        c = connection or self.connect()
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers = {"Content-Type": "application/json", **(headers or {})}
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        reply = Reply(r.status, r.headers, r.read())
        if connection is None:
            c.close()
        return reply

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body=None, headers=None, connection=None):
        return self.ask("POST", path, body, headers, connection)

    def raw(self, data, timeout=10):
        """Bytes as they are; all that comes back until the server closes or nothing came for a second."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as s:
            s.sendall(data)
            s.settimeout(1)
            got = b""
            try:
                while part := s.recv(65536):
                    got += part
            except socket.timeout:
                pass
            return got

    def metric(self, name, **labels):
        """Sum of a metric's lines that carry these labels."""
        total = 0.0
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith(name) and line[len(name)] in "{ " and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def until(self, what, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := what():
                return value
            time.sleep(0.05)
        raise AssertionError("it did not come about in time")

    def terminate(self, timeout=40, send=True):
        """SIGTERM (a second one would end it at once), and what the server said: (exit code, standard error)."""
        if send and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=timeout)
        self.log = err.decode(errors="replace")
        return self.process.returncode, self.log

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        if self.log is None:
            self.log = self.process.communicate()[1].decode(errors="replace")


def records(rows):
    """Rows of a CSV text as dictionaries whose numbers are numbers."""
    lines = rows.strip().splitlines()
    names = lines[0].split(",")
    out = []
    for line in lines[1:]:
        row = {}
        for name, text in zip(names, line.split(",")):
            try:
                row[name] = json.loads(text)
            except ValueError:
                row[name] = text or None
        out.append(row)
    return out


def bytes_tensor(texts):
    return b"".join(struct.pack("<I", len(t.encode())) + t.encode() for t in texts)
