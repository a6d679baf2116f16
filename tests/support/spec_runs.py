"""Run the cell that a neuron of a framework is said to be, as a graph of one node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.converters.torch.cell_spec import CellSpec
from neurodeploy.ir import Graph, GraphBuilder
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.types import BOOL
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.semantics.trace import cell_definition

__all__ = ["add_spec", "assert_states", "run_spec", "spec_graph"]

Array = npt.NDArray[Any]


def add_spec(b: GraphBuilder, name: str, spec: CellSpec, *arrived: Ref) -> Ref:
    """Add the cell to a graph."""
    params = {
        k: v.detach().numpy() if hasattr(v, "detach") else np.asarray(v)
        for k, v in spec.params.items()
    }
    return b.cell(
        name,
        spec.cell,
        *arrived,
        params=params,
        initial=spec.initial,
        options=spec.options,
        timed=spec.timed,
        provenance=spec.provenance,
    )


def spec_graph(spec: CellSpec, shape: Sequence[int]) -> Graph:
    """Make a graph of one cell; its inputs are named as the cell's."""
    b = GraphBuilder()
    refs = [b.input(name, tuple(shape)) for name in cell_definition(spec.cell).inputs]
    b.output("y", add_spec(b, "cell", spec, *refs))
    return b.build()


def run_spec(spec: CellSpec, inputs: Array | Mapping[str, Array]) -> dict[str, Array]:
    """Run the reference; time is the first axis, then the batch, of what goes in and comes out.

    Gives ``out`` as float32, and each state by the framework's name of it.
    """
    names = cell_definition(spec.cell).inputs
    given = inputs if isinstance(inputs, Mapping) else {names[0]: inputs}
    first = next(iter(given.values()))
    graph = spec_graph(spec, first.shape[2:])
    found = simulate(
        graph,
        {k: np.ascontiguousarray(np.moveaxis(x, 0, 1)) for k, x in given.items()},
        len(first),
        record=all_outputs(graph),
    )
    kept = {s.name for s in graph.node("cell").states}
    assert not spec.states or kept <= {*spec.states.values(), "fired"}
    rows = {"out": found["cell", "out"]}
    rows |= {theirs: found["cell", ours] for theirs, ours in spec.states.items()}
    assert graph.signals["cell", "out"].type == BOOL or rows["out"].dtype == np.float32
    return {k: np.moveaxis(v, 1, 0).astype(np.float32) for k, v in rows.items()}


def assert_states(ours: Mapping[str, Array], theirs: Mapping[str, Array], ulp: int = 0) -> None:
    """Compare spikes bit by bit, and states within a few units in the last place of each."""
    assert set(ours) == set(theirs)
    for name, due in theirs.items():
        assert np.isfinite(due).all(), f"{name}: the framework left the finite numbers"
        assert ours[name].shape == due.shape, f"{name}: {ours[name].shape}, not {due.shape}"
        allowed = ulp * np.spacing(np.maximum(np.abs(due), 1)) if name != "out" else 0
        wrong = np.argwhere(np.abs(ours[name] - due) > allowed)
        if len(wrong):
            at = tuple(wrong[0])
            raise AssertionError(
                f"{name}: {len(wrong)} of {due.size} differ, first at {at}: "
                f"{ours[name][at]!r}, not {due[at]!r}"
            )
