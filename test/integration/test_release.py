"""Releases by the commands: deploy, promote, rollback, pause, releases; also while a run is under way."""
import fcntl
import json

import gm

YAML = """pipeline: leavers
data: { people: { from: t.csv, key: customer } }
target: churned
train: { try: [logistic], split: { by: random }, seed: SEED }
gates:
  - roc_auc >= 0.5
"""


class Releases(gm.Case):
    def setUp(self):
        """Three versions; the third is champion."""
        self.p = self.project(**{"t.csv": gm.churn()})
        for seed in (1, 2, 3):
            self.p.write("gristmill.yaml", YAML.replace("SEED", str(seed)))
            self.ok(self.p.gm("run"))
        self.assertEqual(self.champion(), 3)

    def versions(self):
        return {v["version"]: v["aliases"].split() for v in self.ok(self.p.gm("models", "leavers", "--json")).json()}

    def holder(self, alias):
        found = [v for v, aliases in self.versions().items() if alias in aliases]
        return found[0] if found else None

    def champion(self):
        return self.holder("champion")

    def do(self, *args):
        return self.ok(self.p.gm(*args, "--json")).json()

    def test_at_once_and_back(self):
        out = self.ok(self.p.gm("deploy", "leavers/1")).out
        self.assertIn("version 1 is champion now (before: version 3)", out)
        self.assertIn("gristmill rollback leavers", out)
        self.assertEqual(self.champion(), 1)
        self.assertIn("version 3 is champion again", self.ok(self.p.gm("rollback", "leavers")).out)
        self.assertEqual(self.champion(), 3)
        self.assertIn("version 2 is champion again", self.ok(self.p.gm("rollback", "leavers")).out)
        self.assertEqual(self.champion(), 2)
        self.do("rollback", "leavers")
        self.assertEqual(self.champion(), 1)
        self.fails(self.p.gm("rollback", "leavers"), 4, "no champion before the present one", "deploy leavers/VERSION")

    def test_a_canary_from_beginning_to_promotion(self):
        r = self.do("deploy", "leavers/1", "--canary", "10%", "--for", "1h", "--rollback", "error_rate > 1%", "--requests", "50", "--sticky", "plan")
        want = {"model": "leavers", "mode": "canary", "candidate": 1, "champion": 3, "share": 0.1, "for_seconds": 3600, "requests_min": 50,
                "rollback": "error_rate > 1%", "sticky": "plan", "paused": False, "state": "running"}
        self.assertEqual({k: r[k] for k in want}, want)
        self.assertIn("60 minutes and 50 requests", r["next"])
        self.assertEqual((self.champion(), self.holder("challenger")), (3, 1))
        self.fails(self.p.gm("deploy", "leavers/2", "--canary", "5%"), 5, "release 1", "gristmill promote leavers")
        self.assertEqual(self.do("deploy", "leavers/1", "--canary", "25%", "--for", "2h")["share"], 0.25)
        paused = self.do("pause", "leavers")
        self.assertTrue(paused["paused"])
        self.assertIn("--off", paused["next"])
        self.assertFalse(self.do("pause", "leavers", "--off")["paused"])
        done = self.do("promote", "leavers")
        self.assertEqual((done["state"], self.champion(), self.holder("challenger")), ("promoted", 1, None))
        release, = self.do("releases", "leavers")
        self.assertEqual([e["what"].split(":")[0] for e in release["history"]],
                         ["began", "share 10 % -> 25 %", "for 3600 s -> 7200 s", "paused", "resumed", "promoted"])
        self.fails(self.p.gm("promote", "leavers"), 4, "no release", "deploy leavers/VERSION")
        self.assertIn("promoted by", self.ok(self.p.gm("releases")).out)

    def test_a_running_release_is_rolled_back(self):
        self.do("deploy", "leaverschampion" if self.champion() == 1 else "leavers/2", "--shadow", "20%")
        self.assertEqual(self.do("releases")[0]["mode"], "shadow")
        self.assertIn("running for", self.ok(self.p.gm("releases", "leavers")).out)
        r = self.do("rollback", "leavers")
        self.assertEqual((r["state"], self.champion(), self.holder("challenger")), ("rolled_back", 3, None))
        self.assertEqual(self.do("deploy", "leavers/2", "--ab")["share"], 0)

    def test_what_makes_no_sense_is_refused(self):
        self.fails(self.p.gm("deploy", "leavers", "--canary", "10%"), 3, "is the champion already")  # a bare name is the newest
        self.fails(self.p.gm("deploy", "leavers/9", "--canary", "10%"), 4, "no version 9")
        self.fails(self.p.gm("deploy", "leavrs", "--canary", "10%"), 4, "leavers")
        self.fails(self.p.gm("deploy", "leavers/1", "--canary", "10%", "--shadow", "5%"), 3, "one manner")
        self.fails(self.p.gm("deploy", "leavers/1", "--canary", "150%"), 2, "canary")
        self.fails(self.p.gm("deploy", "leavers/1", "--for", "1h"), 3, "--canary 10% --for 1h")
        self.fails(self.p.gm("deploy", "leavers/1", "--canary", "10%", "--rollback", "eror_rate > 1%"), 3, "error_rate")
        self.fails(self.p.gm("deploy", "leavers/1", "--out", "x"), 3, "--to TARGET")
        self.fails(self.p.gm("deploy", "leavers/1", "--to", "mars", "--out", "x"), 3, "mars")
        self.fails(self.p.gm("pause", "leavers"), 4, "no release")
        self.assertEqual(self.champion(), 3)
        self.assertEqual(self.do("releases"), [])

    def test_the_champion_again_changes_nothing(self):
        self.assertIn("already", self.ok(self.p.gm("deploy", "leavers/3")).out)
        self.assertEqual(self.do("releases"), [])

    def test_files_for_a_platform(self):
        out = self.ok(self.p.gm("deploy", "leavers/2", "--to", "kubernetes", "--out", "k8s", "--set", "replicas=3,namespace=ml")).out
        self.assertTrue((self.p.dir / "k8s").exists(), out)
        self.fails(self.p.gm("deploy", "leavers/2", "--to", "kubernetes", "--out", "k8s"), 5, "k8s")
        self.fails(self.p.gm("deploy", "leavers/2", "--to", "kubernetes"), 3, "--out PATH")
        self.fails(self.p.gm("deploy", "leavers/2", "--to", "kubernetes", "--out", "z", "--set", "replicsa=3"), 3, "replicsa", "replicas")
        self.fails(self.p.gm("deploy", "leavers/2", "--to", "kubernetes", "--out", "z", "--set", "replicas"), 3, "key=value")
        self.assertFalse((self.p.dir / "z").exists())
        self.assertEqual(self.champion(), 3)  # files change nothing in the registry
        r = self.do("deploy", "leavers", "--to", "systemd", "--out", "unit")
        self.assertEqual((r["version"], r["target"]), ("3", "systemd"))

    def test_nothing_waits_for_a_run(self):
        """A run holds the store's lock for as long as it trains: the registry is changed beside it."""
        with open(self.p.dir / ".gristmill/lock", "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.fails(self.p.gm("run"), 5, "in use")
            self.do("deploy", "leavers/1", "--canary", "10%")
            self.do("rollback", "leavers")
            self.do("deploy", "leavers/2")
        self.assertEqual(self.champion(), 2)

    def test_moving_the_champion_by_another_way_ends_the_release(self):
        self.do("deploy", "leavers/1", "--canary", "10%")
        self.ok(self.p.gm("models", "leavers/2", "--alias", "champion"))
        release, = self.do("releases")
        self.assertEqual((release["state"], release["reason"]), ("ended", "the champion became version 2"))

    def test_a_store_from_before_is_looked_at_as_it_is(self):
        import sqlite3
        with sqlite3.connect(self.p.dir / ".gristmill/meta.db") as c:
            for table in "releases release_log windows alert_memory alerts silences deliveries triggers".split():
                c.execute(f"DROP TABLE {table}")
            c.execute("PRAGMA user_version = 1")
        self.assertEqual(self.do("releases"), [])
        self.assertEqual(self.champion(), 3)
        self.do("deploy", "leavers/1", "--canary", "10%")  # brings it up to date
        self.assertEqual(len(self.do("releases")), 1)


class Section(gm.Case):
    """`deploy:` in the file: a run begins the release, once."""

    def project_with(self, deploy):
        p = self.project(**{"t.csv": gm.churn()})
        self.text = YAML + f"deploy: {deploy}\n"
        self.use(p, 1)
        return p

    def use(self, p, seed):
        p.write("gristmill.yaml", self.text.replace("SEED", str(seed)))

    def aliases(self, p):
        return {v["version"]: v["aliases"] for v in self.ok(p.gm("models", "leavers", "--json")).json()}

    def releases(self, p):
        return self.ok(p.gm("releases", "--json")).json()

    def test_the_first_version_is_champion_and_the_second_is_tried(self):
        p = self.project_with("{ canary: 10% for 1h, rollback: error_rate > 1%, sticky: [customer, plan], requests: 200 }")
        self.ok(p.gm("run"))
        self.assertEqual(self.aliases(p), {1: "champion"})
        self.assertEqual(self.releases(p), [])
        self.use(p, 2)
        out = self.ok(p.gm("run")).out
        self.assertIn("version 2 is tried beside the champion, canary of 10 % of the requests for 60 minutes", out)
        self.assertIn("version 2, alias challenger", out)
        self.assertEqual(self.aliases(p), {1: "champion", 2: "challenger"})
        r, = self.releases(p)
        want = {"mode": "canary", "candidate": 2, "champion": 1, "share": 0.1, "for_seconds": 3600, "rollback": "error_rate > 1%",
                "sticky": "customer plan", "requests_min": 200, "actor": "run 2", "state": "running"}
        self.assertEqual({k: r[k] for k in want}, want)
        return p

    def test_a_run_from_the_cache_begins_nothing(self):
        p = self.test_the_first_version_is_champion_and_the_second_is_tried()
        before = self.releases(p)
        again = self.ok(p.gm("run", "--json")).json()
        self.assertEqual({s["name"]: s["state"] for s in again["steps"] if s["state"] != "cached"}, {})
        self.assertEqual(again["run"], 0)  # nothing was recorded
        self.assertNotIn("waits to be tried", self.ok(p.gm("plan")).out)
        self.assertEqual(self.releases(p), before)
        self.ok(p.gm("rollback", "leavers"))
        self.ok(p.gm("run"))
        self.assertEqual(self.aliases(p), {1: "champion", 2: ""})  # what was rolled back stays so
        self.assertEqual(len(self.releases(p)), 1)
        self.use(p, 3)
        self.ok(p.gm("run"))
        self.assertEqual(self.aliases(p), {1: "champion", 2: "", 3: "challenger"})
        self.ok(p.gm("promote", "leavers"))
        promoted = self.ok(p.gm("run", "--json")).json()
        self.assertEqual([s["name"] for s in promoted["steps"] if s["state"] != "cached"], [])
        self.assertEqual(self.aliases(p), {1: "", 2: "", 3: "champion"})

    def test_a_version_waits_while_another_is_tried(self):
        p = self.test_the_first_version_is_champion_and_the_second_is_tried()
        self.use(p, 3)
        self.assertIn("release 1 of version 2 is running; the next run after its end tries version 3", self.ok(p.gm("run")).out)
        self.assertEqual(self.aliases(p), {1: "champion", 2: "challenger", 3: ""})
        self.ok(p.gm("rollback", "leavers"))
        self.assertIn("a version waits to be tried", self.ok(p.gm("plan")).out)
        self.assertEqual(self.aliases(p)[3], "")  # a plan begins nothing
        self.ok(p.gm("run"))
        self.assertEqual(self.aliases(p), {1: "champion", 2: "", 3: "challenger"})

    def test_without_a_canary_a_new_version_is_champion_at_once(self):
        p = self.project_with("{ to: kubernetes }")
        self.assertIn("gristmill deploy leavers/1 --to kubernetes --out PATH", self.ok(p.gm("run")).out)
        self.use(p, 2)
        self.ok(p.gm("run"))
        self.assertEqual(self.aliases(p), {1: "", 2: "champion"})
        self.assertNotIn("--to kubernetes", self.ok(p.gm("run")).out)  # said once

    def test_mistakes_have_their_places(self):
        for deploy, *parts in (("{ canary: much }", "canary: expected a share and a time", "10% for 1h"),
                               ("{ canary: 10% for ever }", "canary: expected a share"),
                               ("{ canary: 110% for 1h }", "canary: expected a share"),
                               ("{ canary: 10% for 1h, shadow: 5% }", "one manner"),
                               ("{ canary: 10%, rollback: eror_rate > 1% }", "eror_rate", "error_rate"),
                               ("{ canary: 10%, rollback: error_rate + 1 }", ":7:"),
                               ("{ canary: 10%, sticky: [custmer] }", "custmer"),
                               ("{ rollback: error_rate > 1% }", "nothing that could be rolled back"),
                               ("{ to: mars }", "mars"),
                               ("{ cannary: 10% }", "cannary", "canary"),
                               ("local", "must be a map")):
            with self.subTest(deploy):
                p = self.project_with(deploy)
                self.fails(p.gm("run"), 3, "gristmill.yaml:7:", *parts)

    def test_the_section_stands_in_schema_and_explanation(self):
        p = self.project_with("{ shadow: 20% for 1 day }")
        self.assertIn('"deploy"', self.ok(p.gm("schema")).out)
        self.assertIn("20% for 1 day", self.ok(p.gm("explain")).out)
        self.assertIn("deploy", self.ok(p.gm("plan")).out)


if __name__ == "__main__":
    gm.main()
