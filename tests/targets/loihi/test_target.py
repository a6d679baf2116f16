"""The target: compiled, opened, run on the engine and in Lava; what Lava cannot run is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from command_line import tool_for
from demo_digits import demo_ann
from loihi_graphs import graph_of, inputs_of
from loihi_nets import FAMILIES, random_network
from neurodeploy.errors import CapabilityError, MissingDependencyError, UsageError
from neurodeploy.ir import BOOL, Graph, GraphBuilder, QType
from neurodeploy.ir.types import tensor
from neurodeploy.targets.loihi.lava import VARIABLE
from neurodeploy.targets.loihi.program import PROGRAM, lava_program
from oracles import Ledger


@pytest.mark.parametrize("family", FAMILIES)
def test_compiled_programs_give_the_engine_s_states(
    family: str, oracle: Ledger, tmp_path: Path
) -> None:
    lava = oracle("lava")
    network = random_network(np.random.default_rng(11), family)
    graph, x = graph_of(network), inputs_of(network)["x"]
    x = np.concatenate([x, x[:, ::-1]])
    art = nd.compile(graph, target="lava", out=tmp_path / "net")
    options: Any = {"python": str(lava.interpreter)}
    neurons = tuple(c.name for c in graph.cells if c.states)
    ours = art.run(x, record=neurons)
    theirs = nd.open(tmp_path / "net").run(x, record=neurons, on="lava", options=options)
    for name in neurons:
        for state, values in ours.states[name].items():
            assert np.array_equal(values, theirs.states[name][state]), (name, state)
    assert np.array_equal(ours.outputs, theirs.outputs)
    spiking = any(bool(ours.states[n]["out"].any()) for n in neurons)
    lava.record(spiking=spiking)


def small(**changes: Any) -> Graph:
    """Two inputs, two neurons; ``changes`` of what is asked for."""
    b = GraphBuilder()
    x = b.input("x", (2,), type=BOOL)
    weights = tensor(changes.get("weights", [[2, 4], [-6, 8]]), QType(-300, 300))
    if "delays" in changes:
        late = changes["delays"]
        d = b.synapses("w", x.after(1), (2,), tensor([2, 4], QType(-8, 8)), [0, 1], [1, 0], late)
    else:
        fed = x.after(changes.get("delay", 1), changes.get("before", 0))
        d = b.dense("w", fed, weights, changes.get("bias"), accumulator=changes.get("sum"))
    d = b.cell("shift", "loihi_synapse", d, options={"exponent": changes.get("exponent", 0)})
    params: Any = {
        name: tensor([value], QType(-(2**19), 524160) if name == "bias" else QType(0, 4095))
        for name, value in {
            "du": 9,
            "dv": 7,
            "threshold": 3,
            "bias": changes.get("mant", 1),
        }.items()
    }
    initial: Any = {k: tensor(v, QType(-9000, 9000)) for k, v in changes.get("initial", {}).items()}
    more: Any = {k: changes[k] for k in ("start",) if k in changes}
    name = changes.get("name", "n")
    n = b.cell(name, "loihi_lif", d, params=params, initial=initial, **more)
    return b.output("y", n).build()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"weights": [[1, 4], [-6, 8]]}, "w: 1 of 4 weights are not held as they are, as 1"),
        ({"weights": [[300, 4], [6, 8]]}, "w: 1 of 4 weights are not held as they are, as 300"),
        ({"delay": 0}, "w: is reached after 0 steps, a connection takes one"),
        ({"delay": 2}, "w: is reached after 2 steps, a connection takes one"),
        ({"bias": tensor([1, 2], QType(0, 9))}, "w: has a bias"),
        ({"before": True}, "w: something arrives before anything was sent"),
        (
            {"weights": [[2, 4], [6, 8]], "sum": QType(0, 9, overflow="saturate")},
            "w: its sum has 4 bits and saturates",
        ),
        ({"sum": QType(-128, 127, overflow="wrap")}, "w: its sum has 8 bits and wraps"),
        ({"start": 2}, "n: starts at step 2, and would not rest before it in Lava"),
        ({"start": 2}, "w: brings something from step 1 on, 'n' starts later"),
        ({"mant": 4097}, "n: has a bias of 4097, which is no 13-bit number"),
        ({"delays": [63, 0]}, "w: has a delay of 63 steps, Loihi holds 62"),
        ({"delays": [3, 0], "exponent": -1}, "w: has delays and the exponent -1"),
    ],
)
def test_what_lava_does_not_hold(changes: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises((CapabilityError, nd.NeurodeployError), match=text):
        nd.compile(small(**changes), target="lava", out=tmp_path / "net")


def test_first_states(oracle: Ledger, tmp_path: Path) -> None:
    lava = oracle("lava")
    graph = small(initial={"u": [7000, -900], "v": [100, 5000]})
    art = nd.compile(graph, target="lava", out=tmp_path / "net")
    x = np.random.default_rng(0).random((1, 30, 2)) < 0.3
    ours = art.run(x, record=("n",))
    theirs = art.run(x, record=("n",), on="lava", options={"python": str(lava.interpreter)})
    for name in ("out", "u", "v"):
        assert np.array_equal(ours.states["n"][name], theirs.states["n"][name]), name
    assert ours.states["n"]["u"][0, 0].tolist() != [0, 0]
    lava.record(spiking=bool(ours.outputs.any()))


def test_other_networks_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CapabilityError, match="possible cells: add, loihi_delta"):
        nd.compile(demo_ann(), target="lava", out=tmp_path / "net")


def test_names_are_comments(tmp_path: Path) -> None:
    hostile = 'x"""\nimport os; os.abort()\n# é'
    text = lava_program(small(name=hostile)).text
    assert "os.abort()\n" not in text.replace("\\n", "")
    assert all(line.strip().startswith("#") for line in text.splitlines() if "abort" in line)
    compile(text, PROGRAM, "exec")


def test_without_lava(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    art = nd.compile(small(), target="lava", out=tmp_path / "net")
    x = np.zeros((1, 4, 2), bool)
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(MissingDependencyError, match=r"has no lava-nc.*lava-nc==0.10.0"):
        art.run(x, on="lava")
    with pytest.raises(MissingDependencyError, match="cannot be called"):
        art.run(x, on="lava", options={"python": str(tmp_path / "nothing")})


def test_a_sum_cannot_be_recorded(oracle: Ledger, tmp_path: Path) -> None:
    lava = oracle("lava")
    art = nd.compile(small(), target="lava", out=tmp_path / "net")
    _, run = art.runner("lava", {"python": str(lava.interpreter)})
    with pytest.raises(UsageError, match="no variable of Lava's processes"):
        run({"x": np.zeros((1, 4, 2), bool)}, 4, record=[("w", "out")])
    lava.record()


def test_the_command_line(
    oracle: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lava = oracle("lava")
    tool = tool_for(capsys)
    nd.save(small(), tmp_path / "net.nd")
    x = np.random.default_rng(0).random((2, 20, 2)) < 0.5
    np.savez(tmp_path / "x.npz", x=x)
    out = str(tmp_path / "out")
    assert tool("compile", str(tmp_path / "net.nd"), "--target", "lava", "-o", out).code == 0
    found = []
    for more in ([], ["--on", "lava", "--option", f"python={lava.interpreter}"]):
        told = tool("run", out, "--input", str(tmp_path / "x.npz"), "--json", *more)
        assert told.code == 0, told.err
        found.append(told.document["spikes"])
    assert found[0] == found[1]
    assert found[0]["n"] > 0
    lava.record(spiking=True)
