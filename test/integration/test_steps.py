"""Programs of the user's own as steps: arguments, environment, outputs, retries, timeouts, order."""
import unittest

import gm


class Steps(gm.Case):
    def test_a_program_gets_paths_and_parameters(self):
        p = self.project("""steps:
  up:
    run: [python3, up.py, '{text}', '{out}', '{mark}']
    in: { text: in.txt }
    out: { out: out.txt }
    params: { mark: '!; touch pwned' }
""", **{"in.txt": "hello", "up.py": "import sys\nopen(sys.argv[2], 'w').write(open(sys.argv[1]).read().upper() + sys.argv[3])\n"})
        self.ok(p.gm("run"))
        shown = self.ok(p.gm("show", "up")).json()
        self.assertEqual(self.ok(p.gm("show", shown["outputs"]["out"])).out, "HELLO!; touch pwned")
        self.assertFalse((p.dir / "pwned").exists())
        again = self.ok(p.gm("run", "--json")).json()
        self.assertEqual(again["steps"][0]["state"], "cached")
        p.write("up.py", p.read("up.py").replace("upper", "lower"))  # code named on the command line is part of the key
        self.assertEqual(self.ok(p.gm("run", "--json")).json()["steps"][0]["state"], "done")

    def test_declared_code_is_part_of_the_key(self):
        yaml = "steps:\n  s:\n    run: [python3, s.py, '{o}']\n    code: [helper.py]\n    out: { o: o.txt }\n"
        p = self.project(yaml, **{"s.py": "import sys, helper\nopen(sys.argv[1], 'w').write(str(helper.x))\n", "helper.py": "x = 1\n"})
        self.ok(p.gm("run"))
        p.write("helper.py", "x = 2\n")
        self.assertEqual(self.ok(p.gm("run", "--json")).json()["steps"][0]["state"], "done")
        self.assertIn("helper.py", self.ok(p.gm("why", "s")).out)

    def test_failure_shows_the_program_and_its_last_line(self):
        p = self.project("steps:\n  bad:\n    run: [python3, -c, 'import sys; print(\"the reason\"); sys.exit(7)']\n")
        self.fails(p.gm("run"), 3, "gristmill.yaml:2:3", "code 7", "the reason")
        self.assertIn("the reason", self.ok(p.gm("log", "bad")).out)
        self.assertIn("failed", self.ok(p.gm("status")).out)

    def test_retry_and_timeout(self):
        p = self.project("steps:\n  flaky:\n    shell: 'echo x >> tries; [ $(wc -l < tries) -ge 3 ] && echo ok > $GRISTMILL_OUT_o'\n    retry: 3\n    out: { o: o.txt }\n")
        self.ok(p.gm("run"))
        self.assertEqual(p.read("tries").count("x"), 3)
        p = self.project("steps:\n  slow:\n    shell: sleep 60\n    timeout: 1s\n")
        self.fails(p.gm("run", timeout=20), 130, "timeout")

    def test_a_missing_output_or_program_or_input(self):
        p = self.project("steps:\n  s:\n    run: ['true']\n    out: { o: o.txt }\n")
        self.fails(p.gm("run"), 3, "wrote no", "o.txt")
        p = self.project("steps:\n  s:\n    run: [no-such-program-here]\n")
        self.fails(p.gm("run"), 3, "no-such-program-here")
        p = self.project("steps:\n  s:\n    run: [cat, '{x}']\n    in: { x: nothing.txt }\n")
        self.fails(p.gm("run"), 4, "nothing.txt")

    def test_order_and_cycles(self):
        p = self.project("""steps:
  b: { shell: 'cat $GRISTMILL_IN_x > $GRISTMILL_OUT_o; echo b >> $GRISTMILL_OUT_o', in: { x: a.o }, out: { o: o.txt } }
  a: { shell: 'echo a > $GRISTMILL_OUT_o', out: { o: o.txt } }
""")
        self.ok(p.gm("run"))
        shown = self.ok(p.gm("show", "b")).json()
        self.assertEqual(self.ok(p.gm("show", shown["outputs"]["o"])).out, "a\nb\n")
        p = self.project("steps:\n  a: { shell: x, in: { i: b.o }, out: { o: o } }\n  b: { shell: x, in: { i: a.o }, out: { o: o } }\n")
        self.fails(p.gm("run"), 3, "wait for one another", "gristmill.yaml:2:3")

    def test_a_file_may_be_named_after_a_step(self):
        yaml = "steps:\n  up: { run: [cp, '{code}', '{o}'], in: { code: up.txt }, out: { o: o.txt } }\n  then: { run: [cp, '{x}', '{o}'], in: { x: up.%s }, out: { o: o.txt } }\n"
        p = self.project(yaml % "o", **{"up.txt": "hello"})
        self.ok(p.gm("run"))
        p.write("gristmill.yaml", yaml % "oh")
        self.fails(p.gm("run"), 3, 'gristmill.yaml:3:3', 'step "up" has no output "oh"', "Its outputs are: o.")

    def test_sql_steps(self):
        p = self.project("data: t.csv\nsteps:\n  counts:\n    sql: SELECT plan, count(*) AS n FROM t GROUP BY plan ORDER BY plan\n    in: { t: t }\n", **{"t.csv": gm.churn()})
        result = self.ok(p.gm("run", "--json")).json()
        self.assertEqual({s["name"]: s["state"] for s in result["steps"]}["counts"], "done")

    def test_the_environment_is_declared(self):
        p = self.project("steps:\n  e: { shell: 'echo \"$A $SECRET_OF_MINE\" > $GRISTMILL_OUT_o', env: { A: one }, out: { o: o.txt } }\n")
        self.ok(p.gm("run", env={"SECRET_OF_MINE": "leaks"}))
        shown = self.ok(p.gm("show", "e")).json()
        self.assertEqual(self.ok(p.gm("show", shown["outputs"]["o"])).out.strip(), "one")


if __name__ == "__main__":
    gm.main()
