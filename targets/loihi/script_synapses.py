"""Writes connections as Lava's processes, and joins them to what sends and to what hears."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding, QuantizationError
from neurodeploy.ir.nodes import Cell
from neurodeploy.ir.ops import Conv, Dense, Synapses
from neurodeploy.ir.synapse_rows import sources_of
from neurodeploy.targets.loihi.cells import HALF
from neurodeploy.targets.loihi.processes import MESSAGE_BITS, Connection, places_in_lava
from neurodeploy.targets.loihi.script import Script, lava_shape
from neurodeploy.targets.loihi.weights import held_weights, sign_mode

__all__ = ["MOST_DELAY", "write_connection"]

Array = npt.NDArray[Any]
MOST_DELAY = 62  # lava-dl clamps there; DelayDense takes 63
MOST_ENTRIES = 1 << 26
MOST_GEOMETRY = 127  # Lava keeps kernel, stride, padding, dilation and groups in 8 bits


def write_connection(script: Script, number: int, joined: Connection) -> None:
    """Write synapses, and what they join."""
    own, op = f"c{number}", joined.map.op
    given = {"num_message_bits": str(MESSAGE_BITS if joined.graded else 0)}
    script.comment(joined.source, joined.map.name, joined.target)
    _check_start(script, joined)
    if isinstance(op, Conv):
        _convolution(script, own, joined, op, given)
    elif isinstance(op, Dense):
        _dense(script, own, joined, op, given)
    elif isinstance(op, Synapses):
        _synapses(script, own, joined, op, given)
    port = f"{script.names[joined.target]}.{joined.port}"
    script.lines.append(f"    join({script.names[joined.source]}.s_out, {own}.s_in)")
    script.lines.append(f"    join({own}.a_out, {port})")
    if joined.graded and not isinstance(op, Conv):
        # a sum that leaves 24 bits wraps here, and goes on in Lava
        script.lines.append(f"    bounded.append(({own}.a_buff, {_bound(joined.exponent)}))")


def _check_start(script: Script, joined: Connection) -> None:
    """Refuse what would arrive before a population starts: in Lava, it is there from the first."""
    nodes, op = script.graph, joined.map.op
    target, sender = nodes.node(joined.target), nodes.node(joined.source)
    least = 1
    if isinstance(op, Synapses) and op.delay is not None:
        late = script.graph.tensors[op.delay].data
        least += int(late.min()) if late.size else 0
    begins = sender.start if isinstance(sender, Cell) else 0
    if isinstance(target, Cell) and begins + least < target.start:
        text = f"brings something from step {begins + least} on, {joined.target!r} starts later"
        script.refuse(joined.map, text)


def _bound(exponent: int) -> int:
    """Give what a sum of 24 bits stays below, behind its exponent."""
    return HALF << exponent if exponent >= 0 else HALF >> -exponent


def _dense(script: Script, own: str, joined: Connection, op: Dense, given: dict[str, str]) -> None:
    source = script.graph.signals[(joined.source, "out")].shape
    weights = script.graph.tensors[op.weight].data.astype(np.int64)
    if weights.shape[1] != int(np.prod(source)):
        script.refuse(joined.map, "reads along one of several axes, Lava's Dense reads all")
        return
    made = script.graph.signals[(joined.map.name, "out")].shape
    if weights.shape[0] != int(np.prod(made)):
        script.refuse(joined.map, "gives sums along one of several axes, Lava's Dense gives all")
        return
    _check_weights(script, joined, weights)
    ordered = np.zeros_like(weights)
    ordered[:, places_in_lava(source)] = weights
    given["weights"] = script.keep(f"{own}.weights", ordered)
    given["weight_exp"] = str(joined.exponent)
    script.call(own, "Dense", given)


def _synapses(
    script: Script, own: str, joined: Connection, op: Synapses, given: dict[str, str]
) -> None:
    """Write rows of single synapses; with delays as matrices, which is all that Lava has."""
    tensors, signals = script.graph.tensors, script.graph.signals
    source = signals[(joined.source, "out")].shape
    made = signals[(joined.map.name, "out")].shape
    shape = (int(np.prod(made)), int(np.prod(source)))
    target = places_in_lava(made)[tensors[op.target].data.astype(np.int64)]
    begin = places_in_lava(source)[sources_of(tensors[op.starts].data)]
    weights = tensors[op.weight].data.astype(np.int64)
    if len(np.unique(target * shape[1] + begin)) < len(weights):
        script.refuse(joined.map, "has several synapses of a pair, Lava holds one")
    _check_weights(script, joined, weights)
    given["weight_exp"] = str(joined.exponent)
    if op.delay is None:
        order = np.lexsort((begin, target))
        ends = np.cumsum(np.bincount(target, minlength=shape[0]))
        parts = {
            "weights": weights[order],
            "sources": begin[order],
            "rows": np.concatenate([[0], ends]),
        }
        kept = ", ".join(script.keep(f"{own}.{name}", values) for name, values in parts.items())
        given["weights"] = f"csr_matrix(({kept}), shape={shape})"
        script.call(own, "Sparse", given)
        return
    if shape[0] * shape[1] > MOST_ENTRIES:
        text = (
            f"has delays from {shape[1]} neurons to {shape[0]}, Lava holds whole matrices of them"
        )
        script.refuse(joined.map, f"{text}: at most {MOST_ENTRIES} entries are written")
        return
    late = tensors[op.delay].data.astype(np.int64)
    _check_delays(script, joined, late)
    for name, values in (("weights", weights), ("delays", late)):
        matrix = np.zeros(shape, np.int64)
        matrix[target, begin] = values
        given[name] = script.keep(f"{own}.{name}", matrix)
    script.call(own, "DelayDense", given)


def _convolution(
    script: Script, own: str, joined: Connection, op: Conv, given: dict[str, str]
) -> None:
    window, weights = op.window, script.graph.tensors[op.weight].data
    if len(window.kernel) != 2 or any(lo != hi for lo, hi in window.padding):
        script.refuse(joined.map, "Lava's Conv has two axes, padded alike on both sides")
        return
    sizes = (*window.kernel, *window.stride, *window.padding[0], *window.padding[1])
    most = max(*sizes, *window.dilation, op.groups)
    if most > MOST_GEOMETRY:
        text = f"has a kernel, stride, padding, dilation or groups of {most}"
        script.refuse(joined.map, f"{text}, Lava holds {MOST_GEOMETRY}")
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
