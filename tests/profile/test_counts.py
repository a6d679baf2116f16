"""Counts against plain loops over (nonzero input, existing output)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest

from neurodeploy.errors import DataError
from neurodeploy.ir import BOOL, Graph, GraphBuilder
from neurodeploy.ir.builder import window
from neurodeploy.ir.nodes import Map, Reduce
from neurodeploy.ir.ops import Conv, ConvTranspose, Dense, MaxPool, Pool, Synapses
from neurodeploy.profile import count, dense_ops, fanout, padded_ops
from neurodeploy.profile.counts import COLUMNS, Counts
from neurodeploy.reference import all_outputs, simulate
from oracles import Ledger
from tiers import sample_count

Shape = tuple[int, ...]
CASES = sample_count(20, 8)
KINDS = ("conv", "transpose", "pool", "maxpool", "dense", "synapses")


def run(graph: Graph, inputs: dict[str, Any], timesteps: int, **kw: Any) -> Counts:
    return count(graph, partial(simulate, graph), inputs, timesteps, **kw)


# -- the brute-force list of synapses: flat source index, weight, delay ---------------------------


def listed(graph: Graph, name: str) -> Iterator[tuple[int, float, int]]:
    node = graph.node(name)
    assert isinstance(node, Map | Reduce)
    x = graph.signal(graph.edges_into[name][0]).shape
    out = graph.signals[(name, "out")].shape
    op = node.op
    flat = partial(np.ravel_multi_index, dims=x)
    if isinstance(op, Dense):
        weight = graph.tensors[op.weight].data
        for at in product(*map(range, x)):
            for o in range(out[op.axis]):
                yield int(flat(at)), float(weight[o, at[op.axis]]), 0
    elif isinstance(op, Synapses):
        starts = graph.tensors[op.starts].data
        source = [i for i in range(len(starts) - 1) for _ in range(starts[i], starts[i + 1])]
        tensors = [np.array(source, int), graph.tensors[op.weight].data]
        delay = graph.tensors[op.delay].data if op.delay else np.zeros_like(tensors[0])
        for source, weight, lag in zip(*tensors, delay, strict=True):
            yield int(source), float(weight), int(lag)
    elif isinstance(op, ConvTranspose):
        yield from _transposed(op, x, out, graph)
    elif isinstance(op, Conv | Pool | MaxPool):
        yield from _windowed(op, x, out, graph)


def _windowed(
    op: Conv | Pool | MaxPool, x: Shape, out: Shape, graph: Graph
) -> Iterator[tuple[int, float, int]]:
    w = op.window
    for o in product(*map(range, out)):
        if isinstance(op, Conv):
            weight = graph.tensors[op.weight].data
            each = x[0] // op.groups
            group = o[0] // (out[0] // op.groups)
            channels = range(group * each, (group + 1) * each)
        else:
            channels = range(o[0], o[0] + 1)
        for i, channel in enumerate(channels):
            for tap in product(*map(range, w.kernel)):
                at = tuple(
                    p * s - lo + k * d
                    for p, s, (lo, _), k, d in zip(
                        o[1:], w.stride, w.padding, tap, w.dilation, strict=True
                    )
                )
                if all(0 <= a < n for a, n in zip(at, x[1:], strict=True)):
                    value = float(weight[(o[0], i, *tap)]) if isinstance(op, Conv) else 1.0
                    yield int(np.ravel_multi_index((channel, *at), x)), value, 0


def _transposed(
    op: ConvTranspose, x: Shape, out: Shape, graph: Graph
) -> Iterator[tuple[int, float, int]]:
    w, weight = op.window, graph.tensors[op.weight].data
    for source in product(*map(range, x)):
        for o in range(weight.shape[1]):
            for tap in product(*map(range, w.kernel)):
                at = [
                    p * s - lo + k * d
                    for p, s, (lo, _), k, d in zip(
                        source[1:], w.stride, w.padding, tap, w.dilation, strict=True
                    )
                ]
                if all(0 <= a < n for a, n in zip(at, out[1:], strict=True)):
                    yield (
                        int(np.ravel_multi_index(source, x)),
                        float(weight[(source[0], o, *tap)]),
                        0,
                    )


# -- random layers --------------------------------------------------------------------------------


def pruned(rng: np.random.Generator, shape: Shape) -> Any:
    return rng.choice([-1.0, -0.5, 0.0, 0.0, 0.5, 1.0], shape)


def random_layer(rng: np.random.Generator, kind: str) -> tuple[GraphBuilder, Shape]:
    b = GraphBuilder()
    rank = int(rng.integers(1, 4))
    groups = int(rng.integers(1, 3))
    spatial = tuple(int(n) for n in rng.integers(4, 7, rank))
    shape = (2 * groups, *spatial)
    kernel = tuple(int(n) for n in rng.integers(1, 4, rank))
    stride = tuple(int(n) for n in rng.integers(1, 4, rank))
    pad = tuple((int(a), int(c)) for a, c in rng.integers(0, 3, (rank, 2)))
    dilation = tuple(int(n) for n in rng.integers(1, 3, rank))
    if kind in ("dense", "synapses"):
        shape = (4, 3) if kind == "dense" else (12,)
    x = b.input("x", shape, type=BOOL)
    if kind != "transpose":
        dilation = tuple(
            d if d * (k - 1) < n else 1 for d, k, n in zip(dilation, kernel, spatial, strict=True)
        )
    if kind == "conv":
        weight = pruned(rng, (3 * groups, 2, *kernel))
        y = b.conv("layer", x, weight, rng.normal(size=3 * groups), stride=stride, padding=pad,
                   dilation=dilation, groups=groups)  # fmt: skip
    elif kind == "transpose":
        weight = pruned(rng, (2 * groups, 3, *kernel))
        more = tuple(int(n) for n in rng.integers(0, 2, rank))
        y = b.conv_transpose("layer", x, weight, stride=stride, padding=pad, dilation=dilation,
                             groups=groups, extra=more)  # fmt: skip
    elif kind == "pool":
        at = window(kernel, stride, _inside(pad, kernel, dilation), dilation, rank=rank)
        y = b.map("layer", Pool(at, "average", "kernel"), x)
    elif kind == "maxpool":
        y = b.max_pool("layer", x, kernel, stride=stride, dilation=dilation,
                       padding=_inside(pad, kernel, dilation))  # fmt: skip
    elif kind == "dense":
        axis = int(rng.integers(0, 2))
        y = b.dense("layer", x, pruned(rng, (5, shape[axis])), rng.normal(size=5), axis=axis)
    else:
        n = 40
        y = b.synapses("layer", x, (7,), pruned(rng, (n,)), rng.integers(0, 12, n),
                       rng.integers(0, 7, n), rng.integers(0, 4, n))  # fmt: skip
    b.output("out", y)
    return b, shape


def _inside(pad: tuple[tuple[int, int], ...], kernel: Shape, dilation: Shape) -> Any:
    """Cut a padding so that every window holds a position that is not padding."""
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return tuple((min(a, r), min(c, r)) for (a, c), r in zip(pad, reach, strict=True))


def _with_padding(op: Any, x: Shape, out: Shape, graph: Graph) -> int:
    """Count what a kernel computes that visits padding, or outputs that are cut off."""
    if isinstance(op, Conv):
        return int(np.prod(out)) * graph.tensors[op.weight].data[0].size
    if isinstance(op, ConvTranspose):
        return int(np.prod(x)) * graph.tensors[op.weight].data[0].size
    return int(np.prod(out)) * int(np.prod(op.window.kernel))


@pytest.mark.parametrize("kind", KINDS)
def test_random_layers_equal_a_brute_force_count(kind: str, oracle: Ledger) -> None:
    rng = np.random.default_rng([5, KINDS.index(kind)])
    brute = oracle("brute force")
    drawn = 0
    for _ in range(CASES):
        try:
            b, shape = random_layer(rng, kind)
            graph = b.build()
        except ValueError:  # the drawn window does not fit
            continue
        node = graph.node("layer")
        assert isinstance(node, Map | Reduce)
        synapses = list(listed(graph, "layer"))
        expected = np.zeros(int(np.prod(shape)), np.int64)
        for source, weight, _ in synapses:
            expected[source] += weight != 0
        found = fanout(node.op, shape, graph.tensors)
        assert found.shape == shape
        assert found.dtype == np.int64
        assert (found.ravel() == expected).all()
        assert dense_ops(node.op, shape, graph.tensors) == len(synapses)
        out = graph.signals[("layer", "out")].shape
        windowed = kind not in ("dense", "synapses")
        every = _with_padding(node.op, shape, out, graph) if windowed else len(synapses)
        assert padded_ops(node.op, shape, graph.tensors) == every >= len(synapses)

        steps, samples = 4, 3
        x = rng.random((samples, steps, *shape)) < 0.4
        counts = run(graph, {"x": x}, steps, batch=2)
        row = counts.layer("layer").row
        for n in range(samples):
            ops = 0
            for t, flat in enumerate(x[n].reshape(steps, -1)):
                for source, weight, lag in synapses:
                    ops += bool(flat[source] and weight != 0 and t + lag < steps)
            if kind == "pool":
                assert row.pool_ops[n] == ops + steps * graph.signals[("layer", "out")].size
            elif kind != "maxpool":
                assert row.acs[n] == ops == row.synops[n]
                assert row.macs[n] == 0
                assert row.dense_ops[n] == steps * len(synapses)
        brute.record(spiking=bool(x.any()))
        drawn += 1
    assert drawn >= 0.8 * CASES


def recurrent(delay: int, initial: float = 0, *, size: int = 5, seed: int = 3) -> Graph:
    rng = np.random.default_rng(seed)
    b = GraphBuilder("1ms")
    x = b.input("x", (6,))
    ff = b.dense("ff", x, pruned(rng, (size, 6)))
    back = b.ref("pop", shape=(size,), delay=delay, initial=bool(initial))
    rec = b.dense("rec", back, pruned(rng, (size, size)), rng.choice([0.0, 0.3], size))
    total = b.cell("sum", "add", ff, rec)
    spikes = b.cell("pop", "lif", total, params={"beta": 0.5, "threshold": 0.4})
    return b.output("out", spikes).build()


@pytest.mark.parametrize("seed", range(CASES))
def test_a_recurrence_equals_a_brute_force_count(seed: int, oracle: Ledger) -> None:
    rng = np.random.default_rng([8, seed])
    delay, initial = (1, 3, 2, 9)[seed % 4], (0, 0, 1, 1)[seed % 4]  # one is longer than the run
    size = int(rng.integers(3, 9))
    graph = recurrent(delay, initial, size=size, seed=seed)
    x = rng.choice([0.0, 1.0, -1.0, 0.5], (4, 7, 6), p=[0.5, 0.3, 0.15, 0.05]).astype(np.float32)
    trace = simulate(graph, {"x": x}, 7, record=all_outputs(graph))
    counts = run(graph, {"x": x}, 7, batch=3)
    spikes = trace[("pop", "out")]
    assert spikes.any()
    fan = {name: list(listed(graph, name)) for name in ("ff", "rec")}
    for n in range(4):
        expected = {"acs": 0, "macs": 0, "rec": 0}
        for t in range(7):
            arrived = x[n, t]
            ops = sum(1 for s, w, _ in fan["ff"] if arrived[s] != 0 and w != 0)
            unit = all(v in (0.0, 1.0, -1.0) for v in arrived.tolist())
            expected["acs" if unit else "macs"] += ops
            back = spikes[n, t - delay] if t >= delay else np.full(size, bool(initial))
            expected["rec"] += sum(1 for s, w, _ in fan["rec"] if back[s] and w != 0)
        ff, rec = counts.layer("ff").row, counts.layer("rec").row
        assert (ff.acs[n], ff.macs[n]) == (expected["acs"], expected["macs"])
        assert rec.acs[n] == expected["rec"]
        assert counts.layer("pop").row.spikes[n] == spikes[n].sum()
        # two projections carry each spike: the recurrence and the output
        assert counts.layer("pop").row.messages[n] == 2 * spikes[n].sum()
        assert counts.inputs["x"][n] == np.count_nonzero(x[n])
    assert counts.layer("ff").row.total("macs") > 0
    bias = np.count_nonzero(graph.tensors["rec.bias"].data)
    assert counts.layer("rec").row.bias_ops.tolist() == [7 * bias] * 4
    assert counts.layer("sum").row.residual_ops.tolist() == [7 * size] * 4
    assert counts.layer("pop").row.neuron_updates.tolist() == [7 * size] * 4
    oracle("brute force").record(spiking=True)


def test_batches_samples_and_steps_add_up() -> None:
    graph = recurrent(2)
    rng = np.random.default_rng(4)
    x = rng.choice([0.0, 1.0, 0.5], (7, 9, 6)).astype(np.float32)
    whole = run(graph, {"x": x}, 9)
    for batch in (1, 3, 7):
        again = run(graph, {"x": x}, 9, batch=batch)
        for a, b in zip(whole.layers, again.layers, strict=True):
            assert a.activity == b.activity
            for column in COLUMNS:
                assert (getattr(a.row, column) == getattr(b.row, column)).all()
    alone = [run(graph, {"x": x[i : i + 1]}, 9) for i in range(7)]
    for column in COLUMNS:
        total = getattr(whole.total, column)
        assert total.tolist() == [getattr(c.total, column)[0] for c in alone]
        assert total.sum() == sum(y.row.total(column) for y in whole.layers)
    # samples that last shorter are counted to their own end
    lengths = np.array([9, 1, 4, 9, 2, 3, 7])
    short = run(graph, {"x": x}, 9, lengths=lengths)
    for i, n in enumerate(lengths.tolist()):
        cut = run(graph, {"x": x[i : i + 1, :n]}, n)
        for column in COLUMNS:
            assert getattr(short.total, column)[i] == getattr(cut.total, column)[0], column


def test_rates_silence_and_saturation() -> None:
    b = GraphBuilder()
    x = b.input("x", (4,))
    spikes = b.cell("pop", "threshold", x, params={"threshold": 1.0}, start=2)
    graph = b.output("out", spikes).build()
    data = np.zeros((2, 12, 4), np.float32)
    data[:, :, 0] = 1  # at every step
    data[0, 2:5, 1] = 1  # three of the ten steps after the start
    data[1, :2, 2] = 1  # only before the start
    activity = run(graph, {"x": data}, 12).layer("pop").activity
    assert activity is not None
    assert activity.pairs == 8
    assert (activity.silent, activity.saturated, activity.dead) == (5, 2, 2)
    assert activity.histogram == (5, 0, 0, 1, 0, 0, 0, 0, 0, 2)
    assert activity.steps == 80
    row = run(graph, {"x": data}, 12).layer("pop").row
    assert row.neuron_updates.tolist() == [40, 40]
    assert row.spikes.tolist() == [13, 10]


def test_counts_above_32_bits_equal_a_closed_form(oracle: Ledger) -> None:
    form = oracle("closed form")
    side, channels, timesteps = 128, 64, 16
    b = GraphBuilder()
    x = b.input("x", (channels, side, side), type=BOOL)
    weight = np.ones((channels, channels, 3, 3), np.float32)
    graph = b.output("out", b.conv("conv", x, weight, padding=1)).build()
    # a 3-tap kernel with padding 1 misses one tap at each of the two ends of an axis
    per_step = channels * channels * (3 * side - 2) ** 2
    ones = np.broadcast_to(np.ones((), np.bool_), (2, channels, side, side))
    counts = count(graph, lambda *a, **k: {}, {"x": ones}, timesteps)
    assert counts.layer("conv").row.acs.tolist() == [timesteps * per_step] * 2
    assert timesteps * per_step > 2**33
    assert counts.total.total("acs") == 2 * timesteps * per_step
    form.record()

    # dense, shared over a long axis, with more than 2^32 synapses
    b = GraphBuilder()
    x = b.input("x", (1024, 2048), type=BOOL)
    y = b.dense("fc", x, np.ones((2100, 1024), np.float32), axis=0)
    graph = b.output("out", y).build()
    node = graph.node("fc")
    assert isinstance(node, Map)
    assert dense_ops(node.op, (1024, 2048), graph.tensors) == 1024 * 2048 * 2100 > 2**32
    form.record()


def test_more_than_63_bits_are_refused() -> None:
    b = GraphBuilder()
    x = b.input("x", (8,), type=BOOL)
    graph = b.output("out", b.dense("fc", x, np.ones((8, 8)))).build()
    with pytest.raises(DataError, match="range of the counters"):
        count(graph, lambda *a, **k: {}, {"x": np.ones((1, 8), np.bool_)}, 2**56)


def test_data_that_does_not_fit_is_refused_all_at_once() -> None:
    graph = recurrent(1)
    with pytest.raises(DataError) as error:
        run(graph, {"x": np.zeros((2, 3, 5), np.float32)}, 0)
    assert len(error.value.findings) == 2
    with pytest.raises(DataError, match="no data"):
        run(graph, {}, 3)
