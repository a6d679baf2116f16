"""The numpy evaluator of cell programs: what the reference runs.

It computes in the declared types: float32 stays float32 in every operation, integers are int64
(which their ranges have been proven to fit). It uses no transcendental function and no
reduction of numpy, so that C can do exactly the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding, GraphError
from neurodeploy.semantics.program import Instr, Program
from neurodeploy.semantics.random import random_words
from neurodeploy.semantics.types import Float, Int

__all__ = ["Frame", "evaluate", "wider"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Frame:
    """What a program reads at one step; arrays broadcast against each other.

    Attributes:
        inputs: Values of the inputs, by name.
        params: Values of the parameters at this step, by name.
        states: Values of the states before the step, by name.
        step: Number of the step.
        index: Flat neuron index, of the cell's shape.
        sample: Ordinal of each sample in the run, shaped to broadcast.
        seed: Seed of the run.
        stream: Random stream of the node.
        widen: Compute floats in the next longer type: the shadow that measures rounding.
        forced: Values of all instructions of the run that a shadow follows; whatever is not a
            float, and every whole number, is taken from there, so that both take the same
            decisions.
    """

    inputs: Mapping[str, Array]
    params: Mapping[str, Array]
    states: Mapping[str, Array]
    step: int = 0
    index: Array = field(default_factory=lambda: np.zeros((), np.int64))
    sample: Array = field(default_factory=lambda: np.zeros((), np.int64))
    seed: int = 0
    stream: int = 0
    widen: bool = False
    forced: Sequence[Array] | None = None


def wider(kind: Float) -> np.dtype[Any]:
    """Give the type in which a shadow computes: float64, or the longest float beyond that.

    Where the machine has no longer float than float64, a float64 graph has no shadow.
    """
    return np.dtype(np.float64) if kind.bits == 32 else np.dtype(np.longdouble)


def evaluate(program: Program, frame: Frame) -> list[Array]:
    """Give the value of every instruction, in order.

    Raises:
        GraphError: a value leaves the range that a `declare` claimed for it.
    """
    values: list[Array] = []
    with np.errstate(all="ignore"):  # overflow gives infinity here as it does in C
        for position, instr in enumerate(program.instrs):
            dtype: np.dtype[Any] = instr.type.dtype
            if frame.widen and isinstance(instr.type, Float):
                dtype = wider(instr.type)
            if frame.forced is not None and _decides(instr):
                values.append(frame.forced[position].astype(dtype))
                continue
            args = [values[i] for i in instr.args]
            values.append(np.asarray(_apply(instr, args, frame, dtype), dtype=dtype))
    return values


def _decides(instr: Instr) -> bool:
    """Say whether a shadow takes the value over: what jumps where its argument does not."""
    return not isinstance(instr.type, Float) or instr.op in ("floor", "rint")


def _apply(instr: Instr, args: list[Array], frame: Frame, dtype: np.dtype[Any]) -> Array:
    if instr.op in _SIMPLE:
        return _SIMPLE[instr.op](*args)
    return _SPECIAL[instr.op](instr, args, frame, dtype)


def _const(instr: Instr, args: list[Array], frame: Frame, dtype: np.dtype[Any]) -> Array:
    value = instr.attr("value")
    return np.asarray(float.fromhex(value) if isinstance(value, str) else value, dtype=dtype)


def _leaf(instr: Instr, args: list[Array], frame: Frame, dtype: np.dtype[Any]) -> Array:
    where = {"input": frame.inputs, "param": frame.params, "state": frame.states}
    return where[instr.op][str(instr.attr("name"))]


def _random(instr: Instr, args: list[Array], frame: Frame, dtype: np.dtype[Any]) -> Array:
    return random_words(
        frame.seed, frame.stream, frame.sample, frame.step, frame.index, int(instr.attr("draw"))
    )


def _fire(instr: Instr, args: list[Array], frame: Frame, dtype: np.dtype[Any]) -> Array:
    return np.greater(*args) if instr.attr("strict") else np.greater_equal(*args)


def _pow2(instr: Instr, args: list[Array], frame: Frame, dtype: np.dtype[Any]) -> Array:
    # exact: the exponent is written into the bits
    n = args[0]
    if instr.attr("bits") == 32:
        single: Array = (np.asarray(n + 127).astype(np.uint32) << np.uint32(23)).view(np.float32)
        return single
    double: Array = (np.asarray(n + 1023).astype(np.uint64) << np.uint64(52)).view(np.float64)
    return double


def _to_int(instr: Instr, args: list[Array], frame: Frame, dtype: np.dtype[Any]) -> Array:
    rounded = {"nearest_even": np.rint, "floor": np.floor, "zero": np.trunc}[
        str(instr.attr("rounding"))
    ](args[0])
    lo, hi = int(instr.attr("lo")), int(instr.attr("hi"))
    inside = np.where(rounded > lo, np.where(rounded < hi, rounded, hi), lo)
    return inside.astype(np.int64)


def _shift_right(instr: Instr, args: list[Array], frame: Frame, dtype: np.dtype[Any]) -> Array:
    x, n, rounding = args[0], int(instr.attr("n")), instr.attr("rounding")
    floor: Array = x >> n
    rest: Array = x & (2**n - 1)
    result: Array = floor
    if rounding == "zero":
        result = floor + ((x < 0) & (rest != 0))
    elif rounding == "nearest":
        result = (x + 2 ** (n - 1)) >> n
    elif rounding == "even":
        half = 2 ** (n - 1)
        result = floor + ((rest > half) | ((rest == half) & ((floor & 1) == 1)))
    return result


def _wrap(instr: Instr, args: list[Array], frame: Frame, dtype: np.dtype[Any]) -> Array:
    bits = int(instr.attr("bits"))
    half = 2 ** (bits - 1)
    low: Array = args[0] & (2**bits - 1)
    return low - np.where(low >= half, np.int64(half) * 2 if bits < 63 else -(2**63), 0)


def _declare(instr: Instr, args: list[Array], frame: Frame, dtype: np.dtype[Any]) -> Array:
    x = args[0]
    kind = instr.type
    if isinstance(kind, Int) and x.size and (int(x.min()) < kind.lo or int(x.max()) > kind.hi):
        raise GraphError(
            Finding(
                f"a value declared to lie in [{kind.lo}, {kind.hi}] reaches "
                f"[{int(x.min())}, {int(x.max())}]",
                hint="widen the declared range",
            )
        )
    return x


def _lookup(instr: Instr, args: list[Array], frame: Frame, dtype: np.dtype[Any]) -> Array:
    return args[0][args[1]]


_SIMPLE: dict[str, Callable[..., Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "neg": np.negative,
    "div": np.divide,
    "sqrt": np.sqrt,
    "floor": np.floor,
    "rint": np.rint,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt": np.less,
    "le": np.less_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "where": np.where,
    "stop_gradient": lambda x: x,
    "to_float": lambda x: x,
}

_SPECIAL: dict[str, Callable[[Instr, list[Array], Frame, np.dtype[Any]], Array]] = {
    "const": _const,
    "input": _leaf,
    "param": _leaf,
    "state": _leaf,
    "step": lambda i, a, f, d: np.asarray(f.step, np.int64),
    "index": lambda i, a, f, d: f.index,
    "random_bits": _random,
    "fire": _fire,
    "pow2": _pow2,
    "to_int": _to_int,
    "shift_left": lambda i, a, f, d: a[0] * np.int64(2 ** int(i.attr("n"))),
    "shift_right": _shift_right,
    "saturate": lambda i, a, f, d: np.clip(a[0], int(i.attr("lo")), int(i.attr("hi"))),
    "wrap": _wrap,
    "declare": _declare,
    "floor_div": lambda i, a, f, d: a[0] // int(i.attr("by")),
    "mod": lambda i, a, f, d: a[0] % int(i.attr("by")),
    "lookup": _lookup,
}
