"""Maps, nested graphs, cycles and delays, and what nir's own type inference gets wrong."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from neurodeploy.converters.nir import load_nir, save_nir
from neurodeploy.errors import ConversionError, UsageError
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.types import F64
from nir_nets import alone, chain, fields_of, net, traced

nir = pytest.importorskip("nir", reason="nir is not installed")
DT = 1e-4


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def read(graph: Any, **options: Any) -> Graph:
    return load_nir(graph, float_type=F64, **options)


def last(graph: Graph, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    edge = graph.edges_into[graph.outputs[0].name][0]
    return traced(graph, x)[(edge.source, edge.output)]


def conv(x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """Cross-correlation over two axes, loop by loop."""
    x = np.pad(x, ((0, 0), *((p, p) for p in padding)))
    kh, kw = w.shape[2:]
    height = (x.shape[1] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    width = (x.shape[2] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((w.shape[0], height, width))
    per = w.shape[0] // groups
    for o in range(w.shape[0]):
        first = (o // per) * w.shape[1]
        for i in range(height):
            for j in range(width):
                for c in range(w.shape[1]):
                    for k in range(kh):
                        for m in range(kw):
                            at = i * stride[0] + k * dilation[0], j * stride[1] + m * dilation[1]
                            y[o, i, j] += w[o, c, k, m] * x[first + c, *at]
        y[o] += b[o]
    return y


@pytest.mark.parametrize(
    ("channels", "groups", "kernel", "stride", "padding", "dilation"),
    [
        (4, 4, (3, 3), (1, 1), (0, 0), (1, 1)),  # nir: ValueError [4 8 8] -> [1 8 8]
        (4, 2, (3, 5), (2, 1), (1, 2), (1, 1)),  # nir types a 3x5 kernel as 3x3
        (2, 1, (1, 4), (1, 3), (0, 1), (2, 2)),
    ],
)
def test_conv2d(
    channels: int, groups: int, kernel: Any, stride: Any, padding: Any, dilation: Any, oracle: Any
) -> None:
    w, b = rng(1).normal(size=(4, channels // groups, *kernel)), rng(2).normal(size=4)
    node = nir.Conv2d((8, 9), w, stride, padding, dilation, groups, b)
    x = rng(3).normal(size=(2, channels, 8, 9))
    due = np.array([conv(a, w, b, stride, padding, dilation, groups) for a in x])
    graph = read(chain((channels, 8, 9), due.shape[1:], c=node))
    np.testing.assert_allclose(last(graph, x), due, rtol=1e-9, atol=1e-11)
    oracle("brute force").record()


@pytest.mark.parametrize("padding", ["same", "valid", 2])
def test_conv1d(padding: Any) -> None:
    w, b = rng(1).normal(size=(3, 2, 3)), rng(2).normal(size=3)
    node = nir.Conv1d(7, w, 1, padding, 1, 1, b)
    wide = {"same": 1, "valid": 0, 2: 2}[padding]
    x = rng(3).normal(size=(1, 2, 7))
    due = conv(x[0][:, None], w[:, :, None], b, (1, 1), (0, wide), (1, 1), 1)[:, 0]
    graph = read(chain((2, 7), due.shape, c=node))
    np.testing.assert_allclose(last(graph, x)[0], due, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("kind", "share"), [("SumPool2d", 1.0), ("AvgPool2d", 1 / 6)])
def test_pools(kind: str, share: float) -> None:
    kernel, stride, padding = np.array([2, 3]), np.array([2, 1]), np.array([1, 1])
    node = getattr(nir, kind)(kernel, stride, padding)
    x = rng().normal(size=(1, 2, 4, 5))
    w = np.zeros((2, 2, 2, 3))
    w[0, 0] = w[1, 1] = share
    due = conv(x[0], w, np.zeros(2), stride, padding, (1, 1), 1)
    graph = read(chain((2, 4, 5), due.shape, p=node))
    np.testing.assert_allclose(last(graph, x)[0], due, rtol=1e-9, atol=1e-11)


def test_linear_scale_threshold_flatten() -> None:
    w = rng(1).normal(size=(5, 12))
    x = rng(2).normal(size=(3, 3, 2, 2))
    graph = read(
        chain(
            (3, 2, 2),
            (5,),
            s=nir.Scale(np.arange(12.0).reshape(3, 2, 2)),
            f=nir.Flatten({"input": np.array([3, 2, 2])}, 0, -1),
            w=nir.Linear(w),
            t=nir.Threshold(np.linspace(-1, 1, 5)),
        )
    )
    due = (x * np.arange(12.0).reshape(3, 2, 2)).reshape(3, 12) @ w.T > np.linspace(-1, 1, 5)
    np.testing.assert_array_equal(last(graph, x), due)
    assert 0 < due.mean() < 1


def test_a_threshold_is_strict() -> None:
    graph = read(alone(nir.Threshold(np.ones(2)), (2,)))
    assert last(graph, np.array([[1.0, 1.0 + 1e-9]])).tolist() == [[False, True]]


def test_weights_with_leading_axes_are_blocks() -> None:
    w, b = rng(1).normal(size=(3, 4, 2)), rng(2).normal(size=(3, 4))
    x = rng(3).normal(size=(1, 3, 2))
    graph = read(chain((3, 2), (3, 4), a=nir.Affine(w, b)))
    np.testing.assert_allclose(last(graph, x)[0], np.einsum("boi,bi->bo", w, x[0]) + b)


# -- what nir 1.0.8 cannot type -------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (1,)])
def test_parameters_that_are_one_number(shape: tuple[int, ...]) -> None:
    lif = nir.LIF(*(np.full(shape, v) for v in (1e-3, 2.0, 0.0, 0.5)))
    with pytest.raises(ValueError, match="type"):
        nir.NIRGraph(
            {"i": nir.Input(np.array([3])), "n": lif, "o": nir.Output(np.array([3]))},
            [("i", "n"), ("n", "o")],
        )
    one = read(alone(lif, (3,)), convention="ode", dt=DT)
    many = read(
        alone(nir.LIF(*(np.full(3, v) for v in (1e-3, 2.0, 0.0, 0.5))), (3,)),
        convention="ode",
        dt=DT,
    )
    assert one == many


def test_parameters_per_channel() -> None:
    full = np.broadcast_to(np.linspace(0.2, 0.8, 4)[:, None, None], (4, 3, 3)).copy()
    fields = [np.full((4, 1, 1), v) for v in (1e-3, 2.0, 0.0)]
    narrow = nir.LIF(*fields, full[:, :1, :1])
    wide = nir.LIF(*(np.full((4, 3, 3), v) for v in (1e-3, 2.0, 0.0)), full)
    graphs = [read(alone(n, (4, 3, 3)), convention="ode", dt=DT) for n in (narrow, wide)]
    assert graphs[0] == graphs[1]
    assert graphs[0].tensors["n.threshold"].data.shape == (4, 1, 1)


def test_a_conv_that_does_not_say_its_input(tmp_path: Any) -> None:
    node = nir.Conv2d(None, np.ones((1, 1, 3, 3)), 1, 0, 1, 1, np.zeros(1))
    graph = chain((1, 5, 5), (1, 3, 3), c=node)
    with pytest.raises(TypeError):
        nir.write(tmp_path / "nir.nir", graph)
    assert read(graph).signals[("c", "out")].shape == (1, 3, 3)


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (
            lambda: alone(nir.LIF(*(np.full(2, v) for v in (-1e-3, 1.0, 0.0, 1.0))), (2,)),
            "positive",
        ),
        (lambda: alone(nir.Threshold(np.array([1.0, np.nan])), (2,)), "NaN"),
        (lambda: alone(nir.Scale(np.ones(3)), (2,)), "arrives"),
        (lambda: chain((2,), (3,), w=nir.Linear(np.ones((3, 4)))), "arrives"),
        (lambda: net({"i": nir.Input(np.array([1]))}, []), "no Output"),
        (lambda: net({"o": nir.Output(np.array([1]))}, []), "no Input"),
        (
            lambda: net(
                {"i": nir.Input(np.array([1])), "o": nir.Output(np.array([1]))},
                [("i", "o"), ("i", "o")],
            ),
            "twice",
        ),
        (
            lambda: net(
                {
                    "i": nir.Input(np.array([1])),
                    "s": nir.Scale(np.ones(1)),
                    "o": nir.Output(np.array([1])),
                },
                [("i", "o"), ("i", "s")],
            ),
            "dropped",
        ),
        (
            lambda: net(
                {"i": nir.Input(np.array([1])), "o": nir.Output(np.array([1]))},
                [("i", "o"), ("i", "ghost")],
            ),
            "does not exist",
        ),
    ],
)
def test_what_nir_accepts_and_means_nothing(build: Any, match: str) -> None:
    with pytest.raises(ConversionError, match=match):
        read(build(), convention="ode", dt=DT)


def test_all_findings_come_at_once() -> None:
    graph = chain((2,), (2,), a=nir.Scale(np.full(2, np.nan)), b=nir.Threshold(np.full(2, np.inf)))
    with pytest.raises(ConversionError) as caught:
        read(graph)
    assert {f.node for f in caught.value.findings} == {"a", "b"}


# -- cycles, nesting, delays ----------------------------------------------------------------------


def recurrent(n: int, nested: bool, bias: Any, weight: Any) -> Any:
    lif = nir.LIF(**fields_of("LIF", n, DT))
    w = nir.Affine(weight, bias)
    if nested:
        inner = net(
            {"x": nir.Input(np.array([n])), "lif": lif, "w": w, "y": nir.Output(np.array([n]))},
            [("x", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "y")],
        )
        return chain((n,), (n,), rec=inner)
    return net(
        {"i": nir.Input(np.array([n])), "lif": lif, "w": w, "o": nir.Output(np.array([n]))},
        [("i", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "o")],
    )


@pytest.mark.parametrize("nested", [False, True])
def test_recurrence_with_bias(nested: bool, oracle: Any) -> None:
    n, steps = 5, 60
    weight, bias = rng(1).normal(0, 0.4, (n, n)), rng(2).uniform(0, 0.3, n)
    graph = read(recurrent(n, nested, bias, weight), convention="ode", dt=DT)
    name = "rec.lif" if nested else "lif"
    x = rng(3).uniform(0, 1.2, (steps, n))
    p = fields_of("LIF", n, DT)
    v, z = np.zeros(n), np.zeros(n)
    rows = []
    for now in x:
        drive = now + weight @ z + bias  # the bias acts from the first step on
        v = v + DT / p["tau"] * (-v + p["r"] * drive)
        z = (v > p["v_threshold"]).astype(float)
        v = np.where(z > 0, p["v_reset"], v)
        rows.append((v, z))
    ours = traced(graph, x)
    np.testing.assert_allclose(ours[(name, "v")], [r[0] for r in rows], rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(ours[(name, "out")], [r[1] for r in rows])
    assert np.array([r[1] for r in rows]).any()
    assert [c.amount for c in graph.changes if "delayed" in c.what] == ["1 step"]
    oracle("closed form").record(spiking=True)


def spyx_layer(edge: tuple[str, str], weight: Any) -> Any:
    tau = np.array([3.0, 5.0, 9.0])
    lif = nir.LIF(tau=tau, r=1 - 1 / tau, v_leak=np.zeros(3), v_threshold=np.full(3, 0.7))
    nodes = {"x": nir.Input(np.array([3])), "lif": lif, "w": nir.Linear(weight)}
    nodes["y"] = nir.Output(np.array([3]))
    edges = [edge, ("w", "lif"), ("lif", "w"), ("lif", "y")]
    return chain((3,), (3,), rec=net(nodes, edges))


def test_recurrence_of_spyx_takes_one_step_not_two() -> None:
    weight = rng(5).normal(size=(3, 3))
    graph = read(spyx_layer(("x", "lif"), weight), convention="spyx")
    assert {e.delay for e in graph.edges if e.source == "rec.lif"} == {1}
    x = rng(6).uniform(0, 1, (40, 3))
    v, rows = np.zeros(3), []
    beta = 1 - 1 / np.array([3.0, 5.0, 9.0])
    for now in x:  # spyx.nn.RLIF
        z = (v > 0.7).astype(float)
        v = beta * v + now + weight @ z - z * 0.7
        rows.append(v)
    np.testing.assert_allclose(traced(graph, x)[("rec.lif", "v")], rows, rtol=1e-9, atol=1e-11)


def test_an_input_that_spyx_misroutes_is_refused() -> None:
    with pytest.raises(ConversionError, match="its model does not"):
        read(spyx_layer(("x", "w"), np.eye(3)), convention="spyx")
    read(spyx_layer(("x", "w"), np.eye(3)), convention="ode", dt=1)


def test_nested_and_flat_are_one_network() -> None:
    weight, bias = rng(1).normal(size=(3, 3)), rng(2).normal(size=3)
    flat = read(recurrent(3, False, bias, weight), convention="ode", dt=DT)
    deep = read(recurrent(3, True, bias, weight), convention="ode", dt=DT)
    x = rng(4).uniform(0, 1.5, (40, 3))
    np.testing.assert_array_equal(traced(flat, x)[("lif", "v")], traced(deep, x)[("rec.lif", "v")])


@pytest.mark.parametrize("neuron", [None, "LI", "I"])
def test_a_cycle_needs_a_neuron(neuron: str | None) -> None:
    middle = nir.Linear(np.eye(2))
    if neuron:
        middle = getattr(nir, neuron)(**fields_of(neuron, 2, DT))
    graph = net(
        {
            "i": nir.Input(np.array([2])),
            "a": nir.Linear(np.eye(2) / 2),
            "b": middle,
            "o": nir.Output(np.array([2])),
        },
        [("i", "a"), ("a", "b"), ("b", "a"), ("b", "o")],
    )
    if neuron is None:
        with pytest.raises(ConversionError, match="no neuron is on it"):
            read(graph, convention="ode", dt=DT)
        return
    made = read(graph, convention="ode", dt=DT)
    assert {(e.source, e.target) for e in made.edges if e.delay} == {("b", "a.sum")}


def test_a_delay_node_breaks_a_cycle() -> None:
    graph = net(
        {
            "i": nir.Input(np.array([1])),
            "a": nir.Linear(np.eye(1) / 2),
            "d": nir.Delay(np.full(1, 3 * DT)),
            "o": nir.Output(np.array([1])),
        },
        [("i", "a"), ("a", "d"), ("d", "a"), ("a", "o")],
    )
    made = read(graph, dt=DT)
    out = traced(made, np.array([[1.0], *[[0.0]] * 6]))[("a", "out")][:, 0]
    np.testing.assert_allclose(out, [0.5, 0, 0, 0.25, 0, 0, 0.125])


def test_delays_in_whole_steps() -> None:
    x = rng().normal(size=(8, 2))
    made = read(alone(nir.Delay(np.full(2, 3 * DT)), (2,)), dt=DT)
    assert [e.delay for e in made.edges] == [3]
    each = read(alone(nir.Delay(np.array([1, 4]) * DT), (2,)), dt=DT)
    due = np.zeros((8, 2))
    due[1:, 0], due[4:, 1] = x[:-1, 0], x[:-4, 1]
    np.testing.assert_array_equal(last(each, x), due)
    with pytest.raises(ConversionError, match="steps of dt"):
        read(alone(nir.Delay(np.full(2, 1.5 * DT)), (2,)), dt=DT)
    with pytest.raises(ConversionError, match="length of a step") as caught:
        read(alone(nir.Delay(np.full(2, DT)), (2,)))
    assert "--dt" in caught.value.findings[0].hint


def test_several_edges_are_a_sum() -> None:
    graph = net(
        {
            "i": nir.Input(np.array([2])),
            "b": nir.Linear(np.eye(2) * 3),
            "s": nir.Scale(np.full(2, 2.0)),
            "o": nir.Output(np.array([2])),
        },
        [("i", "b"), ("b", "s"), ("i", "s"), ("s", "o")],
    )
    x = rng().normal(size=(2, 2))
    np.testing.assert_allclose(last(read(graph), x), 8 * x)


def test_an_inner_graph_with_two_inputs_is_refused() -> None:
    inner = net(
        {k: nir.Input(np.array([1])) for k in "ab"} | {"o": nir.Output(np.array([1]))},
        [("a", "o"), ("b", "o")],
    )
    with pytest.raises(ConversionError, match="several Inputs"):
        read(chain((1,), (1,), g=inner))


def test_the_graph_that_is_read_stays_as_it_was() -> None:
    graph = recurrent(3, True, np.ones(3), np.eye(3))
    before = copy.deepcopy(graph.to_dict())
    made = load_nir(graph, convention="ode", dt=DT)
    np.testing.assert_equal(graph.to_dict(), before)
    assert not made.tensors["rec.w.weight"].data.flags.writeable


def test_reading_a_file_and_an_object_is_the_same(tmp_path: Any) -> None:
    graph = recurrent(3, True, rng(1).normal(size=3), rng(2).normal(size=(3, 3)))
    nir.write(tmp_path / "a.nir", graph)
    a = load_nir(tmp_path / "a.nir", convention="ode", dt=DT)
    assert a == load_nir(graph, convention="ode", dt=DT)
    with pytest.raises(UsageError, match="no regular file"):
        save_nir(a, tmp_path)


def test_the_order_of_nodes_and_edges_means_nothing() -> None:
    graph = recurrent(3, True, np.ones(3), np.eye(3))
    inner = graph.nodes["rec"]
    turned = net(
        {
            **dict(reversed(graph.nodes.items())),
            "rec": net(dict(reversed(inner.nodes.items())), inner.edges[::-1]),
        },
        graph.edges[::-1],
    )
    a, b = (read(g, convention="ode", dt=DT) for g in (graph, turned))
    assert a == b
    assert str(a) == str(b)
