"""Graphs whose program Lava would run as another network, or not at all, are refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurodeploy.errors import CapabilityError, UnavailableTargetError, UsageError
from neurodeploy.ir import BOOL, Graph, GraphBuilder, QType
from neurodeploy.ir.types import tensor
from neurodeploy.targets.loihi.lava import LavaRun
from neurodeploy.targets.loihi.program import lava_program
from oracles import Ledger

EVEN = QType(-256, 254)
MESSAGES = QType(-(2**23), 2**23 - 1, overflow="wrap")


def lif(b: GraphBuilder, name: str, total: Any, **more: Any) -> Any:
    params: Any = {k: tensor([v], QType(0, 4095)) for k, v in (("du", 9), ("dv", 7))}
    params |= {"threshold": tensor([3], QType(0, 9)), "bias": tensor([1], QType(0, 9))}
    return b.cell(name, "loihi_lif", total, params=params, **more)


def even(*shape: int) -> Any:
    return tensor(2 * np.random.default_rng(0).integers(-9, 12, shape), EVEN)


def spikes(b: GraphBuilder, *shape: int) -> Any:
    return b.input("x", shape, type=BOOL)


def convolution(shape: tuple[int, ...], sent: tuple[int, ...], **geometry: Any) -> Graph:
    b = GraphBuilder()
    x = spikes(b, *sent).after(1)
    x = x if shape == sent else b.reshape("shaped", x, shape)
    groups = geometry.get("groups", 1)
    weights = even(groups, shape[0] // groups, 1, 1)
    return b.output("y", lif(b, "n", b.conv("w", x, weights, **geometry))).build()


@pytest.mark.parametrize(
    ("graph", "text"),
    [
        (convolution((128, 2, 2), (128, 2, 2), groups=128), "groups of 128, Lava holds 127"),
        (convolution((1, 3, 4), (1, 3, 4), stride=200), "of 200, Lava holds 127"),
        (convolution((1, 6, 4), (1, 4, 6)), r"reads 'x' of shape \[1, 4, 6\] as \[1, 6, 4\]"),
        (convolution((1, 6, 4), (24,)), r"reads 'x' of shape \[24\] as \[1, 6, 4\]"),
    ],
)
def test_convolutions(graph: Graph, text: str) -> None:
    with pytest.raises(CapabilityError, match=f"w: .*{text}"):
        lava_program(graph)


def test_populations_that_nothing_joins() -> None:
    b = GraphBuilder()
    x = spikes(b, 3).after(1)
    one = lif(b, "one", b.dense("w1", x, even(2, 3)))
    z = b.input("z", (3,), type=BOOL).after(1)
    two = lif(b, "two", b.dense("w2", z, even(2, 3)))
    b.output("a", one)
    graph = b.output("b", two).build()
    with pytest.raises(CapabilityError, match="two: nothing joins it to 'one'"):
        lava_program(graph)


@pytest.mark.parametrize("wide", [False, True])
def test_sums_that_are_spread(wide: bool) -> None:
    b = GraphBuilder()
    x = spikes(b, 3).after(1)
    total = b.dense("w", x, even(1, 3))
    if wide:
        total = b.cell("sum", "add", total, b.dense("v", x, even(2, 3)))
    graph = b.output("y", lif(b, "n", total, shape=(2,))).build()
    with pytest.raises(CapabilityError, match=r"w: a sum of shape \[1\] is spread over \[2\]"):
        lava_program(graph)


def resonators(threshold: list[int]) -> Graph:
    b = GraphBuilder()
    x = spikes(b, 3).after(1)
    params: Any = {k: tensor([900], QType(0, 4095)) for k in ("sine", "cosine")}
    params["threshold"] = tensor(threshold, QType(-99, 99))
    fed = [b.dense(name, x, even(2, 3)) for name in ("re", "im")]
    return b.output("y", b.cell("n", "loihi_resonator", *fed, params=params)).build()


def test_thresholds_of_several_neurons() -> None:
    lava_program(resonators([3]))
    with pytest.raises(CapabilityError, match="n: has thresholds of several neurons"):
        lava_program(resonators([3, 4]))


def sums(deep: int, doubled: int) -> Graph:
    """Sums of sums: ``deep`` one behind the other, then ``doubled`` of twice the one before."""
    b = GraphBuilder()
    term = b.dense("w", spikes(b, 2).after(1), tensor(np.zeros((2, 2), int), QType(0, 0)))
    total = term
    for number in range(deep):
        total = b.cell(f"a{number}", "add", total, term)
    for number in range(doubled):
        total = b.cell(f"twice{number}", "add", total, total)
    return b.output("y", lif(b, "n", total)).build()


def test_many_sums() -> None:
    assert len(lava_program(sums(1100, 0)).network.connections) == 1101
    with pytest.raises(CapabilityError, match="n: more than 4096 sums arrive"):
        lava_program(sums(0, 40))


def test_delays_between_many_neurons() -> None:
    b = GraphBuilder()
    x = spikes(b, 20_000).after(1)
    size = (20_000,)
    made = b.synapses("w", x, size, tensor([2, 4], EVEN), [0, 19_999], [5, 6], [1, 2])
    with pytest.raises(CapabilityError, match="w: has delays from 20000 neurons to 20000"):
        lava_program(b.output("y", lif(b, "n", made)).build())
    b = GraphBuilder()
    x = spikes(b, 20_000).after(1)
    made = b.synapses("w", x, size, tensor([2, 4], EVEN), [0, 19_999], [5, 6])
    program = lava_program(b.output("y", lif(b, "n", made)).build())  # as rows
    assert sum(values.nbytes for values in program.arrays.values()) < 10**6


def test_sums_beyond_24_bits_stop_the_run(oracle: Ledger) -> None:
    lava = oracle("lava")
    b = GraphBuilder()
    x = b.input("x", (4,), type=QType(0, 65536)).after(1)
    summed = b.dense("w", x, tensor(np.full((1, 4), 254), EVEN), accumulator=MESSAGES)
    fed = b.cell("shift", "loihi_synapse", summed, options={"exponent": -5})
    run = LavaRun(b.output("y", lif(b, "n", fed)).build(), str(lava.interpreter))
    few, many = (np.full((1, 3, 4), value) for value in (8000, 65536))
    trace = run({"x": few}, 3, record=[("n", "u")])
    assert trace["n", "u"].any()
    with pytest.raises(
        UnavailableTargetError, match=r"(?s)ended with 1.* reaches 208\d+, at most 262143"
    ):
        run({"x": many}, 3, record=[("n", "u")])
    lava.record(2)


def test_interpreters(oracle: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A relative path is that of the caller, and a failure is told with what was said."""
    lava = oracle("lava")
    monkeypatch.chdir(tmp_path)
    Path("python").symlink_to(lava.interpreter.parent.parent, target_is_directory=True)
    near = os.path.join("python", "bin", lava.interpreter.name)
    run = LavaRun(resonators([3]), near)
    x = np.ones((1, 4, 3), bool)
    assert run({"x": x}, 4, record=[("n", "re")])["n", "re"].any()
    with pytest.raises(UsageError, match="seconds is 0"):
        LavaRun(resonators([3]), near, 0.0)
    short = LavaRun(resonators([3]), near, 0.001)
    with pytest.raises(UnavailableTargetError, match=r"no further sample within 0.001 s, after 0"):
        short({"x": x}, 4, record=[("n", "re")])
    lava.record()
