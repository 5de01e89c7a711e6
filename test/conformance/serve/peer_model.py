"""peer_model.py - the exported package's ONNX graph inside Triton's Python backend and inside MLServer, for check_servers.py.

Both give what the program's own server gives: probability and label of shape [N].
"""
import os

import numpy as np
import onnxruntime

KINDS = {"age": np.float64, "plan": object, "monthly": np.float64, "joined": np.int64}


def session(folder):
    return onnxruntime.InferenceSession(os.path.join(folder, "model.onnx"), providers=["CPUExecutionProvider"])


def answers(model, columns):
    """columns: {name: values}, texts as str or bytes."""
    feed = {}
    for name, kind in KINDS.items():
        values = [v.decode() if isinstance(v, bytes) else v for v in np.asarray(columns[name], dtype=object).reshape(-1)]
        feed[name] = np.array(values, dtype=kind)
    probability, label = model.run(["probability", "label"], feed)
    return probability.reshape(-1), label.reshape(-1)


try:
    import triton_python_backend_utils as triton
except ImportError:
    triton = None

if triton:

    class TritonPythonModel:
        def initialize(self, args):
            self.model = session(os.path.join(args["model_repository"], args["model_version"]))

        def execute(self, requests):
            out = []
            for request in requests:
                columns = {name: triton.get_input_tensor_by_name(request, name).as_numpy() for name in KINDS}
                probability, label = answers(self.model, columns)
                tensors = [triton.Tensor("probability", probability), triton.Tensor("label", np.array([x.encode() for x in label], dtype=object))]
                out.append(triton.InferenceResponse(output_tensors=[t for t in tensors if t.name() in request.requested_output_names()]))
            return out

else:
    from mlserver import MLModel
    from mlserver.codecs import NumpyCodec, StringCodec
    from mlserver.types import InferenceResponse

    class Runtime(MLModel):
        async def load(self):
            self.model = session(os.environ["PEER_MODEL_FOLDER"])
            return True

        async def predict(self, payload):
            columns = {}
            for tensor in payload.inputs:
                codec = StringCodec if tensor.datatype == "BYTES" else NumpyCodec
                columns[tensor.name] = codec.decode_input(tensor)
            probability, label = answers(self.model, columns)
            outputs = [NumpyCodec.encode_output("probability", probability), StringCodec.encode_output("label", list(label))]
            wanted = [o.name for o in payload.outputs or []]
            return InferenceResponse(id=payload.id, model_name=self.name, model_version=self.version, outputs=[o for o in outputs if not wanted or o.name in wanted])
