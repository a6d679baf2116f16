"""Random well-typed cell programs, and what they read, as hypothesis strategies.

They are what any evaluator of the expression language is tested with: every operation, integer
ranges up to 64 bits, and the values at which arithmetics differ (subnormals, signed zeros, halves,
the ends of ranges, overflow to infinity). Needs hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics.numpy_eval import Frame
from neurodeploy.semantics.program import Attr, Port, Program, ProgramBuilder
from neurodeploy.semantics.rules import ROUNDINGS, SHIFT_ROUNDINGS
from neurodeploy.semantics.types import BOOL, F32, F64, INT64_MAX, INT64_MIN, Float, Int, Type

__all__ = ["frames", "programs"]

Array = npt.NDArray[Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]

RANGES = (
    Int(0, 1),
    Int(-8, 7),
    Int(0, 255),
    Int(-3000, 17),
    Int(-(2**23) + 1, 2**23),
    Int(-(2**31), 2**31 - 1),
    Int(-(2**40), 2**50),
    Int(INT64_MIN, INT64_MAX),
)
# zeros, halves, neighbours of 1, large and small ends of both formats (clipped to the narrower)
FLOATS = (
    0.0,
    -0.0,
    0.5,
    -0.5,
    1.0,
    -1.0,
    1.5,
    2.5,
    -2.5,
    1.0000001,
    0.99999994,
    8388609.5,
)
EXTREMES = {
    32: (1e-45, -1e-45, 1.1754942e-38, 1.1754944e-38, 3.4028235e38, -3.4028235e38, 1.5e-23),
    64: (5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1.5e-160, 2.0**53),
}
NUMBERS = ("add", "sub", "mul", "neg", "div", "sqrt", "floor", "rint")
COMPARISONS = ("gt", "ge", "lt", "le", "eq", "ne", "fire")
LOGIC = ("and", "or", "not")
ACROSS = ("to_float", "to_int", "pow2", "step", "index", "random_bits", "const", "lookup")
INTEGERS = ("shift_left", "shift_right", "saturate", "wrap", "declare", "floor_div", "mod")
OPERATIONS = (*NUMBERS, *COMPARISONS, *LOGIC, "where", "where", "stop_gradient", *ACROSS, *INTEGERS)
TABLE_SIZE = 5


@dataclass
class _Writer:
    """Adds random instructions to a program; an operation that has no operands is left out."""

    draw: Draw
    builder: ProgramBuilder
    table: int

    def _pool(self, wanted: Callable[[Type], bool]) -> list[int]:
        instrs = self.builder.instrs
        return [i for i, instr in enumerate(instrs) if i != self.table and wanted(instr.type)]

    def pick(self, wanted: Callable[[Type], bool]) -> int | None:
        """Draw a value of a wanted type."""
        pool = self._pool(wanted)
        # recent values first, so that programs grow deep rather than wide
        return pool[-1 - self.draw(st.integers(0, len(pool) - 1))] if pool else None

    def emit(self, op: str, *args: int | None, **attrs: Attr) -> int | None:
        """Emit an instruction, or nothing where the type rules refuse it."""
        given = tuple(a for a in args if a is not None)
        if len(given) != len(args):
            return None
        try:
            return self.builder.emit(op, given, **attrs)
        except SemanticsError:
            return None

    def held(self, index: int | None, lo: int, hi: int) -> int | None:
        """Saturate an integer."""
        return self.emit("saturate", index, lo=lo, hi=hi)

    def integer(self) -> int | None:
        """Draw an integer."""
        return self.pick(lambda t: isinstance(t, Int))

    def like(self, index: int) -> int | None:
        """Draw a value that goes with another one."""
        kind = self.builder.instrs[index].type
        return self.pick(lambda t: t == kind or (isinstance(t, Int) and isinstance(kind, Int)))

    def grow(self) -> None:
        """Add one random operation."""
        op = self.draw(st.sampled_from(OPERATIONS))
        if op in INTEGERS:
            self._on_integer(op)
        elif op in ACROSS:
            self._across(op)
        elif op in LOGIC:
            args = [self.pick(lambda t: t == BOOL) for _ in range(1 if op == "not" else 2)]
            self.emit(op, *args)
        elif op == "where":
            a = self.pick(lambda t: True)
            self.emit(op, self.pick(lambda t: t == BOOL), a, None if a is None else self.like(a))
        elif op == "stop_gradient":
            self.emit(op, self.pick(lambda t: True))
        else:
            self._on_numbers(op)

    def _on_numbers(self, op: str) -> None:
        a = self.pick(lambda t: t != BOOL)
        if a is None:
            return
        b = () if op in ("neg", "sqrt", "floor", "rint") else (self.like(a),)
        attrs: dict[str, Attr] = {"strict": self.draw(st.booleans())} if op == "fire" else {}
        if self.emit(op, a, *b, **attrs) is None:  # the result may not fit 64 bits
            self.emit(op, *(self.held(i, -(2**30), 2**30) for i in (a, *b)), **attrs)

    def _on_integer(self, op: str) -> None:
        x = self.integer()
        if x is None:
            return
        small = self.held(x, -(2**31), 2**31)
        bound = self.draw(st.sampled_from(RANGES))
        if op == "shift_left":
            self.emit(op, small, n=self.draw(st.integers(0, 31)))
        elif op == "shift_right":
            n, rounding = self.draw(st.integers(1, 62)), self.draw(st.sampled_from(SHIFT_ROUNDINGS))
            if self.emit(op, x, n=n, rounding=rounding) is None:
                self.emit(op, small, n=n, rounding=rounding)
        elif op == "saturate":
            self.held(x, bound.lo, bound.hi)
        elif op == "wrap":
            self.emit(op, x, bits=self.draw(st.integers(1, 63)))
        elif op == "declare":  # what is believed must be true
            kind = self.builder.instrs[x].type
            if isinstance(kind, Int):
                self.emit(op, x, lo=kind.lo, hi=kind.hi)
        else:
            self.emit(op, x, by=self.draw(st.sampled_from((1, 2, 3, 7, 255, 2**31 + 1, 2**62))))

    def _across(self, op: str) -> None:
        bits = self.draw(st.sampled_from((32, 32, 64)))
        if op == "to_float":
            self.emit(op, self.pick(lambda t: t != BOOL), bits=bits)
        elif op == "to_int":
            x = self.pick(lambda t: isinstance(t, Float))
            span = self.draw(st.sampled_from((7, 255, 2**24)))
            rounding = self.draw(st.sampled_from(ROUNDINGS))
            self.emit(op, x, rounding=rounding, lo=-span + 1, hi=span)
        elif op == "pow2":
            lo, hi = (-126, 127) if bits == 32 else (-1022, 1023)
            self.emit(op, self.held(self.integer(), lo, hi), bits=bits)
        elif op == "random_bits":
            self.emit(op, draw=self.draw(st.integers(0, 3)))
        elif op == "lookup":
            self.emit(op, self.table, self.held(self.integer(), 0, TABLE_SIZE - 1))
        elif op == "const":
            self._constant(bits)
        else:
            self.emit(op)

    def _constant(self, bits: int) -> None:
        kind = self.draw(st.sampled_from(("float", "float", "int", "bool")))
        if kind == "bool":
            self.emit("const", kind=kind, value=self.draw(st.booleans()))
        elif kind == "int":
            ends = self.draw(st.sampled_from(RANGES))
            self.emit("const", kind=kind, value=self.draw(st.sampled_from((ends.lo, ends.hi, 3))))
        else:
            number = self.draw(st.sampled_from(FLOATS + EXTREMES[bits]))
            rounded = float(np.float32(number) if bits == 32 else number)
            self.emit("const", kind=f"f{bits}", value=rounded.hex())

    def matching(self, kind: Type) -> int | None:
        """Give a value that can be stored as ``kind``."""
        if isinstance(kind, Int):
            return self.held(self.integer(), kind.lo, kind.hi)
        return self.pick(lambda t: t == kind)


@st.composite
def programs(draw: Draw, *, max_operations: int = 25) -> Program:
    """Draw a program: 1 to 3 inputs, some parameters, a table, some states, random operations.

    Whatever no other instruction reads is an output, so that every operation matters.

    Args:
        draw: Given by hypothesis.
        max_operations: Upper bound of the number of operations that are tried.
    """
    types = st.sampled_from((F32, F32, F32, F64, BOOL, *RANGES))
    inputs = tuple(Port(f"x{i}", draw(types)) for i in range(draw(st.integers(1, 3))))
    params = {f"p{i}": draw(types) for i in range(draw(st.integers(0, 3)))}
    params["table"] = draw(st.sampled_from((F32, F64, Int(-8, 7))))
    states = {f"s{i}": draw(types) for i in range(draw(st.integers(0, 3)))}
    builder = ProgramBuilder(inputs=inputs, params=params, states=dict(states))
    table = builder.emit("param", name="table")
    writer = _Writer(draw, builder, table)
    for port in inputs:
        builder.emit("input", name=port.name)
    for name in params:
        builder.emit("param", name=name)
    for name in states:
        builder.emit("state", name=name)
    for _ in range(draw(st.integers(1, max_operations))):
        writer.grow()
    updates = {name: writer.matching(kind) for name, kind in states.items()}
    used = {a for instr in builder.instrs for a in instr.args} | {table, *updates.values()}
    # nothing is dropped: what no other instruction reads is an output
    loose = [i for i in range(len(builder.instrs)) if i not in used] or [len(builder.instrs) - 1]
    return builder.finish(
        {f"out{n}" if n else "out": index for n, index in enumerate(loose)},
        {name: index for name, index in updates.items() if index is not None},
    )


def _values(kind: Type, shape: Sequence[int], random: np.random.Generator) -> Array:
    """Give random values of a type, half of them from where arithmetics differ."""
    size = tuple(shape)
    if isinstance(kind, Float):
        edges = np.array(FLOATS + EXTREMES[kind.bits])
        common = random.normal(size=size) * 2.0 ** random.integers(-4, 5, size=size)
        return np.where(random.random(size) < 0.5, random.choice(edges, size), common).astype(
            kind.dtype
        )
    if isinstance(kind, Int):
        middle = min(max(0, kind.lo), kind.hi)
        edges = np.array(
            [kind.lo, kind.hi, middle, max(kind.lo, middle - 1), min(kind.hi, middle + 1)],
            dtype=np.int64,
        )
        common = random.integers(kind.lo, kind.hi, size=size, dtype=np.int64, endpoint=True)
        return np.where(random.random(size) < 0.5, random.choice(edges, size), common)
    return random.random(size) < 0.5


@st.composite
def frames(
    draw: Draw, program: Program, *, samples: int = 3, shape: tuple[int, ...] = (2, 4)
) -> Frame:
    """Draw what ``program`` reads at one step, for ``samples`` samples of a cell of ``shape``.

    Inputs and parameters are of shapes that broadcast; parameters have no sample axis.
    """
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    smaller = st.sampled_from((shape, shape, (1, shape[-1]), (*shape[:-1], 1)))
    thin = st.sampled_from((shape, (shape[-1],), ()))
    return Frame(
        inputs={p.name: _values(p.type, (samples, *draw(smaller)), random) for p in program.inputs},
        params={
            p.name: _values(p.type, (TABLE_SIZE,) if p.name == "table" else draw(thin), random)
            for p in program.params
        },
        states={p.name: _values(p.type, (samples, *shape), random) for p in program.states},
        step=draw(st.sampled_from((0, 1, 1000, 2**31 - 1))),
        index=np.arange(int(np.prod(shape))).reshape(shape),
        sample=np.arange(7, 7 + samples).reshape(-1, *[1] * len(shape)),
        seed=draw(st.sampled_from((0, 1, 2**63 + 5))),
        stream=draw(st.sampled_from((0, 3, 2**40))),
    )
