"""onnxruntime: one pass of the network without time, ReLU in place of each population."""

from __future__ import annotations

from typing import Any

import numpy as np

from peers import Array, Peer

__all__ = ["peer"]


def peer(workload: Any, threads: int) -> Peer | None:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    if workload.name == "W3":
        return None  # a recurrence has no equal without time
    halves = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes: list[Any] = []
    constants: list[Any] = []
    x = "x"
    for name, weight in workload.weights.items():
        if weight.ndim == 4:
            constants.append(numpy_helper.from_array(weight, name))
            nodes += [
                helper.make_node("Conv", [x, name], [f"{name}.sum"]),
                helper.make_node("Relu", [f"{name}.sum"], [f"{name}.relu"]),
                helper.make_node("AveragePool", [f"{name}.relu"], [f"{name}.out"], **halves),
            ]
        else:
            if name == "fc":
                nodes.append(helper.make_node("Flatten", [x], ["flat"]))
                x = "flat"
            constants.append(numpy_helper.from_array(np.ascontiguousarray(weight.T), name))
            nodes += [
                helper.make_node("MatMul", [x, name], [f"{name}.sum"]),
                helper.make_node("Relu", [f"{name}.sum"], [f"{name}.out"]),
            ]
        x = f"{name}.out"
    shape = ["n", *workload.x.shape[2:]]
    graph = helper.make_graph(
        nodes,
        "equal",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def run(frames: Array) -> Array:
        return np.asarray(session.run(None, {"x": frames.mean(axis=1, dtype=np.float32)})[0])

    name = f"onnxruntime {onnxruntime.__version__}, the ANN once"
    return Peer(name, run, "no spiking network: its mean input, once", spiking=False)
