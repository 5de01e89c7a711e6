#!/usr/bin/env python3
"""NVIDIA's own HTTP client, unchanged, against `gristmill serve`: `check_tritonclient.py GRISTMILL`.

Every call of tritonclient.http.InferenceServerClient and of its asyncio twin, JSON and binary tensors in both directions, compressed both ways;
answers are those of `gristmill predict`. A client fault must arrive as an InferenceServerException whose message says what is wrong.
"""
import asyncio
import datetime
import importlib.metadata
import sys

import peer

peer.run_in("clients")

import numpy as np  # noqa: E402
import tritonclient.http as triton  # noqa: E402
import tritonclient.http.aio as triton_aio  # noqa: E402
from tritonclient.utils import InferenceServerException  # noqa: E402

from served import Served  # noqa: E402

TYPES = {"INT64": np.int64, "FP64": np.float64, "BYTES": object}


class Asked(Served):
    """A client of the server, and the rows as arrays."""

    def __enter__(self):
        super().__enter__()
        self.arrays = [(n, d, np.array(v, dtype=TYPES[d])) for n, d, v in self.tensors()]
        self.age, self.plan, self.monthly, self.joined = (v for _, _, v in self.arrays)
        self.client = triton.InferenceServerClient(f"127.0.0.1:{self.port}", concurrency=4)
        return self

    def close(self):
        self.client.close()
        super().close()

    def inputs(self, binary=True, module=triton, column=False):
        out = []
        for name, datatype, values in self.arrays:
            values = values.reshape(-1, 1) if column else values
            tensor = module.InferInput(name, list(values.shape), datatype)
            tensor.set_data_from_numpy(values, binary_data=binary)
            out.append(tensor)
        return out

    def same_result(self, result):
        got = result.as_numpy("probability")
        assert got.dtype == np.float64, got.dtype
        self.same(got.reshape(-1), result.as_numpy("label").reshape(-1))


def refused(call, *words, status=None):
    """The message of the exception that the call must end with."""
    try:
        call()
    except InferenceServerException as e:
        text = e.message()
        assert all(w in text for w in words), f"{text!r} lacks one of {words}"
        assert status is None or str(status) in str(e.status()), (e.status(), text)
        return text
    raise AssertionError(f"accepted; {words} expected")


def check_health_and_metadata(a):
    c = a.client
    assert c.is_server_live() and c.is_server_ready() and c.is_model_ready("churn") and c.is_model_ready("churn", "2")
    assert not c.is_model_ready("nobody") and not c.is_model_ready("churn", "77")
    server = c.get_server_metadata()
    assert server["name"] == "gristmill" and server["version"] and "binary_tensor_data" in server["extensions"], server
    model = c.get_model_metadata("churn")
    assert {i["name"]: i["datatype"] for i in model["inputs"]} == {"age": "INT64", "plan": "BYTES", "monthly": "FP64", "joined": "BYTES"}, model
    assert {o["name"]: o["datatype"] for o in model["outputs"]} == {"probability": "FP64", "label": "BYTES"}, model
    assert all(t["shape"] == [-1] for t in model["inputs"] + model["outputs"]), model
    config = c.get_model_config("churn", "2")
    assert config["name"] == "churn" and [i["name"] for i in config["input"]] == [i["name"] for i in model["inputs"]], config
    assert all(i["data_type"].startswith("TYPE_") and i["dims"] for i in config["input"] + config["output"]), config
    refused(lambda: c.get_model_metadata("nobody"), "nobody", status=404)
    refused(lambda: c.get_model_config("churn", "77"), "77", status=404)


def check_repository(a):
    c = a.client
    index = c.get_model_repository_index()
    assert any(m["name"] == "churn" and m["state"] == "READY" and m["version"] == "2" for m in index), index
    c.unload_model("churn")
    assert not c.is_model_ready("churn")
    refused(lambda: c.infer("churn", a.inputs()), "churn", status=404)
    c.load_model("churn")
    assert c.is_model_ready("churn")
    a.same_result(c.infer("churn", a.inputs()))
    refused(lambda: c.load_model("nobody"), "nobody")
    refused(lambda: c.unload_model("nobody"), "nobody")
    refused(lambda: c.load_model("churn", config='{"max_batch_size": 4}'), "config")
    refused(lambda: c.load_model("churn", config="{}", files={"file:1/model.onnx": b"12"}))
    a.same_result(c.infer("churn", a.inputs()))


def check_statistics(a):
    before = a.client.get_inference_statistics("churn")["model_stats"][0]
    a.client.infer("churn", a.inputs())
    after = a.client.get_inference_statistics("churn", "2")["model_stats"][0]
    assert after["inference_count"] == before["inference_count"] + 40, (before, after)
    assert after["execution_count"] > before["execution_count"]
    assert after["inference_stats"]["success"]["count"] == before["inference_stats"]["success"]["count"] + 1
    assert after["inference_stats"]["success"]["ns"] > before["inference_stats"]["success"]["ns"]
    assert a.client.get_inference_statistics()["model_stats"]
    refused(lambda: a.client.get_inference_statistics("nobody"), "nobody")


def check_trace_and_log_settings(a):
    c = a.client
    assert isinstance(c.get_trace_settings(), dict) and isinstance(c.get_trace_settings("churn"), dict)
    assert isinstance(c.get_log_settings(), dict)
    refused(lambda: c.update_trace_settings(settings={"trace_rate": "5"}), "trace", status=400)
    refused(lambda: c.update_trace_settings("churn", {"trace_rate": "5"}), "trace", status=400)
    refused(lambda: c.update_log_settings({"log_verbose_level": 1}), "log", status=400)


def check_shared_memory(a):
    c = a.client
    assert c.get_system_shared_memory_status() == [] and c.get_cuda_shared_memory_status() == []
    told = refused(lambda: c.register_system_shared_memory("region", "/region", 64), "shared memory", status=400)
    refused(lambda: c.register_cuda_shared_memory("region", b"handle", 0, 64), "shared memory", status=400)
    c.unregister_system_shared_memory()
    c.unregister_cuda_shared_memory()
    tensors = a.inputs()
    tensors[0].set_shared_memory("region", 320)
    refused(lambda: c.infer("churn", tensors), "age", "shared memory", status=400)
    wanted = triton.InferRequestedOutput("probability")
    wanted.set_shared_memory("region", 320)
    refused(lambda: c.infer("churn", a.inputs(), outputs=[wanted]), "shared memory", status=400)
    return told


def check_infer_json_and_binary(a):
    n = 0
    for binary_in in (False, True):
        for column in (False, True):
            for binary_out in (None, False, True):
                outputs = None if binary_out is None else [triton.InferRequestedOutput(x, binary_data=binary_out) for x in ("label", "probability")]
                result = a.client.infer("churn", a.inputs(binary_in, column=column), outputs=outputs, model_version="2" if n % 2 else "")
                a.same_result(result)
                n += 1
                head = result.get_response()
                assert head["model_name"] == "churn" and head["model_version"] == "2", head
                if outputs:
                    assert [o["name"] for o in head["outputs"]] == ["label", "probability"], head
    return f"{n} ways"


def check_datatypes(a):
    """Whole numbers and decimals in any width, as far as they hold the values."""
    n = 0
    for datatype, kind in (("INT8", np.int8), ("INT16", np.int16), ("INT32", np.int32), ("UINT8", np.uint8), ("UINT16", np.uint16), ("UINT32", np.uint32),
                           ("UINT64", np.uint64), ("FP16", np.float16), ("FP32", np.float32), ("FP64", np.float64)):
        for binary in ((True,) if datatype == "FP16" else (True, False)):
            tensors = a.inputs(binary)
            tensors[0] = triton.InferInput("age", [40], datatype)
            tensors[0].set_data_from_numpy(a.age.astype(kind), binary_data=binary)
            a.same_result(a.client.infer("churn", tensors))
            n += 1
    times = np.array([int(datetime.datetime.fromisoformat(t.decode() + "T00:00:00+00:00").timestamp()) * 1_000_000 for t in a.joined], dtype=np.int64)
    tensors = a.inputs()
    tensors[3] = triton.InferInput("joined", [40], "INT64")
    tensors[3].set_data_from_numpy(times)
    a.same_result(a.client.infer("churn", tensors))
    return f"{n + 1} datatypes"


def check_missing_values(a):
    """NaN in a binary tensor and null in a JSON one are the same row."""
    monthly = a.monthly.copy()
    monthly[3] = np.nan
    tensors = a.inputs()
    tensors[2].set_data_from_numpy(monthly)
    got = a.client.infer("churn", tensors).as_numpy("probability").reshape(-1)
    rows = [{"age": int(a.age[3]), "plan": a.plan[3].decode(), "monthly": None, "joined": a.joined[3].decode()}]
    reply = a.server.post("/invocations", {"dataframe_records": rows}).json()
    assert got[3] == reply["predictions"][0]["probability"], (got[3], reply)
    assert np.array_equal(np.delete(got, 3), np.delete(a.probabilities, 3))


def check_compression(a):
    for ask in (None, "gzip", "deflate"):
        for answer in (None, "gzip", "deflate"):
            for binary in (False, True):
                a.same_result(a.client.infer("churn", a.inputs(binary), request_compression_algorithm=ask, response_compression_algorithm=answer))


def check_async(a):
    pending = [a.client.async_infer("churn", a.inputs(), request_id=str(i)) for i in range(20)]
    for i, p in enumerate(pending):
        result = p.get_result()
        a.same_result(result)
        assert result.get_response()["id"] == str(i)

    async def by_asyncio():
        async with triton_aio.InferenceServerClient(f"127.0.0.1:{a.port}") as c:
            assert await c.is_server_live() and await c.is_server_ready() and await c.is_model_ready("churn")
            assert (await c.get_model_metadata("churn"))["name"] == "churn"
            for result in await asyncio.gather(*[c.infer("churn", a.inputs(module=triton_aio)) for _ in range(20)]):
                a.same_result(result)
            a.same_result(await c.infer("churn", a.inputs(module=triton_aio), request_compression_algorithm="gzip", response_compression_algorithm="gzip"))
    asyncio.run(by_asyncio())
    return "40 requests"


def check_classification(a):
    for k in (1, 2, 5):
        wanted = triton.InferRequestedOutput("probability", class_count=k)
        result = a.client.infer("churn", a.inputs(), outputs=[wanted]).as_numpy("probability")
        assert result.shape == (40, min(k, 2)), result.shape
        for row, label, p in zip(result, a.labels, a.probabilities):
            value, index, name = row[0].decode().split(":")
            assert name == label and int(index) == (label == "true"), (row, label)
            assert abs(float(value) - max(p, 1 - p)) < 1e-6, (row, p)


def check_request_parts(a):
    head = a.client.infer("churn", a.inputs(), request_id="order 17/é").get_response()
    assert head["id"] == "order 17/é", head
    ids = {a.client.infer("churn", a.inputs()).get_response()["id"] for _ in range(3)}  # without one the server makes it, for its log
    assert len(ids) == 3 and all(ids), ids
    a.same_result(a.client.infer("churn", a.inputs(), priority=1, timeout=5_000_000, parameters={"customer": "x"}, headers={"X-More": "1"},
                          query_params={"trace": "1"}))
    a.same_result(a.client.infer("churn", a.inputs(), sequence_id=7, sequence_start=True, sequence_end=True))
    body, size = triton.InferenceServerClient.generate_request_body(a.inputs())
    headers = {} if size is None else {"Inference-Header-Content-Length": str(size)}
    reply = a.server.post("/v2/models/churn/infer", body, headers)
    a.same_result(triton.InferenceServerClient.parse_response_body(reply.body, header_length=int(reply.headers["Inference-Header-Content-Length"])))


def check_faults_say_what_is_wrong(a):
    c, told = a.client, {}

    def tensor(name, values, datatype, binary=True, shape=None):
        t = triton.InferInput(name, list(values.shape), datatype)
        t.set_data_from_numpy(values, binary_data=binary)
        return t.set_shape(shape) if shape else t

    def fault(what, tensors, *words, status=400, **more):
        told[what] = refused(lambda: c.infer(more.pop("model", "churn"), tensors, **more), *words, status=status)

    good = a.inputs()
    swap = lambda i, t: [t if i == j else g for j, g in enumerate(a.inputs())]  # noqa: E731
    fault("model", good, "nobody", status=404, model="nobody")
    fault("version", good, "77", status=404, model_version="77")
    fault("name", swap(0, tensor("years", a.age, "INT64")), "years")
    fault("twice", good + [tensor("age", a.age, "INT64")], "age")
    fault("missing", good[1:], "age")
    fault("type", swap(0, tensor("age", a.plan, "BYTES")), "age", "BYTES")
    fault("type json", swap(1, tensor("plan", a.age, "INT64", False)), "plan", "INT64")
    fault("bool", swap(1, tensor("plan", a.age > 30, "BOOL")), "plan", "BOOL")
    fault("rows", swap(0, tensor("age", a.age[:39], "INT64")), "39")
    fault("shape", swap(0, tensor("age", a.age.reshape(20, 2), "INT64")), "age")
    fault("short", swap(0, tensor("age", a.age[:20], "INT64", shape=[40])), "age")
    fault("long", swap(0, tensor("age", a.age, "INT64", False, shape=[20])), "age")
    fault("output", good, "score", outputs=[triton.InferRequestedOutput("score")])
    fault("no rows", [tensor(n, v[:0], d) for n, d, v in a.arrays])
    fault("time", swap(3, tensor("joined", np.array([b"yesterday"] * 40, dtype=object), "BYTES")), "joined", "yesterday")
    for message in told.values():
        assert len(message) > 15 and "/" not in message.replace("/2", "") and "src" not in message, message
    a.same_result(c.infer("churn", good))
    return f"{len(told)} faults; one message: {told['rows']}"


CHECKS = [check_health_and_metadata, check_repository, check_statistics, check_trace_and_log_settings, check_shared_memory, check_infer_json_and_binary,
          check_datatypes, check_missing_values, check_compression, check_async, check_classification, check_request_parts, check_faults_say_what_is_wrong]


if __name__ == "__main__":
    with Asked() as asked:
        code = peer.run(CHECKS, f"tritonclient {importlib.metadata.version('tritonclient')}", asked)
    sys.exit(code)
