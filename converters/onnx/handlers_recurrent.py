"""LSTM, GRU and RNN."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neurodeploy.converters.emit import Array
from neurodeploy.converters.emit_analog import constant
from neurodeploy.converters.emit_recurrent import Gate, Unrolled, unroll
from neurodeploy.converters.emit_shapes import select
from neurodeploy.converters.onnx.layout import Layout, Whole, settled
from neurodeploy.converters.onnx.table import HANDLERS, Operation
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref

if TYPE_CHECKING:
    from neurodeploy.converters.onnx.walk import Walk

__all__: list[str] = []

# the order in which ONNX stacks the gates
ORDER = {"lstm": "iofg", "gru": "zrn", "rnn": "x"}
DEFAULT = {
    "lstm": ["Sigmoid", "Tanh", "Tanh"],
    "gru": ["Sigmoid", "Tanh"],
    "rnn": ["Tanh"],
}


@HANDLERS.handles(("", "LSTM"))
def _lstm(walk: Walk, op: Operation) -> object:
    return _recurrent(walk, op, "lstm")


@HANDLERS.handles(("", "GRU"))
def _gru(walk: Walk, op: Operation) -> object:
    return _recurrent(walk, op, "gru")


@HANDLERS.handles(("", "RNN"))
def _rnn(walk: Walk, op: Operation) -> object:
    return _recurrent(walk, op, "rnn")


def _recurrent(walk: Walk, op: Operation, kind: str) -> object:
    """Unroll each direction; outputs are (T, directions, N, hidden) and (directions, N, hidden)."""
    x = walk.whole(op.input(0))
    if len(x.ref.shape) != 3 or x.ref.shape[1] != 1 or x.layout.axis not in (None, 1):
        raise ConversionError(
            f"a sequence of shape {list(walk.full(op.input(0)))}",
            hint="(time, batch, features), as an LSTM of batch_first=True is exported",
        )
    function = _activations(op, kind)
    inner = walk.array(op.input(1), "the weight of the input")
    outer = walk.array(op.input(2), "the weight of the recurrence")
    bias = None if op.input(3) is None else walk.array(op.input(3), "the bias")
    directions = _directions(walk, op, x, inner)
    steps, _, features = x.ref.shape
    e = walk.emit
    sequence = e.builder.reshape(e.fresh("sequence"), x.ref, (steps, features), source=e.source)
    hidden = outer.shape[-1]
    reset_after = bool(op.integer("linear_before_reset", 0))
    made: list[Unrolled] = []
    for number, backwards in enumerate(directions):
        given = None if bias is None else bias[number]
        gates = _gates(kind, inner[number], outer[number], given, reset_after)
        with e.at(type(e.layer)(e.layer.name + ("_reverse" if number else ""), e.source)):
            made.append(
                unroll(
                    e,
                    kind,
                    sequence,
                    gates,
                    initial=_initial(walk, op.input(5), number, hidden),
                    memory=_initial(walk, op.input(6), number, hidden),
                    backwards=backwards,
                    reset_after=reset_after,
                    function=function,
                )
            )
    return _results(walk, made, steps, hidden, x.layout.axis is not None)


def _activations(op: Operation, kind: str) -> str:
    given = op.attribute("activations")
    names = [v.decode() if isinstance(v, bytes) else str(v) for v in given or []]
    one = names[: len(DEFAULT[kind])] or DEFAULT[kind]
    relu = kind == "rnn" and one == ["Relu"]
    if any(names[i : i + len(one)] != one for i in range(0, len(names), len(one))) or (
        one != DEFAULT[kind] and not relu
    ):
        raise ConversionError(f"activations {names}", hint=f"{DEFAULT[kind]} are handled")
    for name in ("clip", "input_forget", "layout"):
        if op.attribute(name):
            raise ConversionError(f"{name} = {op.attribute(name)}")
    if op.input(7) is not None:
        raise ConversionError("peephole connections")
    return "relu" if relu else "tanh"


def _directions(walk: Walk, op: Operation, x: Whole, weight: Array) -> list[bool]:
    lengths = op.input(4)
    if lengths is not None and (walk.array(lengths, "the lengths") != x.ref.shape[0]).any():
        raise ConversionError("sequences of different length in one batch")
    found = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}
    direction = op.text("direction", "forward")
    if direction not in found or len(weight) != len(found[direction]) or weight.ndim != 3:
        raise ConversionError(f"direction {direction!r} and weights {list(weight.shape)}")
    return found[direction]


def _gates(
    kind: str, inner: Array, outer: Array, bias: Array | None, reset_after: bool
) -> dict[str, Gate]:
    order = ORDER[kind]
    hidden = outer.shape[-1]
    if len(inner) != len(order) * hidden or outer.shape != (len(inner), hidden):
        raise ConversionError(f"weights {list(inner.shape)} and {list(outer.shape)}")
    if bias is not None and bias.shape != (2 * len(inner),):
        raise ConversionError(f"a bias of shape {list(bias.shape)}")
    gates = {}
    for i, key in enumerate(order):
        at = slice(i * hidden, (i + 1) * hidden)
        before = late = None
        if bias is not None:
            before, late = bias[: len(inner)][at], bias[len(inner) :][at]
            # the reset gate scales the second bias of n; all others are simply added
            if not (key == "n" and reset_after):
                before, late = before + late, None
        gates[key] = Gate(inner[at], outer[at], before, late)
    return gates


def _initial(walk: Walk, value: object, number: int, hidden: int) -> Ref | None:
    """Give an initial state of a direction, (1, hidden); the file has (directions, N, hidden)."""
    if value is None:
        return None
    if isinstance(value, np.ndarray):
        if value.ndim != 3 or number >= len(value) or value.shape[2] != hidden:
            raise ConversionError(f"an initial state of shape {list(value.shape)}")
        rows = value[number]
        # one row for each sample of the batch: a view of a fill repeats one
        if rows.strides[0] != 0 and (rows != rows[:1]).any():
            raise ConversionError("an initial state that differs from sample to sample")
        return constant(walk.emit, rows[:1], "initial") if rows[:1].any() else None
    held = walk.whole(value)
    if held.ref.shape[1:] != (1, hidden) or held.layout.axis not in (None, 1):
        raise ConversionError(f"an initial state of shape {list(held.ref.shape)}")
    e = walk.emit
    row = select(e, held.ref, 0, [number])
    return e.builder.reshape(e.fresh("initial"), row, (1, hidden), source=e.source)


def _results(
    walk: Walk, made: list[Unrolled], steps: int, hidden: int, tracked: bool
) -> tuple[object, ...]:
    e, count = walk.emit, len(made)

    def whole(refs: list[Ref | None], shape: tuple[int, ...], axis: int) -> object:
        given = [r for r in refs if r is not None]
        if not given:
            return None
        joined = given[0]
        if len(given) > 1:
            along = len(shape) - 3 if len(shape) == 4 else 0
            joined = e.builder.concat(e.fresh("both"), *given, axis=along, source=e.source)
        shaped = e.builder.reshape(e.fresh("outputs"), joined, shape, source=e.source)
        return settled(e, Whole(shaped, Layout(axis if tracked else None)))

    return (
        whole([m.sequence for m in made], (steps, count, 1, hidden), 2),
        whole([m.last for m in made], (count, 1, hidden), 1),
        whole([m.memory for m in made], (count, 1, hidden), 1),
    )
