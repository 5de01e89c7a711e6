"""A run that is killed, fails or runs out of disk at any moment loses nothing that was acknowledged, and the next run goes on.

The program has numbered fault points at everything that reaches the disk (GRISTMILL_FAULT, see src/base/fault.c). Here a small pipeline is
killed at them, fails at them, and is killed at random times; each time the store must be whole and the next run must end with the
digests of a run that nothing disturbed.

    CRASH_FULL=1         every point, and 200 kills at random times (half an hour); else a sample (a minute)
    CRASH_SEED=N         the random times of an earlier run; printed at the start
    CRASH_ROWS=N         rows of the table, 400 by default
"""
import concurrent.futures
import fcntl
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import gm  # noqa: E402

FULL = bool(os.environ.get("CRASH_FULL"))
SEED = int(os.environ.get("CRASH_SEED") or random.SystemRandom().randrange(1 << 31))
ROWS = int(os.environ.get("CRASH_ROWS", "400"))
WORKERS = min(2, os.cpu_count() or 1)

YAML = """pipeline: crash
data:
  t:
    from: t.csv
    key: customer
    checks:
      - age between 18 and 80
      - { check: monthly between 0 and 100, allow: 2% }
target: churned
train: { try: [logistic, lightgbm: { rounds: 10 }], split: { by: random } }
gates: [ roc_auc >= 0.5 ]
steps:
  pause:
    shell: 'sleep 0.2; sort "$GRISTMILL_IN_t" > "$GRISTMILL_OUT_o"'
    in: { t: t.csv }
    out: { o: sorted.csv }
"""
KINDS = {"load", "inspect", "check", "examples", "features", "train", "evaluate", "select", "package", "gates", "predict", "run", "register", "card"}


def table(rows, seed):
    """Two rows break the second check: they go to the quarantine."""
    lines = gm.churn(rows, seed).splitlines()
    for at in (17, 170):
        cells = lines[at].split(",")
        cells[3] = "999"
        lines[at] = ",".join(cells)
    return "\n".join(lines) + "\n"


def project():
    return gm.Project(YAML, **{"t.csv": table(ROWS, 7)})


def processes_of(folder):
    """Command lines of the processes that work in the folder. A user's program does not inherit variables; its working folder tells."""
    found = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            if pathlib.Path(os.readlink(f"/proc/{entry.name}/cwd")) == folder and open(f"/proc/{entry.name}/stat").read().rsplit(")", 1)[1].split()[0] != "Z":
                found[int(entry.name)] = open(f"/proc/{entry.name}/cmdline").read().replace("\0", " ").strip()
        except OSError:
            pass  # it ended meanwhile
    return found


def gone(folder, seconds):
    """True when no process works in the folder any more, at the latest after so many seconds."""
    end = time.monotonic() + seconds
    while processes_of(folder):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def rows_of(p, sql):
    db = sqlite3.connect(f"file:{p.dir}/.gristmill/meta.db?mode=ro", uri=True)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def sample(count, wanted):
    """1..count, or about `wanted` of them: evenly, and the first and last ten."""
    if FULL or count <= wanted:
        return list(range(1, count + 1))
    edge = min(10, wanted // 4)
    middle = wanted - 2 * edge
    picked = {1 + round(i * (count - 1) / (middle - 1)) for i in range(middle)}
    return sorted(picked | set(range(1, edge + 1)) | set(range(count - edge + 1, count + 1)))


class Hits:
    """Which kinds of steps were running, or had just begun or ended, when something was killed."""

    def __init__(self):
        self.lock, self.lost, self.killed = threading.Lock(), set(), set()

    def note(self, p):
        found = rows_of(p, "SELECT DISTINCT kind, state FROM steps WHERE state IN ('lost', 'failed')")
        with self.lock:
            self.lost |= {kind for kind, state in found if state == "lost"}
            self.killed |= {kind for kind, state in found if state == "failed"}


HITS = Hits()


class Crash(gm.Case):
    @classmethod
    def setUpClass(cls):
        """The undisturbed runs: the first one of a store, and a second one on other rows that brings a new champion."""
        print(f"CRASH_SEED={SEED}", flush=True)
        cls.template = project()
        cls.addClassCleanup(cls.template.close)
        cls.first, cls.points_first = cls.undisturbed(cls.template)
        second = cls.copy(cls.template)
        cls.addClassCleanup(second.close)
        second.write("t.csv", table(ROWS, 8))
        cls.second, cls.points_second = cls.undisturbed(second)
        assert cls.first != cls.second

    @classmethod
    def undisturbed(cls, p):
        log = p.dir / "points"
        result = p.gm("run", "--jobs", "1", env={"GRISTMILL_FAULT_LOG": str(log)})
        assert result.code == 0, result
        lines = [line.split() for line in log.read_text().splitlines()]
        log.unlink()
        return p.digests(), [point for pid, point in lines if pid == lines[0][0]]

    @classmethod
    def copy(cls, p):
        other = gm.Project()
        shutil.rmtree(other.dir)
        shutil.copytree(p.dir, other.dir, symlinks=True)
        return other

    def fresh(self):
        return project()

    def with_champion(self):
        p = self.copy(self.template)
        p.write("t.csv", table(ROWS, 8))
        return p

    def whole(self, p, digests, versions, what):
        """The store is whole; the next run goes on, and ends like the undisturbed one; nothing is left over."""
        checked = p.gm("fsck", "--json")
        if checked.code != 4:  # 4: it died before there was a store
            self.assertEqual(checked.code, 0, (what, checked))
            self.assertEqual((checked.json()["corrupt"], checked.json()["missing"]), (0, 0), (what, checked))
        self.assertEqual(p.gm("status").code in (0, 4), True, what)
        again = p.gm("run", "--json")
        self.assertEqual(again.code, 0, (what, again))
        self.assertEqual(p.digests(), digests, what)
        self.assertTrue(gone(p.dir, 1), (what, processes_of(p.dir)))
        models = p.gm("models", "--json")
        self.assertEqual(models.code, 0, (what, models))
        found = [(m["version"], m["aliases"]) for m in models.json()]
        self.assertEqual(sorted(v for v, _ in found), list(range(1, versions + 1)), (what, found))
        self.assertIn("champion", dict(found)[versions], (what, found))
        self.assertEqual(rows_of(p, "SELECT name FROM steps WHERE state = 'running'"), [], what)
        self.assertEqual(rows_of(p, "SELECT id FROM runs WHERE state = 'running'"), [], what)
        self.assertEqual(sorted(os.listdir(p.dir / ".gristmill/tmp")), [], what)
        HITS.note(p)

    def each(self, work, items):
        """work(item) for all items, on as many projects at a time as there are cores; all failures are shown."""
        failures = []
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for at, (item, done) in enumerate([(item, pool.submit(work, item)) for item in items]):
                try:
                    done.result()
                except Exception as e:  # noqa: BLE001 - shown with its item below
                    failures.append(f"{item}: {type(e).__name__}: {e}")
                if FULL and at % 50 == 49:
                    print(f"\n    {at + 1} of {len(items)}, {len(failures)} failed", end=" ", flush=True)
        print(f"\n    {len(items)} visited", end=" ", flush=True)
        self.assertFalse(failures, f"{len(failures)} of {len(items)} failed:\n" + "\n".join(failures[:6]))

    # ---- kills ------------------------------------------------------------------------------------------------

    def kill_at(self, make, n, total, digests, versions):
        p = make()
        try:
            died = p.gm("run", "--jobs", "1", "--quiet", env={"GRISTMILL_FAULT": f"kill:{n}"})
            if died.code != 0 or n <= total - 5:  # a run may pass a few points less when the log need not be folded in
                self.assertEqual(died.code, -signal.SIGKILL, died)
            self.assertTrue(gone(p.dir, 5), processes_of(p.dir))
            self.whole(p, digests, versions, f"kill:{n}")
        finally:
            p.close()

    def test_a_the_runner_is_killed_at_each_point_of_a_first_run(self):
        total = len(self.points_first)
        self.each(lambda n: self.kill_at(self.fresh, n, total, self.first, 1), sample(total, 24))

    def test_b_the_runner_is_killed_at_each_point_of_a_run_with_a_champion(self):
        points, total = self.points_second, len(self.points_second)
        begin, end = (points.index(f"step.{which}.register") + 1 for which in ("begin", "end"))
        promoting = [n for n in range(begin, end + 1) if points[n - 1] in ("meta.commit", "meta.sync") or n in (begin, end)]
        self.each(lambda n: self.kill_at(self.with_champion, n, total, self.second, 2), sorted({*sample(total, 16), *promoting}))

    def test_c_each_kind_of_step_is_killed(self):
        """At its beginning, while it writes, and when it has done all but say so. The run fails, naming the step and the signal."""
        def work(item):
            kind, point = item
            p = self.fresh()
            try:
                died = p.gm("run", "--quiet", env={"GRISTMILL_FAULT": f"kill:1@step.{point}.{kind}"})
                if kind in ("register", "card"):  # done by the runner itself
                    self.assertEqual(died.code, -signal.SIGKILL, died)
                else:
                    self.assertEqual(died.code, 6, died)
                    self.assertIn("signal 9", died.err)
                    self.assertIn("hint:", died.err)
                self.whole(p, self.first, 1, item)
            finally:
                p.close()
        kinds = sorted(KINDS - {"run"})
        items = [(kind, point) for i, kind in enumerate(kinds) for j, point in enumerate(("begin", "work", "end")) if FULL or (i + j) % 3 == 0]
        self.each(work, [item for item in items if item not in (("register", "work"), ("card", "work"))])

    def test_d_the_runner_is_killed_at_random_times(self):
        r = random.Random(SEED)
        began = time.monotonic()
        p = self.fresh()
        self.ok(p.gm("run", "--quiet"))
        p.close()
        whole_run = time.monotonic() - began

        def work(item):
            n, after, with_champion = item
            p = self.with_champion() if with_champion else self.fresh()
            try:
                runner = subprocess.Popen([gm.PROGRAM, "run", "--quiet"], cwd=p.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(after)
                runner.kill()
                runner.wait()
                self.whole(p, self.second if with_champion else self.first, 2 if with_champion else 1, item)
            finally:
                p.close()
        self.each(work, [(n, r.uniform(0, 1.1 * whole_run), bool(n % 2)) for n in range(200 if FULL else 12)])

    def test_e_a_step_is_killed_at_a_random_time(self):
        r = random.Random(SEED + 1)

        def work(after):
            p = self.fresh()
            try:
                runner = subprocess.Popen([gm.PROGRAM, "run", "--quiet"], cwd=p.dir, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                time.sleep(after)
                steps = []
                while not steps and runner.poll() is None:
                    steps = [pid for pid in processes_of(p.dir) if pid != runner.pid and os.getpgid(pid) == pid]
                killed = False
                for pid in steps[:1]:
                    try:
                        os.kill(pid, signal.SIGKILL)
                        killed = True
                    except ProcessLookupError:
                        pass
                err = runner.communicate(timeout=120)[1].decode()
                if runner.returncode != 0:
                    self.assertTrue(killed, err)
                    self.assertEqual(runner.returncode, 6, err)
                    self.assertIn("signal 9 (Killed)", err)
                    self.assertIn("hint:", err)
                self.whole(p, self.first, 1, f"a step after {after} s")
            finally:
                p.close()
        self.each(work, [r.uniform(0, 0.8) for _ in range(50 if FULL else 4)])

    def test_f_what_a_killed_run_left_behind_is_ended(self):
        """A program's own children outlive the runner's death; the next run ends them, and no process with a number used again."""
        p = self.project("""steps:
  long: { shell: 'if [ -e go ]; then echo x > "$GRISTMILL_OUT_o"; else sleep 300 & sleep 300; fi', out: { o: o.txt } }
""")
        runner = subprocess.Popen([gm.PROGRAM, "run"], cwd=p.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while sum("sleep" in line and "sh -c" not in line for line in processes_of(p.dir).values()) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        runner.kill()
        runner.wait()
        self.assertTrue(processes_of(p.dir))
        p.write("go", "")
        result = self.ok(p.gm("run"))
        self.assertIn("1 unfinished", result.out)
        self.assertEqual(processes_of(p.dir), {})

    # ---- failures ---------------------------------------------------------------------------------------------

    def fail_at(self, how, n, points):
        p = self.fresh()
        try:
            failed = p.gm("run", "--jobs", "1", "--quiet", env={"GRISTMILL_FAULT": f"{how}:{n}"})
            if failed.code != 0:
                self.assertEqual(failed.code, 7, failed)
                self.assertIn("hint:", failed.err)
            else:  # what may fail without harm: folding the log into the database, which the next open does
                self.assertIn(points[n - 1].split(".")[0], ("meta",), (points[n - 1], failed))
            self.assertTrue(gone(p.dir, 5), processes_of(p.dir))
            self.whole(p, self.first, 1, (how, n, points[n - 1], failed))
        finally:
            p.close()

    def test_g_each_point_fails(self):
        self.each(lambda n: self.fail_at("fail", n, self.points_first), sample(len(self.points_first), 14))

    def test_h_the_disk_is_full_at_each_point(self):
        self.each(lambda n: self.fail_at("full", n, self.points_first), sample(len(self.points_first), 14))

    def test_i_each_kind_of_step_finds_the_disk_full(self):
        def work(kind):
            p = self.fresh()
            try:
                failed = p.gm("run", "--quiet", env={"GRISTMILL_FAULT": f"full:1@step.work.{kind}"})
                self.assertEqual(failed.code, 7, failed)
                self.assertIn("space", failed.err)
                self.assertIn("hint:", failed.err)
                self.whole(p, self.first, 1, kind)
            finally:
                p.close()
        own = sorted(KINDS - {"run", "register", "card"})
        self.each(work, own if FULL else own[SEED % 3::3])

    def test_j_a_real_disk_that_is_full(self):
        p = gm.Project()
        self.addCleanup(p.close)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "gristmill-test", str(p.dir)], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("mounting a tmpfs is not permitted here")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", str(p.dir)], check=True))
        p.write("gristmill.yaml", YAML)
        p.write("t.csv", table(ROWS, 7))
        filler = p.dir / "filler"
        left = (0, 40, 120, 300)
        for kib in left:
            shutil.rmtree(p.dir / ".gristmill", ignore_errors=True)
            filler.unlink(missing_ok=True)
            stat = os.statvfs(p.dir)
            filler.write_bytes(b"x" * (stat.f_bavail * stat.f_frsize - kib * 1024))
            failed = p.gm("run", "--quiet")
            self.assertEqual(failed.code, 7, (kib, failed))
            self.assertIn("hint:", failed.err)
            filler.unlink()
            self.whole(p, self.first, 1, f"{kib} KiB left")

    # ---- signals, other processes, rights ---------------------------------------------------------------------

    def test_k_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            p = self.project(YAML.replace("sleep 0.2", "sleep 1.5"), **{"t.csv": table(ROWS, 7)})
            runner = subprocess.Popen([gm.PROGRAM, "run", "--quiet"], cwd=p.dir, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            end = time.monotonic() + 10
            while not any("sleep" in line for line in processes_of(p.dir).values()) and time.monotonic() < end:
                time.sleep(0.01)
            runner.send_signal(number)
            began = time.monotonic()
            err = runner.communicate(timeout=30)[1].decode()
            self.assertEqual(runner.returncode, 130, err)
            self.assertLess(time.monotonic() - began, 1.2)
            self.assertIn("canceled", err)
            self.assertTrue(gone(p.dir, 0.2), processes_of(p.dir))
            self.assertIn(("canceled",), rows_of(p, "SELECT state FROM runs ORDER BY id DESC LIMIT 1"))
            self.assertEqual(rows_of(p, "SELECT name FROM steps WHERE state IN ('running', 'lost')"), [])
            p.write("gristmill.yaml", YAML)
            again = self.ok(p.gm("run", "--json"))
            self.assertEqual(p.digests(), self.first)
            self.assertIn("load t", {s["name"] for s in again.json()["steps"]})

    def test_l_two_runs_at_once(self):
        p = self.fresh()
        self.addCleanup(p.close)
        first = subprocess.Popen([gm.PROGRAM, "run", "--quiet"], cwd=p.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not (p.dir / ".gristmill/meta.db").exists() and time.monotonic() < end:
            time.sleep(0.01)
        others = [subprocess.Popen([gm.PROGRAM, "run", "--quiet"], cwd=p.dir, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(4)]
        for other in others:
            err = other.communicate(timeout=30)[1].decode()
            self.assertEqual(other.returncode, 5, err)
            self.assertIn(str(first.pid), err)
            self.assertIn("hint:", err)
        self.assertEqual(first.wait(), 0)
        self.whole(p, self.first, 1, "two runs at once")

    def test_l_the_lock_of_a_writer_that_is_dead(self):
        """A process that a killed runner was just starting keeps the lock for a moment: the next run waits for it, not for a living writer."""
        p = self.project("steps:\n  s: { run: [cp, /dev/null, '{o}'], out: { o: o } }\n")
        self.ok(p.gm("run"))
        dead = subprocess.Popen(["true"])
        dead.wait()
        with open(p.dir / ".gristmill/lock", "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for pid, code in ((os.getpid(), 5), (dead.pid, 0)):
                lock.seek(0)
                lock.truncate()
                lock.write(f"{pid}\n")
                lock.flush()
                release = threading.Timer(0.3, fcntl.flock, (lock, fcntl.LOCK_UN))
                if pid == dead.pid:
                    release.start()
                self.assertEqual(p.gm("run").code, code)

    def test_m_a_store_that_may_not_be_written(self):
        """Looking works, running says why not. Root may write everywhere: then the test becomes somebody else."""
        p = self.copy(self.template)
        self.addCleanup(p.close)
        os.chmod(p.dir, 0o755)

        def modes(folder, file):
            for top, _, files in os.walk(p.dir / ".gristmill"):
                os.chmod(top, folder)
                for name in files:
                    os.chmod(os.path.join(top, name), file)

        def gm_as_other(*args):
            def become():
                if os.geteuid() == 0:
                    os.setgid(65534)
                    os.setuid(65534)
            return subprocess.run([gm.PROGRAM, *args], cwd=p.dir, capture_output=True, text=True, timeout=60, preexec_fn=become)
        modes(0o555, 0o444)
        self.addCleanup(modes, 0o755, 0o644)
        try:
            answer = gm_as_other("version")
        except PermissionError:
            self.skipTest("the program cannot be reached by another user here")
        self.assertEqual(answer.returncode, 0, answer)
        for args in (("run",), ("gc",)):
            refused = gm_as_other(*args)
            self.assertEqual(refused.returncode, 7, refused)
            self.assertIn("ermission denied", refused.stderr)
            self.assertIn("hint:", refused.stderr)
        for args in (("status",), ("models",), ("log",), ("show", "register")):
            looked = gm_as_other(*args)
            self.assertEqual(looked.returncode, 0, (args, looked))
        modes(0o755, 0o644)
        self.whole(p, self.first, 1, "a store that could not be written")

    def test_z_every_kind_of_step_was_hit(self):
        """By the runner's death while it ran (lost), or by its own."""
        if not HITS.lost:
            self.skipTest("no other test ran")
        missed = KINDS - HITS.lost - HITS.killed
        print(f"\n    lost with the runner: {' '.join(sorted(HITS.lost))}; killed alone: {' '.join(sorted(HITS.killed))}", end=" ")
        self.assertEqual(missed, set())


if __name__ == "__main__":
    gm.main()
