"""Writes small ONNX files operator by operator, in forms that no exporter writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

__all__ = ["Array", "model", "node", "save"]

Array = npt.NDArray[Any]
Dim = int | str | None


def node(
    op: str, inputs: Sequence[str], output: str | Sequence[str], **attributes: Any
) -> NodeProto:
    outputs = [output] if isinstance(output, str) else list(output)
    domain = attributes.pop("domain", "")
    name = attributes.pop("name", f"{op.lower()}_{outputs[0]}")
    return helper.make_node(op, inputs, outputs, name=name, domain=domain, **attributes)


def model(
    nodes: Sequence[NodeProto],
    shape: Sequence[Dim],
    weights: Mapping[str, Any] | None = None,
    *,
    opset: int = 17,
    outputs: Sequence[str] = ("y",),
    kind: int = TensorProto.FLOAT,
    domains: Sequence[str] = (),
) -> ModelProto:
    """Make a model with the input ``x``; floats among the weights become float32."""
    tensors = []
    for name, value in (weights or {}).items():
        array = np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        tensors.append(numpy_helper.from_array(array, name))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        tensors,
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def save(made: ModelProto) -> bytes:
    data: bytes = made.SerializeToString()
    return data
