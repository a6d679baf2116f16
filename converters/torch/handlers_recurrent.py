"""LSTM, GRU and RNN over a sequence that is an axis of the sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from neurodeploy.converters.emit import Layer, signal
from neurodeploy.converters.emit_analog import constant
from neurodeploy.converters.emit_recurrent import GATES, Gate, unroll
from neurodeploy.converters.torch.table import HANDLERS, Arguments
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__: list[str] = []


@HANDLERS.handles("lstm")
def _lstm(walk: Walk, a: Arguments) -> object:
    return _recurrent(walk, a, "lstm", "tanh")


@HANDLERS.handles("gru")
def _gru(walk: Walk, a: Arguments) -> object:
    return _recurrent(walk, a, "gru", "tanh")


@HANDLERS.handles("rnn_tanh")
def _rnn_tanh(walk: Walk, a: Arguments) -> object:
    return _recurrent(walk, a, "rnn", "tanh")


@HANDLERS.handles("rnn_relu")
def _rnn_relu(walk: Walk, a: Arguments) -> object:
    return _recurrent(walk, a, "rnn", "relu")


def _recurrent(walk: Walk, a: Arguments, kind: str, function: str) -> object:
    """Unroll each layer; give its outputs, and the last states with the batch on axis 1.

    Those last states have another place for the batch than a graph has: what reads them is
    refused, except the outputs, of which the last step is the last state.
    """
    if not a["batch_first"]:
        raise ConversionError("a sequence with time in front", hint="use batch_first=True")
    if a["train"] and a["dropout"]:
        raise ConversionError("dropout that is active", hint="use evaluation mode")
    e, x = walk.emit, signal(a["input"], "the sequence")
    per = 4 if a["has_biases"] else 2
    params, ways = list(a["params"]), 2 if a["bidirectional"] else 1
    if len(params) != per * ways * int(a["num_layers"]):
        raise ConversionError("projections of the output", hint="use proj_size=0")
    name = e.layer.name
    for layer in range(int(a["num_layers"])):
        made: list[Ref] = []
        for way in range(ways):
            at = layer * ways + way
            gates = _gates(walk, kind, params[at * per : (at + 1) * per])
            first = [_initial(walk, v, at) for v in _states(a)]
            with e.at(Layer(f"{name}.layer{layer}" + ("_reverse" if way else ""), e.source)):
                found = unroll(
                    e,
                    kind,
                    x,
                    gates,
                    initial=first[0],
                    memory=first[1] if len(first) > 1 else None,
                    backwards=bool(way),
                    function=function,
                )
                made.append(found.sequence)
        x = made[0]
        if ways > 1:
            x = e.builder.concat(e.fresh("both"), *made, axis=1, source=e.source)
    return (x, None, None) if kind == "lstm" else (x, None)


def _states(a: Arguments) -> list[object]:
    return list(a["hx"]) if isinstance(a["hx"], list | tuple) else [a["hx"]]


def _initial(walk: Walk, value: object, at: int) -> Ref | None:
    if not isinstance(value, torch.Tensor):
        raise ConversionError("an initial state that depends on the network's input")
    rows = walk.array(value, "the initial state")[at]
    if (rows != rows[:1]).any():
        raise ConversionError("an initial state that differs from sample to sample")
    return constant(walk.emit, rows[:1], "initial") if rows.any() else None


def _gates(walk: Walk, kind: str, params: list[object]) -> dict[str, Gate]:
    """Split torch's stacked weights, whose order is that of `GATES`."""
    inner, outer, *biases = (walk.array(p, "a weight") for p in params)
    hidden = outer.shape[1]
    gates = {}
    for i, key in enumerate(GATES[kind]):
        at = slice(i * hidden, (i + 1) * hidden)
        before, late = (b[at] for b in biases) if biases else (None, None)
        # the reset gate scales the second bias of n; all others are simply added
        if before is not None and late is not None and key != "n":
            before, late = before + late, None
        gates[key] = Gate(inner[at], outer[at], before, late)
    return gates
