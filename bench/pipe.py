"""What running costs: start-up, cached steps, real steps, folders of many files, and the whole flights loop; against git, make and a shell.

The times are the least of several, the ratios of programs measured in turn in the same run. Lines of JSON go to standard output, a table to
standard error. Steps are counted with and without a disk that must be waited for: in memory (tmpfs) a sync costs nothing.
"""
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = os.environ.get("GRISTMILL", str(ROOT / "build/release/gristmill"))
STEPS, FILES = 100, 10_000
NULL = os.open(os.devnull, os.O_RDWR)
TABLE = []


def spawn(argv, cwd=None):
    """(wall seconds, CPU seconds of it and all its children) of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    here = os.getcwd()
    if cwd:
        os.chdir(cwd)
    began = time.perf_counter()
    pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, NULL, 1), (os.POSIX_SPAWN_DUP2, NULL, 2)])
    _, status = os.waitpid(pid, 0)
    wall = time.perf_counter() - began
    os.chdir(here)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status != 0:
        sys.exit(f"bench: {' '.join(map(str, argv))} in {cwd} ended with status {status}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def least(count, *works):
    """The least wall and CPU seconds of each work, done in turn count times."""
    found = [[work() for work in works] for _ in range(count)]
    return [tuple(min(run[i][k] for run in found) for k in (0, 1)) for i in range(len(works))]


def report(name, target=None, **numbers):
    numbers = {k: round(v, 6) if isinstance(v, float) else v for k, v in numbers.items()}
    print(json.dumps({"bench": "pipe", "what": name, **numbers, **({"target": target} if target else {})}), flush=True)
    TABLE.append((name, target or "", numbers))


def version():
    (ours, cpu), (git, git_cpu) = least(60, lambda: spawn([PROGRAM, "version"]), lambda: spawn(["git", "--version"]))
    report("start: version", "3 ms", wall_ms=ours * 1e3, cpu_ms=cpu * 1e3, git_ms=git * 1e3, git_cpu_ms=git_cpu * 1e3, ratio=ours / git)


def steps_project(folder):
    folder.mkdir(parents=True)
    lines = "".join(f"  s{i:03d}: {{ run: [cp, /dev/null, '{{o}}'], out: {{ o: o{i:03d} }} }}\n" for i in range(STEPS))
    (folder / "gristmill.yaml").write_text("steps:\n" + lines)
    names = " ".join(f"m{i:03d}" for i in range(STEPS))
    (folder / "Makefile").write_text(f"all: {names}\n{names}:\n\tcp /dev/null $@\n")


def clear(folder):
    shutil.rmtree(folder / ".gristmill", ignore_errors=True)
    for made in folder.glob("m[0-9]*"):
        made.unlink()


def steps(place, where):
    folder = place / "steps"
    steps_project(folder)

    def uncached():
        clear(folder)
        return spawn([PROGRAM, "run", "--quiet", "--jobs", "1"], folder)

    def loop():
        return spawn(["sh", "-c", f"i=0; while [ $i -lt {STEPS} ]; do cp /dev/null p$i; i=$((i + 1)); done"], folder)

    made = least(5, uncached, lambda: spawn(["make", "-s", "-j1"], folder), loop)
    (ours, cpu), (make, make_cpu), (bare, bare_cpu) = made
    log = folder / "points"
    clear(folder)
    subprocess.run([PROGRAM, "run", "--quiet", "--jobs", "1"], cwd=folder, env={**os.environ, "GRISTMILL_FAULT_LOG": str(log)}, check=True, stdout=NULL)
    syncs = sum(".sync" in line for line in log.read_text().splitlines())
    report(f"{STEPS} real steps, {where}", "1 ms of ours per step, without syncs" if where == "memory" else None, wall_ms=ours * 1e3, cpu_ms=cpu * 1e3,
           make_ms=make * 1e3, shell_ms=bare * 1e3, ours_ms_per_step=(ours - bare) * 1e3 / STEPS, ours_cpu_ms_per_step=(cpu - bare_cpu) * 1e3 / STEPS,
           make_ms_per_step=(make - bare) * 1e3 / STEPS, make_cpu_ms_per_step=(make_cpu - bare_cpu) * 1e3 / STEPS, syncs_per_step=syncs / STEPS)
    (ours, cpu), (make, make_cpu) = least(30, lambda: spawn([PROGRAM, "run", "--quiet"], folder), lambda: spawn(["make", "-s"], folder))
    report(f"{STEPS} cached steps, {where}", "5 ms", wall_ms=ours * 1e3, cpu_ms=cpu * 1e3, make_ms=make * 1e3, make_cpu_ms=make_cpu * 1e3, ratio=ours / make)


def files(place):
    folder = place / "files"
    (folder / "in").mkdir(parents=True)
    for i in range(FILES):
        (folder / f"in/{i:05d}").write_bytes(os.urandom(64) * 64)
    (folder / "gristmill.yaml").write_text("steps:\n  s: { run: [cp, /dev/null, '{o}'], in: { files: in }, out: { o: o } }\n")
    time.sleep(1.1)  # a file as young as its recording is read again
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)

    def add():
        clear(folder)
        return spawn([PROGRAM, "run", "--quiet"], folder)

    def git_add():
        shutil.rmtree(folder / ".git/objects")
        (folder / ".git/objects").mkdir()
        (folder / ".git/index").unlink(missing_ok=True)
        return spawn(["git", "-c", "core.looseCompression=0", "add", "in"], folder)
    (ours, cpu), (git, git_cpu) = least(3, add, git_add)
    report(f"{FILES} files, first look", "0.3 s", wall_s=ours, cpu_s=cpu, git_add_s=git, git_add_cpu_s=git_cpu, ratio=ours / git)
    time.sleep(1.1)
    spawn([PROGRAM, "run", "--quiet"], folder)
    (ours, cpu), (git, git_cpu) = least(15, lambda: spawn([PROGRAM, "run", "--quiet"], folder), lambda: spawn(["git", "diff-files", "--quiet"], folder))
    report(f"{FILES} files, looked at again", "0.03 s CPU", wall_s=ours, cpu_s=cpu, git_s=git, git_cpu_s=git_cpu, ratio=ours / git)


def flights(place):
    data = ROOT / "examples/flights/data"
    if not data.is_dir():
        print("bench: no flights data; `make demo` fetches it", file=sys.stderr)
        return
    folder = place / "flights"
    folder.mkdir()
    shutil.copy(ROOT / "examples/flights/gristmill.yaml", folder)
    (folder / "data").symlink_to(data)
    rss = {"now": 0, "peak": 0}
    began = time.perf_counter()
    runner = subprocess.Popen([PROGRAM, "run", "--json"], cwd=folder, stdout=subprocess.PIPE, text=True)
    while runner.poll() is None:  # resident bytes of the runner and its steps in sum, looked at a hundred times a second
        rss["peak"] = max(rss["peak"], resident(runner.pid))
        time.sleep(0.01)
    wall = time.perf_counter() - began
    result = json.loads(runner.stdout.read())
    for s in result["steps"]:
        report(f"flights: {s['name']}", wall_s=s.get("seconds", 0.0), cpu_s=s.get("cpu_seconds", 0.0), peak_mib=s.get("peak_rss_bytes", 0) / 2**20)
    cpu = sum(s.get("cpu_seconds", 0.0) for s in result["steps"])
    report("flights, first run", "60 s on 2 idle cores, 1 GiB in sum", wall_s=wall, cpu_s=cpu, peak_sum_mib=rss["peak"] / 2**20)
    (ours, cpu), = least(10, lambda: spawn([PROGRAM, "run", "--quiet"], folder))
    report("flights, second run", "100 ms", wall_ms=ours * 1e3, cpu_ms=cpu * 1e3)


def resident(root):
    """Resident bytes of a process and its children, shared pages counted once for each (so: at most this)."""
    total = 0
    todo = [root]
    while todo:
        pid = todo.pop()
        try:
            total += int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
            for task in os.listdir(f"/proc/{pid}/task"):
                todo += map(int, pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split())
        except OSError:
            pass  # it ended meanwhile
    return total


def main():
    only = sys.argv[1:]
    disk = pathlib.Path(tempfile.mkdtemp(prefix="gm-bench-"))
    memory = pathlib.Path(tempfile.mkdtemp(prefix="gm-bench-", dir="/dev/shm"))
    works = {"version": version, "memory": lambda: steps(memory, "memory"), "disk": lambda: steps(disk, "disk"),
             "files": lambda: files(disk), "flights": lambda: flights(disk)}
    try:
        for name, work in works.items():
            if not only or name in only:
                work()
    finally:
        shutil.rmtree(disk, ignore_errors=True)
        shutil.rmtree(memory, ignore_errors=True)
    for name, target, numbers in TABLE:
        print(f"{name:<34} {'  '.join(f'{k} {v:.4g}' if isinstance(v, float) else f'{k} {v}' for k, v in numbers.items())}" + (f"   [target {target}]" if target else ""), file=sys.stderr)


if __name__ == "__main__":
    main()
