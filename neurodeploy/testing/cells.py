"""Cells that only random graphs use: users' own neurons, and integer neurons.

Together they use every operation of the expression language that the built-in cells leave out:
random bits, tables, the step and neuron numbers, shifts in every rounding, wrap, floor_div, mod,
conversions, and the transcendental functions that are written in the language. They are never
registered; a node holds their program.
"""

from __future__ import annotations

from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import (
    Sym,
    absolute,
    clip,
    constant,
    declare,
    fire,
    floor_div,
    lookup,
    mod,
    neuron_index,
    random_bits,
    saturate,
    shift_left,
    shift_right,
    sign,
    sqrt,
    step_index,
    to_float,
    to_int,
    where,
    wrap,
)
from neurodeploy.semantics.math import exp, sigmoid, tanh
from neurodeploy.semantics.trace import CellDefinition, State
from neurodeploy.semantics.types import Float, Int

__all__ = ["FLOAT_CELLS", "FLOAT_SPIKING", "INTEGER_CELLS", "INTEGER_SPIKING"]

Result = Sym | tuple[Sym, State]
LOWEST, HIGHEST = -(2**15), 2**15 - 1
WIDEST = 2**40


def _bits(x: Sym) -> int:
    return x.type.bits if isinstance(x.type, Float) else 32


def quadratic(p: Leaves, s: Leaves, x: Sym, *, strict: bool = True) -> tuple[Sym, State]:
    """Quadratic integrate and fire with its two-dimensional recovery, held to [-8, 8]."""
    v = clip(s.v + p.rate * (s.v * (s.v - 0.25) - s.u) + x, -8.0, 8.0)
    spike = fire(v, p.threshold, strict=strict)
    u = s.u + 0.1 * (0.5 * v - s.u)
    return spike, State(v=where(spike, p.reset_value, v), u=where(spike, u + 0.2, u))


def exponential(p: Leaves, s: Leaves, x: Sym, *, gate: str = "exp") -> tuple[Sym, State]:
    """Leaky neuron with a transcendental function in its drive."""
    drive = {
        "exp": lambda: exp(clip(s.v - p.threshold, -8.0, 2.0)) * 0.125,
        "sigmoid": lambda: sigmoid(s.v) * 0.25,
        "tanh": lambda: tanh(s.v) * 0.25,
        "sqrt": lambda: sqrt(absolute(s.v)) * sign(s.v) * 0.25,
    }[gate]()
    v = p.beta * s.v + x + drive
    spike = fire(v, p.threshold, strict=False)
    return spike, State(v=where(spike, v - p.threshold, v))


def escape(p: Leaves, s: Leaves, x: Sym) -> tuple[Sym, State]:
    """Escape noise: fires with a probability of ``clip(v / threshold, 0, 1)``."""
    v = p.beta * s.v + x
    rate = to_int(clip(v / p.threshold, 0.0, 1.0) * 2.0**24, rounding="floor", lo=0, hi=2**24)
    spike = fire(rate, shift_right(random_bits(x, 0), 8, rounding="floor"), strict=True)
    return spike, State(v=where(spike, v - p.threshold, v))


def clocked(p: Leaves, s: Leaves, x: Sym, *, period: int = 3) -> tuple[Sym, State]:
    """Integrates every step, fires only in the steps of its phase; a graded output."""
    v = s.v + x
    phase = mod(step_index(x) + neuron_index(x), period)
    spike = fire(v, p.threshold, strict=False) & (phase == 0)
    return where(spike, v, 0.0), State(v=where(spike, constant(v, 0.0), v))


def tabled(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Activation by a table of eight values."""
    return lookup(p.table, to_int(clip(x, 0.0, 7.0), rounding="nearest_even", lo=0, hi=7))


def integer_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    shift: int = 2,
    rounding: str = "floor",
    overflow: str = "saturate",
    reset: str = "subtract",
    timing: str = "same",
    strict: bool = True,
    refractory: int = 0,
    payload: bool = False,
) -> tuple[Sym, State]:
    """LIF of 16 bits: decay by a shift, saturating or wrapping, every reset and timing."""

    def held(value: Sym) -> Sym:
        if overflow == "wrap":
            return declare(wrap(value, 16), LOWEST, HIGHEST)
        return saturate(value, LOWEST, HIGHEST)

    def after(value: Sym, due: Sym) -> Sym:
        if reset == "none":
            return value
        return held(
            where(due, value - p.threshold if reset == "subtract" else p.reset_value, value)
        )

    past = s.v > p.threshold if strict else s.v >= p.threshold
    before = after(s.v, past) if timing == "next" else s.v
    v = held(before - shift_right(before, shift, rounding=rounding) + x)
    spike = fire(v, p.threshold, strict=strict)
    states = {}
    if refractory:
        spike = spike & (s.rest == 0)
        states["rest"] = where(spike, refractory, saturate(s.rest - 1, 0, 7))
    out = where(spike, 3, 0 * x) if payload else spike
    return out, State(v=v if timing == "next" else after(v, spike), **states)


def integer_adaptive(p: Leaves, s: Leaves, x: Sym) -> tuple[Sym, State]:
    """Integer neuron with an adaptive threshold, a division, and random dither."""
    dither = mod(random_bits(x, 1), 4)
    v = saturate(s.v - floor_div(s.v, 3) + shift_left(x, 1) + dither, LOWEST, HIGHEST)
    spike = fire(v, p.threshold + s.a, strict=True)
    a = saturate(s.a - shift_right(s.a, 3, rounding="zero") + where(spike, p.increment, 0), 0, 4095)
    return spike, State(v=where(spike, 0, v), a=a)


def integer_wide(p: Leaves, s: Leaves, x: Sym) -> tuple[Sym, State]:
    """Integer neuron whose membrane takes 42 bits and whose products take more."""
    kept = shift_right(s.v * 1000003, 20, rounding="nearest")
    v = saturate(kept + shift_left(x, 20), -WIDEST, WIDEST)
    spike = fire(floor_div(v, 2**20), p.threshold, strict=False)
    return spike, State(v=where(spike, v - shift_left(p.threshold, 19), v))


def integer_relu(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Rectified integer, scaled down by a shift that rounds half to even, held to 0 to 63."""
    return saturate(shift_right(x, 2, rounding="even"), 0, 63)


def integer_leak(p: Leaves, s: Leaves, x: Sym) -> tuple[Sym, State]:
    """Integer leaky integrator, read out as a number."""
    v = saturate(s.v - shift_right(s.v, 3, rounding="nearest") + x, LOWEST, HIGHEST)
    return v, State(v=v)


def integer_value(p: Leaves, s: Leaves, x: Sym) -> Sym:
    """Integer as a float, scaled."""
    return to_float(x) * p.scale


_V16 = Int(LOWEST, HIGHEST)
_WHOLE = {"v": 0}

FLOAT_SPIKING = (
    CellDefinition(
        "random_quadratic",
        quadratic,
        params={"rate": 0.3, "threshold": 1.0, "reset_value": 0.0},
        states={"v": 0.0, "u": 0.0},
    ),
    CellDefinition(
        "random_exponential",
        exponential,
        params={"beta": 0.8, "threshold": 1.0},
        states={"v": 0.0},
    ),
    CellDefinition(
        "random_escape", escape, params={"beta": 0.8, "threshold": 1.0}, states={"v": 0.0}
    ),
    CellDefinition("random_clocked", clocked, params={"threshold": 1.0}, states={"v": 0.0}),
)
FLOAT_CELLS = (*FLOAT_SPIKING, CellDefinition("random_table", tabled, params={"table": None}))
INTEGER_SPIKING = (
    CellDefinition(
        "random_integer_lif",
        integer_lif,
        params={"threshold": 8, "reset_value": 0},
        states={"v": 0, "rest": 0},
        state_types={"v": _V16, "rest": Int(0, 7)},
    ),
    CellDefinition(
        "random_integer_adaptive",
        integer_adaptive,
        params={"threshold": 8, "increment": 2},
        states={"v": 0, "a": 0},
        state_types={"v": _V16, "a": Int(0, 4095)},
    ),
    CellDefinition(
        "random_integer_wide",
        integer_wide,
        params={"threshold": 8},
        states={"v": 0},
        state_types={"v": Int(-2 * WIDEST, 2 * WIDEST)},
    ),
)
INTEGER_CELLS = (
    *INTEGER_SPIKING,
    CellDefinition("random_integer_relu", integer_relu),
    CellDefinition("random_integer_leak", integer_leak, states=_WHOLE, state_types={"v": _V16}),
    CellDefinition("random_integer_value", integer_value, params={"scale": 0.125}),
)
