"""The generated pages are what this program prints, commands that pages name exist, and links between the documents lead somewhere."""
import subprocess
import sys
import unittest

import gm


class Docs(gm.Case):
    def test_pages_commands_and_links(self):
        done = subprocess.run([sys.executable, str(gm.ROOT / "tools/check_docs.py"), "--program", gm.PROGRAM], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    gm.main()
