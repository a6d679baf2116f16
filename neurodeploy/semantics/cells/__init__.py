"""The built-in cells. Importing this package registers them."""

from __future__ import annotations

from neurodeploy.semantics.cells import (
    activations,
    analog,
    arithmetic,
    elementary,
    gates,
    integrators,
    neurons,
    recurrent,
)

__all__ = [
    "ANALOG",
    "BUILTIN",
    "activations",
    "analog",
    "arithmetic",
    "elementary",
    "gates",
    "integrators",
    "neurons",
    "recurrent",
]

BUILTIN = (
    "add",
    "affine",
    "alif",
    "clipped_relu",
    "cuba_li",
    "cuba_lif",
    "if",
    "leaky_relu",
    "li",
    "lif",
    "multiply",
    "recurrent_cuba_lif",
    "recurrent_lif",
    "relu",
    "scale",
    "spike_scale",
    "threshold",
    "to_float",
)

# What analog networks bring. Random graphs leave these out: they are about spikes, and a quotient
# or an exponential of random numbers soon leaves the finite ones.
ANALOG = (
    "abs",
    "clip",
    "compare",
    "constant",
    "divide",
    "elu",
    "erf",
    "exp",
    "gelu",
    "gru_step",
    "hard_sigmoid",
    "hard_swish",
    "inverse_sqrt",
    "log",
    "lstm_step",
    "maximum",
    "minimum",
    "mish",
    "pow",
    "power",
    "reciprocal",
    "reset_gate",
    "rnn_step",
    "round",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "sqrt",
    "subtract",
    "tanh",
    "where",
)
