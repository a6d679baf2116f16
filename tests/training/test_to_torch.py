"""Graphs as torch modules compute what the reference computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from neurodeploy.errors import DataError
from neurodeploy.ir import BOOL, Graph, GraphBuilder
from neurodeploy.ir.ops import ArgMax, MaxPool, ReduceAxes, Window
from neurodeploy.ir.types import QType, tensor
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.semantics.language import Sym, fire, random_bits, saturate, where
from neurodeploy.semantics.trace import CellDefinition, State
from oracles import Ledger

torch = pytest.importorskip("torch", reason="to_torch needs torch")

from neurodeploy.training import to_torch  # noqa: E402

Array = npt.NDArray[Any]
RNG = np.random.default_rng


def _grid(r: np.random.Generator, *shape: int) -> Array:
    """Give weights whose sums are exact in any order: multiples of 1/16 up to 1."""
    return r.integers(-16, 17, shape) / 16


def _compare(graph: Graph, inputs: dict[str, Array], steps: int, **tolerance: float) -> int:
    """Compare every output and state at every step; give the number of spikes."""
    keys = all_outputs(graph)
    expected = simulate(graph, inputs, steps, record=keys, seed=3, first_sample=2)
    module = to_torch(graph)
    fed = {name: torch.from_numpy(x) for name, x in inputs.items()}
    spikes = 0
    for graded in (True, False):  # with gradients spikes are floats inside, without bools
        with torch.set_grad_enabled(graded):
            _, trace = module(fed, steps, record=keys, seed=3, first_sample=2)
        for key, a in expected.items():
            b = trace[key].detach().numpy()
            assert a.shape == b.shape, key
            assert b.dtype == (np.float32 if a.dtype == bool else a.dtype), key
            np.testing.assert_allclose(
                b, a, **{"rtol": 0, "atol": 0, **tolerance}, err_msg=str(key)
            )
            spikes += int(a.sum()) if a.dtype == bool else 0
    return spikes


# -- graphs ---------------------------------------------------------------------------------------


def _noisy(p: Any, s: Any, x: Sym) -> tuple[Sym, State]:
    v = p.beta * s.v + x
    spike = fire(v, p.threshold, strict=True) & (random_bits(x, 0) < 2**31)
    return spike, State(v=where(spike, v - p.threshold, v))


NOISY = CellDefinition("noisy", _noisy, {"beta": 0.5, "threshold": 1.0}, {"v": 0.0})


def _convolutional(r: np.random.Generator) -> Graph:
    b = GraphBuilder("1ms")
    x = b.input("x", (2, 8, 7))
    c = b.conv("c1", x, _grid(r, 4, 1, 3, 3), _grid(r, 4), padding=((1, 0), (2, 1)), groups=2)
    s = b.cell("l1", "lif", c, params={"beta": r.uniform(0.5, 1, (4, 1, 1)), "threshold": 0.7})
    m = b.max_pool("cumulative", s, 2, mode="cumulative")
    a = b.pool("average", s, 2, padding=1, divisor="valid")
    up = b.conv_transpose(
        "up", m, _grid(r, 4, 3, 3, 2), _grid(r, 6), stride=2, padding=1, extra=(1, 0), groups=2
    )
    n = b.cell("l2", NOISY, up, stream=5)
    f = b.max_pool("frame", n, 3, stride=2, padding=1, dilation=1)
    flat = b.concat("both", b.flatten("f1", f), b.flatten("f2", m))
    d = b.dense("d", flat, _grid(r, 5, flat.shape[0]), _grid(r, 5))
    back = b.dense("r", b.ref("l3", shape=(5,), delay=2), _grid(r, 5, 5), _grid(r, 5))
    total = b.cell("sum", "add", d, back)
    out = b.cell("l3", "lif", total, params={"beta": 0.9}, options={"timing": "next_after"})
    b.output("out", out)
    return b.output("means", b.reduce("mean", ReduceAxes("mean", (1, 2)), a)).build()


def _rows(b: GraphBuilder) -> Any:
    """A value signal of two axes for a one-dimensional pool."""
    x = b.input("y", (2, 5))
    return b.cell("rows", "li", x, params={"beta": 0.5})


def _structural(r: np.random.Generator) -> Graph:
    b = GraphBuilder()
    x = b.input("x", (3, 4, 2), type=BOOL)
    d = b.dense("d", x, _grid(r, 5, 4), _grid(r, 5), axis=1)
    p = b.permute("p", d, (2, 0, 1))
    g = b.gather("g", p, [1, 0, 1], axis=0)
    s = b.cell("s", "if", g, params={"threshold": 1.5}, start=2)
    late = b.cell("v", "li", g.after(2, -0.25), params={"beta": 0.75})
    q = b.product("q", "aij,akj->aik", s, late)
    one = b.reduce("one", ArgMax(2), q)
    w = b.synapses(
        "w", one.after(1, True), (2, 3), _grid(r, 9), r.integers(0, 27, 9), r.integers(0, 6, 9),
        r.integers(0, 4, 9), _grid(r, 2, 3),
    )  # fmt: skip
    z = b.cell("z", "lif", w, params={"beta": r.uniform(0, 1, (6, 2, 3))}, timed=["beta"])
    top = b.reduce("top", ReduceAxes("max", (0,), keepdims=True), z)
    peak = b.reduce("peak", MaxPool(Window((2,), (1,), ((1, 0),), (1,)), "cumulative"), _rows(b))
    b.output("top_out", top)
    b.output("peak_out", peak)
    return b.output("sum", b.reduce("total", ReduceAxes("sum", (0, 2)), q)).build(timesteps=6)


def _volume(r: np.random.Generator) -> Graph:
    b = GraphBuilder()
    x = b.input("x", (2, 4, 5, 3))
    c = b.conv("c", x, _grid(r, 3, 2, 2, 3, 1), stride=(1, 2, 1), dilation=(2, 1, 1), padding=1)
    s = b.cell("s", "lif", c, params={"beta": 0.8, "threshold": 0.5})
    t = b.conv_transpose("t", s, _grid(r, 3, 1, 2, 2, 2), stride=2, padding=((3, 0),) * 3)
    return b.output("out", b.pool("p", t, 2, mode="sum")).build()


def _integer(p: Any, s: Any, x: Sym) -> tuple[Sym, State]:
    v = saturate(s.v + x, -(2**20), 2**20 - 1)
    spike = fire(v, p.threshold, strict=False)
    return spike, State(v=where(spike, saturate(v - p.threshold, -(2**20), 2**20 - 1), v))


BYTE = QType(-128, 127, (0.5,))
INTEGER = CellDefinition("integer", _integer, {"threshold": None}, {"v": 0})
STATE = {"v": QType(-(2**20), 2**20 - 1)}


def _integers(r: np.random.Generator) -> Graph:
    def weights(*shape: int, kind: QType = BYTE) -> Any:
        return tensor(r.integers(kind.lo, kind.hi, shape, endpoint=True), kind)

    def neurons(name: str, x: Any, threshold: int) -> Any:
        params = {"threshold": tensor(threshold, QType(0, 2**12))}
        return b.cell(name, INTEGER, x, params=params, state_types=STATE)

    b = GraphBuilder()
    x = b.input("x", (2, 6, 6), type=QType(-9, 9))
    c = b.conv("c", x, weights(4, 1, 3, 3), weights(4), groups=2, dilation=2, padding=((2, 1),) * 2)
    s = neurons("s", c, 700)
    t = b.conv_transpose("t", s, weights(4, 2, 2, 2), weights(4), stride=2, padding=1, groups=2)
    u = neurons("u", t, 60)
    m = b.max_pool("m", u, 2, mode="cumulative")
    total = b.pool("total", x, 3, mode="sum", padding=1)
    f = b.flatten("f", m)
    wrapping = QType(-512, 511, overflow="wrap")
    d = b.dense("d", f, weights(7, f.shape[0]), weights(7), accumulator=wrapping)
    index = r.integers(0, 7, 12)
    w = b.synapses("w", d, (5,), weights(12), index, r.integers(0, 5, 12), r.integers(0, 3, 12))
    # sums beyond 2**53 leave the exact floats
    wide = QType(-(2**50), 2**50)
    h = b.dense("h", total, weights(3, 2, kind=wide), axis=0)
    b.output("product", b.product("q", "abc,dbc->ad", total, total))
    b.output("high", b.reduce("all", ReduceAxes("sum", (1, 2)), h))
    return b.output("out", w).build()


def _inputs(graph: Graph, r: np.random.Generator, samples: int, steps: int) -> dict[str, Array]:
    made: dict[str, Array] = {}
    for node in graph.inputs:
        shape = (samples, steps, *node.shape)
        if node.type == BOOL:
            made[node.name] = r.random(shape) < 0.4
        elif isinstance(node.type, QType):
            made[node.name] = r.integers(node.type.lo, node.type.hi, shape, endpoint=True)
        else:
            made[node.name] = (r.integers(-8, 17, shape) / 8).astype(np.float32)
    return made


@pytest.mark.parametrize("make", [_convolutional, _structural, _volume, _integers])
def test_every_state_equals_the_reference(
    make: Callable[[np.random.Generator], Graph], oracle: Ledger
) -> None:
    graph = make(RNG(7))
    spikes = _compare(graph, _inputs(graph, RNG(8), 3, 6), 6)
    assert spikes > 50
    oracle("brute force").record(spiking=1)


def test_arbitrary_weights_come_near() -> None:
    r = RNG(3)
    b = GraphBuilder()
    x = b.input("x", (2, 9, 9))
    c = b.conv("c", x, r.normal(size=(8, 2, 3, 3)) / 4, r.normal(size=8), padding=1)
    v = b.cell("v", "li", c, params={"beta": 0.9})
    d = b.dense("d", b.flatten("f", v), r.normal(size=(10, 648)) / 25)
    graph = b.output("out", d).build()
    _compare(graph, _inputs(graph, r, 2, 5), 5, rtol=1e-5, atol=1e-5)


def test_constant_input_and_number_of_steps() -> None:
    b = GraphBuilder()
    s = b.cell("s", "if", b.input("x", (3,)))
    graph = b.output("out", s).build(timesteps=4)
    module, x = to_torch(graph), torch.tensor([[0.25, 0.5, 1.0]])
    assert module(x).sum(1).tolist() == [[1.0, 2.0, 4.0]]
    assert module(x, timesteps=8).sum(1).tolist() == [[2.0, 4.0, 8.0]]
    assert module(x[:, None].expand(1, 2, 3)).shape == (1, 2, 3)


@pytest.mark.parametrize(("edge", "synapse"), [(0, 3), (3, 0), (1, 2), (2, 1)])
def test_delays_of_edge_and_synapse_add_up(edge: int, synapse: int) -> None:
    b = GraphBuilder()
    x = b.input("x", (1,))
    y = b.synapses("s", x.after(edge), (1,), [1.0], [0], [0], [synapse])
    graph = b.output("out", y).build()
    data = np.arange(1, 8, dtype=np.float32).reshape(1, 7, 1)
    expected = [0, 0, 0, 1, 2, 3, 4]
    assert (
        simulate(graph, {"x": data}, 7, record=[("out", "out")])[("out", "out")].ravel().tolist()
        == expected
    )
    assert to_torch(graph)(torch.from_numpy(data)).ravel().tolist() == expected


def _fed(graph: Graph, **inputs: Any) -> Any:
    return to_torch(graph)(inputs)


def test_bad_data_is_refused() -> None:
    graph = _structural(RNG(7))
    good = {"x": torch.ones(2, 6, 3, 4, 2), "y": torch.ones(2, 6, 2, 5)}
    assert len(_fed(graph, **good)) == 3
    bad: list[tuple[dict[str, Any], str]] = [
        ({"y": torch.ones(2, 6, 5, 2)}, r"shape \[2, 6, 5, 2\] arrives"),
        ({"y": torch.full((2, 2, 5), torch.nan)}, "NaN or an infinite value"),
        ({"y": torch.full((2, 2, 5), 1e39, dtype=torch.float64)}, "NaN or an infinite value"),
        ({"x": torch.full((2, 3, 4, 2), 0.5)}, "other than 0 and 1"),
        ({"x": torch.ones(3, 3, 4, 2)}, "different numbers of samples"),
        ({"x": torch.ones(2, 5, 3, 4, 2)}, "different numbers of steps"),
        ({"z": torch.ones(2, 5)}, "no input 'z'"),
    ]
    for change, message in bad:
        with pytest.raises(DataError, match=message):
            _fed(graph, **{**good, **change})
    with pytest.raises(DataError, match="x: the input is missing"):
        to_torch(graph)({"y": good["y"]})
    with pytest.raises(DataError, match="one tensor for the inputs"):
        to_torch(graph)(good["x"])
    constant = {name: value[:, 0] for name, value in good.items()}
    with pytest.raises(DataError, match="7 steps, but parameter 'beta' has values for 6"):
        to_torch(graph)(constant, timesteps=7)
    with pytest.raises(DataError, match="7 steps of data that has 6"):
        to_torch(graph)(good, timesteps=7)
    with pytest.raises(DataError, match="0 steps"):
        to_torch(graph)(constant, timesteps=0)
    integers = _integers(RNG(7))
    with pytest.raises(DataError, match="arrives where integers are due"):
        _fed(integers, x=torch.ones(1, 2, 6, 6))
    with pytest.raises(DataError, match=r"leave \[-9, 9\]"):
        _fed(integers, x=torch.full((1, 2, 6, 6), 10))
