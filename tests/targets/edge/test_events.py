"""One step from lists of events: bit for bit the step with dense spikes, sanitizers included."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import neurodeploy as nd
from edge_cases import drawn
from edge_driver import SANITIZED, Driven, build, drive
from edge_runs import EdgeProgram
from neurodeploy.errors import CapabilityError
from neurodeploy.ir import BOOL, GraphBuilder
from neurodeploy.reference import simulate
from neurodeploy.targets.edge.source import edge_unit
from neurodeploy.testing.random_graphs import RandomCase, spiking_share
from oracles import Ledger
from tiers import sample_count

Array = npt.NDArray[Any]
COUNT = sample_count(60, 3)
SEVERAL = 6


@cache
def spiking_case(number: int) -> tuple[int, RandomCase]:
    """Give a random case of which an input carries spikes, and its seed."""
    first = spiking_case(number - 1)[0] + 1 if number else 4000
    for seed in range(first, first + 100):
        case = drawn(seed)
        if case is not None and any(n.type == BOOL for n in case.graph.inputs):
            return seed, case
    raise LookupError("no random case has an input of spikes")


@pytest.mark.parametrize("start", range(0, COUNT, SEVERAL))
def test_events_give_what_dense_spikes_give(start: int, tmp_path: Path, oracle: Ledger) -> None:
    """Every output and state at every step, where wrong calls came before every right one."""
    gcc = oracle("gcc")
    nets, cases = [], [spiking_case(i) for i in range(start, min(COUNT, start + SEVERAL))]
    for seed, case in cases:
        for reuse in (True, False):
            prefix = f"net{seed}{'r' if reuse else 'k'}"
            unit = edge_unit(case.graph, prefix, reuse=reuse)
            nets.append(Driven(unit, prefix, case.inputs, case.timesteps))
    build(nets, tmp_path, SANITIZED)
    for way in ("events", "dense"):
        for net, found in zip(nets, drive(nets, tmp_path, way), strict=True):
            graph = net.unit.plan.graph
            due = simulate(graph, net.inputs, net.timesteps, record=list(found))
            for key, values in found.items():
                assert np.array_equal(values.astype(np.int64), due[key]), (net.prefix, way, key)
    gcc.record(len(cases), spiking=sum(_alive(case) for _, case in cases))


def _alive(case: RandomCase) -> bool:
    keys = [(c.name, c.outputs[0]) for c in case.graph.cells]
    due = simulate(case.graph, case.inputs, case.timesteps, record=keys)
    return spiking_share(due, case.graph) == 1


def pointer(array: Array) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


@pytest.fixture(scope="module")
def single() -> RandomCase:
    cases = (spiking_case(i)[1] for i in range(100))
    return next(c for c in cases if len(c.graph.inputs) == 1 == len(c.graph.outputs))


@pytest.mark.parametrize(
    ("addresses", "scores", "step", "code"),
    [([0, "size"], 0, 0, 3), (["size"], 0, 0, 3), ([65535, 0], 0, 0, 3), ([0], 1, 0, 1),
     ([0], 0, 2**31 - 1, 2)],
)  # fmt: skip
def test_wrong_calls_touch_nothing(
    single: RandomCase, tmp_path: Path, addresses: list[Any], scores: int, step: int, code: int
) -> None:
    """An address beyond the input, an output of another length, and too many steps."""
    program = EdgeProgram(edge_unit(single.graph, "net"), "net", tmp_path)
    graph = single.graph
    size = graph.signals[(graph.inputs[0].name, "out")].size
    events = np.array([size if a == "size" else a for a in addresses], np.uint16)
    program.context[:] = 7
    program.context[:1].view(np.int32)[0] = step
    before = program.context.copy()
    end = graph.outputs[0].name
    out = np.full(graph.signals[(end, "out")].size, 5, np.int64)
    found = program.code.net_step_events(
        pointer(program.context), pointer(events), ctypes.c_size_t(events.size),
        pointer(out), ctypes.c_size_t(out.size + scores),
    )  # fmt: skip
    assert found == code
    assert (out == 5).all()
    assert np.array_equal(program.context, before)


@pytest.mark.parametrize(
    ("size", "dtype"), [(65535, np.uint16), (65536, np.uint32), (70_000, np.uint32)]
)
def test_addresses_of_large_inputs(
    size: int, dtype: type[Any], tmp_path: Path, oracle: Ledger
) -> None:
    """The last neuron, the first address beyond it, and a step without events."""
    b = GraphBuilder("1ms")
    graph = b.output("out", b.input("x", (size,), type=BOOL)).build()
    program = EdgeProgram(edge_unit(graph, "net"), "net", tmp_path)
    out = np.full(size, 9, np.uint8)

    def step(events: Array | None) -> int:
        count = 0 if events is None else events.size
        given = None if events is None else pointer(events)
        code: int = program.code.net_step_events(
            pointer(program.context), given, ctypes.c_size_t(count),
            pointer(out), ctypes.c_size_t(size),
        )  # fmt: skip
        return code

    assert step(np.array([size], dtype)) == 3
    assert (out == 9).all()
    assert step(np.array([size - 1, 0, size - 1], dtype)) == 0
    assert np.flatnonzero(out).tolist() == [0, size - 1]
    assert out.max() == 1
    assert step(None) == 0
    assert not out.any()
    oracle("gcc").record(spiking=True)


def test_the_array_is_counted_and_can_be_left_out(single: RandomCase, tmp_path: Path) -> None:
    units = [edge_unit(single.graph, "net", events=wanted) for wanted in (True, False)]
    size = single.graph.signals[(single.graph.inputs[0].name, "out")].size
    arrays = [u.plan.totals().get("uint8_t", 0) for u in units]
    assert arrays[0] - arrays[1] == size
    assert "net_step_events" in units[0].header
    assert "net_step_events" not in units[1].header + units[1].source
    with pytest.raises(CapabilityError, match="events=no"):
        nd.compile(single.graph, "cortex-m4", out=tmp_path / "fw", options={"ram": 8})
