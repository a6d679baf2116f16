"""Sums and pools by packed instructions and in plain C: every width, odd counts, extreme values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_runs import EdgeProgram
from neurodeploy.ir import Graph, GraphBuilder, QType
from neurodeploy.ir.types import BOOL, NumType, Tensor, tensor
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.targets.edge.qemu import QemuRun
from neurodeploy.targets.edge.source import edge_unit
from oracles import Ledger

Array = npt.NDArray[Any]
Key = tuple[str, str]
T = 2
KINDS: dict[str, NumType] = {
    "spikes": BOOL,
    "uint8": QType(0, 255),
    "int8": QType(-128, 127),
    "int16": QType(-32768, 32767),
}


def weights(rng: np.random.Generator, *shape: int) -> Tensor:
    return tensor(rng.choice([-128, -127, -1, 0, 1, 64, 127], shape), QType(-128, 127))


def layers(kind: NumType) -> Graph:
    """Projections of many shapes of one vector and one image."""
    rng = np.random.default_rng(0)
    b = GraphBuilder()
    flat = b.input("flat", (71,), type=kind)  # more than one list holds, and an odd number
    image = b.input("image", (5, 6, 6), type=kind)
    gray = b.input("gray", (1, 6, 6), type=kind)
    made = [b.dense(f"d{n}", flat, weights(rng, n, 71)) for n in (1, 3, 10, 12, 24, 32)]
    made.append(b.conv("one", gray, weights(rng, 8, 1, 3, 3), padding=1))
    made.append(b.conv("runs", image, weights(rng, 16, 5, 3, 3), padding=1))
    made.append(b.conv("strides", image, weights(rng, 12, 5, 3, 2), stride=2, padding=1))
    made.append(b.conv("groups", image, weights(rng, 40, 1, 2, 2), groups=5))
    made.append(b.conv("few", image, weights(rng, 2, 5, 3, 3)))
    made.append(b.conv_transpose("back", image, weights(rng, 5, 8, 2, 2), stride=2))
    for side in (2, 3):
        made.append(b.max_pool(f"frame{side}", image, side))
        made.append(b.max_pool(f"risen{side}", image, side, mode="cumulative"))
    made.append(b.max_pool("laps", image, 3, stride=2, mode="cumulative"))
    for number, y in enumerate(made):
        b.output(f"out{number}", y)
    return b.build(timesteps=T)


def drawn(graph: Graph) -> dict[str, Array]:
    """Numbers of the whole range, its ends among them, and many zeros; silence in one sample."""
    rng = np.random.default_rng(1)
    found: dict[str, Array] = {}
    for node in graph.inputs:
        shape = (2, T, *node.shape)
        lo, hi = (node.type.lo, node.type.hi) if isinstance(node.type, QType) else (0, 1)
        values = np.where(
            rng.random(shape) < 0.3,
            rng.choice([lo, hi], shape),
            rng.integers(lo, hi, shape, endpoint=True),
        )
        values[rng.random(shape) < 0.5] = 0
        values[1] = 0
        found[node.name] = values.astype(bool) if node.type == BOOL else values
    return found


@cache
def case(name: str) -> tuple[Graph, dict[str, Array], Mapping[Key, Array]]:
    graph = layers(KINDS[name])
    inputs = drawn(graph)
    return graph, inputs, simulate(graph, inputs, T, record=all_outputs(graph))


def same(found: Mapping[Key, Array], due: Mapping[Key, Array]) -> None:
    for key, values in found.items():
        assert np.array_equal(values.astype(np.int64), due[key].astype(np.int64)), key


@pytest.mark.parametrize("name", KINDS)
def test_plain_c(name: str, tmp_path: Path, oracle: Ledger) -> None:
    gcc = oracle("gcc")
    graph, inputs, due = case(name)
    unit = edge_unit(graph, "net")
    expected = (
        ("nd_add_rows_16(", "nd_add_rows_8(", "nd_add_rows_4(")
        if name == "spikes"
        else ("nd_mac_rows_4(", "nd_mac_rows_2(", "nd_mac_row_4(")
    )
    assert all(kernel in unit.source for kernel in expected)
    command = ("gcc", "-O1", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
    same(EdgeProgram(unit, "net", tmp_path, command).run(inputs, T), due)
    gcc.record()


@pytest.mark.parametrize("name", KINDS)
def test_packed_instructions(name: str, oracle: Ledger) -> None:
    oracle("arm-none-eabi-gcc").record()
    qemu = oracle("qemu-system-arm")
    graph, inputs, due = case(name)
    same(QemuRun(graph)(inputs, T, record=[(n.name, "out") for n in graph.outputs]), due)
    qemu.record()
