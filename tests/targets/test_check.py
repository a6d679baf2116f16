"""The capability check: every kind of finding, all at once, decided by what a node computes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neurodeploy.ir import BOOL, F32, Cell, Graph, GraphBuilder, QType, tensor
from neurodeploy.ir.ops import ArgMax
from neurodeploy.semantics.language import constant, fire, saturate, shift_right, where
from neurodeploy.semantics.trace import CellDefinition, State
from neurodeploy.semantics.types import Int
from neurodeploy.targets.base import Capabilities, CellRule, Limit, OptionValue
from neurodeploy.targets.check import capability_findings, limit_usage
from neurodeploy.targets.cpu import TARGET as CPU
from small_graphs import GRAPHS

LIF = CellRule("lif", (("reset", ("subtract",)), ("refractory", (0, 1)), ("strict", (True,))))
CHIP = Capabilities(
    name="chip",
    description="a chip",
    maps=frozenset({"Dense", "Reshape"}),
    reduces=frozenset(),
    products=False,
    cells=(CellRule("add"), LIF),
    weight_bits=6,
    limits=(
        Limit("neurons", 5, "graph", "neurons", "sheet"),
        Limit("fan_in", 3, "node", "synapses", "sheet"),
    ),
)


def messages(graph: Graph, can: Capabilities = CHIP) -> list[str]:
    return [str(f) for f in capability_findings(graph, can)]


def neuron(cell: Any = "lif", options: Any = None, **more: Any) -> Graph:
    b = GraphBuilder()
    x = b.input("x", (2,))
    made = b.cell("n", cell, x, options=options or {}, source=("layer.n",), **more)
    return b.output("out", made).build()


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_cpu_takes_everything(name: str) -> None:
    assert capability_findings(GRAPHS[name](), CPU.profiles[0]) == []


def test_every_kind_of_finding_at_once() -> None:
    b = GraphBuilder()
    x = b.input("x", (1, 4))
    conv = b.conv("conv", x, np.ones((2, 1, 3)), source=["c.0"])
    first = b.cell("first", "if", conv)
    flat = b.flatten("flat", first)
    heavy = tensor(np.full((4, 4), 99), QType(-99, 99))
    fc = b.dense("fc", flat, heavy)
    real = b.cell("real", "to_float", fc)
    second = b.cell("second", "lif", real, options={"reset": "value", "strict": True})
    best = b.reduce("best", ArgMax(0), second)
    pair = b.product("pair", "i,j->ij", best, second)
    graph = b.output("out", pair).build()
    found = capability_findings(graph, CHIP)
    assert [(f.node, f.value, f.limit) for f in found] == [
        ("conv", "Conv", None),
        ("first", "if", None),
        ("real", "to_float", None),
        ("second", "lif", None),
        ("best", "ArgMax", None),
        ("pair", "Product", None),
        ("conv", None, 6),
        ("fc", 8, 6),
        ("", 12, 5),
        ("fc", 4, 3),
    ]
    text = "\n".join(map(str, found))
    for wanted in (
        "conv (c.0): Conv is not possible on 'chip'. Hint: possible: Dense, Reshape.",
        "first: cell 'if' is not possible on 'chip'. Hint: possible cells: add, lif.",
        "second: cell 'lif' with reset=value (possible: subtract) is not possible on 'chip'",
        "best: ArgMax is not possible on 'chip'. Hint: possible: none of this family.",
        "fc: its weights are integers of 8 bits, 'chip' holds integers of 6 bits. "
        "Hint: neurodeploy quantize --for chip.",
        "conv (c.0): its weights are floats",
        "neurons 12 exceeds the 5 neurons of 'chip'. Hint: --option neurons=N",
        "fc: fan in 4 exceeds the 3 synapses of 'chip'. Hint: --option fan-in=N",
    ):
        assert wanted in text


# -- cells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("refractory", [0, 1])
def test_options_that_a_rule_allows(refractory: int) -> None:
    assert messages(neuron(options={"refractory": refractory, "strict": True})) == []


def test_each_option_that_it_does_not_allow_is_told() -> None:
    (text,) = messages(neuron(options={"refractory": 2}))
    assert "refractory=2 (possible: 0, 1)" in text
    assert "strict=False (possible: True)" in text
    assert text.startswith("n (layer.n): ")


def test_rules_of_one_cell_add_up() -> None:
    can = replace(CHIP, cells=(LIF, CellRule("lif", (("reset", ("value",)),))))
    assert messages(neuron(options={"reset": "value"}), can) == []
    assert messages(neuron(options={"reset": "subtract", "strict": True}), can) == []
    assert len(messages(neuron(options={"reset": "none", "strict": True}), can)) == 1


def _no_leak(p: Any, s: Any, x: Any) -> Any:
    v = s.v + x
    spike = fire(v, p.threshold, strict=True)
    return spike, State(v=where(spike, v - p.threshold, v))


def _lif_twice(p: Any, s: Any, x: Any) -> Any:
    v = p.beta * (p.beta * s.v) + x
    spike = fire(v, p.threshold, strict=True)
    return spike, State(v=where(spike, v - p.threshold, v))


def _other_names(p: Any, s: Any, current: Any) -> Any:
    w = p.leak * s.w + current
    spike = fire(w, p.theta, strict=True)
    return spike, State(w=where(spike, w - p.theta, w))


def _two_inputs(p: Any, s: Any, x: Any, y: Any) -> Any:
    return x + y


LIARS = {
    "no leak": CellDefinition("lif", _no_leak, {"threshold": 1.0}, {"v": 0.0}),
    "leaks twice": CellDefinition("lif", _lif_twice, {"beta": 0.9, "threshold": 1.0}, {"v": 0.0}),
    "other names": CellDefinition("lif", _other_names, {"leak": 0.9, "theta": 1.0}, {"w": 0.0}),
}


@pytest.mark.parametrize("lie", sorted(LIARS))
def test_a_cell_that_lies_about_its_name(lie: str) -> None:
    can = replace(CHIP, cells=(CellRule("lif"), CellRule("add")))
    (text,) = messages(neuron(LIARS[lie]), can)
    assert "cell 'lif' with another program than its own is not possible" in text


def test_a_cell_with_other_inputs_that_lies_about_its_name() -> None:
    b = GraphBuilder()
    x = b.input("x", (2,))
    b.output("out", b.cell("n", CellDefinition("lif", _two_inputs), x, x))
    (text,) = messages(b.build(), replace(CHIP, cells=(CellRule("lif"),)))
    assert "with another program" in text


@pytest.mark.parametrize(
    "options",
    [
        (("reset", "subtract"), ("strict", "True"), ("refractory", "0"), ("timing", "next_after")),
        (("reset", "no such reset"),),
        (("refractory", "many"),),
        (("strict", "perhaps"),),
        (("reset", "subtract"), ("strict", "False")),
        (("colour", "red"), ("strict", "True"), ("timing", "never")),
    ],
)
def test_options_beside_the_program_that_lie(options: tuple[tuple[str, str], ...]) -> None:
    honest = neuron(options={"strict": True})
    assert messages(honest) == []

    def lying(node: Any) -> Any:
        return replace(node, options=options) if isinstance(node, Cell) else node

    (text,) = messages(honest.map_nodes(lying))
    assert "not possible" in text


def test_labels_do_not_matter_where_any_cell_runs() -> None:
    can = replace(CHIP, cells=None)
    assert messages(neuron(LIARS["no leak"]), can) == []


def test_a_rule_whose_cell_nobody_registered() -> None:
    cell = CellDefinition("nobody.has.it", _no_leak, {"threshold": 1.0}, {"v": 0.0})
    (text,) = messages(neuron(cell), replace(CHIP, cells=(CellRule("nobody.has.it"),)))
    assert "not possible" in text


# -- types ----------------------------------------------------------------------------------------


def _whole(p: Any, s: Any, x: Any) -> Any:
    v = saturate(s.v - shift_right(s.v, 2, rounding="floor") + x, -99, 99)
    spike = fire(v, p.threshold, strict=True)
    return spike, State(v=where(spike, constant(v, 0), v))


def test_states_and_parameters_that_may_not_be_floats() -> None:
    can = Capabilities("int", "integers", float_state=False)
    found = messages(neuron(options={"strict": True}), can)
    assert [t.partition(":")[2].split(" is")[0].strip() for t in found] == [
        "state 'v'",
        "parameter 'beta'",
        "parameter 'threshold'",
    ]
    whole = CellDefinition("whole", _whole, {"threshold": None}, {"v": 0}, {"v": Int(-99, 99)})
    b = GraphBuilder()
    x = b.input("x", (2,), type=QType(-4, 4))
    n = b.cell("n", whole, x, params={"threshold": tensor(5, QType(0, 9))})
    assert messages(b.output("out", n).build(), can) == []


@pytest.mark.parametrize(("lo", "hi", "fits"), [(-32, 31, True), (-33, 31, False), (0, 63, True)])
def test_bits_of_weights(lo: int, hi: int, fits: bool) -> None:
    b = GraphBuilder()
    x = b.input("x", (2,), type=BOOL)
    b.output("out", b.dense("fc", x, tensor([[lo, hi]], QType(lo, hi))))
    can = Capabilities("c", "", weight_bits=6)
    assert (messages(b.build(), can) == []) == fits


# -- limits ---------------------------------------------------------------------------------------


def sizes() -> Graph:
    b = GraphBuilder()
    x = b.input("x", (2, 8))
    conv = b.conv("conv", x, np.ones((4, 1, 3)), groups=2, padding=1)
    up = b.conv_transpose("up", x, np.ones((2, 3, 5)))
    n = b.cell("n", "lif", conv, initial={"v": np.zeros((4, 8))})
    flat = b.flatten("flat", n.after(3))
    fc = b.dense("fc", flat, np.ones((5, 32)))
    late = b.synapses(
        "late", flat, (4,), np.ones(5), [0, 1, 2, 3, 31], [0, 0, 0, 1, 3], [1, 2, 7, 0, 3]
    )
    b.output("o1", fc)
    b.output("o2", late)
    return b.output("o3", up).build()


def _brute_fan_in(graph: Graph, node: str, inputs: int) -> int:
    """Count what reaches an output by running one input at a time with weights of one."""
    from neurodeploy.reference import simulate

    reached = 0
    for i in range(inputs):
        x = np.zeros((1, 2, 8), np.float32)
        x.reshape(-1)[i] = 1
        out = simulate(graph, {"x": x}, 1, record=[(node, "out")])[(node, "out")]
        reached = reached + (out[0, 0] != 0)
    return int(np.max(reached))


def test_usage_is_what_is_there() -> None:
    graph = sizes()
    fan_in = limit_usage(graph, "fan_in")
    assert fan_in == {"conv": 3, "up": 10, "fc": 32, "late": 3}
    for node in ("conv", "up"):
        assert fan_in[node] == _brute_fan_in(graph, node, 16)
    assert limit_usage(graph, "neurons") == {"n": 32}
    assert limit_usage(graph, "synapses") == {"conv": 96, "up": 360, "fc": 160, "late": 5}
    assert limit_usage(graph, "weight_bytes") == {"conv": 48, "up": 120, "fc": 640, "late": 20}
    assert limit_usage(graph, "delay") == {"flat": 3, "late": 7}
    # n: 32 membranes of 4 bytes; spikes of 1 byte: a line of 3 steps, a history of 8
    assert limit_usage(graph, "state_bytes") == {"n": 128, "flat": 96, "late": 256}


@pytest.mark.parametrize(
    ("name", "node", "most", "total"),
    [
        ("fan_in", "fc", 32, 32),
        ("neurons", "n", 32, 32),
        ("synapses", "up", 360, 621),
        ("weight_bytes", "fc", 640, 828),
        ("state_bytes", "late", 256, 480),
        ("delay", "late", 7, 7),
    ],
)
def test_limits_per_node_and_per_graph(name: Any, node: str, most: int, total: int) -> None:
    graph = sizes()

    def over(value: int, per: Any) -> list[tuple[str, OptionValue | None]]:
        can = Capabilities("c", "", limits=(Limit(name, value, per, "x", "s"),))
        return [(f.node, f.value) for f in capability_findings(graph, can)]

    assert over(most, "node") == []
    assert over(most - 1, "node") == [(node, most)]
    assert over(total, "graph") == []
    assert over(total - 1, "graph") == [("", total)]


def test_the_check_leaves_the_graph_alone() -> None:
    graph = sizes()
    kept = {n: t.data.copy() for n, t in graph.tensors.items()}
    messages(graph)
    assert all(np.array_equal(kept[n], t.data) for n, t in graph.tensors.items())
    assert graph.signals[("n", "v")].type == F32
