"""Alerts leave the house: the queue against servers that take, refuse, fail, hang and vanish; the real Alertmanager; a sender that is killed.

What watching would have queued is put into the store here, so that each test says what is in the queue.
"""
import datetime
import hashlib
import hmac
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

import alerting
import gm
from alerting import AlertCase, free_port, us

SECRET = "a-secret-of-the-test"


def setUpModule():
    alerting.set_up()


def tearDownModule():
    alerting.tear_down()


# ---- the webhook ---------------------------------------------------------------------------------------------------------------------


class Webhooks(AlertCase):
    def test_a_message_is_signed_and_leaves_the_queue(self):
        w = self.web(204)
        p = self.with_alert(f"[webhook: {{ url: '{w.url}', secret: env:HOOK_SECRET }}]", HOOK_SECRET=SECRET)
        self.fire(p, "webhook", title="churn/3: drift: age")
        out = self.ok(self.send(p)).json()
        self.assertEqual((out["sent"], out["failed"], out.get("next_us")), (1, 0, None))
        path, headers, body = w.requests[0]
        self.assertEqual((path, headers["Content-Type"]), ("/hook", "application/json"))
        self.assertIn("gristmill/", headers["User-Agent"])
        message = json.loads(body)
        self.assertEqual((message["title"], message["kind"], headers["X-Gristmill-Id"]), ("churn/3: drift: age", "firing", message["id"]))
        stamp = headers["X-Gristmill-Timestamp"]
        self.assertLess(abs(int(stamp) - time.time()), 60)
        mac = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        self.assertEqual(headers["X-Gristmill-Signature"], "sha256=" + mac)
        self.assertEqual([(m["state"], m["attempts"]) for m in self.queue(p)], [("sent", 1)])
        self.assertEqual(self.ok(self.send(p)).json()["sent"], 0)
        self.assertEqual(len(w.requests), 1)

    def test_failures_are_tried_again_later_with_the_same_id(self):
        w = self.web(500, (429, {"Retry-After": "90"}), "close", "half", 200)
        p = self.with_alert(f"[webhook: '{w.url}']")
        self.fire(p, "webhook")
        waits = []
        for words in ("the other side answered 500 the answer of the other side", "429", "127.0.0.1", "127.0.0.1"):
            began = us()
            self.assertEqual(self.send(p).code, 1)
            m = self.queue(p)[0]
            self.assertEqual(m["state"], "waiting")
            self.assertIn(words, m["last_error"])
            waits.append((m["next_us"] - began) / 1e6)
            self.assertEqual(self.ok(self.send(p)).json()["failed"], 0)  # not due yet
            self.again(p)
        # 5, 10, 20, 40 s less up to half; a second for the send itself. The second was asked for.
        for wait, low, high in zip(waits, (2.5, 90, 10, 20), (6, 91.5, 21, 41)):
            self.assertTrue(low <= wait <= high, waits)
        self.ok(self.send(p))
        m = self.queue(p)[0]
        self.assertEqual((m["state"], m["attempts"], m["last_error"]), ("sent", 5, ""))
        self.assertEqual(len({r[1]["X-Gristmill-Id"] for r in w.requests}), 1)
        self.assertEqual(len({r[2] for r in w.requests}), 1)

    def test_one_that_hangs_holds_up_no_other_and_is_asked_once(self):
        slow, quick = self.web("hang", "hang", "hang"), self.web()
        p = self.with_alert(f"[webhook: '{slow.url}', slack: '{quick.url}']")
        for rule in ("a", "b", "c"):
            self.fire(p, "webhook", "slack", rule=rule)
        began = time.time()
        out = self.send(p, "--timeout", "500ms").json()
        self.assertLess(time.time() - began, 20)  # 3 x 0.5 s would be as well; what counts is the number of requests
        self.assertEqual((out["sent"], out["failed"], len(slow.requests), len(quick.requests)), (3, 3, 1, 3))
        waiting = [m for m in self.queue(p) if m["state"] == "waiting"]
        self.assertEqual(sorted(m["attempts"] for m in waiting), [0, 0, 1])
        for m in waiting:
            self.assertIn("timed out", m["last_error"].lower())

    def test_nobody_listens(self):
        p = self.with_alert(f"[webhook: 'http://127.0.0.1:{free_port()}/hook?token={SECRET}']")
        self.fire(p, "webhook")
        self.assertEqual(self.send(p).code, 1)
        m = self.queue(p)[0]
        self.assertEqual(m["state"], "waiting")
        self.assertIn("could not reach \"127.0.0.1:", m["last_error"])
        self.assertNotIn(SECRET, m["last_error"])
        self.assertIn("1 waiting (1 after an error)", p.gm("alerts").out)

    def test_what_is_refused_stays_visible_and_can_be_sent_again(self):
        w = self.web(404, 302)
        p = self.with_alert(f"[webhook: '{w.url}']")
        self.fire(p, "webhook")
        self.assertEqual(self.send(p).json()["refused"], 1)
        m = self.queue(p)[0]
        self.assertEqual(m["state"], "refused")
        self.assertIn("404", m["last_error"])
        self.assertIn("1 refused", p.gm("alerts").out)
        self.assertEqual(self.ok(self.send(p)).json()["sent"], 0)
        self.again(p)
        self.assertEqual(self.send(p).code, 1)
        self.assertIn("Redirects are not followed", self.queue(p)[0]["last_error"])
        self.again(p)
        self.ok(self.send(p))
        self.assertEqual((self.queue(p)[0]["state"], self.queue(p)[0]["last_error"]), ("sent", ""))
        self.fails(p.gm("alerts", "--retry", "1"), 5, "was sent or dropped")
        self.fails(p.gm("alerts", "--retry", "99"), 4, "no message 99")

    def test_a_channel_that_left_the_file_and_a_secret_that_is_not_there(self):
        w = self.web()
        p = self.with_alert(f"[webhook: {{ url: '{w.url}', secret: env:HOOK_SECRET }}]")
        self.fire(p, "webhook", "gone")
        out = self.send(p).json()
        self.assertEqual((out["failed"], out["refused"], len(w.requests)), (1, 1, 0))
        waiting, refused = self.queue(p)
        self.assertIn("\"env:HOOK_SECRET\" is not set", waiting["last_error"])
        self.assertIn("no channel \"gone\"", refused["last_error"])
        self.again(p)
        self.ok(self.send(p, HOOK_SECRET=SECRET))
        self.assertEqual(len(w.requests), 1)

    def test_an_answer_without_end_is_cut_off(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def pour():
            try:
                c, _ = listener.accept()
                c.recv(65536)
                c.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    c.sendall(b"x" * 65536)
            except OSError:
                pass

        threading.Thread(target=pour, daemon=True).start()
        p = self.with_alert(f"[webhook: 'http://127.0.0.1:{listener.getsockname()[1]}/']")
        self.fire(p, "webhook")
        self.assertEqual(self.send(p, "--timeout", "30s").code, 1)
        self.assertIn("larger than 1 MiB", self.queue(p)[0]["last_error"])

    def test_a_secret_that_the_answer_repeats_is_hidden_wherever_it_is_cut(self):
        w = self.web(500)
        w.text = b"x" * 90 + b" " + SECRET.encode() + b" is what you sent"
        p = self.with_alert(f"[webhook: {{ url: '{w.url}', user: me, password: env:HOOK_PW }}]", HOOK_PW=SECRET)
        self.fire(p, "webhook")
        result = self.send(p)
        error = self.queue(p)[0]["last_error"]
        self.assertIn("x" * 90 + " *********", error)
        for text in (error, result.out, result.err):
            self.assertNotIn(SECRET[:4], text)

    def test_slack_gets_its_own_json(self):
        w = self.web()
        p = self.with_alert("[slack: env:SLACK_URL]", SLACK_URL=w.url + "/services/" + SECRET)
        self.fire(p, "slack", title="churn/3: age < 3 & rising", text="a <b> & c\n")
        self.ok(self.send(p))
        body = w.bodies()[0]
        self.assertEqual(body["text"], "churn/3: age &lt; 3 &amp; rising")
        self.assertEqual(body["attachments"][0]["text"], "```a &lt;b&gt; &amp; c\n```")
        self.assertEqual((body["attachments"][0]["color"], w.requests[0][0]), ("#a30200", "/hook/services/" + SECRET))


# ---- at least once, by one ------------------------------------------------------------------------------------------------------------


class AtLeastOnce(AlertCase):
    def test_killed_between_sending_and_recording_it_comes_again_with_the_same_id(self):
        w = self.web()
        p = self.with_alert(f"[webhook: '{w.url}']")
        self.fire(p, "webhook")
        result = self.send(p, GRISTMILL_FAULT="kill:1@deliver.sent")
        self.assertEqual(result.code, -9)
        self.assertEqual(len(w.requests), 1)
        m = self.queue(p)[0]
        self.assertEqual((m["state"], m["attempts"]), ("waiting", 1))
        self.assertTrue(0 < m["next_us"] - us() < 16_000_000)  # the claim ends by itself: 10 s and 5 s
        self.assertEqual(self.ok(self.send(p)).json()["sent"], 0)
        self.store(p, "UPDATE deliveries SET next_us = ?", us(-1))  # the time has come
        self.assertEqual(self.ok(self.send(p)).json()["sent"], 1)
        self.assertEqual(w.requests[0][1]["X-Gristmill-Id"], w.requests[1][1]["X-Gristmill-Id"])
        self.assertEqual(w.requests[0][2], w.requests[1][2])

    def test_killed_before_sending_it_is_not_lost(self):
        w = self.web()
        p = self.with_alert(f"[webhook: '{w.url}']")
        self.fire(p, "webhook")
        self.assertEqual(self.send(p, GRISTMILL_FAULT="kill:1@deliver.send").code, -9)
        self.assertEqual(len(w.requests), 0)
        self.store(p, "UPDATE deliveries SET next_us = ?", us(-1))
        self.assertEqual(self.ok(self.send(p)).json()["sent"], 1)
        self.assertEqual(len(w.requests), 1)

    def test_killed_anywhere_while_sending_no_message_is_lost(self):
        """A sender for twelve messages is killed at a later and later moment; what each one left is taken up by the next."""
        w = self.web()
        p = self.with_alert(f"[webhook: '{w.url}']")
        for i in range(12):
            self.fire(p, "webhook", rule=f"r{i}")
        kills = 0
        for attempt in range(60):
            run = subprocess.Popen([gm.PROGRAM, "alerts", "--send"], cwd=p.dir, env={**os.environ, **p.env}, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
            try:
                run.wait(0.01 * (attempt % 12 + 1))
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()
                kills += 1
            self.store(p, "UPDATE deliveries SET next_us = ? WHERE state = 'waiting'", us(-1))
            if all(m["state"] == "sent" for m in self.queue(p)):
                break
        self.ok(self.send(p))
        self.assertGreater(kills, 0)
        self.assertEqual({m["state"] for m in self.queue(p)}, {"sent"})
        self.assertEqual({b["rule"] for b in w.bodies()}, {f"r{i}" for i in range(12)})
        by_id = {}
        for _, headers, body in w.requests:
            by_id.setdefault(headers["X-Gristmill-Id"], set()).add(body)
        self.assertEqual((len(by_id), {len(v) for v in by_id.values()}), (12, {1}))

    def test_several_senders_send_each_message_once(self):
        w = self.web()
        p = self.with_alert(f"[webhook: '{w.url}']")
        for i in range(20):
            self.fire(p, "webhook", rule=f"r{i}")
        runs = [subprocess.Popen([gm.PROGRAM, "alerts", "--send"], cwd=p.dir, env={**os.environ, **p.env}, stdout=subprocess.DEVNULL) for _ in range(4)]
        self.assertEqual([r.wait() for r in runs], [0] * 4)
        self.ok(self.send(p))
        self.assertEqual(sorted(b["rule"] for b in w.bodies()), sorted(f"r{i}" for i in range(20)))

    def test_a_recovery_waits_for_what_it_is_the_recovery_of(self):
        w = self.web(503)
        p = self.with_alert(f"[webhook: '{w.url}']")
        alert = self.fire(p, "webhook")
        self.send(p)
        self.resolve(p, alert, "webhook")
        self.assertEqual(self.ok(self.send(p)).json()["sent"], 0)
        self.again(p)
        self.ok(self.send(p))
        self.ok(self.send(p))
        self.assertEqual([b["kind"] for b in w.bodies()], ["firing", "firing", "resolved"])


# ---- groups, silences, snoozes ----------------------------------------------------------------------------------------------------------


class Quiet(AlertCase):
    def test_alerts_of_some_minutes_are_one_message_with_one_id(self):
        w = self.web(500)
        p = self.with_alert(f"{{ send: [webhook: '{w.url}'], group: 5m }}")
        self.fire(p, "webhook", rule="a")
        self.fire(p, "webhook", rule="b", due=200)  # began a little later: its own five minutes are not over
        self.send(p)
        self.fire(p, "webhook", rule="c", due=300)  # after the first try: another group
        self.again(p)
        out = self.ok(self.send(p)).json()
        self.assertEqual(out["sent"], 2)
        first, second = w.bodies()
        self.assertEqual(first, second)
        self.assertEqual((first["kind"], [m["rule"] for m in first["messages"]]), ("group", ["a", "b"]))
        self.assertEqual(first["title"], "churn: 2 alerts")
        self.assertEqual({r[1]["X-Gristmill-Id"] for r in w.requests}, {first["id"]})
        self.assertEqual([m["state"] for m in self.queue(p)], ["sent", "sent", "waiting"])

    def test_a_silence_keeps_messages_back_until_it_ends(self):
        w = self.web()
        p = self.with_alert(f"[webhook: '{w.url}']")
        said = self.ok(p.gm("alerts", "--silence", "drift", "--for", "1d", "--reason", "new airport", env={**p.env, "USER": "ana"})).out
        self.assertIn("silence 1: drift says nothing until", said)
        self.fire(p, "webhook", rule="drift")
        self.fire(p, "webhook", rule="decay")
        self.assertEqual(self.ok(self.send(p)).json()["held"], 1)
        self.assertEqual([b["rule"] for b in w.bodies()], ["decay"])
        held = self.queue(p)[0]
        self.assertEqual((held["state"], held["last_error"], held["attempts"]), ("held", "silence 1: new airport", 0))
        listed = p.gm("alerts", env=p.env).out
        for words in ("new airport", "by ana", "1 held back"):
            self.assertIn(words, listed)
        self.ok(p.gm("alerts", "--unsilence", "1", env=p.env))
        self.ok(self.send(p))
        self.assertEqual([b["rule"] for b in w.bodies()], ["decay", "drift"])
        self.fails(p.gm("alerts", "--unsilence", "1", env=p.env), 5, "is over")

    def test_what_is_over_before_it_was_said_is_not_said(self):
        w = self.web()
        p = self.with_alert(f"[webhook: '{w.url}']")
        alert = self.fire(p, "webhook")
        self.ok(p.gm("alerts", str(alert), "--snooze", "2h", env=p.env))
        self.ok(self.send(p))
        self.assertIn("snoozed", p.gm("alerts", env=p.env).out)
        self.resolve(p, alert, "webhook")
        self.assertEqual(self.ok(self.send(p)).json()["dropped"], 1)
        self.assertEqual(([m["state"] for m in self.queue(p)], w.requests), (["dropped", "dropped"], []))

    def test_a_recovery_is_said_through_a_silence_to_those_who_heard_of_the_alert(self):
        w = self.web()
        p = self.with_alert(f"[webhook: '{w.url}']")
        alert = self.fire(p, "webhook")
        self.ok(self.send(p))
        self.ok(p.gm("alerts", "--silence", "all", "--for", "1h", env=p.env))
        self.say(p, alert, ["webhook"], "repeat")
        self.assertEqual(self.ok(self.send(p)).json()["held"], 1)
        self.resolve(p, alert, "webhook")
        self.ok(self.send(p))
        self.assertEqual([b["kind"] for b in w.bodies()], ["firing", "resolved"])

    def test_a_snooze_ends_by_hand_and_by_time(self):
        w = self.web()
        p = self.with_alert(f"[webhook: '{w.url}']")
        alert = self.fire(p, "webhook")
        self.ok(p.gm("alerts", str(alert), "--snooze", "2h", env=p.env))
        self.ok(self.send(p))
        self.ok(p.gm("alerts", str(alert), "--snooze", "0s", env=p.env))
        self.ok(self.send(p))
        self.assertEqual(len(w.requests), 1)
        other = self.fire(p, "webhook", rule="decay")
        self.ok(p.gm("alerts", str(other), "--snooze", "2h", env=p.env))
        self.ok(self.send(p))
        self.store(p, "UPDATE alerts SET snoozed_until_us = ?", us(-1))
        self.store(p, "UPDATE deliveries SET next_us = ? WHERE state = 'held'", us(-1))
        self.ok(self.send(p))
        self.assertEqual(len(w.requests), 2)


# ---- mail -----------------------------------------------------------------------------------------------------------------------------


class Mails(AlertCase):
    def certificate(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="gm-cert-"))
        self.addCleanup(shutil.rmtree, folder)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
        return str(folder / "cert.pem"), str(folder / "key.pem")

    def test_a_plain_mail(self):
        m = self.mail()
        p = self.with_alert(f"[email: {{ to: [ml@example.com, ops@example.com], from: gm@example.com, smtp: '{m.url}' }}]")
        self.fire(p, "email", title="Müller/3: Temperatur über 30 °C, sehr sehr lange, damit zwei Wörter daraus werden", text="größer\n.\nlook     gristmill watch\n" + "x" * 300 + "\n")
        self.ok(self.send(p))
        sender, recipients, _ = m.mails[0]
        self.assertIn("<gm@example.com>", sender)
        self.assertEqual(recipients, ["ml@example.com", "ops@example.com"])
        mail = m.read()
        self.assertEqual(mail["Subject"], "[critical] Müller/3: Temperatur über 30 °C, sehr sehr lange, damit zwei Wörter daraus werden")
        self.assertEqual((mail["From"], mail["To"], mail["Auto-Submitted"]), ("gm@example.com", "ml@example.com, ops@example.com", "auto-generated"))
        self.assertEqual(mail["Message-ID"], f"<{mail['X-Gristmill-Id']}@gristmill.invalid>")
        self.assertLess(abs((mail["Date"].datetime - datetime.datetime.now(datetime.timezone.utc)).total_seconds()), 60)
        self.assertEqual(mail.get_body().get_content().replace("\r\n", "\n"), "größer\n.\nlook     gristmill watch\n" + "x" * 300 + "\n")
        self.assertTrue(all(len(line) <= 998 for line in m.mails[0][2].split(b"\r\n")))

    def test_starttls_and_a_login(self):
        cert = self.certificate()
        m = self.mail(tls=cert, login=("me", SECRET))
        p = self.with_alert(f"[email: {{ to: ml@example.com, smtp: '{m.url}', user: me, password: env:MAIL_PW, ca: '{cert[0]}' }}]", MAIL_PW=SECRET)
        self.fire(p, "email")
        self.ok(self.send(p))
        self.assertEqual((m.logins, m.encrypted), ([("me", SECRET)], [True]))

    def test_tls_from_the_first_byte(self):
        cert = self.certificate()
        m = self.mail(tls=cert, wrapped=True)
        p = self.with_alert(f"[email: {{ to: ml@example.com, smtp: 'smtps://localhost:{m.port}', ca: '{cert[0]}' }}]")
        self.fire(p, "email")
        self.ok(self.send(p))
        self.assertEqual(m.encrypted, [True])

    def test_a_password_is_not_sent_in_the_clear(self):
        m = self.mail(login=("me", SECRET))  # offers a login, and no TLS
        p = self.with_alert(f"[email: {{ to: ml@example.com, smtp: '{m.url}', user: me, password: env:MAIL_PW }}]", MAIL_PW=SECRET)
        self.fire(p, "email")
        self.assertEqual(self.send(p).code, 1)
        self.assertEqual((m.logins, m.mails, self.queue(p)[0]["state"]), ([], [], "waiting"))

    def test_a_certificate_that_nobody_knows(self):
        m = self.mail(tls=self.certificate())
        p = self.with_alert(f"[email: {{ to: ml@example.com, smtp: '{m.url}', tls: required }}]")
        self.fire(p, "email")
        self.assertEqual(self.send(p).code, 1)
        self.assertEqual(m.mails, [])
        self.assertIn("ca: FILE", self.queue(p)[0]["last_error"])

    def test_later_is_tried_again_and_never_is_refused(self):
        m = self.mail()
        m.said = {"MAIL": ["450 4.7.1 grey-listed, later", "close"], "RCPT": ["550 5.1.1 no such person"]}
        p = self.with_alert(f"[email: {{ to: ml@example.com, smtp: '{m.url}' }}]")
        self.fire(p, "email")
        for state, words in (("waiting", "grey-listed"), ("waiting", "localhost"), ("refused", "refused: 550 5.1.1 no such person")):
            self.assertEqual(self.send(p).code, 1)
            q = self.queue(p)[0]
            self.assertEqual(q["state"], state, q)
            self.assertIn(words, q["last_error"])
            self.again(p)
        self.ok(self.send(p))
        self.assertEqual(len(m.mails), 1)

    def test_one_dead_address_keeps_the_mail_from_nobody_else(self):
        m = self.mail()
        p = self.with_alert(f"[email: {{ to: [gone@example.com, ml@example.com, ops@example.com], smtp: '{m.url}' }}]")
        self.fire(p, "email")
        m.said = {"RCPT": ["550 5.1.1 no such person"]}
        self.ok(self.send(p))
        self.assertEqual([r for _, r, _ in m.mails], [["ml@example.com", "ops@example.com"]])
        q = self.queue(p)[0]
        self.assertEqual((q["state"], q["last_error"]), ("sent", "not for gone@example.com: 550 5.1.1 no such person"))
        self.assertEqual(self.ok(self.send(p)).json()["sent"], 0)

    def test_when_every_address_is_refused_nobody_gets_it(self):
        m = self.mail()
        p = self.with_alert(f"[email: {{ to: [a@example.com, b@example.com], smtp: '{m.url}' }}]")
        self.fire(p, "email")
        m.said = {"RCPT": ["450 4.2.0 grey-listed", "550 5.1.1 no such person", "550 5.1.1 no a", "550 5.1.1 no b"]}
        for state, words in (("waiting", "no such person"), ("refused", "refused: 550 5.1.1 no b")):  # one of them may have it later
            self.assertEqual(self.send(p).code, 1)
            q = self.queue(p)[0]
            self.assertEqual(q["state"], state, q)
            self.assertIn(words, q["last_error"])
            self.again(p)
        self.assertEqual(m.mails, [])

    def test_what_is_lost_after_a_refused_address_is_tried_again(self):
        m = self.mail()
        p = self.with_alert(f"[email: {{ to: [gone@example.com, ml@example.com], smtp: '{m.url}' }}]")
        self.fire(p, "email")
        m.said = {"RCPT": ["550 5.1.1 no such person"], "DATA": ["close"]}
        self.assertEqual(self.send(p).code, 1)
        self.assertEqual(self.queue(p)[0]["state"], "waiting")

    def test_a_wrong_password_is_refused_and_not_repeated_to_anybody(self):
        cert = self.certificate()
        m = self.mail(tls=cert, login=("me", "another"))
        p = self.with_alert(f"[email: {{ to: ml@example.com, smtp: '{m.url}', user: me, password: env:MAIL_PW, ca: '{cert[0]}' }}]", MAIL_PW=SECRET)
        self.fire(p, "email")
        result = self.send(p)
        q = self.queue(p)[0]
        self.assertEqual(q["state"], "refused")
        self.assertIn("535", q["last_error"])  # the stub repeats the password in its answer
        for text in (result.out, result.err, q["last_error"]):
            self.assertNotIn(SECRET, text)


# ---- secrets, a command, the test of channels ---------------------------------------------------------------------------------------------


class Channels(AlertCase):
    def test_secrets_are_nowhere_in_the_store(self):
        w = self.web(500, 401)
        p = self.with_alert(f"[webhook: {{ url: env:HOOK_URL, secret: file:key, user: me, password: env:HOOK_PW }}]",
                            HOOK_URL=w.url + "?token=" + SECRET, HOOK_PW=SECRET + "-2")
        p.write("key", SECRET + "-3\n")
        self.fire(p, "webhook")
        seen = []
        for _ in range(3):
            r = self.send(p)
            seen += [r.out, r.err]
            self.store(p, "UPDATE deliveries SET state = 'waiting', next_us = 0 WHERE state <> 'sent'")
        self.assertEqual(len(w.requests), 3)
        self.assertTrue(w.requests[0][1]["Authorization"].startswith("Basic "))
        self.assertNotIn(SECRET, "".join(seen))
        for path in (p.dir / ".gristmill").rglob("*"):
            if path.is_file():
                self.assertNotIn(SECRET.encode(), path.read_bytes(), path)

    def test_a_command_gets_the_message(self):
        p = self.with_alert("[command: [sh, -c, 'cat > message.json; echo paged']]")
        self.fire(p, "command", title="hello")
        self.ok(self.send(p))
        self.assertEqual(json.loads(p.read("message.json"))["title"], "hello")

    def test_the_test_says_for_each_channel_what_happened(self):
        good, bad = self.web(), self.web(403)
        p = self.with_alert(f"[webhook: '{good.url}', webhook: '{bad.url}', command: [sh, -c, 'cat > message.json']]")
        result = p.gm("alerts", "--test", env=p.env)
        self.assertEqual(result.code, 1, result)
        self.assertRegex(result.out, r"webhook +taken: 200 the answer of the other side\nwebhook-2 +not taken: the other side answered 403")
        self.assertRegex(result.out, r"command +taken")
        self.assertEqual((good.bodies()[0]["kind"], json.loads(p.read("message.json"))["id"]), ("test", good.bodies()[0]["id"]))
        self.assertEqual(self.queue(p), [])
        rows = p.gm("alerts", "--test", "--json", env=p.env).json()
        self.assertEqual([r["taken"] for r in rows], [True, True, True])
        shutil.rmtree(p.dir / ".gristmill")  # needs no store
        self.ok(p.gm("alerts", "--test", env=p.env))

    def test_an_alert_is_shown_with_its_message(self):
        p = self.with_alert("[command: 'true']")
        alert = self.fire(p, "command", title="churn/3: drift: age")
        detail = {"id": "x", "text": "columns  age, psi 1.92 (limit 0.2)\nlook     gristmill watch\n"}
        self.store(p, "UPDATE alerts SET detail = ?", json.dumps(detail))
        self.ok(self.send(p))
        out = self.ok(p.gm("alerts", str(alert), env=p.env)).out
        for words in ("churn/3: drift: age", "age, psi 1.92", "is firing", "sent"):
            self.assertIn(words, out)
        j = self.ok(p.gm("alerts", str(alert), "--json", env=p.env)).json()
        self.assertEqual((j["detail"], j["messages"][0]["state"]), (detail, "sent"))
        listed = self.ok(p.gm("alerts", "--json", env=p.env)).json()
        self.assertEqual((listed["alerts"][0]["alert"], listed["queue"]["waiting"]), (alert, 0))

    def test_wrong_words_are_answered_with_what_helps(self):
        p = self.with_alert("[command: 'true']")
        for args, code, words in ((["7"], 4, "no alert 7"), (["seven"], 3, "number of an alert"), (["--snooze", "2h"], 3, "none is named"),
                                  (["1", "--snooze", "soon"], 3, "duration"), (["--silence", "drift"], 3, "needs an end"),
                                  (["--silence", "drft", "--for", "1d"], 3, "Did you mean \"drift\""), (["--queue", "--test"], 3, "one thing at a time"),
                                  (["7", "--queue"], 3, "goes with --snooze"), (["--unsilence", "9"], 4, "no silence 9")):
            with self.subTest(args=args):
                self.fails(p.gm("alerts", *args, env=p.env), code, words)
        p.write("gristmill.yaml", "data: churn.csv\ntarget: churned\n")
        self.fails(p.gm("alerts", "--test", env=p.env), 3, "names no channel")


# ---- the real Alertmanager and Prometheus ---------------------------------------------------------------------------------------------------


@unittest.skipUnless(shutil.which("prometheus") and shutil.which("prometheus-alertmanager"),
                     "needs Debian's packages prometheus and prometheus-alertmanager")
class Labels(AlertCase):
    def test_alertmanager_knows_an_alert_by_the_severity_it_began_with(self):
        w = self.web()
        p = self.with_alert(f"[alertmanager: {{ url: '{w.url}', resend: 1m }}]")
        alert = self.fire(p, "alertmanager")
        self.ok(self.send(p))
        self.resolve(p, alert, "alertmanager")  # the rule has another severity by now
        self.store(p, "UPDATE deliveries SET message = replace(message, 'critical', 'info') WHERE kind = 'resolved'")
        self.ok(self.send(p))
        labels = [body[0]["labels"] for body in w.bodies()]
        self.assertEqual(len(labels), 2)
        self.assertEqual(labels[0], labels[1])
        self.assertEqual(labels[0]["severity"], "critical")


class RealAlertmanager(AlertCase):
    def begin(self, name, *args, ready):
        log = open(self.dir / f"{name}.log", "ab")
        self.addCleanup(log.close)
        process = subprocess.Popen([name, *args], cwd=self.dir, stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(self.end, process)
        for _ in range(300):
            try:
                urllib.request.urlopen(ready, timeout=5).close()
                return process
            except OSError:
                self.assertIsNone(process.poll(), (self.dir / f"{name}.log").read_text())
                time.sleep(0.1)
        self.fail((self.dir / f"{name}.log").read_text())

    def end(self, process):
        if process.poll() is None:
            process.kill()
        process.wait()

    def alertmanager(self):
        return self.begin("prometheus-alertmanager", "--config.file=am.yml", "--storage.path=am", f"--web.listen-address=127.0.0.1:{self.port}",
                          "--cluster.listen-address=", ready=f"{self.url}/-/ready")

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="gm-am-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.receiver = self.web()
        (self.dir / "am.yml").write_text(
            "route: { receiver: w, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h }\n"
            f"receivers: [{{ name: w, webhook_configs: [{{ url: '{self.receiver.url}', send_resolved: true }}] }}]\n")
        self.server = self.alertmanager()

    def known(self):
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=10) as f:
            return {a["labels"]["alertname"]: a for a in json.load(f)}

    def notified(self, status, name, seconds=20):
        for _ in range(int(seconds * 10)):
            for b in self.receiver.bodies():
                for a in b["alerts"]:
                    if a["status"] == status and a["labels"]["alertname"] == name:
                        return a
            time.sleep(0.1)
        self.fail(f"no notification {status} {name}: {self.receiver.bodies()}")

    def test_firing_lasting_and_resolved(self):
        p = self.with_alert(f"[alertmanager: {{ url: '{self.url}/', resend: 1s, keep: 10m }}]")
        alert = self.fire(p, "alertmanager", rule="drift", title="churn/3: drift: age")
        self.ok(self.send(p))
        note = self.notified("firing", "drift")
        self.assertEqual(note["labels"], {"alertname": "drift", "model": "churn", "severity": "critical", "source": "gristmill"})
        self.assertEqual(note["annotations"]["summary"], "churn/3: drift: age")
        self.assertIn("gristmill watch", note["annotations"]["description"])
        first = self.known()["drift"]
        began = datetime.datetime.fromisoformat(first["startsAt"].replace("Z", "+00:00")).timestamp() * 1e6
        self.assertLess(abs(began - self.store(p, "SELECT began_us FROM alerts")[0][0]), 2000)
        m = self.queue(p)[0]
        self.assertEqual((m["state"], m["last_error"]), ("lasting", ""))
        # sent again while it lasts, with a later end, and as the same alert
        self.store(p, "UPDATE deliveries SET next_us = ?", us(-1))
        time.sleep(0.05)
        self.assertEqual(self.ok(self.send(p)).json()["again"], 1)
        second = self.known()["drift"]
        self.assertGreater(second["endsAt"], first["endsAt"])
        self.assertEqual((second["fingerprint"], second["startsAt"]), (first["fingerprint"], first["startsAt"]))
        # a new Alertmanager that has forgotten everything is told by the next time
        self.end(self.server)
        self.assertEqual(self.send(p, "--timeout", "5s").code, 0)  # not due
        self.store(p, "UPDATE deliveries SET next_us = ?", us(-1))
        self.send(p, "--timeout", "5s")
        down = self.queue(p)[0]
        self.assertEqual(down["state"], "lasting")
        self.assertIn("could not reach", down["last_error"])
        shutil.rmtree(self.dir / "am")
        self.server = self.alertmanager()
        self.assertEqual(self.known(), {})
        self.store(p, "UPDATE deliveries SET next_us = ?", us(-1))
        self.ok(self.send(p))
        self.assertIn("drift", self.known())
        self.assertEqual(self.queue(p)[0]["last_error"], "")
        # over
        self.resolve(p, alert, "alertmanager")
        self.ok(self.send(p))
        self.notified("resolved", "drift")
        self.assertEqual(self.known(), {})
        self.assertEqual([m["state"] for m in self.queue(p)], ["sent", "sent"])

    def test_a_group_is_several_alerts_and_a_quick_recovery_is_a_recovery(self):
        p = self.with_alert(f"{{ send: [alertmanager: '{self.url}'], group: 1m }}")
        self.fire(p, "alertmanager", rule="drift")
        alert = self.fire(p, "alertmanager", rule="decay")
        self.fire(p, "alertmanager", rule="failed checks")
        self.resolve(p, alert, "alertmanager", rule="decay")
        self.assertEqual(self.ok(self.send(p)).json()["sent"], 4)
        self.assertEqual(set(self.known()), {"drift", "failed checks"})
        self.assertEqual(sorted(m["state"] for m in self.queue(p)), ["lasting", "lasting", "sent", "sent"])

    def test_beside_alerts_of_prometheus(self):
        port = free_port()
        (self.dir / "rules.yml").write_text("groups: [{ name: g, rules: [{ alert: OfPrometheus, expr: vector(1), labels: { severity: page } }] }]\n")
        (self.dir / "prometheus.yml").write_text(
            "global: { scrape_interval: 1s, evaluation_interval: 1s }\nrule_files: [rules.yml]\n"
            f"alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ['127.0.0.1:{self.port}'] }}] }}] }}\n"
            f"scrape_configs: [{{ job_name: am, static_configs: [{{ targets: ['127.0.0.1:{self.port}'] }}] }}]\n")
        self.begin("prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--rules.alert.resend-delay=1s", f"--web.listen-address=127.0.0.1:{port}",
                   ready=f"http://127.0.0.1:{port}/-/ready")
        p = self.with_alert(f"[alertmanager: '{self.url}']")
        self.fire(p, "alertmanager", rule="drift")
        self.ok(self.send(p))
        self.notified("firing", "OfPrometheus")
        self.notified("firing", "drift")
        self.assertEqual(set(self.known()), {"drift", "OfPrometheus"})
        query = f"http://127.0.0.1:{port}/api/v1/query?query=" + "alertmanager_alerts_received_total%7Bstatus%3D%22firing%22%7D"
        for _ in range(200):  # Prometheus sees what Alertmanager counted: both came
            with urllib.request.urlopen(query, timeout=10) as f:
                rows = json.load(f)["data"]["result"]
            if sum(float(r["value"][1]) for r in rows) >= 2:
                break
            time.sleep(0.1)
        else:
            self.fail(rows)
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as f:
            invalid = [line for line in f.read().decode().splitlines() if line.startswith("alertmanager_alerts_invalid_total")]
        self.assertTrue(all(line.endswith(" 0") for line in invalid), invalid)


if __name__ == "__main__":
    gm.main()
