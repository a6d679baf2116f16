"""Random well-typed cell programs.

They are what any evaluator of the expression language is tested with: every operation, integer
ranges up to 64 bits, and constants from where arithmetics differ. What they read is drawn in
`neurodeploy.testing.random_cells`.

>>> import numpy as np
>>> random_program(np.random.default_rng(1)).outputs != ()
True

`programs` is the same as a hypothesis strategy, which shrinks what fails (extra ``test``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics.program import Attr, Port, Program, ProgramBuilder
from neurodeploy.semantics.rules import ROUNDINGS, SHIFT_ROUNDINGS
from neurodeploy.semantics.types import BOOL, F32, F64, INT64_MAX, INT64_MIN, Float, Int, Type

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["EXTREMES", "FLOATS", "TABLE_SIZE", "programs", "random_program"]

# takes one of several: the only way in which chance comes in
Choose = Callable[[Sequence[Any]], Any]

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
REAL = ("div", "sqrt", "floor", "rint")
NUMBERS = ("add", "sub", "mul", "neg", "add", "sub", "mul", *REAL)
COMPARISONS = ("gt", "ge", "lt", "le", "eq", "ne", "fire")
LOGIC = ("and", "or", "not")
ACROSS = ("to_float", "to_int", "pow2", "step", "index", "random_bits", "const", "lookup")
INTEGERS = ("shift_left", "shift_right", "saturate", "wrap", "declare", "floor_div", "mod")
OPERATIONS = (*NUMBERS, *COMPARISONS, *LOGIC, "where", "where", "stop_gradient", *ACROSS, *INTEGERS)
DIVISORS = (1, 2, 3, 7, 64, 97, 255, 2**20, 2**31 + 1, 2**62)
YES_NO = (False, True)
TABLE_SIZE = 5


@dataclass
class _Writer:
    """Adds random instructions to a program; an operation that has no operands is left out."""

    choose: Choose
    builder: ProgramBuilder
    table: int

    def _pool(self, wanted: Callable[[Type], bool]) -> list[int]:
        instrs = self.builder.instrs
        return [i for i, instr in enumerate(instrs) if i != self.table and wanted(instr.type)]

    def pick(self, wanted: Callable[[Type], bool]) -> int | None:
        """Draw a value of a wanted type."""
        pool = self._pool(wanted)
        if not pool:
            return None
        # recent values most often, so that programs grow deep rather than wide
        back = range(len(pool))
        late: int = min(self.choose(back), self.choose(back))
        return pool[-1 - late]

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
        op = self.choose(OPERATIONS)
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
        real = op in REAL or self.choose(YES_NO)
        a = self.pick(lambda t: isinstance(t, Float) if real else t != BOOL)
        if a is None:
            return
        b = () if op in ("neg", "sqrt", "floor", "rint") else (self.like(a),)
        attrs: dict[str, Attr] = {"strict": self.choose(YES_NO)} if op == "fire" else {}
        if self.emit(op, a, *b, **attrs) is None:  # the result may not fit 64 bits
            self.emit(op, *(self.held(i, -(2**30), 2**30) for i in (a, *b)), **attrs)

    def _on_integer(self, op: str) -> None:
        x = self.integer()
        if x is None:
            return
        small = self.held(x, -(2**31), 2**31)
        if op == "shift_left":
            self.emit(op, small, n=self.choose(range(32)))
        elif op == "shift_right":
            n, rounding = self.choose(range(1, 63)), self.choose(SHIFT_ROUNDINGS)
            if self.emit(op, x, n=n, rounding=rounding) is None:
                self.emit(op, small, n=n, rounding=rounding)
        elif op == "saturate":
            self.held(x, *self._bounds())
        elif op == "wrap":
            self.emit(op, x, bits=self.choose(range(1, 65)))
        elif op == "declare":  # what is believed must be true
            kind = self.builder.instrs[x].type
            if isinstance(kind, Int):
                self.emit(op, x, lo=kind.lo, hi=kind.hi)
        else:
            self.emit(op, x, by=self.choose(DIVISORS))

    def _across(self, op: str) -> None:
        bits = self.choose((32, 32, 64))
        if op == "to_float":
            self.emit(op, self.pick(lambda t: t != BOOL), bits=bits)
        elif op == "to_int":
            x = self.pick(lambda t: isinstance(t, Float))
            self._to_int(x)
        elif op == "pow2":
            lo, hi = (-126, 127) if bits == 32 else (-1022, 1023)
            self.emit(op, self.held(self.integer(), lo, hi), bits=bits)
        elif op == "random_bits":
            self.emit(op, draw=self.choose(range(4)))
        elif op == "lookup":
            self.emit(op, self.table, self.held(self.integer(), 0, TABLE_SIZE - 1))
        elif op == "const":
            self._constant(bits)
        else:
            self.emit(op)

    def _bounds(self) -> tuple[int, int]:
        """Draw where to saturate: what a type holds, one side of it, or what is nearly a point."""
        kind = self.choose(RANGES)
        near, power = self.choose(range(1000)), 2 ** self.choose(range(1, 63))
        both = (kind.lo, kind.hi)
        sides = ((-power, near), (-near, power), (power, power + 5), (-power - 7, -power))
        bounds: tuple[int, int] = self.choose((both, both, *sides))
        return bounds

    def _to_int(self, x: int | None) -> None:
        if x is None:
            return
        kind = self.builder.instrs[x].type
        wide = isinstance(kind, Float) and kind.bits == 64
        span = self.choose((1, 7, 255, 2**24, *((2**31, 2**53) if wide else ())))
        lo = self.choose((0, -span, -span + 1))
        self.emit("to_int", x, rounding=self.choose(ROUNDINGS), lo=lo, hi=span)

    def _constant(self, bits: int) -> None:
        kind = self.choose(("float", "float", "int", "bool"))
        if kind == "bool":
            self.emit("const", kind=kind, value=self.choose(YES_NO))
        elif kind == "int":
            ends = self.choose(RANGES)
            self.emit("const", kind=kind, value=self.choose((ends.lo, ends.hi, 3)))
        else:
            number = self.choose((*FLOATS, *EXTREMES[bits], self.choose(range(-3000, 3001)) / 997))
            rounded = float(np.float32(number) if bits == 32 else number)
            self.emit("const", kind=f"f{bits}", value=rounded.hex())

    def matching(self, kind: Type) -> int | None:
        """Give a value that can be stored as ``kind``."""
        if isinstance(kind, Int):
            return self.held(self.integer(), kind.lo, kind.hi)
        return self.pick(lambda t: t == kind)


def random_program(
    rng: np.random.Generator, *, operations: int | None = None, all_outputs: bool = False
) -> Program:
    """Draw a program: 1 to 3 inputs, some parameters, a table, some states, random operations.

    Whatever no other instruction reads is an output, so that every operation matters.

    Args:
        rng: Where chance comes from; the same generator state gives the same program.
        operations: Number of operations that are tried; by default drawn, 1 to 25.
        all_outputs: Make every value an output, so that no error hides behind a later operation.
    """

    def choose(options: Sequence[Any]) -> Any:
        return options[int(rng.integers(len(options)))]

    count = choose(range(1, 26)) if operations is None else operations
    return _program(choose, count, all_outputs=all_outputs)


def programs(*, max_operations: int = 25) -> SearchStrategy[Program]:
    """Give `random_program` as a hypothesis strategy, which shrinks to fewer operations.

    Args:
        max_operations: Upper bound of the number of operations that are tried.

    Raises:
        ImportError: hypothesis is not installed.
    """
    from hypothesis import strategies as st

    @st.composite
    def program(draw: Callable[[SearchStrategy[Any]], Any]) -> Program:
        count = draw(st.integers(1, max_operations))
        return _program(lambda options: draw(st.sampled_from(options)), count)

    return program()


def _program(choose: Choose, operations: int, *, all_outputs: bool = False) -> Program:
    types = (F32, F32, F32, F64, BOOL, *RANGES)
    inputs = tuple(Port(f"x{i}", choose(types)) for i in range(choose((1, 2, 3))))
    params = {f"p{i}": choose(types) for i in range(choose(range(4)))}
    params["table"] = choose((F32, F64, Int(-8, 7)))
    states = {f"s{i}": choose(types) for i in range(choose(range(4)))}
    builder = ProgramBuilder(inputs=inputs, params=params, states=dict(states))
    table = builder.emit("param", name="table")
    writer = _Writer(choose, builder, table)
    for port in inputs:
        builder.emit("input", name=port.name)
    for name in params:
        builder.emit("param", name=name)
    for name in states:
        builder.emit("state", name=name)
    for _ in range(operations):
        writer.grow()
    updates = {name: writer.matching(kind) for name, kind in states.items()}
    used = {table, *updates.values(), *(a for instr in builder.instrs for a in instr.args)}
    hidden = {table} if all_outputs else used
    # nothing is dropped: what no other instruction reads is an output
    shown = [i for i in range(len(builder.instrs)) if i not in hidden]
    return builder.finish(
        {f"out{n}" if n else "out": i for n, i in enumerate(shown or [len(builder.instrs) - 1])},
        {name: index for name, index in updates.items() if index is not None},
    )
