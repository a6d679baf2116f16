"""Cells whose functions are drawn at random over the whole expression language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neurodeploy.errors import SemanticsError
from neurodeploy.ir import BOOL, F32, F64, Graph, GraphBuilder, QType, tensor
from neurodeploy.semantics import language as nd
from neurodeploy.semantics.language import Sym
from neurodeploy.semantics.trace import CellDefinition, State
from neurodeploy.semantics.types import Bool, Float, Int

__all__ = ["INPUT_TYPES", "draw_cell_graph", "extreme_inputs"]

INPUT_TYPES: dict[str, Any] = {
    "small": QType(-128, 127),
    "word": QType(-(2**31), 2**31 - 1),
    "long": QType(-(2**63), 2**63 - 1),
    "count": QType(0, 1000),
    "single": F32,
    "other": F32,
    "double": F64,
    "flag": BOOL,
}
SHAPE = (4, 6)
TABLE = 9
Maker = Callable[["Drawn", Sym], Sym]


class Drawn:
    """The values drawn so far, by type."""

    def __init__(self, rng: np.random.Generator, values: list[Sym]) -> None:
        self.rng = rng
        self.values = values

    def number(self, lo: int, hi: int) -> int:
        return int(self.rng.integers(lo, hi))

    def like(self, kind: type) -> Sym:
        found = [v for v in self.values if isinstance(v.type, kind)]
        # late values more often: expressions grow deep
        at = len(found) - 1 - min(self.number(0, len(found)), self.number(0, len(found)))
        return found[at]

    def same(self, x: Sym) -> Sym:
        kind = x.type
        if isinstance(kind, Int):
            return self.like(Int)
        found = [v for v in self.values if v.type == kind]
        return found[self.number(0, len(found))]


def _integer(d: Drawn, x: Sym) -> Sym:
    y, n = d.like(Int), d.number(1, 63)
    rounding = ("floor", "zero", "nearest", "even")[d.number(0, 4)]
    bits = d.number(1, 64)
    bound = int(2 ** d.number(1, 62))
    makers: tuple[Callable[[], Sym], ...] = (
        lambda: x + y,
        lambda: x - y,
        lambda: x * y,
        lambda: -x,
        lambda: nd.shift_left(x, d.number(0, 20)),
        lambda: nd.shift_right(x, n if n < 40 else n // 3 + 1, rounding=rounding),
        lambda: nd.shift_right(x, d.number(1, 8), rounding=rounding),
        lambda: nd.saturate(x, -bound, d.number(0, 1000)),
        lambda: nd.saturate(x, d.number(-1000, 10), bound),
        lambda: nd.saturate(x, bound, bound + 5),
        lambda: nd.saturate(x, -bound - 7, -bound),
        lambda: nd.wrap(x, bits),
        lambda: nd.wrap(x, d.number(1, 34)),
        lambda: nd.floor_div(x, d.number(1, 100)),
        lambda: nd.floor_div(x, bound),
        lambda: nd.mod(x, d.number(1, 100)),
        lambda: nd.mod(x, bound),
        lambda: nd.where(d.like(Bool), x, y),
        lambda: nd.minimum(x, y),
        lambda: nd.maximum(x, d.number(-5, 5)),
        lambda: nd.absolute(x),
        lambda: nd.sign(x),
        lambda: nd.step_index(x),
        lambda: nd.neuron_index(x),
        lambda: nd.random_bits(x, d.number(0, 4)),
    )
    return makers[d.number(0, len(makers))]()


def _real(d: Drawn, x: Sym) -> Sym:
    y = d.same(x)
    bits = 32 if x.type == Float(32) else 64
    low = d.number(-126, 100)
    exponent = nd.saturate(d.like(Int), low, low + d.number(0, 27))
    makers: tuple[Callable[[], Sym], ...] = (
        lambda: x + y,
        lambda: x - y,
        lambda: x * y,
        lambda: x / y,
        lambda: x * float(d.rng.normal()),
        lambda: x + float(d.rng.normal()),
        lambda: -x,
        lambda: nd.sqrt(nd.absolute(x)),
        lambda: nd.sqrt(x),
        lambda: nd.floor(x),
        lambda: nd.rint(x),
        lambda: nd.where(d.like(Bool), x, y),
        lambda: nd.where(d.like(Bool), x, 0),
        lambda: nd.minimum(x, y),
        lambda: nd.clip(x, -0.5, 2.0),
        lambda: nd.sign(x),
        lambda: nd.pow2(exponent, bits=bits),
        lambda: nd.to_float(d.like(Int), bits=bits),
        lambda: nd.to_float(d.like(Float), bits=bits),
        lambda: nd.stop_gradient(x),
    )
    return makers[d.number(0, len(makers))]()


def _cast(d: Drawn, x: Sym) -> Sym:
    rounding = ("nearest_even", "floor", "zero")[d.number(0, 3)]
    hi = int(2 ** d.number(0, 25)) if x.type == Float(32) else int(2 ** d.number(0, 54))
    return nd.to_int(x, rounding=rounding, lo=-d.number(0, 2) * hi, hi=hi)


def _condition(d: Drawn, x: Sym) -> Sym:
    y, a, b = d.same(x), d.like(Bool), d.like(Bool)
    makers: tuple[Callable[[], Sym], ...] = (
        lambda: x > y,
        lambda: x >= y,
        lambda: x < y,
        lambda: x <= y,
        lambda: x == y,
        lambda: x != y,
        lambda: nd.fire(x, y, strict=bool(d.number(0, 2))),
        lambda: a & b,
        lambda: a | b,
        lambda: ~a,
        lambda: nd.where(a, b, ~b),
    )
    return makers[d.number(0, len(makers))]()


def draw_cell_graph(seed: int) -> Graph:
    """Give a graph of one cell with 25 outputs, drawn over the whole language."""
    rng = np.random.default_rng(seed)

    def function(
        p: Any, s: Any, small: Sym, word: Sym, long: Sym, count: Sym,
        single: Sym, other: Sym, double: Sym, flag: Sym,
    ) -> Any:  # fmt: skip
        entry = nd.lookup(p.table, nd.saturate(small, 0, TABLE - 1))
        values = [small, word, long, count, single, other, double, flag, entry, p.gain, s.memory]
        values += [s.tally, single > 0]
        d = Drawn(rng, values)
        outputs = {"entry": entry}
        while len(outputs) < 25:
            kind = (_integer, _real, _cast, _condition)[int(rng.choice(4, p=(0.4, 0.3, 0.1, 0.2)))]
            source: Any = Int if kind is _integer else Float
            if kind is _condition:
                source = (Int, Float)[d.number(0, 2)]
            try:
                made = kind(d, d.like(source))
            except SemanticsError:  # beyond 64 bits, or an exponent out of range
                continue
            values.append(made)
            outputs[f"o{len(outputs)}"] = made
        memory = s.memory * p.gain + single
        tally = nd.wrap(s.tally + word, 32)
        return outputs, State(memory=memory, tally=tally)

    definition = CellDefinition(
        "drawn", function, params={"table": None, "gain": None}, states={"memory": 0.1, "tally": 3},
        state_types={"tally": Int(-(2**31), 2**31 - 1)},
    )  # fmt: skip
    b = GraphBuilder("1ms")
    inputs = [b.input(name, SHAPE, type=kind) for name, kind in INPUT_TYPES.items()]
    table = tensor(rng.integers(-1000, 1000, TABLE), QType(-1000, 1000))
    gain = rng.normal(size=(4, 1))
    out = b.cell("drawn", definition, *inputs, params={"table": table, "gain": gain}, stream=7)
    return b.output("out", out, decode="mean").build()


def extreme_inputs(seed: int, samples: int, steps: int) -> dict[str, np.ndarray[Any, Any]]:
    """Give inputs of every type, the ends of their ranges among them."""
    rng = np.random.default_rng([seed, 2])
    shape = (samples, steps, *SHAPE)
    found: dict[str, np.ndarray[Any, Any]] = {}
    for name, kind in INPUT_TYPES.items():
        if kind == BOOL:
            found[name] = rng.random(shape) < 0.5
        elif isinstance(kind, QType):
            values = rng.integers(kind.lo, kind.hi, shape, endpoint=True)
            near = rng.integers(-3, 4, shape)
            values = np.where(rng.random(shape) < 0.2, np.clip(near, kind.lo, kind.hi), values)
            ends = np.array([kind.lo, kind.hi], np.int64)
            found[name] = np.where(rng.random(shape) < 0.1, rng.choice(ends, shape), values)
        else:
            values = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 8, shape)
            values = values.astype(kind.dtype)
            halves = (rng.integers(-5, 6, shape) + 0.5).astype(kind.dtype)
            values = np.where(rng.random(shape) < 0.2, halves, values)
            tiny, largest = np.finfo(kind.dtype).smallest_subnormal, np.finfo(kind.dtype).max
            odd = np.array([0.0, -0.0, tiny, -tiny, 3 * tiny, largest, -largest], kind.dtype)
            found[name] = np.where(rng.random(shape) < 0.15, rng.choice(odd, shape), values)
    return found
