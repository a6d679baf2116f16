r"""Turns the program of a cell into one over integers; the only place that knows fixed point.

All currents and membranes of a cell are whole numbers of one *unit*: the real value of an
integer q is ``q * unit``. The float program is replayed instruction by instruction:

| value | becomes |
| -- | -- |
| parameter, constant, or an expression of them, added to a membrane or compared with it | ``round(value / unit)``, an integer parameter |
| the same as a factor of a membrane | ``round(value * 2**m)`` and a rounding shift by m |
| the same under a ``where`` on a condition | stays undecided until one of the two above asks |
| sum, difference, comparison, ``where``, ``fire`` of membranes | the same on integers |
| product, quotient of two membranes; rounding; exponent of a membrane | refused |

A product is rounded once, to nearest, right where it stands; a state is saturated to its declared
range where it is stored. Both are operations of the language, so they stand in the graph, and
reference, engine and emitted C run them bit for bit.
"""  # noqa: E501  # a table

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import QuantizationError
from neurodeploy.quantize.values import Choice, Fixed, Plain, Static, Value, over_branches
from neurodeploy.semantics import language
from neurodeploy.semantics.language import Sym
from neurodeploy.semantics.numpy_eval import Frame, evaluate
from neurodeploy.semantics.program import Instr, Port, Program, ProgramBuilder
from neurodeploy.semantics.types import Float, Int, Type

__all__ = ["Arrival", "FixedProgram", "Sending", "fixed_point"]

Array = npt.NDArray[Any]
ROUNDING = "nearest"


@dataclass(frozen=True, eq=False)
class Arrival:
    """What arrives at a port: integers that are ``steps`` units each, and a constant on top.

    Attributes:
        type: Range of what arrives.
        steps: Real value of 1, in units of the cell; broadcasts to its shape.
        offset: Real value that is added, or None.
    """

    type: Type
    steps: Array
    offset: Array | None = None


@dataclass(frozen=True)
class Sending:
    """How an output that is a number leaves: ``round(value / step)``, saturated to a range.

    Attributes:
        shift: Binary digits between the unit and the step, ``step = unit * 2**shift``.
        bounds: The range; None for whatever the expression can reach.
        payload: Real value of 1 where the output is a choice of constants (a graded spike).
    """

    shift: int = 0
    bounds: Int | None = None
    payload: float | None = None


@dataclass(frozen=True, eq=False)
class FixedProgram:
    """An integer program and its parameters.

    Attributes:
        program: The program.
        params: By name, whole numbers.
        timed: Names of those with a leading time axis.
    """

    program: Program
    params: Mapping[str, Array]
    timed: frozenset[str]


def fixed_point(
    program: Program,
    params: Mapping[str, Array],
    *,
    unit: float,
    arrivals: Mapping[str, Arrival],
    states: Mapping[str, Int],
    sendings: Mapping[str, Sending],
    factor_bits: int,
    timed: frozenset[str] = frozenset(),
) -> FixedProgram:
    """Turn a float program into an integer one.

    Args:
        program: The program of a cell.
        params: Its parameters, as they are stored.
        unit: Real value of 1 in membranes and currents.
        arrivals: What arrives, by port.
        states: Range of each state that is a float.
        sendings: How each output that is a float leaves.
        factor_bits: Bits of a factor such as a decay.
        timed: Parameters with a leading time axis.

    Raises:
        QuantizationError: an operation has no meaning on integers of one unit.
    """
    replay = _Replay(program, params, unit, arrivals, states, sendings, factor_bits, timed)
    return replay.run()


@dataclass
class _Replay:
    program: Program
    given: Mapping[str, Array]
    unit: float
    arrivals: Mapping[str, Arrival]
    states: Mapping[str, Int]
    sendings: Mapping[str, Sending]
    factor_bits: int
    timed: frozenset[str]

    def __post_init__(self) -> None:
        ports = tuple(Port(p.name, self.arrivals[p.name].type) for p in self.program.inputs)
        kinds = {p.name: self.states.get(p.name, p.type) for p in self.program.states}
        self.builder = ProgramBuilder(inputs=ports, states=kinds)
        self.params: dict[str, Array] = {}
        self.kept: set[str] = set()

    def run(self) -> FixedProgram:
        values: list[Value] = []
        for instr in self.program.instrs:
            values.append(self._value(instr, [values[i] for i in instr.args]))
        outputs = {n: self._sent(n, values[i]).index for n, i in self.program.outputs}
        updates = {n: self._stored(n, values[i]).index for n, i in self.program.updates}
        made = self.builder.finish(outputs, updates)
        used = {p.name for p in made.params}
        params = {n: v for n, v in self.params.items() if n in used}
        return FixedProgram(made, params, frozenset(self.kept & used))

    # -- instructions -------------------------------------------------------------------------

    def _value(self, instr: Instr, args: list[Value]) -> Value:
        if instr.op in ("input", "param", "state"):
            return self._leaf(instr)
        if instr.op == "const" or not args:
            return self._const(instr)
        if all(isinstance(a, Static) for a in args):
            return self._folded(instr, args)
        if all(isinstance(a, Plain) for a in args):
            return Plain(self._emit(instr, args))
        if instr.op in ("stop_gradient",):
            return args[0]
        if instr.op == "where":
            return self._where(args)
        if instr.op in ("mul", "div"):
            return self._product(instr.op, *args)
        if instr.op in _ON_MEMBRANES:
            return self._on_membranes(instr, args)
        raise QuantizationError(
            f"{instr.op} of a value that changes has no integer form",
            hint="keep this layer as floats, or use a neuron of sums, factors and thresholds",
        )

    def _leaf(self, instr: Instr) -> Value:
        name = str(instr.attr("name"))
        if instr.op == "param":
            if not isinstance(instr.type, Float):
                self.params[name] = self.given[name]
                return Plain(self._param(name))
            return Static(self.given[name].astype(np.float64), name)
        leaf = Sym(self.builder, self.builder.emit(instr.op, name=name))
        if not isinstance(instr.type, Float):
            return Plain(leaf)
        if instr.op == "state":
            return Fixed(leaf)
        arrival = self.arrivals[name]
        arrived = self._times(leaf, Static(arrival.steps, f"{name}.steps"))
        if arrival.offset is None:
            return Fixed(arrived)
        return Fixed(arrived + self._fixed(Static(arrival.offset, f"{name}.offset")))

    def _const(self, instr: Instr) -> Value:
        if isinstance(instr.type, Float):
            return Static(np.asarray(float.fromhex(str(instr.attr("value")))))
        return Plain(self._emit(instr, []))

    def _folded(self, instr: Instr, args: list[Value]) -> Value:
        """Compute an expression of parameters alone, in float64."""
        arrays = [a.value for a in args if isinstance(a, Static)]
        names = [a.name for a in args if isinstance(a, Static)]
        if instr.op == "stop_gradient":
            return args[0]
        if self.timed & set(names):
            raise QuantizationError("an expression of parameters that differ from step to step")
        return Static(_computed(instr, arrays), "_".join([*filter(None, names), instr.op]))

    def _where(self, args: list[Value]) -> Value:
        condition, a, b = args
        if not isinstance(condition, Plain):
            raise QuantizationError("a condition on parameters alone")
        if isinstance(a, Plain) and isinstance(b, Plain):
            return Plain(language.where(condition.sym, a.sym, b.sym))
        if not isinstance(a, Fixed | Plain) and not isinstance(b, Fixed | Plain):
            return Choice(condition.sym, a, b)
        return Fixed(language.where(condition.sym, self._fixed(a), self._fixed(b)))

    def _product(self, op: str, a: Value, b: Value) -> Value:
        if isinstance(a, Fixed) and isinstance(b, Fixed):
            raise QuantizationError(
                f"a {'product' if op == 'mul' else 'quotient'} of two values that change",
                hint="a quadratic neuron has no integer form of one unit",
            )
        if op == "div":
            if isinstance(b, Fixed):
                raise QuantizationError("a quotient by a value that changes")
            b = over_branches(b, lambda s: Static(1.0 / s.value, f"{s.name or 'k'}_inverse"))
        if isinstance(b, Fixed):
            a, b = b, a
        if isinstance(a, Fixed):
            return Fixed(self._scaled(a.sym, b))
        return _times_static(a, b)

    def _scaled(self, x: Sym, factor: Value) -> Sym:
        if isinstance(factor, Choice):
            a, b = self._scaled(x, factor.a), self._scaled(x, factor.b)
            return language.where(factor.condition, a, b)
        if isinstance(factor, Static):
            return self._times(x, factor)
        raise QuantizationError("a factor that is neither a parameter nor a choice of parameters")

    def _on_membranes(self, instr: Instr, args: list[Value]) -> Value:
        made = self._emit(instr, [Plain(self._fixed(a)) for a in args])
        return Plain(made) if instr.op in _COMPARES else Fixed(made)

    # -- integers -----------------------------------------------------------------------------

    def _emit(self, instr: Instr, args: list[Value]) -> Sym:
        at = tuple(a.sym.index for a in args if isinstance(a, Plain))
        return Sym(self.builder, self.builder.emit(instr.op, at, **dict(instr.attrs)))

    def _fixed(self, value: Value, unit: float | None = None) -> Sym:
        """Give a value as a whole number of units."""
        if isinstance(value, Fixed):
            return value.sym
        if isinstance(value, Choice):
            a, b = self._fixed(value.a, unit), self._fixed(value.b, unit)
            return language.where(value.condition, a, b)
        if isinstance(value, Static):
            return self._whole(np.rint(value.value / (unit or self.unit)), value.name)
        raise QuantizationError("a condition stands where a number is due")

    def _times(self, x: Sym, factor: Static) -> Sym:
        """Give ``round(factor * x)``; exact where all factors are whole numbers."""
        values = factor.value
        if (values == 1).all():
            return x
        if (values == np.rint(values)).all() and np.abs(values).max(initial=0) < 2**31:
            return x * self._whole(values, factor.name)
        digits = self.factor_bits - _magnitude(values)
        if digits < 1:
            return x * self._whole(np.rint(values), factor.name)
        product = x * self._whole(np.rint(np.ldexp(values, digits)), factor.name)
        return language.shift_right(product, digits, rounding=ROUNDING)

    def _whole(self, values: Array, name: str) -> Sym:
        """Give whole numbers as a constant, or as a parameter where they differ or have a name."""
        if not np.isfinite(values).all() or np.abs(values).max(initial=0) >= 2**62:
            raise QuantizationError(
                f"{name or 'a constant'} of {np.abs(values).max():.3g} units leaves 64 bits",
                hint="a larger unit: fewer bits of state, or a wider range",
            )
        whole = values.astype(np.int64)
        if not name:
            return Sym(self.builder, self.builder.emit("const", kind="int", value=int(whole)))
        wanted, number = name, 2
        while name in self.params and not np.array_equal(self.params[name], whole):
            name, number = f"{wanted}.{number}", number + 1
        self.params[name] = whole
        if wanted in self.timed:
            self.kept.add(name)
        return self._param(name)

    def _param(self, name: str) -> Sym:
        values = self.params[name]
        if values.dtype.kind == "b":
            self.builder.params[name] = next(p.type for p in self.program.params if p.name == name)
        else:
            self.builder.params[name] = Int(int(values.min()), int(values.max()))
        return Sym(self.builder, self.builder.emit("param", name=name))

    # -- results ------------------------------------------------------------------------------

    def _stored(self, name: str, value: Value) -> Sym:
        if name not in self.states:
            if isinstance(value, Plain):
                return value.sym
            raise QuantizationError(f"the state {name!r} takes a number")
        bounds = self.states[name]
        return language.saturate(self._fixed(value), bounds.lo, bounds.hi)

    def _sent(self, name: str, value: Value) -> Sym:
        if isinstance(value, Plain):
            return value.sym
        sending = self.sendings[name]
        if not isinstance(value, Fixed) and sending.payload is not None:
            return self._fixed(value, sending.payload)
        sent = self._fixed(value)
        if sending.shift:
            sent = language.shift_right(sent, sending.shift, rounding=ROUNDING)
        if sending.bounds is not None:
            sent = language.saturate(sent, sending.bounds.lo, sending.bounds.hi)
        return sent


_COMPARES = frozenset({"gt", "ge", "lt", "le", "eq", "ne", "fire"})
_ON_MEMBRANES = frozenset({"add", "sub", "neg"}) | _COMPARES


def _times_static(a: Value, b: Value) -> Value:
    """Multiply choices and parameters."""
    if isinstance(a, Choice):
        return over_branches(a, lambda s: _times_static(s, b))
    if isinstance(b, Choice):
        return over_branches(b, lambda s: _times_static(a, s))
    if isinstance(a, Static) and isinstance(b, Static):
        name = "_".join(n for n in (a.name, b.name) if n)
        return Static(a.value * b.value, name)
    raise QuantizationError("a condition stands in a product")


def _magnitude(values: Array) -> int:
    """Give the binary digits before the point of the largest value.

    >>> _magnitude(np.array([0.9])), _magnitude(np.array([1.0, -3.0]))
    (0, 2)
    """
    largest = float(np.abs(values).max(initial=0))
    return max(0, math.frexp(largest)[1]) if largest else 0


def _computed(instr: Instr, arrays: list[Array]) -> Array:
    """Compute one instruction on arrays of float64."""
    names = [f"a{k}" for k in range(len(arrays))]
    ports = tuple(Port(n, Float(64)) for n in names)
    b = ProgramBuilder(inputs=ports)
    at = tuple(b.emit("input", name=n) for n in names)
    b.emit(instr.op, at, **dict(instr.attrs))
    one = Program(tuple(b.instrs), ports, (), (), (), ())
    given = dict(zip(names, arrays, strict=True))
    return evaluate(one, Frame(inputs=given, params={}, states={}))[-1]
