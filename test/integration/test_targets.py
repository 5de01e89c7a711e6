"""`gristmill deploy --to TARGET`: what is written is taken by the tools of its platform, and what runs from it answers as the model does."""
import gzip
import hashlib
import http.client
import io
import json
import math
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tarfile
import time
import unittest

import gm
from tiny_onnx import FLOAT, constant, model, node

TRAINED = "data: churn.csv\ntarget: churned\npipeline: churn\ntrain: { try: [logistic], split: { by: random } }\n"
FOREIGN = """data: t.csv
target: churned
pipeline: churn
train: { try: [theirs], split: { by: random } }
gates: [roc_auc >= 0]
steps:
  theirs: { run: [cp, '{file}', '{model}'], in: { file: theirs.onnx }, out: { model: model.onnx } }
"""


def need(program):
    """The path of a tool, or the test is skipped."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if not found:
        raise unittest.SkipTest(f"{program} is not installed")
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(port, method, path, body=None):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    c.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"} if body is not None else {})
    r = c.getresponse()
    data = r.read()
    c.close()
    return r.status, data


def until_ready(port, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if ask(port, "GET", "/v2/health/ready")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise AssertionError("the server does not answer")


def blob(layout, digest):
    algorithm, value = digest.split(":")
    data = (layout / "blobs" / algorithm / value).read_bytes()
    assert hashlib.sha256(data).hexdigest() == value
    return data


class Targets(gm.Case):
    @classmethod
    def setUpClass(cls):
        cls.p = gm.Project(TRAINED, **{"churn.csv": gm.churn(600, 7)})
        result = cls.p.gm("run")
        assert result.code == 0, result
        result = cls.p.gm("models", "churn/1", "--export", "model")
        assert result.code == 0, result

    @classmethod
    def tearDownClass(cls):
        cls.p.close()

    def deploy(self, target, out, *settings, model="churn/1"):
        args = ["--set", ",".join(settings)] if settings else []
        return self.ok(self.p.gm("deploy", model, "--to", target, "--out", out, *args))

    def example(self):
        """Rows and the answers that the package itself records for them."""
        e = json.loads(self.p.read("model/example.json"))
        return e["rows"], e["answers"]

    def check_answers(self, port):
        rows, answers = self.example()
        status, body = ask(port, "POST", "/invocations", {"dataframe_records": rows})
        self.assertEqual(status, 200, body)
        got = json.loads(body)["predictions"]
        self.assertEqual(len(got), len(rows))
        inputs = [{"name": n, "shape": [len(rows)], "datatype": "BYTES" if any(isinstance(r[n], str) for r in rows) else "FP64",
                   "data": [r[n] for r in rows]} for n in rows[0]]
        status, body = ask(port, "POST", "/v2/models/churn/infer", {"inputs": inputs})
        self.assertEqual(status, 200, body)
        outputs = {o["name"]: o["data"] for o in json.loads(body)["outputs"]}
        self.assertEqual(len(outputs["probability"]), len(answers))
        for g, w in zip(outputs["probability"], answers):
            self.assertAlmostEqual(g, w[0], places=9)

    # ---- systemd -------------------------------------------------------------------------------------------------------

    def test_systemd_unit_is_what_systemd_takes(self):
        verify = need("systemd-analyze")
        out = self.p.dir / "unit"
        self.deploy("systemd", "unit", f"dir={out}")
        p = subprocess.run([verify, "verify", str(out / "gristmill-churn.service")], capture_output=True, text=True)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        broken = out / "broken.service"
        broken.write_text((out / "gristmill-churn.service").read_text().replace("ExecStart=/", "ExecStart=/nowhere/"))
        p = subprocess.run([verify, "verify", str(broken)], capture_output=True, text=True)
        self.assertNotEqual(p.stderr, "")  # or the check above would say nothing

    def test_systemd_unit_leaves_the_server_little(self):
        tool = need("systemd-analyze")
        out = self.p.dir / "hardened"
        self.deploy("systemd", "hardened", f"dir={out}")
        p = subprocess.run([tool, "security", "--offline=true", "--threshold=25", str(out / "gristmill-churn.service")],
                           capture_output=True, text=True)
        if "unrecognized option" in p.stderr:
            self.skipTest("this systemd-analyze does not look at files")
        self.assertEqual(p.returncode, 0, p.stdout[-400:] + p.stderr)  # exposure of at most 2.5 of 10

    def test_systemd_command_line_serves(self):
        out = self.p.dir / "served"
        port = free_port()
        self.deploy("systemd", "served", f"dir={out}", f"port={port}")
        unit = (out / "gristmill-churn.service").read_text()
        line = next(l for l in unit.splitlines() if l.startswith("ExecStart=")).split("=", 1)[1]
        env = dict(l.split("=", 1) for l in (out / "gristmill-churn.env").read_text().splitlines() if not l.startswith("#"))
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(self.p.dir / "notify"))
        notify.settimeout(20)
        server = subprocess.Popen([w.strip('"') for w in line.split()], env={**env, "NOTIFY_SOCKET": str(self.p.dir / "notify")},
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.addCleanup(notify.close)
        self.assertIn(b"READY=1", notify.recv(256))  # Type=notify
        self.check_answers(port)
        server.send_signal(signal.SIGTERM)
        time.sleep(1)
        self.assertNotEqual(ask(port, "GET", "/v2/health/ready")[0], 200)  # it says so, and still serves for the seconds of the unit
        self.check_answers(port)
        self.assertEqual(server.wait(timeout=20), 0)

    # ---- image ---------------------------------------------------------------------------------------------------------

    def test_image_is_the_same_each_time_and_whole(self):
        self.deploy("image", "image-1", "image=churn:1")
        self.deploy("image", "image-2", "image=churn:1")
        self.deploy("image", "image.tar", "image=churn:1")
        layout = self.p.dir / "image-1"
        index = (layout / "index.json").read_bytes()
        self.assertEqual(index, (self.p.dir / "image-2/index.json").read_bytes())
        manifest = json.loads(blob(layout, json.loads(index)["manifests"][0]["digest"]))
        config = json.loads(blob(layout, manifest["config"]["digest"]))
        for layer, diff in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
            data = blob(layout, layer["digest"])
            self.assertEqual(len(data), layer["size"])
            plain = gzip.decompress(data)
            self.assertEqual("sha256:" + hashlib.sha256(plain).hexdigest(), diff)
            names = [m.name for m in tarfile.open(fileobj=io.BytesIO(plain))]
            self.assertEqual(len(names), len(set(names)))
            for m in tarfile.open(fileobj=io.BytesIO(plain)):
                self.assertEqual((m.mtime, m.uid, m.gid), (0, 0, 0))
                self.assertTrue(m.isreg() or m.isdir(), m.name)
        self.assertEqual(config["config"]["Entrypoint"] + config["config"]["Cmd"][:1], ["/usr/bin/gristmill", "serve"])
        self.assertNotIn(config["config"]["User"].split(":")[0], ("", "0", "root"))
        with tarfile.open(self.p.dir / "image.tar") as t:
            self.assertEqual(t.extractfile("index.json").read(), index)

    def test_image_is_taken_by_skopeo_and_umoci(self):
        skopeo = need("skopeo")
        self.deploy("image", "standard", "image=churn:1")
        self.deploy("image", "standard.tar", "image=churn:1")
        d = self.p.dir
        seen = json.loads(subprocess.run([skopeo, "inspect", f"oci:{d}/standard:1"], check=True, capture_output=True).stdout)
        self.assertEqual((seen["Os"], len(seen["Layers"])), ("linux", 2))
        self.assertEqual(seen["Labels"]["gristmill.package"],
                         hashlib.sha256((d / "model/manifest.json").read_bytes()).hexdigest())
        for source in (f"oci:{d}/standard:1", f"oci-archive:{d}/standard.tar:1", f"docker-archive:{d}/standard.tar:churn:1"):
            copy = d / "copy.tar"
            copy.unlink(missing_ok=True)
            p = subprocess.run([skopeo, "copy", "--insecure-policy", source, f"docker-archive:{copy}"], capture_output=True, text=True)
            self.assertEqual(p.returncode, 0, source + p.stderr)
        umoci = shutil.which("umoci")
        if umoci:
            p = subprocess.run([umoci, "unpack", "--rootless", "--image", f"{d}/standard:1", str(d / "bundle")], capture_output=True, text=True)
            self.assertEqual(p.returncode, 0, p.stderr)
            self.assertTrue(os.access(d / "bundle/rootfs/usr/bin/gristmill", os.X_OK))
            self.assertEqual((d / "bundle/rootfs/opt/ml/model/manifest.json").read_bytes(), (d / "model/manifest.json").read_bytes())

    def run_image(self, name, *settings, command=("serve",), extra_env=(), project=None):
        """The image's layers in an empty folder, its entry point in there as its user."""
        if os.geteuid() != 0:
            self.skipTest("only root may change the root folder")
        chroot = need("chroot")
        folder = (project or self.p).dir
        if project:
            self.ok(project.gm("deploy", "churn/1", "--to", "image", "--out", name))
        else:
            self.deploy("image", name, *settings)
        layout, root, port = folder / name, folder / f"{name}-root", free_port()
        manifest = json.loads(blob(layout, json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]))
        config = json.loads(blob(layout, manifest["config"]["digest"]))["config"]
        root.mkdir()
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(layout, layer["digest"])))) as t:
                t.extractall(root)
        os.chmod(folder, 0o755)
        env = {**dict(v.split("=", 1) for v in config["Env"]), **{k: v.format(port=port) for k, v in extra_env}}
        server = subprocess.Popen([chroot, f"--userspec={config['User']}", str(root), *config["Entrypoint"], *(command or config["Cmd"])],
                                  env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(server.wait)
        self.addCleanup(server.stderr.close)
        self.addCleanup(server.kill)
        try:
            until_ready(port)
        except AssertionError:
            server.kill()
            raise AssertionError(server.stderr.read().decode())
        return server, port

    def test_image_serves_from_an_empty_root(self):
        server, port = self.run_image("run", command=None, extra_env=[("GRISTMILL_PORT", "{port}")])
        self.check_answers(port)
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(timeout=40), 0)

    def test_image_serves_as_sagemaker_starts_it(self):
        _, port = self.run_image("sage", extra_env=[("SAGEMAKER_BIND_TO_PORT", "{port}")])
        rows, _ = self.example()
        self.assertEqual(ask(port, "GET", "/ping")[0], 200)
        self.assertEqual(ask(port, "POST", "/invocations", {"dataframe_records": rows[:1]})[0], 200)

    def test_image_serves_as_vertex_starts_it(self):
        self.deploy("vertex", "vx", "image=europe-west1-docker.pkg.dev/p/r/churn:1", "region=europe-west1")
        flags = dict(line.split(": ", 1) for line in self.p.read("vx/upload.yaml").splitlines())
        health, predict = flags["--container-health-route"], flags["--container-predict-route"]
        _, port = self.run_image("vertex", command=None, extra_env=[("AIP_HTTP_PORT", "{port}"), ("AIP_HEALTH_ROUTE", health),
                                                                    ("AIP_PREDICT_ROUTE", predict)])
        rows, _ = self.example()
        self.assertEqual(ask(port, "GET", health)[0], 200)
        status, body = ask(port, "POST", predict, {"instances": rows})
        self.assertEqual(status, 200, body)
        self.assertEqual(len(json.loads(body)["predictions"]), len(rows))

    def test_image_of_a_foreign_model_brings_its_runtime(self):
        graph = [node("Sub", ["monthly", "c60"], ["far"]), node("Div", ["far", "c10"], ["score"]), node("Sigmoid", ["score"], ["probability"])]
        constants = [constant("c60", FLOAT, [1], [60]), constant("c10", FLOAT, [1], [10])]
        p = self.project(FOREIGN, **{"t.csv": gm.churn(), "theirs.onnx": model([("monthly", FLOAT, 2)], [("probability", FLOAT, 2)], graph, constants)})
        self.ok(p.gm("run"))
        _, port = self.run_image("foreign", command=None, extra_env=[("GRISTMILL_PORT", "{port}")], project=p)
        status, body = ask(port, "POST", "/v2/models/churn/infer",
                           {"inputs": [{"name": "monthly", "shape": [2], "datatype": "FP64", "data": [50, 75]}]})
        self.assertEqual(status, 200, body)
        got = {o["name"]: o["data"] for o in json.loads(body)["outputs"]}["probability"]
        for value, monthly in zip(got, (50, 75), strict=True):
            self.assertAlmostEqual(value, 1 / (1 + math.exp((60 - monthly) / 10)), places=6)

    # ---- clouds --------------------------------------------------------------------------------------------------------

    def test_sagemaker_archive_is_the_package(self):
        self.deploy("sagemaker", "sm", "image=1.dkr.ecr.eu-west-1.amazonaws.com/churn:1", "model_data=s3://b/model.tar.gz",
                    "role=arn:aws:iam::1:role/r")
        with tarfile.open(self.p.dir / "sm/model.tar.gz") as t:
            self.assertEqual(t.extractfile("manifest.json").read(), (self.p.dir / "model/manifest.json").read_bytes())
            for name in t.getnames():
                self.assertFalse(name.startswith(("/", "..")))
        for name in ("create-model", "create-endpoint-config", "create-endpoint"):
            json.loads(self.p.read(f"sm/{name}.json"))
        self.fails(self.p.gm("deploy", "churn/1", "--to", "sagemaker", "--out", "sm2"), 3, "--set image=")

    # ---- local ---------------------------------------------------------------------------------------------------------

    def stop_local(self, out):
        r = self.p.gm("deploy", "--to", "local", "--out", out, "--stop")
        self.assertIn(r.code, (0, 4), r)  # 4: a test stopped it

    def test_local_server_stays_up(self):
        port = free_port()
        self.deploy("local", "here", f"port={port}")
        self.addCleanup(self.stop_local, "here")
        self.check_answers(port)
        state = json.loads(self.p.read("here/state.json"))
        self.assertEqual((state["state"], state["restarts"]), ("ready", 0))
        os.kill(state["server"], signal.SIGKILL)
        time.sleep(0.3)
        until_ready(port)
        self.check_answers(port)
        after = json.loads(self.p.read("here/state.json"))
        self.assertEqual((after["pid"], after["restarts"], after["ended"]), (state["pid"], 1, "signal 9"))

    def test_local_server_is_asked_and_stopped(self):
        ask_it = lambda *more: self.p.gm("deploy", "--to", "local", "--out", "asked", *more)
        self.fails(ask_it("--status"), 4, "no server was ever started")
        self.fails(ask_it("--stop"), 4, "no server was ever started")
        port = free_port()
        self.assertIn("--out asked --stop", self.deploy("local", "asked", f"port={port}").out)
        self.addCleanup(self.stop_local, "asked")
        told = self.ok(ask_it("--status", "--json")).json()
        state = json.loads(self.p.read("asked/state.json"))
        self.assertEqual((told["running"], told["state"], told["server"], told["restarts"]), (True, "ready", state["server"], 0))
        self.assertIn(f"process {state['server']}", self.ok(ask_it("--status")).out)
        self.assertIn("stopped since", self.ok(ask_it("--stop")).out)
        with self.assertRaises(OSError):
            ask(port, "GET", "/v2/health/live")
        told = self.ok(ask_it("--status", "--json")).json()
        self.assertEqual((told["running"], told["state"], told["server"], told["ended"]), (False, "stopped", 0, "exit code 0"))
        self.fails(ask_it("--stop"), 4, "no server runs")
        self.fails(self.p.gm("deploy", "--to", "systemd", "--out", "asked", "--stop"), 3, "starts nothing", "--to local")
        self.fails(self.p.gm("deploy", "--to", "local", "--stop"), 3, "name the folder")
        self.fails(ask_it("--stop", "--status"), 3, "one of them")
        self.fails(self.p.gm("deploy", "--to", "local", "--out", "x"), 3, "name a model version")

    def test_local_server_follows_the_store(self):
        port = free_port()
        self.ok(self.p.gm("models", "churn/1", "--alias", "champion"))
        self.deploy("local", "followed", f"port={port}", "follow=true")
        self.addCleanup(self.stop_local, "followed")
        self.check_answers(port)

    def test_local_server_that_cannot_start_says_why_and_leaves_nothing(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            r = self.p.gm("deploy", "churn/1", "--to", "local", "--out", "unlucky", "--set", f"port={taken.getsockname()[1]}")
        self.assertNotEqual(r.code, 0)
        self.assertIn("did not start", r.err)
        self.assertFalse((self.p.dir / "unlucky").exists())

    # ---- what is refused -----------------------------------------------------------------------------------------------

    def test_nothing_is_overwritten(self):
        self.p.write("taken", "mine")
        for target in ("systemd", "image", "kubernetes", "kserve", "local"):
            self.fails(self.p.gm("deploy", "churn/1", "--to", target, "--out", "taken"), 5, "is there already")
        self.assertEqual(self.p.read("taken"), "mine")

    def test_a_damaged_package_is_not_deployed(self):
        damaged = self.p.dir / "damaged"
        shutil.copytree(self.p.dir / "model", damaged)
        (damaged / "schema.json").write_text((damaged / "schema.json").read_text() + " ")
        for target in ("image", "kubernetes"):
            r = self.p.gm("deploy", "damaged", "--to", target, "--out", "never")
            self.assertNotEqual(r.code, 0)
            self.assertIn("schema.json", r.err)
            self.assertFalse(pathlib.Path(self.p.dir / "never").exists())


if __name__ == "__main__":
    gm.main()
