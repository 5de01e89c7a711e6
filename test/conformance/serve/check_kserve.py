#!/usr/bin/env python3
"""KServe's own client, unchanged, against `gristmill serve`: `check_kserve.py GRISTMILL`.

kserve.InferenceRESTClient of its SDK, protocol v1 (instances) and v2 (tensors, JSON and binary); answers are those of `gristmill predict`.
"""
import asyncio
import importlib.metadata
import sys

import peer

peer.run_in("clients")

import httpx  # noqa: E402
import kserve  # noqa: E402
import numpy as np  # noqa: E402
from kserve import InferInput, InferRequest, InferenceRESTClient, RESTConfig  # noqa: E402
from kserve.protocol.infer_type import RequestedOutput  # noqa: E402

from served import Served  # noqa: E402


def tensors(a, binary):
    out = []
    for name, datatype, values in a.tensors():
        tensor = InferInput(name, [len(values)], datatype)
        tensor.set_data_from_numpy(np.array(values, dtype={"INT64": np.int64, "FP64": np.float64}.get(datatype, object)), binary_data=binary)
        out.append(tensor)
    return out


def call(protocol, todo):
    """What todo(client) gives, on a client of its own."""
    async def with_client():
        async with InferenceRESTClient(RESTConfig(protocol=protocol, retries=0)) as client:
            return await todo(client)
    return asyncio.run(with_client())


def refused(protocol, todo, status, *words):
    try:
        call(protocol, todo)
    except httpx.HTTPStatusError as e:
        assert e.response.status_code == status and all(w in str(e) for w in words), e
        return
    raise AssertionError(f"accepted; {status} expected")


def check_v1_health(a):
    assert call("v1", lambda c: c.is_server_live(a.url)) is True
    assert call("v1", lambda c: c.is_model_ready(a.url, "churn")) is True
    refused("v1", lambda c: c.is_model_ready(a.url, "nobody"), 404, "nobody")


def check_v1_predict(a):
    answer = call("v1", lambda c: c.infer(a.url, {"instances": a.rows}, model_name="churn"))
    a.same_records(answer["predictions"])
    a.same_records(call("v1", lambda c: c.infer(a.url, {"instances": [list(r.values()) for r in a.rows]}, model_name="churn"))["predictions"])
    refused("v1", lambda c: c.infer(a.url, {"instances": []}, model_name="churn"), 400, "no rows")
    refused("v1", lambda c: c.infer(a.url, {"instances": [{**a.rows[0], "age": "old"}]}, model_name="churn"), 400, "age", "old")
    refused("v1", lambda c: c.infer(a.url, {"instances": a.rows}, model_name="nobody"), 404, "nobody")


def check_v1_explain(a):
    answer = call("v1", lambda c: c.explain(a.url, "churn", {"instances": a.rows}))
    assert len(answer["explanations"]) == len(a.rows), answer
    for record, p in zip(answer["explanations"], a.probabilities):
        margin = record["base"] + sum(x["value"] for x in record["contributions"])
        assert abs(margin - record["margin"]) < 1e-9 and abs(1 / (1 + np.exp(-margin)) - p) < 1e-6, (record, p)


def check_v2_health(a):
    assert call("v2", lambda c: c.is_server_live(a.url)) is True
    assert call("v2", lambda c: c.is_server_ready(a.url)) is True
    assert call("v2", lambda c: c.is_model_ready(a.url, "churn")) is True
    assert call("v2", lambda c: c.is_model_ready(a.url, "nobody")) is False


def check_v2_infer(a):
    for binary_in in (False, True):
        for binary_out in (None, False, True):
            wanted = [RequestedOutput(n, {"binary_data": binary_out}) for n in ("probability", "label")] if binary_out is not None else None
            request = InferRequest("churn", tensors(a, binary_in), request_id="k7", request_outputs=wanted)
            answer = call("v2", lambda c, r=request: c.infer(a.url, r, model_name="churn"))
            assert (answer.id, answer.model_name) == ("k7", "churn"), answer
            got = {o.name: o.as_numpy() for o in answer.outputs}
            a.same(got["probability"].reshape(-1), got["label"].reshape(-1))
    refused("v2", lambda c: c.infer(a.url, InferRequest("churn", tensors(a, True)[1:]), model_name="churn"), 400, "age")
    refused("v2", lambda c: c.infer(a.url, InferRequest("nobody", tensors(a, True)), model_name="nobody"), 404, "nobody")


CHECKS = [check_v1_health, check_v1_predict, check_v1_explain, check_v2_health, check_v2_infer]

if __name__ == "__main__":
    with Served() as served:
        code = peer.run(CHECKS, f"kserve {importlib.metadata.version('kserve')}", served)
    sys.exit(code)
