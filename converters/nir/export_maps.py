"""The NIR node of a linear or structural operation, where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from neurodeploy.converters.nir.primitives import Array, NirNode, Value
from neurodeploy.errors import ConversionError, Finding
from neurodeploy.ir.nodes import Map
from neurodeploy.ir.ops import Conv, Dense, Pool, Reshape, Synapses, Window
from neurodeploy.ir.synapse_rows import sources_of
from neurodeploy.ir.types import Tensor

__all__ = ["map_node"]

Shape = tuple[int, ...]
LARGEST = 1 << 26


def map_node(
    node: Map,
    shapes: tuple[Shape, Shape],
    tensors: Mapping[str, Tensor],
    dt: float,
    lost: list[Finding],
) -> NirNode | None:
    """Give the node of an operation; None where it changes nothing.

    Args:
        node: The map.
        shapes: Shape of what arrives, and of what leaves.
        tensors: The graph's tensors.
        dt: Length of a step, for delays.
        lost: Where what the node leaves out goes.

    Raises:
        ConversionError: NIR has no such node; the field is named.
    """
    op, (arrived, left) = node.op, shapes
    if isinstance(op, Dense):
        return _dense(node, op, arrived, tensors, lost)
    if isinstance(op, Conv):
        return _conv(op, arrived, tensors)
    if isinstance(op, Pool):
        return _pool(op)
    if isinstance(op, Reshape):
        return _flatten(arrived, left)
    if isinstance(op, Synapses):
        return _synapses(op, arrived, tensors, dt)
    raise ConversionError(f"NIR has no node for {type(op).__name__}")


def _floats(tensor: Tensor, what: str) -> Array:
    if tensor.data.dtype.kind != "f":
        raise ConversionError(f"{what} holds integers with a scale, and NIR has no quantisation")
    return tensor.data


def _dense(
    node: Map, op: Dense, arrived: Shape, tensors: Mapping[str, Tensor], lost: list[Finding]
) -> NirNode:
    if op.axis % len(arrived) != len(arrived) - 1:
        raise ConversionError(f"axis {op.axis} of {len(arrived)}: NIR multiplies along the last")
    if len(arrived) > 1:
        text = f"it is shared over {list(arrived[:-1])}: NIR's Affine is said to take vectors"
        lost.append(Finding(text, node=node.name, source=node.source))
    weight = _floats(tensors[op.weight], "weight")
    if op.bias is None:
        return NirNode("Linear", {"weight": weight})
    bias = _floats(tensors[op.bias], "bias")
    if bias.shape != weight.shape[:1]:
        raise ConversionError(f"bias is {list(bias.shape)}: NIR's has one number per output")
    return NirNode("Affine", {"weight": weight, "bias": bias})


def _conv(op: Conv, arrived: Shape, tensors: Mapping[str, Tensor]) -> NirNode:
    weight = _floats(tensors[op.weight], "weight")
    rank = len(op.window.kernel)
    if rank > 2:
        raise ConversionError(f"window over {rank} axes: NIR convolves over 1 or 2")
    bias = np.zeros(weight.shape[0], weight.dtype)
    if op.bias is not None:
        bias = _floats(tensors[op.bias], "bias")
        if bias.shape != weight.shape[:1]:
            raise ConversionError(f"bias is {list(bias.shape)}: NIR's has one number per channel")
    padding = _symmetric(op.window)
    fields: dict[str, Value] = {
        "weight": weight,
        "bias": bias,
        "groups": np.asarray(op.groups),
    }
    numbers = (
        ("stride", op.window.stride),
        ("padding", padding),
        ("dilation", op.window.dilation),
        ("input_shape", arrived[1:]),
    )
    for key, value in numbers:
        fields[key] = np.asarray(value[0] if rank == 1 else value)
    return NirNode(f"Conv{rank}d", fields)


def _symmetric(window: Window) -> Shape:
    if any(low != high for low, high in window.padding):
        raise ConversionError(f"padding {window.padding}: NIR's is the same on both sides")
    return tuple(low for low, _ in window.padding)


def _pool(op: Pool) -> NirNode:
    padding = _symmetric(op.window)
    if len(op.window.kernel) != 2:
        raise ConversionError(f"window over {len(op.window.kernel)} axes: NIR pools over 2")
    if set(op.window.dilation) != {1}:
        raise ConversionError(f"dilation {op.window.dilation}: NIR's pools have none")
    if op.mode == "average" and op.divisor == "valid" and any(padding):
        raise ConversionError("divisor 'valid' with padding: NIR's AvgPool2d counts it")
    name = "SumPool2d" if op.mode == "sum" else "AvgPool2d"
    fields = {
        "kernel_size": np.asarray(op.window.kernel),
        "stride": np.asarray(op.window.stride),
        "padding": np.asarray(padding),
    }
    return NirNode(name, fields)


def _flatten(arrived: Shape, left: Shape) -> NirNode | None:
    if arrived == left:
        return None
    for first in range(len(arrived)):
        for last in range(first, len(arrived)):
            joined = (*arrived[:first], prod(arrived[first : last + 1]), *arrived[last + 1 :])
            if joined == left:
                fields = {
                    "input_type": np.asarray(arrived),
                    "start_dim": np.asarray(first),
                    "end_dim": np.asarray(last),
                }
                return NirNode("Flatten", fields)
    raise ConversionError(f"shape {list(left)} of {list(arrived)}: NIR only joins neighbours")


def _synapses(op: Synapses, arrived: Shape, tensors: Mapping[str, Tensor], dt: float) -> NirNode:
    weight = _floats(tensors[op.weight], "weight")
    source, target = sources_of(tensors[op.starts].data), tensors[op.target].data
    size, out = prod(arrived), prod(op.shape)
    if op.delay is not None and tensors[op.delay].data.any():
        every = np.arange(size)
        plain = (
            op.bias is None
            and op.shape == arrived
            and source.size == size
            and bool((weight == 1).all())
            and np.array_equal(source, every)
            and np.array_equal(target, every)
        )
        if not plain:
            raise ConversionError("delay of single synapses: NIR delays whole signals")
        return NirNode("Delay", {"delay": (tensors[op.delay].data * dt).reshape(arrived)})
    if len(arrived) != 1 or len(op.shape) != 1:
        raise ConversionError(f"shape {list(op.shape)}: NIR's Linear maps vectors")
    if size * out > LARGEST:
        raise ConversionError(f"shape: a dense matrix of {out} x {size}; NIR has no sparse one")
    pairs = source.astype(np.int64) * out + target.astype(np.int64)
    if np.unique(pairs).size != pairs.size:
        raise ConversionError("source and target: several synapses join one pair, NIR has one each")
    dense = np.zeros((out, size), weight.dtype)
    dense[target, source] = weight
    if op.bias is None:
        return NirNode("Linear", {"weight": dense})
    return NirNode("Affine", {"weight": dense, "bias": _floats(tensors[op.bias], "bias")})
