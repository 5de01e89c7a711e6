"""Drift of two Parquet files, 500,000 rows of 15 columns each, by the program as a user calls it; PEERS=1: Evidently in the same run.

CPU seconds (user + system) and peak memory of the whole process, reading included, least of several. Files come from bench_drift. Evidently is
installed from PyPI into build/bench/venv-drift and told to send nothing. Lines of JSON go to standard output.
"""
import json
import os
import pathlib
import resource
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
HOME = ROOT / "build/bench/drift"
VENV = ROOT / "build/bench/venv-drift"
PINS = ["evidently==0.7.23", "pandas==2.3.3", "numpy==2.3.5", "scipy==1.17.1", "pyarrow==22.0.0"]
GRISTMILL = os.environ.get("GRISTMILL", str(ROOT / "build/release/gristmill"))
BUILD = ROOT / os.environ.get("BUILD", "build/release")
ROWS = int(os.environ.get("ROWS", "500000"))
# The preset's report, as its documents have it: every column by its own choice of test.
EVIDENTLY = """
import json
import sys
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
ref, cur = pd.read_parquet(sys.argv[1]), pd.read_parquet(sys.argv[2])
numbers = [c for c in ref if ref[c].dtype.kind in "if"]
kinds = DataDefinition(numerical_columns=numbers, categorical_columns=[c for c in ref if c not in numbers])
result = Report([DataDriftPreset()]).run(Dataset.from_pandas(cur, kinds), Dataset.from_pandas(ref, kinds))
print(json.dumps({m["config"]["column"]: float(m["value"]) for m in result.dict()["metrics"] if "ValueDrift" in m["metric_name"]}))
"""


def measured(who, command, rounds):
    best = None
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1", "DO_NOT_TRACK": "1"}) as p:
            out = p.stdout.read()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if p.returncode:
            print(json.dumps({"bench": "drift", "who": who, "skipped": f"exit code {p.returncode}"}), flush=True)
            return None, None
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        best = min(best, cpu) if best else cpu
    line = {"bench": "drift", "who": who, "rows": ROWS, "columns": 15, "cpu_s": round(best, 3), "answer_bytes": len(out)}
    print(json.dumps(line), flush=True)
    return best, json.loads(out)


def evidently(ref, cur):
    python = VENV / "bin/python"
    if not (VENV / ".done").exists():
        print(f"bench: installing {len(PINS)} packages from PyPI into {VENV.relative_to(ROOT)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        if subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary=:all:", *PINS]).returncode:
            print(json.dumps({"bench": "drift", "who": "evidently 0.7.23", "skipped": "could not be installed"}))
            return None, None
        (VENV / ".done").touch()
    return measured("evidently 0.7.23", [str(python), "-c", EVIDENTLY, str(ref), str(cur)], 1)


def main():
    HOME.mkdir(parents=True, exist_ok=True)
    ref, cur = HOME / "ref.parquet", HOME / "cur.parquet"
    subprocess.run(["cmake", "--build", str(BUILD), "--target", "bench_drift", "--", "--quiet"], check=True, stdout=sys.stderr)
    subprocess.run([str(next(BUILD.glob("bench/bench_drift"))), str(ROWS), str(HOME)], check=True, stdout=sys.stderr)
    ours, _ = measured("gristmill", [GRISTMILL, "drift", str(ref), str(cur), "--json"], 3)
    _, alike = measured("gristmill as evidently", [GRISTMILL, "drift", str(ref), str(cur), "--json", "--compat", "evidently"], 3)
    if os.environ.get("PEERS") == "1":
        theirs, values = evidently(ref, cur)
        if ours and theirs:
            worst = max(abs(c["value"] - values[c["name"]]) for c in alike["columns"])
            print(json.dumps({"bench": "drift", "ratio": round(theirs / ours, 1), "columns": len(values), "largest_difference": worst}))


if __name__ == "__main__":
    main()
