"""Writes connections as Lava's processes, and joins them to what sends and to what hears."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding, QuantizationError
from neurodeploy.ir.ops import Conv, Dense, Synapses
from neurodeploy.ir.synapse_rows import sources_of
from neurodeploy.targets.loihi.processes import MESSAGE_BITS, Connection, places_in_lava
from neurodeploy.targets.loihi.script import Script, lava_shape
from neurodeploy.targets.loihi.weights import held_weights, sign_mode

__all__ = ["MOST_DELAY", "write_connection"]

Array = npt.NDArray[Any]
MOST_DELAY = 62  # lava-dl clamps there; DelayDense takes 63


def write_connection(script: Script, number: int, joined: Connection) -> None:
    """Write synapses, and what they join."""
    own, op = f"c{number}", joined.map.op
    given = {"num_message_bits": str(MESSAGE_BITS if joined.graded else 0)}
    script.comment(joined.source, joined.map.name, joined.target)
    if isinstance(op, Conv):
        _convolution(script, own, joined, op, given)
    elif isinstance(op, Dense | Synapses):
        _matrix(script, own, joined, op, given)
    port = f"{script.names[joined.target]}.{joined.port}"
    script.lines.append(f"    join({script.names[joined.source]}.s_out, {own}.s_in)")
    script.lines.append(f"    join({own}.a_out, {port})")


def _matrix(
    script: Script, own: str, joined: Connection, op: Dense | Synapses, given: dict[str, str]
) -> None:
    tensors, signals = script.graph.tensors, script.graph.signals
    source, takes = signals[(joined.source, "out")].shape, signals[(joined.map.name, "out")].shape
    sends = int(np.prod(source))
    weights = tensors[op.weight].data.astype(np.int64)
    if len(takes) != 1:
        script.refuse(joined.map, f"gives a sum of shape {list(takes)}, Lava's has one axis")
        return
    if isinstance(op, Dense) and weights.shape[1] != sends:
        script.refuse(joined.map, "reads along one of several axes, Lava's Dense reads all")
        return
    process, delays = "Dense", None
    if isinstance(op, Synapses):
        process = "Sparse" if op.delay is None else "DelayDense"
        at = (tensors[op.target].data.astype(np.int64), sources_of(tensors[op.starts].data))
        if len(np.unique(at[0] * sends + at[1])) < len(weights):
            script.refuse(joined.map, "has several synapses of a pair, Lava holds one")
        weights = _spread(weights, at, (takes[0], sends))
        if op.delay is not None:
            delays = _spread(tensors[op.delay].data, at, weights.shape)
            _check_delays(script, joined, delays)
    _check_weights(script, joined, weights)
    kept = script.keep(f"{own}.weights", _columns(weights, source))
    given["weights"] = f"csr_matrix({kept})" if process == "Sparse" else kept
    if delays is not None:
        given["delays"] = script.keep(f"{own}.delays", _columns(delays, source))
    given["weight_exp"] = str(joined.exponent)
    script.call(own, process, given)


def _spread(values: Array, at: tuple[Array, Array], shape: tuple[int, ...]) -> Array:
    matrix = np.zeros(shape, np.int64)
    matrix[at] = values
    return matrix


def _columns(matrix: Array, source: tuple[int, ...]) -> Array:
    """Put the columns in the order in which Lava has the source's neurons."""
    ordered = np.zeros_like(matrix)
    ordered[:, places_in_lava(source)] = matrix
    return ordered


def _convolution(
    script: Script, own: str, joined: Connection, op: Conv, given: dict[str, str]
) -> None:
    window, weights = op.window, script.graph.tensors[op.weight].data
    if len(window.kernel) != 2 or any(lo != hi for lo, hi in window.padding):
        script.refuse(joined.map, "Lava's Conv has two axes, padded alike on both sides")
        return
    if joined.exponent:
        script.refuse(joined.map, f"has the exponent {joined.exponent}, Lava's Conv ignores it")
    # Lava turns the kernel, and has it as (out, x, y, in)
    turned = np.moveaxis(weights, 1, -1)[:, ::-1, ::-1]
    given |= {
        "weight": script.keep(f"{own}.weights", turned),
        "input_shape": str(lava_shape(script.graph.signals[(joined.source, "out")].shape)),
        "stride": str(window.stride),
        "padding": str(tuple(lo for lo, _ in window.padding)),
        "dilation": str(window.dilation),
        "groups": str(op.groups),
    }
    script.call(own, "Conv", given)


def _check_weights(script: Script, joined: Connection, weights: Array) -> None:
    node = joined.map
    try:
        held_weights(weights, sign_mode(weights))
    except QuantizationError as error:
        script.found += [
            Finding(f.message, node.name, node.source, f.hint, f.value, f.limit)
            for f in error.findings
        ]


def _check_delays(script: Script, joined: Connection, late: Array) -> None:
    most = int(late.max(initial=0))
    if most > MOST_DELAY:
        script.refuse(joined.map, f"has a delay of {most} steps, Loihi holds {MOST_DELAY}")
    if joined.exponent < 0:
        text = f"has delays and the exponent {joined.exponent}"
        script.refuse(joined.map, f"{text}: Lava cuts the sum of each delay by itself")
