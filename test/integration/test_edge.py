"""`gristmill deploy --to edge`: one C file that answers as `gristmill predict` does, bit for bit, in the memory that it states.

On ARM under qemu-user the margins are compared; without the cross compiler and qemu that part is skipped.
"""
import csv
import datetime
import io
import math
import re
import shutil
import subprocess
import unittest

import gm
import tables

ROWS = 2000
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic"]
ARM = {"arm": ("arm-linux-gnueabihf-gcc", "qemu-arm", "/usr/arm-linux-gnueabihf"),
       "aarch64": ("aarch64-linux-gnu-gcc", "qemu-aarch64", "/usr/aarch64-linux-gnu")}
NINE = {}


def microseconds(text):
    when = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc) - datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    return str(when // datetime.timedelta(microseconds=1))


def edge_rows(text):
    """The rows as the C file's main() reads them."""
    out = io.StringIO()
    rows = list(csv.DictReader(text.splitlines()))
    w = csv.DictWriter(out, rows[0].keys())
    w.writeheader()
    for r in rows:
        w.writerow({**r, "opened": microseconds(r["opened"]) if r["opened"] else "", "at": microseconds(r["at"])})
    return out.getvalue()


def numbers(lines):
    return [[float(v) for v in line.split(",")] for line in lines.splitlines()]


def same(x, y):
    return x == y and math.copysign(1, x) == math.copysign(1, y) or (math.isnan(x) and math.isnan(y))


def predictions(text, task):
    rows = csv.DictReader(text.splitlines())
    keys = {"binary": ["probability"], "multiclass": [f"probability_{c}" for c in ("high", "low", "middle", "top")], "regression": ["prediction"]}[task]
    return [[float(r[k]) for k in keys] for r in rows]


def ulps(x, y):
    return 0.0 if same(x, y) else abs(x - y) / math.ulp(max(abs(x), abs(y)))


class Edge(gm.Case):
    @classmethod
    def model(cls, trainer, task):
        """A project in which the model is trained, exported and written as C; once for each."""
        key = (trainer, task)
        if key not in NINE:
            p = NINE[key] = gm.Project(tables.pipeline(trainer, task), **{"rows.csv": tables.table(task, ROWS)})
            for args in (["run"], ["models", f"{trainer}_{task}", "--export", "package"], ["predict", "package", "rows.csv", "--out", "all.csv"],
                         ["deploy", "package", "--to", "edge", "--out", "m.c", "--set", "name=m,main=true"],
                         ["deploy", "package", "--to", "edge", "--out", "plain.c", "--set", "name=m"]):
                result = p.gm(*args)
                assert result.code == 0, result
            p.write("edge.csv", edge_rows(p.read("rows.csv")))
        return NINE[key]

    def compile(self, p, compiler, *options, out="m", source="m.c"):
        done = subprocess.run([compiler, *STRICT, *options, source, "-o", out, "-lm"], cwd=p.dir, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        return str(p.dir / out)

    def answers(self, p, *command):
        done = subprocess.run(command, stdin=open(p.dir / "edge.csv"), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return numbers(done.stdout)

    def compare(self, got, want):
        self.assertEqual(len(got), len(want))
        for i, (g, w) in enumerate(zip(got, want)):
            self.assertEqual(len(g), len(w))
            for x, y in zip(g, w):
                self.assertTrue(same(x, y), f"row {i + 1}: {x!r} and {y!r}")

    def case(self, trainer, task):
        p = self.model(trainer, task)
        want = predictions(p.read("all.csv"), task)
        self.assertEqual(len(want), ROWS)
        self.assertGreater(len({tuple(w) for w in want}), 100)  # rows that differ have answers that differ
        for compiler, level in (("gcc", "-O0"), ("gcc", "-O2"), ("clang", "-Os")):
            if shutil.which(compiler):
                with self.subTest(compiler=compiler, level=level):
                    self.compare(self.answers(p, self.compile(p, compiler, level)), want)

    def sizes(self, trainer, task):
        """What the file states about its memory, against the compiler and nm."""
        p = self.model(trainer, task)
        text = p.read("plain.c")
        rom = int(re.search(r"ROM +(\d+) bytes", text).group(1))
        ram = int(re.search(r"RAM +at most (\d+) bytes", text).group(1))
        self.compile(p, "gcc", "-O0", "-c", out="m.o", source="plain.c")
        tables_bytes = sum(int(line.split()[1], 16) for line in self.run_tool(p, "nm", "-S", "m.o") if " r " in line)
        self.assertEqual(tables_bytes, rom)
        sections = {s[0]: int(s[1]) for s in (line.split() for line in self.run_tool(p, "size", "-A", "m.o")) if len(s) == 3 and s[1].isdigit()}
        self.assertEqual([sections.get(k, 0) for k in (".data", ".bss", ".data.rel.ro")], [0, 0, 0])
        undefined = {line.split()[1] for line in self.run_tool(p, "nm", "-u", "m.o")}
        self.assertLessEqual(undefined, {"exp", "log", "log1p", "pow", "fmod", "floor", "ceil", "rint", "sqrt", "strcmp", "strncmp", "strlen", "strstr"})
        for level in ("-O0", "-O1", "-O2", "-O3", "-Os"):
            self.compile(p, "gcc", level, "-c", "-fstack-usage", out="m.o", source="plain.c")
            used = {}
            for line in (p.dir / "m.su").read_text().splitlines():
                where, size, _ = line.split("\t")
                used[where.split(":")[-1]] = int(size)
            others = [v for k, v in used.items() if k not in ("m_predict", "m_margin", "m_features")]
            deepest = used["m_predict"] + used["m_margin"] + used.get("m_features", 0) + sum(sorted(others)[-3:]) + 3 * 8
            with self.subTest(level=level):
                self.assertLessEqual(deepest, ram)
                if level == "-O0":
                    self.assertLess(ram, 3 * deepest + 1024)  # and it is no number out of the air

    def run_tool(self, p, *command):
        return subprocess.run(command, cwd=p.dir, capture_output=True, text=True, check=True).stdout.splitlines()

    def test_declarations_alone(self):
        p = self.model("xgboost", "binary")
        p.write("user.c", '#define m_DECLARATIONS_ONLY\n#include "plain.c"\n#include <math.h>\n'
                          "int main(void) { m_input in = { .age = (double)NAN, .opened = INT64_MIN }; double out[m_OUTPUTS];\n"
                          "return m_predict(&in, out) == 0 && out[0] > 0 && out[0] < 1 && m_class(1)[0] == 't' ? 0 : 1; }\n")
        done = subprocess.run(["gcc", *STRICT, "-Wno-missing-field-initializers", "user.c", "plain.c", "-o", "user", "-lm"], cwd=p.dir,
                              capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        self.assertEqual(subprocess.run([p.dir / "user"]).returncode, 0)

    def test_what_cannot_be_said_is_refused(self):
        p = self.project(gm.QUICK + "pipeline: c\ntarget: churned\ndata: t.csv\nfeatures: { add: { short: upper(plan) }, use: [age, short] }\n",
                         **{"t.csv": gm.churn()})
        self.ok(p.gm("run"))
        self.fails(p.gm("deploy", "c", "--to", "edge", "--out", "m.c"), 10, 'function "upper"', 'feature "short"')
        self.assertFalse((p.dir / "m.c").exists())

    def arm(self, machine):
        compiler, emulator, root = ARM[machine]
        missing = [tool for tool in (compiler, emulator) if not shutil.which(tool)]
        if missing:
            self.skipTest(f"needs {' and '.join(missing)}")
        for trainer, task in tables.CASES:
            with self.subTest(trainer=trainer, task=task):
                p = self.model(trainer, task)
                here, there = self.compile(p, "gcc", "-O2"), self.compile(p, compiler, "-O2", out=f"m.{machine}")
                run = [emulator, "-L", root, there]
                self.compare(self.answers(p, *run, "margin"), self.answers(p, here, "margin"))
                want, got = self.answers(p, here), self.answers(p, *run)
                apart = [ulps(x, y) for g, w in zip(got, want) for x, y in zip(g, w)]
                print(f"{machine} {trainer} {task}: margins equal; {sum(a > 0 for a in apart)} of {len(apart)} answers differ, "
                      f"by at most {max(apart):.3g} units in the last place")
                self.assertLessEqual(max(apart), 64)  # exp's own last bit, times the sums of the softmax

    def test_arm(self):
        self.arm("arm")

    def test_aarch64(self):
        self.arm("aarch64")


def add(trainer, task):
    setattr(Edge, f"test_{trainer}_{task}", lambda self: self.case(trainer, task))
    setattr(Edge, f"test_memory_{trainer}_{task}", lambda self: self.sizes(trainer, task))


for _case in tables.CASES:
    add(*_case)


def tearDownModule():
    for p in NINE.values():
        p.close()


if __name__ == "__main__":
    gm.main()
