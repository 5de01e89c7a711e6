#!/usr/bin/env python3
"""The same bytes to three servers of the same model - ours, NVIDIA Triton and MLServer - and their answers compared: `check_servers.py GRISTMILL`.

Triton is the tritonserver of the package nvidia-pytriton; its Python backend and MLServer run the exported package's ONNX graph (peer_model.py).
  GOOD     answered with 200, with the same outputs, datatypes, shapes and values within 1e-6 (MLServer writes a list of N as [N, 1])
  PLACES   routes that are not predictions: status, and the keys of the JSON
  FAULTS   what a client does wrong; where ours differs from a peer, the reason stands beside it
A status that is not the listed one fails, a peer's too: its pin has changed, or the table is wrong.
"""
import contextlib
import gzip
import http.client
import importlib.util
import json
import os
import shutil
import struct
import subprocess
import sys
import sysconfig
import time
import zlib

import peer

peer.run_in("servers")

import serving  # noqa: E402
from served import Served  # noqa: E402

TOLERANCE = 1e-6
INFER = "/v2/models/churn/infer"
NAMES = ("ours", "triton", "mlserver")
CONFIG = """backend: "python"
max_batch_size: 0
input [ { name: "age" data_type: TYPE_FP64 dims: [-1] }, { name: "plan" data_type: TYPE_STRING dims: [-1] },
        { name: "monthly" data_type: TYPE_FP64 dims: [-1] }, { name: "joined" data_type: TYPE_INT64 dims: [-1] } ]
output [ { name: "probability" data_type: TYPE_FP64 dims: [-1] }, { name: "label" data_type: TYPE_STRING dims: [-1] } ]
version_policy: { all: {} }
"""


# ---- requests ----------------------------------------------------------------------------------------------------------------

DAYS = [19723, 19800, 20000]
COLUMNS = {"age": ("FP64", [40, 20, 71]), "plan": ("BYTES", ["pro", "basic", "plus"]), "monthly": ("FP64", [4.5, 88.25, 61]),
           "joined": ("INT64", [d * 86_400_000_000 for d in DAYS])}


def body(change=None, **more):
    """Three rows as JSON; change: {name: {key: value}} over a tensor, None to leave it out."""
    tensors = [{"name": n, "datatype": d, "shape": [3], "data": v} for n, (d, v) in COLUMNS.items()]
    for name, keys in (change or {}).items():
        tensors = [None if keys is None and t["name"] == name else {**t, **(keys or {})} if t["name"] == name else t for t in tensors]
    return json.dumps({"inputs": [t for t in tensors if t], **more}).encode()


def binary(header=None, parts_cut=0, **more):
    packed = {"FP64": lambda v: struct.pack(f"<{len(v)}d", *v), "INT64": lambda v: struct.pack(f"<{len(v)}q", *v), "BYTES": serving.bytes_tensor}
    parts = [packed[d](v) for d, v in COLUMNS.values()]
    head = json.dumps({"inputs": [{"name": n, "datatype": d, "shape": [3], "parameters": {"binary_data_size": len(p)}}
                                  for (n, (d, _)), p in zip(COLUMNS.items(), parts)], **more}).encode()
    data = head + b"".join(parts)
    return data[:len(data) - parts_cut], {"Inference-Header-Content-Length": header or str(len(head)), "Content-Type": "application/octet-stream"}


JSON = {"Content-Type": "application/json"}
WHOLE = body()

# name, body, headers, who is asked
GOOD = [
    ("json", WHOLE, JSON, NAMES),
    ("json with id", body(id="order-17"), JSON, NAMES),
    ("one output", body(outputs=[{"name": "probability"}]), JSON, NAMES),
    ("outputs in another order", body(outputs=[{"name": "label"}, {"name": "probability"}]), JSON, NAMES),
    ("parameters", body(parameters={"customer": "x", "priority": 1}), JSON, NAMES),
    ("spaces and key order", json.dumps(dict(reversed(json.loads(WHOLE).items())), indent=3).encode(), JSON, NAMES),
    ("no content type", WHOLE, {}, ("ours", "triton")),
    ("binary in", *binary(), ("ours", "triton")),
    ("binary out", *binary(parameters={"binary_data_output": True}), ("ours", "triton")),
    ("json in, binary out", body(outputs=[{"name": "probability", "parameters": {"binary_data": True}}]), JSON, ("ours", "triton")),
    ("gzip", gzip.compress(WHOLE), {**JSON, "Content-Encoding": "gzip"}, NAMES),
    ("deflate", zlib.compress(WHOLE), {**JSON, "Content-Encoding": "deflate"}, ("ours", "triton")),
    ("answer in gzip", WHOLE, {**JSON, "Accept-Encoding": "gzip"}, NAMES),
]

# name, method, path, body
PLACES = [
    ("live", "GET", "/v2/health/live", None),
    ("ready", "GET", "/v2/health/ready", None),
    ("model ready", "GET", "/v2/models/churn/ready", None),
    ("version ready", "GET", "/v2/models/churn/versions/2/ready", None),
    ("server", "GET", "/v2", None),
    ("model", "GET", "/v2/models/churn", None),
    ("version", "GET", "/v2/models/churn/versions/2", None),
    ("index", "POST", "/v2/repository/index", b"{}"),
    ("config", "GET", "/v2/models/churn/config", None),
    ("statistics", "GET", "/v2/models/churn/stats", None),
]

# Keys of Triton's model configuration and statistics that say how Triton runs a model.
TRITONS_OWN = {f".{k}" for k in ("runtime", "default_model_filename", "parameters", "optimization", "batch_input", "batch_output", "instance_group",
                                 "model_warmup", "version_policy", "cc_model_filenames", "metric_tags", "input.format", "input.is_shape_tensor",
                                 "input.is_non_linear_format_io", "input.optional", "input.allow_ragged_batch", "output.is_non_linear_format_io",
                                 "output.label_filename", "output.is_shape_tensor", "model_stats.inference_stats.cache_hit",
                                 "model_stats.inference_stats.cache_miss", "model_stats.memory_usage", "model_stats.response_stats")}

CLIENT = "the client is at fault, not the server"
CHECKED = "a wrong request gets no numbers"
NOBODY = INFER.replace("churn", "nobody")

# name, method, path, body, headers, (ours, Triton, MLServer), why ours is another than a peer's
FAULTS = [
    ("no JSON", "POST", INFER, b'{"inputs": [', JSON, (400, 500, 422), CLIENT),
    ("no inputs", "POST", INFER, b"{}", JSON, (400, 500, 422), CLIENT),
    ("inputs of another kind", "POST", INFER, b'{"inputs": 5}', JSON, (400, 500, 422), CLIENT),
    ("empty body", "POST", INFER, b"", JSON, (400, 400, 422), CLIENT),
    ("unknown input", "POST", INFER, body({"age": {"name": "years"}}), JSON, (400, 400, 500), CHECKED),
    ("an input too many", "POST", INFER, json.dumps({"inputs": [*json.loads(WHOLE)["inputs"], {"name": "x", "datatype": "FP64", "shape": [3], "data": [1, 2, 3]}]})
     .encode(), JSON, (400, 400, 200), CHECKED),
    ("an input twice", "POST", INFER, json.dumps({"inputs": json.loads(WHOLE)["inputs"] + json.loads(WHOLE)["inputs"][:1]}).encode(), JSON,
     (400, 400, 200), CHECKED),
    ("an input lacks", "POST", INFER, body({"age": None}), JSON, (400, 400, 500), CLIENT),
    ("texts for numbers", "POST", INFER, body({"age": {"datatype": "BYTES", "data": ["a", "b", "c"]}}), JSON, (400, 400, 500), CLIENT),
    ("numbers for texts", "POST", INFER, body({"plan": {"datatype": "FP64", "data": [1, 2, 3]}}), JSON, (400, 400, 200), CHECKED),
    ("texts in a tensor of numbers", "POST", INFER, body({"age": {"data": ["a", "b", "c"]}}), JSON, (400, 500, 500), CLIENT),
    ("too few values", "POST", INFER, body({"age": {"data": [40, 20]}}), JSON, (400, 500, 500), CLIENT),
    ("too many values", "POST", INFER, body({"age": {"data": [40, 20, 1, 2]}}), JSON, (400, 500, 500), CLIENT),
    ("negative shape", "POST", INFER, body({"age": {"shape": [-3]}}), JSON, (400, 500, 200), CHECKED),
    ("shape beyond 64 bits", "POST", INFER, body({"age": {"shape": [2**40, 2**40]}}), JSON, (400, 400, 500), CLIENT),
    ("other numbers of rows", "POST", INFER, body({"age": {"shape": [2], "data": [40, 20]}}), JSON, (400, 500, 500), CLIENT),
    ("unknown datatype", "POST", INFER, body({"age": {"datatype": "FP63"}}), JSON, (400, 400, 422), CLIENT),
    ("unknown output", "POST", INFER, body(outputs=[{"name": "score"}]), JSON, (400, 400, 200), CHECKED),
    ("id that is no text", "POST", INFER, body(id=[1]), JSON, (400, 500, 422), CLIENT),
    ("binary cut short", "POST", INFER, *binary(parts_cut=5), (400, 400, 500), CLIENT),
    ("head longer than the body", "POST", INFER, *binary(header="99999"), (400, 400, 500), CLIENT),
    ("head length that is no number", "POST", INFER, *binary(header="some"), (400, 400, 500), CLIENT),
    ("gzip that is none", "POST", INFER, WHOLE, {**JSON, "Content-Encoding": "gzip"}, (400, 400, 400), ""),
    ("unknown content encoding", "POST", INFER, WHOLE, {**JSON, "Content-Encoding": "br7"}, (415, 501, 200), "the client can send it otherwise"),
    ("unknown model", "POST", NOBODY, WHOLE, JSON, (404, 404, 404), ""),
    ("unknown version", "POST", "/v2/models/churn/versions/77/infer", WHOLE, JSON, (404, 404, 404), ""),
    ("model unknown to metadata", "GET", "/v2/models/nobody", None, {}, (404, 404, 404), ""),
    ("model unknown to ready", "GET", "/v2/models/nobody/ready", None, {}, (404, 400, 404), "it is not there"),
    ("unknown path", "GET", "/v2/nothing", None, {}, (404, 404, 404), ""),
    ("another method", "GET", INFER, None, {}, (405, 405, 405), ""),
    ("unload of an unknown model", "POST", "/v2/repository/models/nobody/unload", b"{}", JSON, (404, 200, 404), "it is not there"),
    ("load of an unknown model", "POST", "/v2/repository/models/nobody/load", b"{}", JSON, (404, 500, 404), "it is not there"),
]


# ---- the servers --------------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def started(command, env, log):
    with open(log, "wb") as out:
        process = subprocess.Popen([str(c) for c in command], env={**os.environ, **env}, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port, process, log):
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            if ask(port, "GET", "/v2/models/churn/ready")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    print("".join(line for line in open(log) if not line.startswith(("|", "+", "I")))[-3000:])
    raise AssertionError("the peer did not start")


def free_port():
    with serving.socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def triton(folder, package):
    """(command, environment) of a Triton with the package's graph in its Python backend."""
    home = peer.pathlib.Path(importlib.util.find_spec("pytriton").origin).parent / "tritonserver"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    model = folder / "models/churn"
    (model / "2").mkdir(parents=True)
    (model / "config.pbtxt").write_text(CONFIG)
    shutil.copy(peer.HERE / "peer_model.py", model / "2/model.py")
    shutil.copy(package / "model.onnx", model / "2")
    shutil.copytree(home / "backends", folder / "backends")
    shutil.copy(home / "python_backend_stubs" / version / "triton_python_backend_stub", folder / "backends/python")
    for program in (folder / "backends/python/triton_python_backend_stub", home / "bin/tritonserver"):
        program.chmod(0o755)
    port = free_port()
    libraries = f"{home.parents[1] / 'nvidia_pytriton.libs'}:{sysconfig.get_config_var('LIBDIR')}"
    command = [home / "bin/tritonserver", "--model-repository", folder / "models", "--backend-directory", folder / "backends", "--http-address", "127.0.0.1",
               "--http-port", port, "--allow-grpc=false", "--allow-metrics=false",
               "--model-control-mode", "explicit", "--load-model", "churn"]
    here = peer.pathlib.Path(sys.executable).parent  # the backend looks for its Python's packages beside the first python of PATH
    return port, command, {"LD_LIBRARY_PATH": libraries, "PATH": f"{here}:{os.environ['PATH']}"}


def mlserver(folder, package):
    port = free_port()
    (folder / "mlserver").mkdir()
    (folder / "mlserver/model-settings.json").write_text(json.dumps({"name": "churn", "implementation": "peer_model.Runtime", "parameters": {"version": "2"}}))
    (folder / "mlserver/settings.json").write_text(json.dumps({"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port(),
                                                               "parallel_workers": 0}))
    command = [peer.pathlib.Path(sys.executable).parent / "mlserver", "start", folder / "mlserver"]
    return port, command, {"PYTHONPATH": str(peer.HERE), "PEER_MODEL_FOLDER": str(package)}


# ---- answers ------------------------------------------------------------------------------------------------------------------

def ask(port, method, path, data=None, headers=None):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        c.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            c.putheader(name, value)
        if data is not None or method == "POST":
            c.putheader("Content-Length", str(len(data or b"")))
        c.endheaders(data)
        r = c.getresponse()
        return r.status, r.headers, r.read()
    finally:
        c.close()


def tensors(headers, data):
    """{name: (datatype, shape, values)} and the rest of the JSON, whichever way the tensors came."""
    if headers.get("Content-Encoding") == "gzip":
        data = gzip.decompress(data)
    size = headers.get("Inference-Header-Content-Length")
    head = json.loads(data[:int(size)] if size else data)
    rest, out = data[int(size):] if size else b"", {}
    for o in head.pop("outputs"):
        values = o.get("data")
        if "binary_data_size" in o.get("parameters", {}):
            raw, rest = rest[:o["parameters"]["binary_data_size"]], rest[o["parameters"]["binary_data_size"]:]
            values = []
            while raw:
                n = 8 if o["datatype"] == "FP64" else 4 + struct.unpack_from("<I", raw)[0]
                values.append(struct.unpack("<d", raw[:8])[0] if o["datatype"] == "FP64" else raw[4:n].decode())
                raw = raw[n:]
        out[o["name"]] = o["datatype"], [x for i, x in enumerate(o["shape"]) if i == 0 or x != 1], values
    assert not rest, "bytes that belong to no output"
    return out, head


def check_good_requests(ports):
    worst = 0
    for name, data, headers, asked in GOOD:
        got = {who: ask(ports[who], "POST", INFER, data, headers) for who in asked}
        assert all(status == 200 for status, _, _ in got.values()), (name, {w: (s, b[:300]) for w, (s, _, b) in got.items()})
        ours, our_head = tensors(*got["ours"][1:])
        for who in asked[1:]:
            theirs, head = tensors(*got[who][1:])
            assert set(ours) == set(theirs), (name, who, list(ours), list(theirs))
            assert set(head) - {"parameters"} | {"id"} == set(our_head), (name, who, head, our_head)
            sent = json.loads(data[:data.rindex(b"}") + 1]).get("id") if name == "json with id" else None
            assert all(head[k] == our_head[k] for k in ("model_name", "model_version")), (name, head, our_head)
            assert not sent or head["id"] == our_head["id"] == sent, (name, head, our_head)
            for output, (datatype, shape, values) in ours.items():
                assert theirs[output][:2] == (datatype, shape), (name, who, theirs[output], ours[output])
                if datatype == "BYTES":
                    assert values == theirs[output][2], (name, who, output)
                else:
                    worst = max([worst, *(abs(a - b) for a, b in zip(values, theirs[output][2], strict=True))])
            if who == "triton":
                binary_in = "Inference-Header-Content-Length" in got[who][1]
                assert binary_in == ("Inference-Header-Content-Length" in got["ours"][1]), name
    assert worst <= TOLERANCE, worst
    return f"{len(GOOD)} requests, largest difference {worst:.1e}"


def keys(value):
    """The keys of a JSON value, and of what is in it."""
    if isinstance(value, dict):
        return {k: keys(v) for k, v in value.items()}
    return [keys(value[0])] if isinstance(value, list) and value else []


def check_other_routes(ports):
    for name, method, path, data in PLACES:
        ours, theirs = (ask(ports[who], method, path, data, JSON if data else {}) for who in ("ours", "triton"))
        assert ours[0] == theirs[0] == 200, (name, ours, theirs)
        if theirs[2]:
            mine, other = json.loads(ours[2]), json.loads(theirs[2])
            assert lacks(keys(other), keys(mine)) <= TRITONS_OWN, (name, lacks(keys(other), keys(mine)))
    return f"{len(PLACES)} routes"


def lacks(wanted, found, path=""):
    """Keys of wanted that found has not, as paths."""
    if isinstance(wanted, list):
        return lacks(wanted[0], found[0], path) if wanted and found else set()
    out = {f"{path}.{k}" for k in set(wanted) - set(found)}
    for k in set(wanted) & set(found):
        out |= lacks(wanted[k], found[k], f"{path}.{k}")
    return out



def check_faults(ports):
    wrong = []
    for name, method, path, data, headers, wanted, reason in FAULTS:
        replies = [ask(ports[who], method, path, data, headers) for who in NAMES]
        got = tuple(r[0] for r in replies)
        if got != wanted:
            wrong.append(f"{name}: {got}, listed {wanted}: {[r[2][:150] for r in replies]}")
        assert reason or len(set(wanted)) == 1, name
        error = json.loads(replies[0][2])["error"]
        assert error and "Traceback" not in error and peer.BUILD.name not in error, error
    assert not wrong, "\n".join(wrong)
    for who in NAMES:
        assert ask(ports[who], "POST", INFER, WHOLE, JSON)[0] == 200, who
    return f"{len(FAULTS)} faults"


CHECKS = [check_good_requests, check_other_routes, check_faults]


def main():
    with Served() as served, contextlib.ExitStack() as stack:
        exported = served.project.gm("models", "churn", "--export", "package")
        assert exported.code == 0, exported
        folder, ports = served.project.dir / "peers", {"ours": served.port}
        folder.mkdir()
        for who, prepare in (("triton", triton), ("mlserver", mlserver)):
            port, command, env = prepare(folder, served.project.dir / "package")
            process = stack.enter_context(started(command, env, folder / f"{who}.log"))
            wait_for(port, process, folder / f"{who}.log")
            ports[who] = port
        return peer.run(CHECKS, "Triton and MLServer", ports)


if __name__ == "__main__":
    sys.exit(main())
