#!/usr/bin/env python3
"""MLflow's scoring client, SageMaker's and Vertex AI's contracts and curl against `gristmill serve`: `check_mlflow.py GRISTMILL`.

Needs the Python packages mlflow-skinny, onnx, onnxruntime and pandas, and the command curl. The exported package is loaded by mlflow.pyfunc too:
its predictions on the same rows and the server's differ by no more than 1e-6, and have the same columns in the same order.
"""
import datetime
import io
import json
import logging
import shutil
import subprocess
import sys

import mlflow.pyfunc
import numpy as np
import pandas as pd
import peer
import serving
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from served import COLUMNS, Served

TOLERANCE = 1e-6
DAY_US = 86_400_000_000


def microseconds(date):
    """Of a date such as 2024-03-02, which the model's signature takes as a whole number; missing is int64's least."""
    if date is None:
        return -2**63
    return (datetime.date.fromisoformat(date) - datetime.date(1970, 1, 1)).days * DAY_US


class Asked(Served):
    """Rows with missing values, as data frames: `frame` as a user has it, `typed` as the signature wants it."""

    def __init__(self):
        super().__init__(missing=True)

    def __enter__(self):
        super().__enter__()
        self.frame = pd.DataFrame(self.rows, columns=[n for n, _ in COLUMNS])
        exported = self.project.gm("models", "churn", "--export", "package")
        assert exported.code == 0, exported
        self.typed = self.frame.copy()
        self.typed["age"] = self.frame["age"].astype("float64")
        self.typed["plan"] = pd.Series([r["plan"] or "" for r in self.rows], dtype=object)
        self.typed["joined"] = np.array([microseconds(r["joined"]) for r in self.rows], dtype=np.int64)
        self.client = ScoringServerClient("127.0.0.1", self.port)
        return self


def check_scoring_client(a):
    a.client.ping()
    a.client.wait_server_ready(timeout=5)
    assert a.client.get_version().strip(), "no version"
    timed = a.frame.assign(joined=pd.to_datetime(a.frame["joined"]))
    for frame in (a.frame, a.typed.assign(joined=a.frame["joined"]), timed, a.frame[["joined", "monthly", "age", "plan"]], a.frame.astype({"plan": object})):
        answer = a.client.invoke(frame)
        a.same_records(answer["predictions"])
        table = answer.get_predictions()
        assert list(table.columns) == ["probability", "label"] and len(table) == len(a.rows), table
    a.same_records(a.client.invoke(a.frame, params={"anything": 1})["predictions"])
    body = json.dumps({"dataframe_split": json.loads(a.frame.to_json(orient="split"))})
    a.same_records(a.client.invoke(body)["predictions"])
    a.same_records(a.client.invoke(json.dumps({"dataframe_records": json.loads(a.frame.to_json(orient="records"))}))["predictions"])
    try:
        a.client.invoke(a.frame.assign(age="old"))
    except Exception as e:
        assert "400" in str(e) and "age" in str(e) and "old" in str(e), e
    else:
        raise AssertionError("a text was taken for a number")


def check_mlflow_predicts_the_same(a):
    model = mlflow.pyfunc.load_model(str(a.project.dir / "package"))
    theirs = model.predict(a.typed)
    ours = a.client.invoke(a.typed).get_predictions()
    theirs = pd.DataFrame({name: np.asarray(values).reshape(-1) for name, values in theirs.items()})
    assert list(theirs.columns) == list(ours.columns), (theirs.columns, ours.columns)
    assert theirs.shape == ours.shape, (theirs.shape, ours.shape)
    assert list(theirs["label"]) == list(ours["label"])
    worst = float(np.abs(theirs["probability"] - ours["probability"]).max())
    assert worst <= TOLERANCE, worst
    assert [o.name for o in model.metadata.signature.outputs] == list(ours.columns)
    return f"{len(ours)} rows, largest difference {worst:.1e}"


def check_sagemaker(a):
    s = a.server
    assert s.get("/ping").status == 200
    out = io.StringIO()
    a.frame.to_csv(out, index=False)
    table = out.getvalue()
    bare = table.split("\n", 1)[1]
    wanted = [f"{json.dumps(p)},{label}" for p, label in zip(a.probabilities, a.labels)]
    for body in (table, bare):
        reply = s.post("/invocations", body.encode(), {"Content-Type": "text/csv", "Accept": "text/csv"})
        assert reply.status == 200 and reply.headers["Content-Type"].startswith("text/csv"), reply
        assert [float(line.split(",")[0]) for line in reply.body.decode().split()] == a.probabilities, reply
        assert reply.body.decode().split() == wanted, reply
        a.same_records(s.post("/invocations", body.encode(), {"Content-Type": "text/csv; charset=utf-8"}).json()["predictions"])
    lines = "\n".join(json.dumps(r) for r in a.rows)
    reply = s.post("/invocations", lines.encode(), {"Content-Type": "application/jsonlines", "Accept": "application/jsonlines"})
    a.same_records([json.loads(line) for line in reply.body.splitlines()])
    assert s.post("/invocations", b"\x01", {"Content-Type": "application/x-recordio-protobuf"}).status == 415
    assert s.get("/models").json()["models"][0]["modelName"] == "churn"
    a.same_records(s.post("/models/churn/invoke", {"instances": a.rows}).json()["predictions"])
    assert s.post("/models", {"model_name": "churn", "url": "s3://bucket/churn"}).status == 409
    assert s.ask("DELETE", "/models/churn").status == 200 and s.get("/models/churn").status == 404
    assert s.post("/models", {"model_name": "churn", "url": "s3://bucket/churn"}).status == 200
    a.same_records(s.post("/models/churn/invoke", {"instances": a.rows}).json()["predictions"])


def check_vertex_ai(a):
    folder = a.project.dir / "vertex"
    shutil.copytree(a.project.dir / "package", folder / "package")
    routes = {"AIP_HEALTH_ROUTE": "/v1/endpoints/7/deployedModels/9", "AIP_PREDICT_ROUTE": "/v1/endpoints/7/deployedModels/9:predict"}
    free = serving.Server(folder, "--log", "off", env={"GRISTMILL_PACKAGE": "package"})  # a port that is free: AIP_HTTP_PORT knows no 0
    port = free.port
    free.close()
    process = subprocess.Popen([serving.gm.PROGRAM, "serve", "--json"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               env={**serving.os.environ, **routes, "AIP_HTTP_PORT": str(port), "AIP_MODE": "PREDICTION", "GRISTMILL_PACKAGE": "package"})
    try:
        told = json.loads(process.stdout.readline())
        assert told["port"] == port and "0.0.0.0" in told["url"], told
        get = subprocess.run(["curl", "-sf", f"http://127.0.0.1:{port}{routes['AIP_HEALTH_ROUTE']}"], capture_output=True)
        assert get.returncode == 0, get
        body = json.dumps({"instances": a.rows, "parameters": {"confidence": 0.5}})
        post = subprocess.run(["curl", "-sf", "-H", "Content-Type: application/json", "-d", body,
                               f"http://127.0.0.1:{port}{routes['AIP_PREDICT_ROUTE']}"], capture_output=True)
        a.same_records(json.loads(post.stdout)["predictions"])
    finally:
        process.kill()
        process.communicate()


def check_curl(a):
    """As the documents show it, with curl's own content type where they give none."""
    def curl(*args, data):
        done = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", *args, "--data-binary", "@-"], input=data.encode(), capture_output=True, check=True)
        text, status = done.stdout.decode().rsplit("\n", 1)
        assert status == "200", (status, text)
        return text

    rows = json.dumps({"dataframe_records": a.rows})
    a.same_records(json.loads(curl(f"{a.url}/invocations", "-H", "Content-Type: application/json", data=rows))["predictions"])
    a.same_records(json.loads(curl(f"{a.url}/v1/models/churn:predict", data=json.dumps({"instances": a.rows})))["predictions"])
    tensors = [{"name": n, "datatype": d, "shape": [len(a.rows)], "data": [r[n] for r in a.rows]} for n, d in COLUMNS]
    outputs = {o["name"]: o["data"] for o in json.loads(curl(f"{a.url}/v2/models/churn/infer", data=json.dumps({"inputs": tensors})))["outputs"]}
    a.same(outputs["probability"], outputs["label"])
    answer = curl(f"{a.url}/invocations", "--compressed", "-H", "Content-Type: text/csv", "-H", "Expect: 100-continue", data=a.frame.to_csv(index=False))
    a.same_records(json.loads(answer)["predictions"])


CHECKS = [check_scoring_client, check_mlflow_predicts_the_same, check_sagemaker, check_vertex_ai, check_curl]

if __name__ == "__main__":
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    with Asked() as asked:
        code = peer.run(CHECKS, f"mlflow {mlflow.__version__}", asked)
    sys.exit(code)
