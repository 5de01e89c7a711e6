"""The tutorial's blocks are run as they are written, and print what they are said to print.

The ```sh blocks of a page run in one shell, in order, stopping at the first failure. Each line of the ```output block that follows must appear
in what its block printed, in order. `...` as a whole line matches any lines, at an end or in the middle of a line any text; runs of blanks are one.
The page's port 8080 becomes one that is free, and what was put into the background is ended with the shell.
"""
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import unittest

import gm

PAGE = gm.ROOT / "docs/tutorial/first-model.md"
BLOCK = re.compile(r"^```(sh|output)\n(.*?)^```$", re.M | re.S)
MARK = "@@ end of block @@"


def read_blocks(text):
    """[(commands, [expected lines] or None)]"""
    blocks = []
    for kind, body in BLOCK.findall(text):
        if kind == "sh":
            blocks.append([body, None])
        else:
            blocks[-1][1] = body.splitlines()
    return blocks


def as_pattern(line):
    pieces = [r"\s+".join(re.escape(word) for word in re.split(r"\s+", piece)) for piece in line.split("...")]
    return re.compile(r"^\s*" + ".*".join(pieces).strip() + r"\s*$")


def first_unmatched(expected, printed):
    """The expected line that is not there, or None. Lines after a line `...` may come later; others must follow directly."""
    at, may_skip = 0, False
    for line in expected:
        if line.strip() == "...":
            may_skip = True
            continue
        pattern = as_pattern(line.strip())
        while at < len(printed) and may_skip and not pattern.match(printed[at]):
            at += 1
        if at == len(printed) or not pattern.match(printed[at]):
            return line
        at, may_skip = at + 1, False
    return None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Tutorial(gm.Case):
    def test_matching_can_fail(self):
        self.assertIsNone(first_unmatched(["a ... c", "...", "z"], ["a   b c", "x", "y", "z"]))
        self.assertEqual(first_unmatched(["a", "z"], ["a", "y", "z"]), "z")
        self.assertEqual(first_unmatched(["...", "b", "a"], ["a", "b"]), "a")

    def test_every_block_runs_and_prints_what_it_says(self):
        port = str(free_port())
        blocks = read_blocks(PAGE.read_text().replace("8080", port))
        self.assertGreater(len(blocks), 12)
        with tempfile.TemporaryDirectory(prefix="gm-tutorial-") as folder:
            programs = pathlib.Path(folder, "bin")
            programs.mkdir()
            (programs / "gristmill").symlink_to(pathlib.Path(gm.PROGRAM).resolve())
            script = "set -e\ntrap 'kill $! 2>/dev/null || true' EXIT\n" + "".join(f"{commands}\necho '{MARK}'\n" for commands, _ in blocks)
            done = subprocess.run(["sh", "-c", script], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=600,
                                  env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "GRISTMILL_PORT": port})
        printed = done.stdout.decode(errors="replace").split(MARK + "\n")
        self.assertEqual(done.returncode, 0, f"block {len(printed)} failed:\n{printed[-1]}")
        for i, (commands, expected) in enumerate(blocks):
            if expected is None:
                continue
            missing = first_unmatched(expected, printed[i].splitlines())
            self.assertIsNone(missing, f"\n--- not printed: {missing}\n--- by:\n{commands}\n--- printed:\n{printed[i]}")


if __name__ == "__main__":
    gm.main()
