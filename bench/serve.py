"""What answering over HTTP costs: a bare fixed reply on the same loop, and the Python servers people use, on the flights model.

    make bench-serve                      against the bare loop
    PEERS=1 make bench-serve              also FastAPI + ONNX Runtime, MLflow, MLServer and BentoML, installed from PyPI into build/peers-serve

Needs `make demo` (the model) and wrk. CPU is user and system time of the server's processes for each request, from /proc; servers take turns, the
least of the rounds counts. The load generator shares the processors, so requests a second say less than CPU a request. Lines of JSON.
"""
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / os.environ.get("BUILD", "build/release")
PROGRAM = os.environ.get("GRISTMILL", str(BUILD / "gristmill"))
FLIGHTS = ROOT / "examples/flights"
SECONDS, ROUNDS = int(os.environ.get("SECONDS_EACH", "3")), int(os.environ.get("ROUNDS", "3"))
ROW = {"sched_dep_time": 1355, "time_hour": "2013-10-11T17:00:00", "distance": 544, "carrier": "MQ", "origin": "LGA", "dest": "CLT",
       "weather.temp": 64.94, "weather.dewp": 57.02, "weather.humid": 75.51, "weather.wind_speed": 16.11092, "weather.precip": 0.0,
       "weather.pressure": 1016.9, "weather.visib": 10.0}
TICKS = os.sysconf("SC_CLK_TCK")


def report(what, target=None, **numbers):
    numbers = {k: round(v, 3) if isinstance(v, float) else v for k, v in numbers.items()}
    print(json.dumps({"bench": "serve", "what": what, **numbers, **({"target": target} if target else {})}), flush=True)


def family(pid):
    """The process and all below it."""
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        found.append(p)
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                todo += [int(c) for c in pathlib.Path(f"/proc/{p}/task/{task}/children").read_text().split()]
        except OSError:
            pass
    return found


def cpu_seconds(pid):
    total = 0
    for p in family(pid):
        try:
            fields = pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / TICKS


def resident_mb(pid):
    total = 0
    for p in family(pid):
        try:
            total += int(pathlib.Path(f"/proc/{p}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
        except OSError:
            pass
    return total / 1e6


class Server:
    """A process that answers `path` on 127.0.0.1:port; start_ms: from its start to the first good answer."""

    def __init__(self, name, argv, port, path, body, cwd=None, env=None, patience=60):
        self.name, self.port, self.path, self.body = name, port, path, json.dumps(body)
        self.log = tempfile.TemporaryFile()
        began = time.perf_counter()
        self.process = subprocess.Popen(argv, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, start_new_session=True)
        while True:
            try:
                c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                c.request("POST", path, self.body, {"Content-Type": "application/json"})
                r = c.getresponse()
                self.answer = r.read()
                if r.status == 200:
                    break
                why = self.answer[:300]
            except OSError as e:
                why = e
            if time.perf_counter() - began > patience or self.process.poll() is not None:
                self.log.seek(0)
                tail = self.log.read()[-2000:].decode(errors="replace")
                self.stop()
                raise RuntimeError(f"{name} does not answer: {why}\n{tail}")
            time.sleep(0.0005)
        self.start_ms = (time.perf_counter() - began) * 1e3

    def load(self, connections, seconds=SECONDS):
        """One run of wrk: requests a second, p50 and p99 in us, CPU us a request."""
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(f"wrk.method = 'POST'\nwrk.body = [==[{self.body}]==]\nwrk.headers['Content-Type'] = 'application/json'\n")
            script.flush()
            before = cpu_seconds(self.process.pid)
            out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script.name,
                                  f"http://127.0.0.1:{self.port}{self.path}"], capture_output=True, text=True, check=True).stdout
            cpu = cpu_seconds(self.process.pid) - before
        requests = int(re.search(r"(\d+) requests in", out).group(1))
        if "Non-2xx" in out:
            raise RuntimeError(f"{self.name}: {out}")
        unit = {"us": 1, "ms": 1e3, "s": 1e6}
        at = {p: float(v) * unit[u] for p, v, u in re.findall(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)", out, re.M)}
        return {"rps": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), "p50_us": at["50"], "p99_us": at["99"], "cpu_us": cpu / requests * 1e6}

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


def best(rounds):
    return {"rps": max(r["rps"] for r in rounds), **{k: min(r[k] for r in rounds) for k in ("p50_us", "p99_us", "cpu_us")}}


def ours(port, *more):
    return Server("gristmill", [PROGRAM, "serve", "flights", "--loops", "1", "--port", str(port), "--log", "1%", *more], port,
                  "/v1/models/flights:predict", {"instances": [ROW]}, FLIGHTS)


def bare(port):
    subprocess.run(["cmake", "--build", str(BUILD), "--target", "bench_http_bare", "--", "--quiet"], check=True)
    program = next(p for p in BUILD.rglob("bench_http_bare") if p.is_file() and os.access(p, os.X_OK))
    return Server("bare loop", [str(program), str(port), "1"], port, "/v2/models/{model}/infer", {"instances": [ROW]})


def against_bare():
    servers = [ours(18080), bare(18081)]
    try:
        for connections in (1, 16):
            rounds = [[s.load(connections) for s in servers] for _ in range(ROUNDS)]
            o, b = best([r[0] for r in rounds]), best([r[1] for r in rounds])
            report(f"{connections} connections", "<= 10 us CPU, >= 0.8 of the bare loop", **o, bare_rps=b["rps"], bare_cpu_us=b["cpu_us"], bare_p50_us=b["p50_us"],
                   rps_ratio=o["rps"] / b["rps"], cpu_ratio=b["cpu_us"] / o["cpu_us"])
        report("resident memory after the load", "<= 10 MB + model", mb=resident_mb(servers[0].process.pid))
    finally:
        for s in servers:
            s.stop()


def starts():
    times = []
    for i in range(10):
        s = ours(18082 + i)
        times.append(s.start_ms)
        s.stop()
    report("start to first answer", "<= 20 ms", ms=min(times), median_ms=sorted(times)[5])


def exchange():
    """p99 of each second while the champion changes twice a second, against seconds of peace."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["cp", "-r", str(FLIGHTS), folder], check=True)
        home = pathlib.Path(folder) / "flights"
        versions = [str(v["version"]) for v in json.loads(subprocess.run([PROGRAM, "models", "flights", "--json"], cwd=home, capture_output=True, check=True).stdout)]
        if len(versions) < 2:
            report("exchange under load", skipped="one version only: the store of the demo has no second")
            return
        s = Server("gristmill", [PROGRAM, "serve", "flights", "--loops", "1", "--port", "18099", "--log", "off"], 18099, "/v1/models/flights:predict", {"instances": [ROW]}, home)
        try:
            quiet, moved = [], []
            for _ in range(ROUNDS):
                quiet.append(s.load(4, 2)["p99_us"])
                mover = subprocess.Popen(["sh", "-c", " ; ".join(f"sleep 0.4; {PROGRAM} models flights/{v} --alias champion >/dev/null" for v in (versions[:2] * 2))], cwd=home)
                moved.append(s.load(4, 2)["p99_us"])
                mover.wait()
            report("exchange under load: p99", "within 2x", quiet_us=min(quiet), exchange_us=min(moved), ratio=min(moved) / min(quiet))
        finally:
            s.stop()


# ---- peers ------------------------------------------------------------------------------------------------------------------

FASTAPI = """
import numpy as np, onnxruntime as ort
from datetime import datetime
from fastapi import FastAPI, Request
options = ort.SessionOptions(); options.intra_op_num_threads = 1
session = ort.InferenceSession("package/model.onnx", options)
inputs = {i.name: i.type for i in session.get_inputs()}
app = FastAPI()
def tensor(rows, name, kind):
    if kind == "tensor(string)": return np.array([r[name] for r in rows], dtype=object)
    if kind == "tensor(int64)": return np.array([int((datetime.fromisoformat(r[name]) - datetime(1970, 1, 1)).total_seconds() * 1e6) for r in rows], np.int64)
    return np.array([float(r[name]) for r in rows], np.float64)
def row_of(r):
    h = r["sched_dep_time"]
    return {**r, "dep_hour": h // 100 + h % 100 / 60, "weekday": (datetime.fromisoformat(r["time_hour"]).weekday() + 1) % 7 or 7}
@app.post("/predict")
async def predict(request: Request):
    rows = [row_of(r) for r in (await request.json())["instances"]]
    p = session.run(["probability"], {n: tensor(rows, n, k) for n, k in inputs.items()})[0]
    return {"predictions": p.ravel().tolist()}
"""

BENTO = FASTAPI.split("app = FastAPI()")[0].replace("from fastapi import FastAPI, Request", "import bentoml") + """
def tensor""" + FASTAPI.split("def tensor", 1)[1].split("@app.post")[0] + """
@bentoml.service(workers=1)
class Flights:
    @bentoml.api
    def predict(self, instances: list) -> dict:
        rows = [row_of(r) for r in instances]
        return {"predictions": session.run(["probability"], {n: tensor(rows, n, k) for n, k in inputs.items()})[0].ravel().tolist()}
"""

MLSERVER = """
from mlserver import MLModel
from mlserver.types import InferenceResponse
from mlserver.codecs import NumpyCodec
""" + FASTAPI.split("app = FastAPI()")[0].replace("from fastapi import FastAPI, Request\n", "") + """
def tensor""" + FASTAPI.split("def tensor", 1)[1].split("@app.post")[0] + """
class Flights(MLModel):
    async def load(self): return True
    async def predict(self, payload):
        columns = {i.name: list(i.data) for i in payload.inputs}
        rows = [row_of(dict(zip(columns, v))) for v in zip(*columns.values())]
        p = session.run(["probability"], {n: tensor(rows, n, k) for n, k in inputs.items()})[0]
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("probability", p)])
"""


def oip(row):
    kind = {str: "BYTES", int: "INT64", float: "FP64"}
    return {"inputs": [{"name": n, "datatype": kind[type(v)], "shape": [1], "data": [v]} for n, v in row.items()]}


def peers(folder):
    """(name, packages to install, start)"""
    home = pathlib.Path(folder)
    python = ROOT / "build/peers-serve/{}/bin"

    def fastapi():
        (home / "app.py").write_text(FASTAPI)
        return Server("FastAPI + ONNX Runtime", [str(python / "uvicorn").format("fastapi"), "app:app", "--port", "18101", "--log-level", "error"], 18101, "/predict", {"instances": [ROW]}, home)

    def mlflow():
        row = {n: float(v) if isinstance(v, int) else v for n, v in ROW.items()}
        row["time_hour"] = 1381510800000000
        graph = {i["name"] for i in json.loads((home / "package/schema.json").read_text())["onnx_inputs"]}
        row = {**row, "dep_hour": 13.9166, "weekday": 5.0}
        return Server("MLflow", [str(python / "mlflow").format("mlflow"), "models", "serve", "-m", "package", "-p", "18102", "--env-manager", "local"], 18102, "/invocations",
                      {"dataframe_records": [{n: row[n] for n in graph}]}, home, {"PATH": f"{str(python).format('mlflow')}:{os.environ['PATH']}"})

    def mlserver():
        (home / "flights_runtime.py").write_text(MLSERVER)
        (home / "model-settings.json").write_text(json.dumps({"name": "flights", "implementation": "flights_runtime.Flights"}))
        (home / "settings.json").write_text(json.dumps({"http_port": 18103, "grpc_port": 18104, "metrics_port": 18105, "parallel_workers": 0, "debug": False}))
        return Server("MLServer", [str(python / "mlserver").format("mlserver"), "start", "."], 18103, "/v2/models/flights/infer", oip(ROW), home)

    def bentoml():
        (home / "service.py").write_text(BENTO)
        return Server("BentoML", [str(python / "bentoml").format("bentoml"), "serve", "service:Flights", "--port", "18106"], 18106, "/predict", {"instances": [ROW]}, home)

    runtime = ["onnxruntime==1.32.0", "numpy==2.4.6"]
    return [("fastapi", ["fastapi==0.165.0", "uvicorn[standard]==0.54.0", *runtime], fastapi),
            ("mlflow", ["mlflow==3.17.2", "onnx==1.23.2", "pandas==2.3.3", *runtime], mlflow),
            ("mlserver", ["mlserver==1.7.1", "uvloop==0.21.0", "onnxruntime==1.32.0", "numpy==2.2.6"], mlserver),
            ("bentoml", ["bentoml==1.4.40", *runtime], bentoml)]


def install(name, packages):
    venv, pins = ROOT / "build/peers-serve" / name, "\n".join(packages)
    if (venv / ".done").exists() and (venv / ".done").read_text() == pins:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
    subprocess.run([str(venv / "bin/pip"), "install", "-q", "--disable-pip-version-check", "--only-binary=:all:", *packages], check=True)
    (venv / ".done").write_text(pins)


def answered(server):
    """The probability in an answer, whatever stands around it."""
    return float(re.search(rb"\b(0\.\d+(?:[eE]-?\d+)?)", server.answer).group(1))


def against_peers():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([PROGRAM, "models", "flights", "--export", f"{folder}/package"], cwd=FLIGHTS, check=True, stdout=subprocess.DEVNULL)
        us = ours(18120)
        for name, packages, start in peers(folder):
            try:
                install(name, packages)
                s = start()
            except (RuntimeError, subprocess.CalledProcessError) as e:
                report(name, skipped=str(e)[:600])
                continue
            try:
                if abs(answered(s) - answered(us)) > 1e-5:
                    raise RuntimeError(f"it answers {s.answer[:200]}, and gristmill {us.answer[:200]}")
                for connections in (1, 16):
                    rounds = [[s.load(connections), us.load(connections)] for _ in range(2)]
                    p, o = best([r[0] for r in rounds]), best([r[1] for r in rounds])
                    report(f"{s.name}, {connections} connections", **p, ours_cpu_us=o["cpu_us"], ours_rps=o["rps"], cpu_ratio=p["cpu_us"] / o["cpu_us"],
                           start_ms=s.start_ms, mb=resident_mb(s.process.pid))
            except RuntimeError as e:
                report(name, skipped=str(e)[:600])
            finally:
                s.stop()
        us.stop()


def main():
    if not (FLIGHTS / ".gristmill").exists():
        sys.exit("bench: run `make demo` first: the flights model is what is served")
    if subprocess.run(["sh", "-c", "command -v wrk"], capture_output=True).returncode:
        sys.exit("bench: wrk is not here (Debian and Ubuntu: apt-get install wrk)")
    starts()
    against_bare()
    exchange()
    if os.environ.get("PEERS"):
        against_peers()


if __name__ == "__main__":
    main()
