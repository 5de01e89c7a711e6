#!/usr/bin/env python3
"""Are the documents true? Generated pages equal what the program prints, commands and options that pages name exist, links lead somewhere.

    check_docs.py [--program GRISTMILL] [--write]

--program  the built program; without it only links are looked at
--write    write the generated pages (docs/reference) instead of comparing them
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = ("commands", "file", "items", "expressions")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.M | re.S)


def generated(program, page):
    return subprocess.run([program, "reference", page], check=True, capture_output=True).stdout


def reference_problems(program, write):
    for page in PAGES:
        path, text = ROOT / "docs/reference" / f"{page}.md", generated(program, page)
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
        elif not path.exists() or path.read_bytes() != text:
            yield f"docs/reference/{page}.md is not what `gristmill reference {page}` prints: tools/check_docs.py --program PROGRAM --write"


def pages():
    yield from ROOT.glob("*.md")
    yield from (ROOT / "docs").rglob("*.md")
    yield from (ROOT / "src").glob("*/README.md")
    yield from (ROOT / "examples").glob("*/README.md")


def anchors(path):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+?)\s*$", FENCE.sub(lambda m: m[0].strip("`") if "\n" not in m[0] else "", path.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def link_problems():
    for page in sorted(pages()):
        for target in LINK.findall(FENCE.sub("", page.read_text())):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            to = (page.parent / name).resolve() if name else page
            if not to.exists():
                yield f"{page.relative_to(ROOT)}: the link {target} leads nowhere"
            elif anchor and to.suffix == ".md" and anchor not in anchors(to):
                yield f"{page.relative_to(ROOT)}: {to.name} has no heading #{anchor}"


def known_commands(program):
    """{command: its options}, from the reference page."""
    known, common = {}, set()
    for section in generated(program, "commands").decode().split("\n## ")[1:]:
        options = set(re.findall(r"^\| `(--[a-z-]+)", section, re.M))
        name = re.match(r"gristmill (\S+)", section)
        if name:
            known[name[1]] = options
        else:
            common |= options
    return {name: options | common | {"-f", "-h"} for name, options in known.items()} | {"step": set(), "COMMAND": common}


def command_problems(program):
    known = known_commands(program)
    for page in sorted(pages()):
        code = "\n".join(m[0] for m in FENCE.finditer(page.read_text()))
        for command, rest in re.findall(r"(?:^|[`(;&] ?)gristmill ([A-Za-z]+)((?: [^\n`#|;&>]*)?)", code, re.M):
            if command not in known:
                yield f"{page.relative_to(ROOT)}: there is no command `gristmill {command}`"
                continue
            for option in re.findall(r"(?<=\s)(--?[a-z][a-z-]*)", rest):
                if option not in known[command]:
                    yield f"{page.relative_to(ROOT)}: `gristmill {command}` has no option {option}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    problems = list(reference_problems(args.program, args.write)) if args.program else []
    problems += list(command_problems(args.program)) if args.program else []
    problems += link_problems()
    for problem in problems:
        print(problem)
    if not problems:
        print(f"docs: {sum(1 for _ in pages())} pages, links lead somewhere" + (", generated pages are current, commands exist" if args.program else ""))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
