"""The compiled program against the reference: every output and state, every step, every bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine import Engine
from neurodeploy.ir import Graph
from neurodeploy.reference import Trace, all_outputs, simulate

__all__ = ["assert_equal_traces", "assert_same"]

Array = npt.NDArray[Any]


def assert_same(
    graph: Graph,
    engine: Engine,
    inputs: Mapping[str, Array],
    steps: int,
    *,
    threads: int = 1,
    seed: int = 0,
    first_sample: int = 0,
    what: str = "",
) -> Trace:
    """Compare every output and state at every step; give the reference's."""
    keys = all_outputs(graph)
    with np.errstate(all="ignore"):  # extreme inputs overflow in both
        want = simulate(graph, inputs, steps, record=keys, seed=seed, first_sample=first_sample)
        got = engine.run(
            inputs, steps, record=keys, seed=seed, first_sample=first_sample, threads=threads
        )
    assert_equal_traces(want, got, what)
    return want


def assert_equal_traces(want: Trace, got: Trace, what: str = "") -> None:
    """Compare types, shapes and bits, the sign of a zero among them; any NaN equals any NaN."""
    assert list(got) == list(want), what
    for (node, output), a in want.items():
        b = got[node, output]
        name = f"{what}: {node}.{output}"
        assert b.dtype == a.dtype, f"{name} is {b.dtype}, not {a.dtype}"
        assert b.shape == a.shape, f"{name} is {b.shape}, not {a.shape}"
        off = np.argwhere(_differ(a, b))
        assert not off.size, (
            f"{name} differs in {len(off)} of {a.size} values, first at (sample, step, ...) "
            f"{off[0].tolist()}: {b[tuple(off[0])]!r} instead of {a[tuple(off[0])]!r}"
        )


def _differ(a: Array, b: Array) -> Array:
    if a.dtype.kind != "f":
        return np.asarray(a != b)
    bits = np.dtype(f"u{a.dtype.itemsize}")
    x, y = (np.ascontiguousarray(v) for v in (a, b))
    return np.asarray((x.view(bits) != y.view(bits)) & ~(np.isnan(x) & np.isnan(y)))
