#!/usr/bin/env python3
"""Report every #include that goes against what the rooms say they use.

Each src/<room>/CMakeLists.txt has a line gm_room(<room> USES <rooms>). What a room uses may be reached through what those use,
so the rule is: a file of src/<room>/ may include "<other>/x.h" when <other> is in the transitive closure of its USES, and never
"<other>/x_internal.h". The rooms must form no cycle. The program (cli), which no room may use, may include every room.

Exit code 0 when all is well, 1 with one line per finding.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SRC = ROOT / "src"


def read_rooms():
    rooms = {}
    for path in sorted(SRC.glob("*/CMakeLists.txt")):
        found = re.search(r"gm_room\(\s*(\w+)([^)]*)\)", path.read_text())
        if not found:
            continue
        words = found.group(2).split()
        uses = words[words.index("USES") + 1:] if "USES" in words else []
        rooms[found.group(1)] = uses[:uses.index("LIBS")] if "LIBS" in uses else uses
    return rooms


def closure(rooms, room, path=()):
    if room in path:
        sys.exit(f"check_layers: a cycle of rooms: {' -> '.join([*path, room])}")
    below = set()
    for used in rooms.get(room, []):
        if used not in rooms:
            sys.exit(f"check_layers: src/{room}/CMakeLists.txt uses an unknown room \"{used}\"")
        below |= {used} | closure(rooms, used, (*path, room))
    return below


def main():
    rooms = read_rooms()
    findings = []
    for folder in sorted(p for p in SRC.iterdir() if p.is_dir()):
        room = folder.name
        allowed = closure(rooms, room) if room in rooms else set(rooms)  # not a room: the program itself
        for path in sorted([*folder.rglob("*.c"), *folder.rglob("*.h")]):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                found = re.match(r'\s*#\s*include\s+"(\w+)/([\w./]+)"', line)
                if not found or found.group(1) == room or not (SRC / found.group(1)).is_dir():
                    continue
                other, header = found.groups()
                place = f"{path.relative_to(ROOT)}:{number}"
                if other not in allowed:
                    findings.append(f'{place}: {room} may not include "{other}/{header}" (it uses {" ".join(sorted(allowed)) or "nothing"})')
                elif header.endswith("_internal.h"):
                    findings.append(f'{place}: "{other}/{header}" is for the room {other} only')
    print("\n".join(findings) or f"layers: {len(rooms)} rooms, every include goes down")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
