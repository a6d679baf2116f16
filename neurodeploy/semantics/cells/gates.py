"""Gates of recurrent networks: what one step does after its matrix products.

Each argument ``x_g`` is the weighted input of gate g with its bias, and ``h_g`` the weighted
previous output. Sources: the operator specifications LSTM, GRU and RNN of ONNX, and the
documentation of ``torch.nn``, which agree.
"""

from __future__ import annotations

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, maximum
from neurodeploy.semantics.math import sigmoid, tanh
from neurodeploy.semantics.trace import cell

__all__ = ["gru_step", "lstm_step", "reset_gate", "rnn_step"]


@cell("lstm_step")
def lstm_step(
    p: Leaves,
    s: Leaves,
    x_i: Sym,
    x_f: Sym,
    x_g: Sym,
    x_o: Sym,
    h_i: Sym,
    h_f: Sym,
    h_g: Sym,
    h_o: Sym,
    c: Sym,
) -> dict[str, Sym]:
    """Long short-term memory: ``c' = f * c + i * g`` and ``h' = o * tanh(c')``.

    ``i``, ``f`` and ``o`` are sigmoids of the sums of their two arguments, ``g`` is a tanh
    (Hochreiter and Schmidhuber 1997; Gers et al. 2000 for f).
    """
    carried = sigmoid(x_f + h_f) * c + sigmoid(x_i + h_i) * tanh(x_g + h_g)
    return {"h": sigmoid(x_o + h_o) * tanh(carried), "c": carried}


@cell("gru_step")
def gru_step(
    p: Leaves,
    s: Leaves,
    x_z: Sym,
    x_n: Sym,
    h_z: Sym,
    h_n: Sym,
    h: Sym,
    x_r: Sym,
    h_r: Sym,
    *,
    reset_after: bool = True,
) -> Sym:
    """Gated recurrent unit: ``h' = (1 - z) * n + z * h`` (Cho et al. 2014).

    ``z`` and ``r`` are sigmoids. With ``reset_after``, as in torch, ``n = tanh(x_n + r * h_n)``;
    else the reset gate was applied before the matrix product (`reset_gate`), and
    ``n = tanh(x_n + h_n)``.
    """
    z = sigmoid(x_z + h_z)
    kept = sigmoid(x_r + h_r) * h_n if reset_after else h_n
    n = tanh(x_n + kept)
    return (1 - z) * n + z * h


@cell("reset_gate")
def reset_gate(p: Leaves, s: Leaves, x_r: Sym, h_r: Sym, h: Sym) -> Sym:
    """Previous output of a gated recurrent unit, reset: ``sigmoid(x_r + h_r) * h``."""
    return sigmoid(x_r + h_r) * h


@cell("rnn_step")
def rnn_step(p: Leaves, s: Leaves, x: Sym, h: Sym, *, function: str = "tanh") -> Sym:
    """Plain recurrence: ``tanh(x + h)``, or ``max(x + h, 0)`` with ``function="relu"``.

    Raises:
        SemanticsError: another function.
    """
    if function not in ("tanh", "relu"):
        raise SemanticsError(f"function={function!r}", hint="tanh or relu")
    return tanh(x + h) if function == "tanh" else maximum(x + h, 0)
