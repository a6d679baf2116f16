"""LSTM, GRU and RNN over a sequence that is an axis of the sample, unrolled step by step.

Each step is a few matrix products with the same weights, stored once, and one cell of
`neurodeploy.semantics.cells.gates`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neurodeploy.converters.emit import Array, Emitter
from neurodeploy.converters.emit_analog import constant
from neurodeploy.converters.emit_shapes import select
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.ops import Dense

__all__ = ["GATES", "Gate", "Unrolled", "unroll"]

LONGEST = 2048
# recurrent network: its gates
GATES = {"lstm": "ifgo", "gru": "rzn", "rnn": "x"}


@dataclass(frozen=True)
class Gate:
    """The weights of one gate.

    Attributes:
        inner: (hidden, inputs), for the input.
        outer: (hidden, hidden), for the previous output.
        bias: Added to the weighted input.
        late: Added to the weighted previous output.
    """

    inner: Array
    outer: Array
    bias: Array | None = None
    late: Array | None = None


@dataclass(frozen=True)
class Unrolled:
    """What an unrolled network gives: outputs (T, hidden), and the last states, (1, hidden)."""

    sequence: Ref
    last: Ref
    memory: Ref | None = None


def unroll(
    e: Emitter,
    kind: str,
    x: Ref,
    gates: Mapping[str, Gate],
    *,
    initial: Ref | None = None,
    memory: Ref | None = None,
    backwards: bool = False,
    reset_after: bool = True,
    function: str = "tanh",
) -> Unrolled:
    """Add one direction of one layer over ``x``, (T, inputs).

    Args:
        e: The emitter.
        kind: ``lstm``, ``gru`` or ``rnn``.
        x: The sequence.
        gates: Weights by gate, as `GATES` names them.
        initial: First previous output, (1, hidden); 0 by default.
        memory: First memory of an LSTM, (1, hidden); 0 by default.
        backwards: Go from the end to the start.
        reset_after: Of a GRU: the reset gate acts after the matrix product.
        function: Of a plain RNN: ``tanh`` or ``relu``.

    Raises:
        ConversionError: a sequence that is too long to unroll, or weights that do not fit.
    """
    if len(x.shape) != 2 or not 0 < x.shape[0] <= LONGEST:
        raise ConversionError(
            f"a recurrent network over samples {list(x.shape)}",
            hint=f"(time, features), and at most {LONGEST} steps, which are unrolled",
        )
    first = next(iter(gates.values()))
    hidden = len(first.inner)
    if any(
        g.inner.shape != (hidden, x.shape[1]) or g.outer.shape != (hidden, hidden)
        for g in gates.values()
    ):
        raise ConversionError(f"weights that do not fit samples {list(x.shape)}")
    b, source, name = e.builder, e.source, e.layer.name
    seen: dict[str, Ref] = {}
    back: dict[str, Dense] = {}
    for key, gate in gates.items():
        bias = None if gate.bias is None else e.weight(f"{name}.{key}.bias", gate.bias)
        inner = Dense(e.weight(f"{name}.{key}.input_weight", gate.inner), bias)
        seen[key] = b.map(e.fresh(f"{key}.input"), inner, x, source=source)
        late = None if gate.late is None else e.weight(f"{name}.{key}.hidden_bias", gate.late)
        back[key] = Dense(e.weight(f"{name}.{key}.hidden_weight", gate.outer), late)
    zeros = np.zeros((1, hidden))
    h = constant(e, zeros, "initial") if initial is None else initial
    c = memory
    if kind == "lstm" and c is None:
        c = constant(e, zeros, "initial_memory")
    outputs: dict[int, Ref] = {}
    steps = range(x.shape[0])
    for t in reversed(steps) if backwards else steps:
        with e.at(type(e.layer)(f"{name}.step{t}", source)):
            now = {k: select(e, v, 0, [t]) for k, v in seen.items()}
            h, c = _step(e, kind, now, back, h, c, reset_after, function)
        outputs[t] = h
    parts = [outputs[t] for t in steps]
    sequence = parts[0] if len(parts) == 1 else b.concat(e.fresh(), *parts, axis=0, source=source)
    return Unrolled(sequence, h, c)


def _step(
    e: Emitter,
    kind: str,
    x: Mapping[str, Ref],
    back: Mapping[str, Dense],
    h: Ref,
    c: Ref | None,
    reset_after: bool,
    function: str,
) -> tuple[Ref, Ref | None]:
    b, source = e.builder, e.source

    def weighted(keys: Sequence[str], of: Ref) -> list[Ref]:
        return [b.map(e.fresh(f"{k}.hidden"), back[k], of, source=source) for k in keys]

    if kind == "rnn":
        options: dict[str, str | int | bool] = {"function": function}
        [held] = weighted("x", h)
        return b.cell(e.fresh(), "rnn_step", x["x"], held, options=options, source=source), None
    if kind == "lstm" and c is not None:
        arrived = [*(x[k] for k in "ifgo"), *weighted("ifgo", h), c]
        made = b.cell(e.fresh(), "lstm_step", *arrived, source=source)
        return made, b.state(made, "c")
    h_r, h_z = weighted("rz", h)
    kept = (
        h if reset_after else b.cell(e.fresh("reset"), "reset_gate", x["r"], h_r, h, source=source)
    )
    [h_n] = weighted("n", kept)
    arrived = [x["z"], x["n"], h_z, h_n, h, x["r"], h_r]
    made = b.cell(
        e.fresh(), "gru_step", *arrived, options={"reset_after": reset_after}, source=source
    )
    return made, None
