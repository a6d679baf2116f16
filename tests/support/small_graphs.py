"""Small graphs for tests of files, texts and hashes, with cells of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from neurodeploy.ir.builder import GraphBuilder
from neurodeploy.ir.graph import Change, Graph
from neurodeploy.ir.ops import ArgMax, ReduceAxes
from neurodeploy.ir.types import BOOL, F64, QType, tensor
from neurodeploy.semantics.language import (
    constant,
    fire,
    lookup,
    random_bits,
    saturate,
    shift_right,
    to_float,
    where,
)
from neurodeploy.semantics.trace import CellDefinition, State
from neurodeploy.semantics.types import Int

__all__ = ["GRAPHS", "conv_net", "integer_net", "odd_net", "recurrent_net", "window_net"]

CHANGES = (
    Change(
        "lif1", ("features.1",), "ann_to_snn", "relu became if", "0.5 %", "threshold per channel"
    ),
    Change("conv1", (), "fold", "batch norm folded", "exact", ""),
)


def _lif(p: Any, s: Any, x: Any) -> Any:
    v = p.beta * s.v + x
    spike = fire(v, p.threshold, strict=True)
    return spike, State(v=where(spike, v - p.threshold, v))


def _sum(p: Any, s: Any, a: Any, b: Any) -> Any:
    return a + b


def _integer(p: Any, s: Any, x: Any, *, shift: int = 3) -> Any:
    decayed = s.v - shift_right(s.v * p.decay, shift, rounding="even")
    v = saturate(decayed + x, -32768, 32767)
    spike = fire(v, p.threshold, strict=False)
    return {"out": spike, "graded": where(spike, x, constant(x, 0))}, State(
        v=where(spike, 0 * v, v)
    )


def _table(p: Any, s: Any, x: Any) -> Any:
    read = lookup(p.table, saturate(x + p.low, 0, 15))
    return read, State(last=read)


def _real(p: Any, s: Any, x: Any) -> Any:
    return to_float(x) / 16.0


def _noisy(p: Any, s: Any, x: Any) -> Any:
    wide = to_float(p.i8, bits=64) + to_float(p.u64, bits=64) - (-x * to_float(p.i32, bits=64))
    noise = to_float(random_bits(x, 0), bits=64) / 2.0**32
    kept = where(p.flag & ~(x >= 1e300), wide + noise, -0.0)
    return kept + to_float(p.i64 + p.u8, bits=64)


LIF = CellDefinition("test_lif", _lif, {"beta": None, "threshold": 1.0}, {"v": 0.0})
SUM = CellDefinition("test_sum", _sum)
INTEGER = CellDefinition(
    "test_integer",
    _integer,
    {"decay": None, "threshold": None},
    {"v": 0},
    {"v": Int(-32768, 32767)},
)
TABLE = CellDefinition(
    "test_table",
    _table,
    {"table": None, "low": None},
    {"last": 0},
    {"last": Int(0, 225)},
)
REAL = CellDefinition("test_real", _real)
NOISY = CellDefinition(
    "test_noisy", _noisy, dict.fromkeys(("i8", "u8", "i32", "i64", "u64", "flag"))
)


def conv_net() -> Graph:
    """A convolution, two cells that share a program, a pool and a classifier."""
    rng = np.random.default_rng(1)
    b = GraphBuilder(dt="1ms")
    b.metadata.update(framework="torch 2.13", model="LeNet")
    x = b.input("x", (2, 6, 6))
    x = b.conv(
        "conv1",
        x,
        rng.normal(size=(4, 2, 3, 3)),
        [0.5, 0, 0.25, -1],
        stride=2,
        padding=((1, 1), (0, 1)),
        source=("features.0", "features.1"),
    )
    x = b.cell(
        "lif1",
        LIF,
        x,
        params={"beta": 0.9, "threshold": np.ones((4, 1, 1))},
        source=("features.2",),
        provenance=(("tau", "20 ms"), ("scheme", "exponential")),
    )
    x = b.pool("pool1", x, (2, 1), mode="sum")
    x = b.dense("fc", b.flatten("flat", x), rng.normal(size=(3, 12)), source=("classifier",))
    x = b.cell("lif2", LIF, x, params={"beta": 0.5}, start=2)
    return b.output("out", x, source=("softmax",)).build(timesteps=8, changes=CHANGES)


def recurrent_net() -> Graph:
    """A recurrence over a delay, single synapses with delays, and a state as output."""
    b = GraphBuilder()
    x = b.input("spikes", (5,), type=BOOL, encoding="events")
    w = np.arange(20, dtype=np.float32).reshape(4, 5) / 8
    forward = b.dense("forward", x, w)
    back = b.dense("back", b.ref("hidden", shape=(4,), delay=2, initial=1), -np.eye(4))
    both = b.cell("both", SUM, forward, back)
    hidden = b.cell("hidden", LIF, both, params={"beta": np.full(4, 0.75)})
    late = b.synapses("late", hidden, (2,), [0.5, 0.25, -1.0], [0, 3, 3], [0, 1, 1], [1, 2, 4])
    b.output("out", late, decode="membrane")
    b.output("v", b.state(hidden, "v").after(1, "v.before"), decode="max")
    b.tensors["v.before"] = tensor([0.1, 0.2, 0.3, 0.4], b.float_type)
    return b.build()


def integer_net() -> Graph:
    """Integer weights and states, shared weights, several outputs of a cell, reductions."""
    b = GraphBuilder(dt="0.1ms")
    x = b.input("x", (2, 4), type=QType(-128, 127, (0.25,)), kind="signed")
    weight = tensor(np.arange(-8, 8).reshape(4, 4), QType(-8, 7, (0.5, 0.25, 0.5, 1.0), axis=0))
    b.tensors["shared"] = weight
    cells = []
    for name in ("a", "b"):
        x = b.dense(f"fc_{name}", x, "shared", accumulator=QType(-(2**23), 2**23 - 1))
        x = b.cell(
            f"cell_{name}",
            INTEGER,
            x,
            options={"shift": 4},
            params={
                "decay": tensor(3, QType(0, 15)),
                "threshold": tensor([1, 2, 3, 4], QType(1, 4)),
            },
            source=(f"layers.{name}",),
        )
        cells.append(x)
        x = b.permute(f"turn_{name}", x, (1, 0))
        x = b.reshape(f"back_{name}", x, (2, 4))
    joined = b.concat("joined", *cells, axis=1)
    picked = b.gather("picked", joined, [7, 0, 0, 3], axis=1)
    pair = b.product("pair", "ij,kj->ik", picked, cells[0])
    top = b.reduce("top_of", ReduceAxes("max", (1,), keepdims=True), pair)
    b.output("graded", b.state(cells[1], "graded"), decode="first")
    b.output("top", top)
    return b.output("best", b.reduce("best_of", ArgMax(0), pair)).build(timesteps=1)


def window_net() -> Graph:
    """Windows of every kind, a table, parameters and initial values with a time or space axis."""
    b = GraphBuilder(dt=Fraction(1, 3000))
    x = b.input("x", (2, 5), type=BOOL, encoding="events")
    weight = tensor(np.arange(-6, 6).reshape(2, 2, 3), QType(-8, 7))
    up = b.conv_transpose("up", x, weight, stride=2, padding=1, extra=1)
    bias = tensor([1, -1], QType(-1, 1))
    x = b.conv("mix", x, weight, bias, dilation=2, padding=2, accumulator=QType(-512, 511))
    x = b.cell(
        "looked",
        TABLE,
        x,
        params={
            "table": tensor(np.arange(16) ** 2, QType(0, 225)),
            "low": tensor(np.arange(8).reshape(4, 2, 1), QType(0, 7)),
        },
        initial={"last": tensor(np.ones((2, 1)), QType(0, 225))},
        timed=("low",),
    )
    x = b.concat("all", x, b.state(x, "last"), axis=1)
    x = b.max_pool("top", x, 3, stride=2, padding=1, mode="cumulative")
    x = b.pool("mean", b.cell("real", REAL, x), 2, padding=((0, 1),), divisor="valid")
    b.output("out", b.reduce("each", ReduceAxes("mean", (1,)), x), decode="mean")
    return b.output("up_out", up, decode="count").build(timesteps=4)


def odd_net() -> Graph:
    """Names that need care, and a tensor of each type that a file can hold."""
    b = GraphBuilder(float_type=F64)
    x = b.input('Eingang für\n"alles"\x1b[31m', (3,))
    top = 2**63 - 1
    params = {
        "i8": tensor(np.arange(-1, 2), QType(-1, 1)),
        "u8": tensor(255, QType(0, 255)),
        "i32": tensor([-(2**31), 0, 2**31 - 1], QType(-(2**31), 2**31 - 1)),
        "i64": tensor(-top, QType(-top, 0)),
        "u64": tensor(top, QType(0, top)),
        "flag": tensor([True, False, True], BOOL),
    }
    x = b.cell("層😀", NOISY, x, params=params, stream=7, source=("層", "second \u2028 line"))
    graph = b.output("__metadata__", x).build()
    names = {name: f"__metadata__{name}_" for name in graph.tensors}
    names["層😀.i8"], names["層😀.u8"] = "__metadata__", "__metadata___"
    cell = graph.cells[0]
    renamed = replace(cell, params=tuple(replace(p, tensor=names[p.tensor]) for p in cell.params))
    return replace(
        graph,
        nodes=tuple(renamed if n is cell else n for n in graph.nodes),
        tensors={names[name]: t for name, t in graph.tensors.items()},
        metadata=(("note", "tab\tand \\ and é"), ("note", "")),
    )


GRAPHS: dict[str, Callable[[], Graph]] = {
    "conv_net": conv_net,
    "recurrent_net": recurrent_net,
    "integer_net": integer_net,
    "window_net": window_net,
    "odd_net": odd_net,
}
