"""The torch evaluator of cell programs: the numpy evaluator's values, with gradients.

Forward values are bit-identical to `neurodeploy.semantics.numpy_eval` for bool, float32, float64
and int64. Gradients:

====================================  ==========================================================
``fire``                              the surrogate gradient of its margin
``& | ~``, ``where`` of conditions    that of ``ab``, ``a + b - ab``, ``1 - a``, ``ca + (1 - c)b``
``where``                             to the chosen branch; to a spike as condition ``a - b``
``> >= < <= == !=``                   none
``floor``, ``rint``                   straight through (1)
``to_int``, all integer operations    none; so ``exp`` and its like, which find their exponent
                                      with ``to_int``, have their true derivative
``stop_gradient``                     none
``+ - * / neg sqrt lookup to_float``  their derivative
====================================  ==========================================================

A condition is a bool tensor, or, where it carries a gradient, a float tensor of 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from neurodeploy.errors import Finding, GraphError
from neurodeploy.semantics.program import Instr, Program
from neurodeploy.semantics.random import GOLDEN, MULTIPLIERS
from neurodeploy.semantics.surrogate import Surrogate, surrogate
from neurodeploy.semantics.torch_autograd import exact_sqrt, fire, select, straight_through
from neurodeploy.semantics.types import Bool, Float, Int, Type

__all__ = ["TorchFrame", "evaluate", "random_words", "torch_dtype"]


@dataclass(frozen=True)
class TorchFrame:
    """What a program reads at one step; tensors of one device that broadcast.

    Attributes:
        inputs: Values of the inputs, by name.
        params: Values of the parameters at this step, by name.
        states: Values of the states before the step, by name.
        step: Number of the step.
        index: Flat neuron index, of the cell's shape.
        sample: Ordinal of each sample in the run, shaped to broadcast.
        seed: Seed of the run.
        stream: Random stream of the node.
        surrogate: Derivative of the spikes.
    """

    inputs: Mapping[str, Tensor]
    params: Mapping[str, Tensor]
    states: Mapping[str, Tensor]
    step: int = 0
    index: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.int64))
    sample: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.int64))
    seed: int = 0
    stream: int = 0
    surrogate: Surrogate = field(default_factory=surrogate)


def torch_dtype(kind: Type) -> torch.dtype:
    """Give the torch type in which values of ``kind`` are computed."""
    if isinstance(kind, Bool):
        return torch.bool
    if isinstance(kind, Float):
        return torch.float32 if kind.bits == 32 else torch.float64
    return torch.int64


def evaluate(program: Program, frame: TorchFrame) -> list[Tensor]:
    """Give the value of every instruction, in order.

    Raises:
        GraphError: a value leaves the range that a `declare` claimed for it.
    """
    values: list[Tensor] = []
    for instr in program.instrs:
        args = [values[i] for i in instr.args]
        simple = _SIMPLE.get(instr.op)
        values.append(simple(*args) if simple else _SPECIAL[instr.op](instr, args, frame))
    return values


def _leaf(instr: Instr, args: list[Tensor], frame: TorchFrame) -> Tensor:
    where = {"input": frame.inputs, "param": frame.params, "state": frame.states}
    return where[instr.op][str(instr.attr("name"))]


def _const(instr: Instr, args: list[Tensor], frame: TorchFrame) -> Tensor:
    value = instr.attr("value")
    number = float.fromhex(value) if isinstance(value, str) else value
    # on the device of the others: a GPU would divide by a constant of the CPU inexactly
    return torch.tensor(number, dtype=torch_dtype(instr.type), device=frame.index.device)


def _step(instr: Instr, args: list[Tensor], frame: TorchFrame) -> Tensor:
    return torch.tensor(frame.step, dtype=torch.int64, device=frame.index.device)


def _fire(instr: Instr, args: list[Tensor], frame: TorchFrame) -> Tensor:
    strict = bool(instr.attr("strict"))
    return fire(args[0], args[1], strict=strict, surrogate=frame.surrogate)


def _and(a: Tensor, b: Tensor) -> Tensor:
    if a.dtype == b.dtype == torch.bool:
        return a & b
    return a * b


def _or(a: Tensor, b: Tensor) -> Tensor:
    if a.dtype == b.dtype == torch.bool:
        return a | b
    return a + b - a * b


def _not(a: Tensor) -> Tensor:
    return ~a if a.dtype == torch.bool else 1 - a


def _where(condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    if a.dtype != b.dtype:  # two conditions, one of which carries a gradient
        kind = torch.promote_types(a.dtype, b.dtype)
        a, b = a.to(kind), b.to(kind)
    if a.dtype == torch.bool and condition.dtype != torch.bool:
        a, b = a.to(condition.dtype), b.to(condition.dtype)
    return select(condition, a, b)


def _pow2(instr: Instr, args: list[Tensor], frame: TorchFrame) -> Tensor:
    # exact: the exponent is written into the bits
    if instr.attr("bits") == 32:
        return ((args[0] + 127) << 23).to(torch.int32).view(torch.float32)
    return ((args[0] + 1023) << 52).view(torch.float64)


def _to_float(instr: Instr, args: list[Tensor], frame: TorchFrame) -> Tensor:
    return args[0].to(torch_dtype(instr.type))


def _to_int(instr: Instr, args: list[Tensor], frame: TorchFrame) -> Tensor:
    rounded = {"nearest_even": torch.round, "floor": torch.floor, "zero": torch.trunc}[
        str(instr.attr("rounding"))
    ](args[0].detach())
    lo, hi = int(instr.attr("lo")), int(instr.attr("hi"))
    above, below = rounded > lo, rounded < hi
    # NaN is neither: it becomes lo, as in the reference
    whole = torch.where(above & below, rounded, torch.zeros_like(rounded)).to(torch.int64)
    return torch.where(above, torch.where(below, whole, hi), lo)


def _shift_right(instr: Instr, args: list[Tensor], frame: TorchFrame) -> Tensor:
    x, n, rounding = args[0], int(instr.attr("n")), instr.attr("rounding")
    if rounding == "nearest":
        return torch.bitwise_right_shift(x + 2 ** (n - 1), n)
    floor, rest = torch.bitwise_right_shift(x, n), torch.bitwise_and(x, 2**n - 1)
    half, up = 2 ** (n - 1), torch.zeros_like(x, dtype=torch.bool)
    if rounding == "zero":
        up = (x < 0) & (rest != 0)
    elif rounding == "even":
        up = (rest > half) | ((rest == half) & (torch.bitwise_and(floor, 1) == 1))
    return torch.add(floor, up)


def _wrap(instr: Instr, args: list[Tensor], frame: TorchFrame) -> Tensor:
    unused = 64 - int(instr.attr("bits"))
    return (args[0] << unused) >> unused


def _saturate(instr: Instr, args: list[Tensor], frame: TorchFrame) -> Tensor:
    return args[0].clamp(int(instr.attr("lo")), int(instr.attr("hi")))


def _declare(instr: Instr, args: list[Tensor], frame: TorchFrame) -> Tensor:
    x, kind = args[0], instr.type
    if isinstance(kind, Int) and x.numel():
        low, high = int(x.min()), int(x.max())
        if low < kind.lo or high > kind.hi:
            raise GraphError(
                Finding(
                    f"a value declared to lie in [{kind.lo}, {kind.hi}] reaches [{low}, {high}]",
                    hint="widen the declared range",
                )
            )
    return x


def _signed(word: int) -> int:
    """Give 64 bits as the int64 that holds them."""
    return (word + 2**63) % 2**64 - 2**63


def _mix(z: Tensor) -> Tensor:
    for shift, multiplier in ((30, MULTIPLIERS[0]), (27, MULTIPLIERS[1])):
        z = (z ^ _shift_bits(z, shift)) * _signed(multiplier)
    return z ^ _shift_bits(z, 31)


def _shift_bits(z: Tensor, n: int) -> Tensor:
    # int64 shifts bring in copies of the sign: they are masked off
    return torch.bitwise_and(torch.bitwise_right_shift(z, n), 2 ** (64 - n) - 1)


def random_words(
    seed: int, stream: int, sample: Tensor, step: int, index: Tensor, draw: int
) -> Tensor:
    """Give the bits of `neurodeploy.semantics.random.random_words`, in wrapping int64."""
    state = torch.zeros((), dtype=torch.int64, device=index.device)
    words: tuple[int | Tensor, ...] = (seed, stream, sample, step, index, draw)
    for word in words:
        folded = _signed(word) if isinstance(word, int) else word
        state = _mix((state + _signed(GOLDEN)) ^ folded)
    return _shift_bits(state, 32)


def _random(instr: Instr, args: list[Tensor], frame: TorchFrame) -> Tensor:
    return random_words(
        frame.seed, frame.stream, frame.sample, frame.step, frame.index, int(instr.attr("draw"))
    )


_SIMPLE: dict[str, Callable[..., Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "neg": torch.neg,
    "div": torch.div,
    "sqrt": exact_sqrt,
    "floor": lambda x: straight_through(x, torch.floor(x)),
    "rint": lambda x: straight_through(x, torch.round(x)),
    "gt": torch.gt,
    "ge": torch.ge,
    "lt": torch.lt,
    "le": torch.le,
    "eq": torch.eq,
    "ne": torch.ne,
    "and": _and,
    "or": _or,
    "not": _not,
    "where": _where,
    "stop_gradient": lambda x: x.detach(),
}

_SPECIAL: dict[str, Callable[[Instr, list[Tensor], TorchFrame], Tensor]] = {
    "const": _const,
    "input": _leaf,
    "param": _leaf,
    "state": _leaf,
    "step": _step,
    "index": lambda i, a, f: f.index,
    "random_bits": _random,
    "fire": _fire,
    "pow2": _pow2,
    "to_float": _to_float,
    "to_int": _to_int,
    "shift_left": lambda i, a, f: a[0] * 2 ** int(i.attr("n")),
    "shift_right": _shift_right,
    "saturate": _saturate,
    "wrap": _wrap,
    "declare": _declare,
    "floor_div": lambda i, a, f: torch.div(a[0], int(i.attr("by")), rounding_mode="floor"),
    "mod": lambda i, a, f: torch.remainder(a[0], int(i.attr("by"))),
    "lookup": lambda i, a, f: a[0][a[1]],
}
