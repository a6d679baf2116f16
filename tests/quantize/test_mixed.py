"""Bits by a budget: fewest where they cost least, and refused where a promise cannot be kept."""

from __future__ import annotations

import pytest

import neurodeploy as nd
from demo_digits import demo_ann, demo_digits
from neurodeploy.errors import QuantizationError
from neurodeploy.ir import Graph
from neurodeploy.quantize.mixed import WIDTHS, Sensitivity, bits_within, weight_bytes


def layer(name: str, weights: int, *distance: float) -> Sensitivity:
    return Sensitivity(name, weights, dict(zip(WIDTHS, distance, strict=True)))


def test_bits_are_taken_where_a_byte_costs_least() -> None:
    found = [
        layer("tender", 1000, 0.0, 0.2, 0.4, 0.8, 1.0),
        layer("robust", 1000, 0.0, 0.01, 0.02, 0.03, 0.04),
        layer("small", 10, 0.0, 0.01, 0.02, 0.03, 0.04),
    ]
    assert bits_within(found, 10_000) == {"tender": 8, "robust": 8, "small": 8}
    assert bits_within(found, 1520) == {"tender": 8, "robust": 4, "small": 8}
    chosen = bits_within(found, 1200)
    assert chosen["robust"] == 2
    assert chosen["tender"] > 2
    used = sum(weight_bytes(s.weights, chosen[s.node]) for s in found)
    assert used <= 1200
    with pytest.raises(QuantizationError, match="need 503 bytes at 2 bits, the budget is 100"):
        bits_within(found, 100)


def test_weights_are_packed_to_their_bits() -> None:
    assert [weight_bytes(10, bits) for bits in WIDTHS] == [10, 8, 5, 4, 3]


@pytest.fixture(scope="module")
def ann() -> Graph:
    return demo_ann()


def test_a_trained_network_within_a_budget(ann: Graph) -> None:
    digits = demo_digits()
    x, y = digits["xtr"][:64], digits["ytr"][:64]
    weights = {n.name: ann.tensors[n.op.weight].data.size for n in ann.nodes if hasattr(
        getattr(n, "op", None), "weight")}  # fmt: skip
    budget = 24_000
    made = nd.quantize(ann, data={"input": x, "y": y}, budget=budget, max_loss=2)
    kinds = {name: made.tensors[made.node(name).op.weight].type for name in weights}  # type: ignore[attr-defined]
    bits = {name: kind.bits for name, kind in kinds.items()}  # type: ignore[union-attr]
    assert sum(weight_bytes(weights[n], bits[n]) for n in weights) <= budget
    assert len(set(bits.values())) > 1
    assert max(bits.values()) == 8
    with pytest.raises(QuantizationError, match=r"points of accuracy are lost, 0\.5 may"):
        nd.quantize(ann, data={"input": x, "y": y}, bits=2, max_loss=0.5)
