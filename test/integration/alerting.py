"""alerting.py - what the tests of alerts share: a web server and a mail server that do as they are told, and a project with things in its queue."""
import base64
import email
import email.policy
import hashlib
import http.server
import json
import shutil
import socket
import socketserver
import sqlite3
import ssl
import threading
import time

import gm

RULES = ["drift", "decay", "failed checks", "a", "b", "c", *(f"r{i}" for i in range(20))]
TEMPLATE = None  # a project with a store, made once


def set_up():
    global TEMPLATE
    TEMPLATE = gm.Project("data: churn.csv\ntarget: churned\ntrain: { try: [logistic], split: { by: random } }\n", **{"churn.csv": gm.churn(200)})
    result = TEMPLATE.gm("run")
    assert result.code == 0, result


def tear_down():
    TEMPLATE.close()


def us(seconds=0.0):
    return int((time.time() + seconds) * 1e6)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- servers that do as they are told --------------------------------------------------------------------------------------------


class Web:
    """Keeps what it was sent; answers as told: a status, a pair of status and headers, or a word: hang, close, half."""

    def __init__(self):
        self.requests, self.answers, self.released = [], [], threading.Event()
        self.text = b"the answer of the other side"
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.requests.append((self.path, dict(self.headers), body))
                answer = outer.answers.pop(0) if outer.answers else 200
                if answer == "hang":
                    outer.released.wait(60)
                    return
                if answer == "close":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if answer == "half":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly the beginning")
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status, headers = answer if isinstance(answer, tuple) else (answer, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                text = outer.text
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def bodies(self):
        return [json.loads(body) for _, _, body in self.requests]


class Mail:
    """An SMTP server that keeps mails. said: how it answers a command instead, by its first word, once each ("MAIL": ["450 later"])."""

    def __init__(self, tls=None, login=None, offer_tls=True, wrapped=False):
        self.mails, self.said, self.logins, self.encrypted = [], {}, [], []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def reply(self, *lines):
                for i, line in enumerate(lines):
                    text = line if i == len(lines) - 1 else line[:3] + "-" + line[4:]
                    self.wfile.write(text.encode() + b"\r\n")

            def handle(self):
                secure = wrapped
                if wrapped:
                    self.begin_tls()
                sender, recipients = None, []
                self.reply("220 stub ESMTP")
                while True:
                    line = self.rfile.readline().decode().rstrip("\r\n")
                    word = line.split(" ")[0].split(":")[0].upper()
                    if not line:
                        return
                    if outer.said.get(word):
                        answer = outer.said[word].pop(0)
                        if answer == "close":
                            return
                        self.reply(answer)
                        continue
                    if word == "EHLO":
                        extra = (["250 STARTTLS"] if tls and offer_tls and not secure else []) + (["250 AUTH PLAIN"] if login else [])
                        self.reply("250 stub", "250 8BITMIME", *extra)
                    elif word == "STARTTLS":
                        self.reply("220 go ahead")
                        self.begin_tls()
                        secure = True
                    elif word == "AUTH":
                        words = base64.b64decode(line.split(" ")[2]).decode().split("\0")[1:] if len(line.split(" ")) > 2 else self.ask()
                        outer.logins.append(tuple(words))
                        self.reply("235 welcome" if tuple(words) == login else f"535 no, {words[1]} is wrong")
                    elif word == "MAIL":
                        sender, recipients = line, []
                        self.reply("250 ok")
                    elif word == "RCPT":
                        recipients.append(line.split("<")[1].split(">")[0])
                        self.reply("250 ok")
                    elif word == "DATA":
                        self.reply("354 go on")
                        lines = []
                        while True:
                            part = self.rfile.readline()
                            if part in (b".\r\n", b""):
                                break
                            lines.append(part[1:] if part.startswith(b".") else part)
                        outer.mails.append((sender, recipients, b"".join(lines)))
                        outer.encrypted.append(secure)
                        self.reply("250 taken")
                    elif word == "QUIT":
                        self.reply("221 bye")
                        return
                    else:
                        self.reply("250 ok")

            def ask(self):
                self.reply("334 ")
                return base64.b64decode(self.rfile.readline()).decode().split("\0")[1:]

            def begin_tls(self):
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*tls)
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb", -1), self.connection.makefile("wb", 0)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads, allow_reuse_address = True, True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"smtp://localhost:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def read(self, i=-1):
        return email.message_from_bytes(self.mails[i][2], policy=email.policy.default)


# ---- a project with things in its queue --------------------------------------------------------------------------------------------


class AlertCase(gm.Case):
    def with_alert(self, section, **env):
        """section: a list of channels, or a map that has them; rules are added."""
        p = self.project()
        shutil.copytree(TEMPLATE.dir / ".gristmill", p.dir / ".gristmill")
        shutil.copy(TEMPLATE.dir / "churn.csv", p.dir)
        keys = section[2:-2] if section.startswith("{") else f"send: {section}"
        rules = ", ".join(f"{{ when: drift, name: {name} }}" for name in RULES)
        p.write("gristmill.yaml", f"pipeline: churn\ndata: churn.csv\ntarget: churned\nmonitor:\n  alert: {{ rules: [{rules}], {keys} }}\n")
        p.env = {"no_proxy": "*", **env}
        return p

    def web(self, *answers):
        w = Web()
        w.answers += answers
        self.addCleanup(w.close)
        return w

    def mail(self, **options):
        m = Mail(**options)
        self.addCleanup(m.close)
        return m

    def store(self, p, sql, *values):
        db = sqlite3.connect(p.dir / ".gristmill/meta.db", timeout=20)
        try:
            with db:
                return db.execute(sql, values).fetchall()
        finally:
            db.close()

    def fire(self, p, *channels, rule="drift", model="churn", title=None, text=None, due=0.0):
        """An alert that began, with a message to each channel, as one transaction of watching would leave it."""
        now = us()
        title = title or f"{model}/3: {rule}"
        text = text or f"model    {model}/3\nlook     gristmill watch\n"
        self.store(p, "INSERT INTO alerts(model, rule, severity, state, began_us, last_us, ended_us, said_us, snoozed_until_us, title, detail)"
                      " VALUES(?, ?, 'critical', 'firing', ?, ?, 0, ?, 0, ?, '{}')", model, rule, now - 60_000_000, now, now, title)
        alert = self.store(p, "SELECT max(id) FROM alerts")[0][0]
        self.say(p, alert, channels, "firing", rule, model, title, text, now, due)
        return alert

    def say(self, p, alert, channels, kind, rule="drift", model="churn", title="t", text="x\n", now=None, due=0.0):
        now = now or us()
        began = self.store(p, "SELECT began_us FROM alerts WHERE id = ?", alert)[0][0]
        mid = hashlib.sha256(f"{alert} {kind}".encode()).hexdigest()[:32]
        m = {"id": mid, "kind": kind, "severity": "critical", "model": model, "rule": rule, "title": title, "text": text, "began_us": began, "at_us": now}
        for c in channels:
            self.store(p, "INSERT INTO deliveries(alert_id, batch, channel, message_id, kind, message, state, attempts, next_us, created_us, sent_us, last_error)"
                          " VALUES(?, 0, ?, ?, ?, ?, 'waiting', 0, ?, ?, 0, '')", alert, c, mid, kind, json.dumps(m), now + int(due * 1e6), now)

    def resolve(self, p, alert, *channels, rule="drift"):
        now = us()
        self.store(p, "UPDATE alerts SET state = 'resolved', ended_us = ? WHERE id = ?", now, alert)
        self.store(p, "UPDATE deliveries SET state = 'sent' WHERE alert_id = ? AND state = 'lasting'", alert)
        self.store(p, "UPDATE deliveries SET state = 'dropped' WHERE alert_id = ? AND state = 'held'", alert)
        self.say(p, alert, channels, "resolved", rule=rule, title="over", now=now)

    def send(self, p, *args, **env):
        return p.gm("alerts", "--send", "--json", *args, env={**p.env, **env}, timeout=120)

    def queue(self, p):
        """Oldest first."""
        return list(reversed(self.ok(p.gm("alerts", "--queue", "--json", "--limit", "0", env=p.env)).json()))

    def again(self, p, message=1):
        self.ok(p.gm("alerts", "--retry", str(message), env=p.env))
