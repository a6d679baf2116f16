"""Graphs for the tests of the engine: drawn at random, and compared bit by bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine import Engine
from neurodeploy.errors import GraphError
from neurodeploy.ir import BOOL, F32, F64, Graph, GraphBuilder, QType, tensor
from neurodeploy.ir.builder_maps import Ref
from neurodeploy.ir.ops import ArgMax, ReduceAxes
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.semantics.language import (
    declare,
    fire,
    floor_div,
    saturate,
    shift_left,
    shift_right,
    where,
    wrap,
)
from neurodeploy.semantics.trace import CellDefinition, State
from neurodeploy.semantics.types import Int

Array = npt.NDArray[Any]

__all__ = ["INTEGER_LIF", "assert_same", "draw_graph", "draw_inputs", "same_bits"]

TIMINGS = ("same", "next_before", "next_after", "corrected_before", "corrected_after")
FLOAT_CELLS: dict[str, dict[str, tuple[object, ...]]] = {
    "if": {},
    "lif": {"decay": ("factor", "tau", "rate"), "decay_input": (False, True)},
    "cuba_lif": {"decay": ("factor", "tau"), "input_gain": (False, True)},
    "alif": {"taken": ("adapted", "base")},
}
FIRING: dict[str, tuple[object, ...]] = {
    "reset": ("subtract", "value", "none"),
    "timing": TIMINGS,
    "strict": (False, True),
    "refractory": (0, 0, 2),
    "floor": (False, True),
    "spikes": (1, 1, 3),
    "payload": ("spike", "spike", "graded", "signed", "signed_net"),
    "lower": (False, True),
}


def _integer_lif(p: Any, s: Any, x: Any) -> Any:
    u = wrap(shift_right(s.u * 3, 2, rounding="zero") + x, 20)
    v = saturate(shift_right(s.v * 7, 3, rounding="even") + u, -(2**20), 2**20)
    spike = fire(v, 300, strict=True)
    kept = where(spike, v - p.threshold, v)
    return spike, State(u=u, v=saturate(kept, -(2**21), 2**21))


def _wide_lif(p: Any, s: Any, x: Any) -> Any:
    v = saturate(
        shift_right(s.v * 1000003, 20, rounding="nearest") + shift_left(x, 20), -(2**40), 2**40
    )
    low = declare(floor_div(v, 1 << 18), -(2**23), 2**23)
    spike = fire(low, p.threshold, strict=False)
    return {"out": spike, "low": low}, State(v=where(spike, v - shift_left(p.threshold, 15), v))


_TYPES = {"u": Int(-(2**19), 2**19 - 1), "v": Int(-(2**21), 2**21)}
INTEGER_LIF = CellDefinition(
    "integer_lif", _integer_lif, params={"threshold": 300}, states={"u": 0, "v": 0},
    state_types=_TYPES,
)  # fmt: skip
WIDE_LIF = CellDefinition(
    "wide_lif", _wide_lif, params={"threshold": 40}, states={"v": 0},
    state_types={"v": Int(-(2**41), 2**41)},
)  # fmt: skip


@dataclass
class Drawer:
    """Draws one graph."""

    rng: np.random.Generator
    integer: bool
    b: GraphBuilder
    count: int = 0

    def name(self, what: str) -> str:
        self.count += 1
        return f"{what}{self.count}"

    def one(self, options: tuple[Any, ...]) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def weights(self, *shape: int, fan: int) -> Any:
        if self.integer:
            return tensor(self.rng.integers(-120, 121, shape), QType(-128, 127))
        scale = 2.0 / np.sqrt(fan) if self.chance(0.8) else 1e-20
        return self.rng.normal(size=shape) * scale

    def accumulator(self) -> QType | None:
        if not self.integer or self.chance(0.7):
            return None
        return QType(-(2**13), 2**13 - 1, overflow="wrap")

    def bias(self, *shapes: tuple[int, ...]) -> Any:
        if self.chance(0.4):
            return None
        shape = self.one(shapes)
        if self.integer:
            return tensor(self.rng.integers(-50, 200, shape), QType(-50, 199))
        return self.rng.normal(size=shape) * 0.3 + 0.2

    # -- parts ---------------------------------------------------------------------------------

    def linear(self, x: Ref) -> Ref:
        """Draw a weighted sum that fits what arrives."""
        kinds = ["dense", "synapses"]
        if 2 <= len(x.shape) <= 4 and max(x.shape[1:]) <= 16:
            kinds += ["conv", "conv", "conv", "transpose"]
        return {
            "dense": self.dense,
            "synapses": self.synapses,
            "conv": self.conv,
            "transpose": self.transpose,
        }[self.one(tuple(kinds))](x)

    def dense(self, x: Ref) -> Ref:
        axis = int(self.rng.integers(len(x.shape)))
        fan, out = x.shape[axis], int(self.one((1, 3, 7, 17, 70)))
        shape = (*x.shape[:axis], out, *x.shape[axis + 1 :])
        return self.b.dense(
            self.name("dense"), x, self.weights(out, fan, fan=fan), self.bias((out,), shape),
            axis=axis - len(x.shape) if self.chance(0.5) else axis, accumulator=self.accumulator(),
        )  # fmt: skip

    def window(self, rank: int, spatial: tuple[int, ...]) -> dict[str, Any]:
        dilation = tuple(int(self.one((1, 1, 2))) for _ in range(rank))
        kernel = tuple(
            int(self.rng.integers(1, max(2, min(4, (n - 1) // d + 2))))
            for n, d in zip(spatial, dilation, strict=True)
        )
        return {
            "kernel": kernel,
            "stride": tuple(int(self.one((1, 1, 2, 3))) for _ in range(rank)),
            "padding": tuple(
                (int(self.rng.integers(k)), int(self.rng.integers(k))) for k in kernel
            ),
            "dilation": dilation,
        }

    def conv(self, x: Ref) -> Ref:
        at = self.window(len(x.shape) - 1, x.shape[1:])
        groups = x.shape[0] if self.chance(0.2) else 1
        out = groups * int(self.one((1, 2, 3, 9) if groups < 4 else (1, 2)))
        ins, kernel = x.shape[0] // groups, at.pop("kernel")
        weight = self.weights(out, ins, *kernel, fan=ins * int(np.prod(kernel)))
        return self.b.conv(
            self.name("conv"), x, weight, self.bias((out,)), groups=groups,
            accumulator=self.accumulator(), **at,
        )  # fmt: skip

    def transpose(self, x: Ref) -> Ref:
        at = self.window(len(x.shape) - 1, x.shape[1:])
        groups = x.shape[0] if self.chance(0.2) else 1
        out, kernel = int(self.one((1, 2, 5))), at.pop("kernel")
        weight = self.weights(x.shape[0], out, *kernel, fan=x.shape[0] * int(np.prod(kernel)))
        extra = tuple(int(self.rng.integers(s)) for s in at["stride"])
        return self.b.conv_transpose(
            self.name("up"), x, weight, self.bias((out * groups,)), groups=groups, extra=extra, **at
        )

    def synapses(self, x: Ref) -> Ref:
        out = int(self.rng.integers(1, 12))
        shape = (out,) if self.chance(0.6) else (2, out)
        count = int(self.rng.integers(0, 60))
        source = self.rng.integers(0, x.signal.size, count)
        target = self.rng.integers(0, int(np.prod(shape)), count)
        delay = self.rng.integers(0, 4, count) if self.chance(0.6) else None
        sent = x.after(2) if self.chance(0.3) else x
        return self.b.synapses(
            self.name("syn"), sent, shape, self.weights(count, fan=6), source, target, delay,
            self.bias((out,), shape), accumulator=self.accumulator(),
        )  # fmt: skip

    def cell(self, x: Ref, name: str | None = None) -> Ref:
        if self.integer:
            return self.integer_cell(x, name)
        for _ in range(200):
            try:
                return self.float_cell(x, name)
            except GraphError:  # options that exclude each other
                continue
        raise AssertionError("no cell in 200 draws")

    def granular(self, shape: tuple[int, ...], lo: float, hi: float) -> Array:
        kept = tuple(n if self.chance(0.5) else 1 for n in shape)
        return self.rng.uniform(lo, hi, kept if self.chance(0.7) else ())

    def float_cell(self, x: Ref, name: str | None) -> Ref:
        kind = self.one(tuple(FLOAT_CELLS))
        options = {key: self.one(values) for key, values in FLOAT_CELLS[kind].items()}
        for key, values in FIRING.items():
            if self.chance(0.5) and not (kind == "alif" and key in ("spikes", "lower")):
                options[key] = self.one(values)
        params: dict[str, Any] = {"threshold": self.granular(x.shape, 0.1, 1.0)}
        decay = options.get("decay", "factor") if kind != "if" else ""
        if decay == "factor":
            params["beta"] = self.granular(x.shape, 0.5, 1.0)
            if options.get("decay_input"):
                params["gain"] = self.granular(x.shape, 0.5, 1.0)
        timed = ()
        if self.chance(0.2):
            params["threshold"] = self.rng.uniform(0.1, 1.0, (TIMED_ROWS, *([1] * len(x.shape))))
            timed = ("threshold",)
        initial = {"v": self.granular(x.shape, -0.3, 0.5)} if self.chance(0.5) else {}
        return self.b.cell(
            name or self.name("cell"), kind, x, params=params, options=options, initial=initial,
            timed=timed, start=int(self.one((0, 0, 0, 3))),
        )  # fmt: skip

    def integer_cell(self, x: Ref, name: str | None) -> Ref:
        kind = x.signal.type
        small = isinstance(kind, QType) and kind.lo > -(2**18) and kind.hi < 2**18
        definition = INTEGER_LIF if small or not isinstance(kind, QType) else WIDE_LIF
        if isinstance(kind, QType) and max(-kind.lo, kind.hi) >= 2**40:
            raise GraphError("too wide a sum")
        threshold = tensor(self.rng.integers(20, 400, (x.shape[0], *([1] * (len(x.shape) - 1)))),
                           QType(0, 511))  # fmt: skip
        return self.b.cell(
            name or self.name("cell"), definition, x, params={"threshold": threshold},
            start=int(self.one((0, 0, 2))),
        )  # fmt: skip

    def structure(self, x: Ref) -> Ref:
        """Draw something that moves or reduces what arrives; or nothing."""
        b, rank = self.b, len(x.shape)
        picks = ["none", "flatten", "permute", "gather", "concat", "reshape", "max", "delay"]
        if rank >= 2:
            picks += ["pool", "frame", "cumulative"]
        if not self.integer:
            picks += ["axes", "argmax", "product"]
        what = self.one(tuple(picks))
        name = self.name(what)
        if what == "flatten":
            return b.flatten(name, x)
        if what == "reshape":
            return b.reshape(name, x.after(2) if self.chance(0.5) else x, (1, x.signal.size))
        if what == "permute":
            return b.permute(name, x, tuple(int(a) for a in self.rng.permutation(rank)))
        if what == "gather":
            axis = int(self.rng.integers(rank))
            return b.gather(name, x, self.rng.integers(0, x.shape[axis], 4), axis=axis)
        if what == "concat":
            return b.concat(name, x, x.after(1), axis=int(self.rng.integers(rank)))
        if what == "delay":
            return x.after(int(self.rng.integers(1, 4)), 1 if x.signal.type == BOOL else 0)
        if what in ("pool", "frame", "cumulative"):
            return self.pool(what, name, x)
        axis = int(self.rng.integers(rank))
        if what == "max":
            return b.reduce(name, ReduceAxes("max", (axis,), keepdims=True), x)
        if what == "axes":
            function = self.one(("sum", "mean", "max"))
            return b.reduce(name, ReduceAxes(function, (axis,), keepdims=True), x)
        if what == "argmax":
            return b.reduce(name, ArgMax(axis), x)
        if what == "product" and rank == 2:
            return b.product(name, "ij,kj->ik", x, x.after(1))
        return x

    def pool(self, what: str, name: str, x: Ref) -> Ref:
        rank = len(x.shape) - 1
        kernel = tuple(int(self.rng.integers(1, min(3, n) + 1)) for n in x.shape[1:])
        stride = tuple(int(self.rng.integers(1, 4)) for _ in range(rank))
        pads = tuple((int(self.rng.integers(k)), int(self.rng.integers(k))) for k in kernel)
        if what == "pool":
            mode = "sum" if self.integer else self.one(("sum", "average"))
            divisor = self.one(("kernel", "valid"))
            return self.b.pool(
                name, x, kernel, stride=stride, padding=pads, mode=mode, divisor=divisor
            )
        mode = "frame" if what == "frame" else "cumulative"
        return self.b.max_pool(name, x, kernel, stride=stride, padding=pads, mode=mode)


TIMED_ROWS = 64


def draw_graph(seed: int) -> Graph:
    """Draw a graph of 2 to 5 populations, with recurrences, of floats or integers."""
    for attempt in range(50):
        try:
            return _draw(np.random.default_rng([seed, attempt]))
        except GraphError:
            continue
    raise AssertionError("no graph in 50 draws")


def _draw(rng: np.random.Generator) -> Graph:
    integer = bool(rng.random() < 0.35)
    wide = not integer and rng.random() < 0.1
    d = Drawer(rng, integer, GraphBuilder("1ms", float_type=F64 if wide else F32))
    shape = d.one(((11,), (3, 6), (2, 5, 6), (2, 3, 4, 3), (1, 9, 9), (4, 1), (70,)))
    kind = d.one((BOOL, QType(-8, 7))) if integer else d.one((BOOL, d.b.float_type))
    x = d.b.input("x", shape, type=kind)
    for _ in range(int(rng.integers(2, 6))):
        if d.chance(0.5):
            x = d.structure(x)
        y = d.linear(x)
        if not integer and d.chance(0.4):
            y = d.structure(y)
            if y.signal.type == BOOL:
                y = d.linear(y)
        name = d.name("cell")
        if not integer and y.signal.type != BOOL and y.signal.size <= 80 and d.chance(0.3):
            y = _recurrent(d, y, name)
        x = d.cell(y, name)
    return d.b.output("out", x).build()


def _recurrent(d: Drawer, y: Ref, name: str) -> Ref:
    """Add what the cell that comes next sends back to itself: its output, or its membrane."""
    kind = y.signal.type
    back = d.b.ref(name, "v", shape=y.shape, type=kind, delay=int(d.rng.integers(1, 4)))
    weight = d.rng.normal(size=(y.shape[-1], y.shape[-1])) * 0.2
    r = d.b.dense(d.name("back"), back, weight, d.bias((y.shape[-1],)))
    return d.b.cell(d.name("sum"), "add", y, r)


def draw_inputs(graph: Graph, seed: int, samples: int, steps: int) -> dict[str, Array]:
    """Draw inputs: constant or not, sparse or not, with extreme values now and then."""
    rng = np.random.default_rng([seed, 1])
    found: dict[str, Array] = {}
    for node in graph.inputs:
        lead = (samples,) if rng.random() < 0.3 else (samples, steps + int(rng.integers(2)))
        shape = (*lead, *node.shape)
        if node.type == BOOL:
            found[node.name] = rng.random(shape) < rng.uniform(0.05, 0.6)
        elif isinstance(node.type, QType):
            found[node.name] = rng.integers(node.type.lo, node.type.hi + 1, shape)
        else:
            values = rng.normal(size=shape).astype(node.type.dtype)
            values[rng.random(shape) < 0.3] = 0
            if rng.random() < 0.3:
                extreme = np.array([-0.0, 1e-45, -1e-40, 1e-38, 3e38, -3e38], node.type.dtype)
                at = rng.random(shape) < 0.1
                values[at] = rng.choice(extreme, int(at.sum()))
            found[node.name] = values
    return found


def same_bits(a: Array, b: Array) -> bool:
    """Say whether two arrays hold the same bits; any NaN equals any NaN."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind != "f":
        return bool((a == b).all())
    bits = np.dtype(f"u{a.dtype.itemsize}")
    x, y = (np.ascontiguousarray(v) for v in (a, b))
    return bool(((x.view(bits) == y.view(bits)) | (np.isnan(x) & np.isnan(y))).all())


def assert_same(
    graph: Graph,
    engine: Engine,
    inputs: Mapping[str, Array],
    steps: int,
    *,
    threads: int = 1,
    seed: int = 0,
    first_sample: int = 0,
) -> dict[tuple[str, str], Array]:
    """Compare every output and state at every step; give the reference's."""
    keys = all_outputs(graph)
    with np.errstate(all="ignore"):  # extreme inputs overflow in both
        want = simulate(graph, inputs, steps, record=keys, seed=seed, first_sample=first_sample)
        got = engine.run(
            inputs, steps, record=keys, seed=seed, first_sample=first_sample, threads=threads
        )
    assert list(got) == list(want)
    for key in keys:
        assert same_bits(want[key], got[key]), f"{key} differs: {_difference(want[key], got[key])}"
    return want


def _difference(want: Array, got: Array) -> str:
    if want.dtype != got.dtype or want.shape != got.shape:
        return f"{want.dtype}{want.shape} and {got.dtype}{got.shape}"
    at = np.argwhere((want != got) & ~((want != want) & (got != got)))
    if not len(at):
        return "in the sign of a zero"
    first = tuple(int(i) for i in at[0])
    return f"{len(at)} of {want.size}, first at {first}: {want[first]} and {got[first]}"
