"""What a node reads, whether it is well formed, and which signals of a file are no floats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto

from neurodeploy.converters.onnx.tensors import dtype_of
from neurodeploy.errors import FileFormatError

__all__ = ["check_node", "reads", "signal_kinds"]

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
# operators that make integers out of floats
_MAKES = ("ArgMax", "ArgMin", "ConvInteger", "DynamicQuantizeLinear", "QuantizeLinear", "TopK")


def check_node(node: NodeProto, model: ModelProto) -> None:
    """Let the onnx package check a node against the definition of its operator.

    Raises:
        FileFormatError: it breaks the definition.
    """
    if any(a.type == AttributeProto.GRAPH for a in node.attribute):
        return  # a branch reads names from outside; its nodes are checked when translated
    context = onnx.checker.C.CheckerContext()
    context.ir_version = max(3, min(model.ir_version, onnx.IR_VERSION))
    context.opset_imports = {o.domain: o.version for o in model.opset_import}
    try:
        onnx.checker.check_node(node, context)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        text = str(error).strip().splitlines()
        raise FileFormatError(f"breaks the definition of its operator: {text[0]}") from error


def reads(node: NodeProto) -> Iterator[str]:
    """Give the names that a node reads, those inside its branches among them."""
    yield from node.input
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            for inner in attribute.g.node:
                yield from reads(inner)
            yield from (o.name for o in attribute.g.output)


def signal_kinds(model: ModelProto) -> dict[str, np.dtype[Any]]:
    """Give the types of all values, where integers may be among the signals; else nothing."""
    weights = {t.name for t in model.graph.initializer}
    whole = any(
        i.type.tensor_type.elem_type not in _FLOATS
        for i in model.graph.input
        if i.name not in weights
    )
    made = any(n.op_type in _MAKES or _casts(n) for n in model.graph.node)
    if not whole and not made:
        return {}
    try:
        # the types follow from the operators; values of weights are not looked at
        graph = onnx.shape_inference.infer_shapes(model).graph
    except (RuntimeError, ValueError, onnx.shape_inference.InferenceError):
        return {}  # a damaged file, which the walk will refuse with a better message
    found = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = dtype_of(value.type.tensor_type.elem_type)
        if kind is not None:
            found[value.name] = kind
    return found


def _casts(node: NodeProto) -> bool:
    return node.op_type == "Cast" and any(
        a.name == "to" and a.i not in _FLOATS for a in node.attribute
    )
