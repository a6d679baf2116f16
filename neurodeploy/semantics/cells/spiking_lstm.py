"""The spiking LSTM: gates that drive a membrane."""

from __future__ import annotations

from neurodeploy.semantics.cells.firing import FIRING, Firing, firing_cell
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym
from neurodeploy.semantics.math import sigmoid, tanh
from neurodeploy.semantics.trace import State

__all__ = ["spiking_lstm"]


@firing_cell("spiking_lstm", states={"c": 0.0})
def spiking_lstm(
    p: Leaves,
    s: Leaves,
    x_i: Sym,
    x_f: Sym,
    x_g: Sym,
    x_o: Sym,
    *,
    firing: Firing = FIRING,
) -> tuple[Sym, State]:
    """LSTM whose output is a membrane: ``c = f * c + i * g`` and ``v = o * tanh(c)``; float32.

    ``i``, ``f`` and ``o`` are sigmoids of their inputs, ``g`` is a tanh. The inputs hold what the
    maps make of the signal and of the membrane of the last step (the state ``v``, over an edge
    of delay 1). The membrane has no memory of its own, so that ``timing`` next_before resets
    nothing; a reset leaves ``c`` alone.

    Source: snnTorch 1.0.0, SLSTM and SConv2dLSTM (next_after).
    """
    c = sigmoid(x_f) * s.c + sigmoid(x_i) * tanh(x_g)
    done = firing.step(p, s, lambda v: sigmoid(x_o) * tanh(c), threshold=p.threshold)
    return done.out, State(c=c, **done.states)
