"""What Loihi does not hold is refused, with the range; Lava takes it without a word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurodeploy.errors import GraphError, QuantizationError, SemanticsError
from neurodeploy.ir import GraphBuilder, QType
from neurodeploy.ir.types import tensor
from neurodeploy.targets.loihi import cells, resonators, sigma_delta
from neurodeploy.targets.loihi.weights import SignMode, held_weights, kept_weights, sign_mode

LIF = {"du": (0, 4095), "dv": (0, 4095), "threshold": (0, 131071), "bias": (-524288, 524160)}


def _lif(cell: str = "loihi_lif", fan_in: int = 2**18, **ranges: tuple[int, int]) -> None:
    b = GraphBuilder()
    x = b.input("x", (1,), type=QType(-fan_in, fan_in))
    params: Any = {k: tensor([lo], QType(lo, hi)) for k, (lo, hi) in {**LIF, **ranges}.items()}
    b.output("y", b.cell("n", cell, x, params=params)).build()


@pytest.mark.parametrize("cell", ["loihi_lif", "loihi_lif_reset"])
def test_the_ends_of_the_ranges_are_held(cell: str) -> None:
    _lif(cell)


@pytest.mark.parametrize(
    ("ranges", "text"),
    [
        ({"du": (0, 4096)}, r"du is int\[0,4096\], Loihi holds int\[0,4095\]"),
        ({"dv": (-1, 9)}, r"dv is int\[-1,9\], Loihi holds int\[0,4095\]"),
        ({"threshold": (0, 131072)}, r"threshold .* Loihi holds int\[0,131071\]"),
        ({"bias": (0, 524161)}, r"bias .* Loihi holds int\[-524288,524160\]"),
        ({"fan_in": 2**18 + 1}, r"input .* Loihi holds int\[-262144,262144\]"),
    ],
)
def test_parameters_out_of_range(ranges: Any, text: str) -> None:
    with pytest.raises((SemanticsError, GraphError), match=text):
        _lif(**ranges)


def test_all_of_them_are_told_at_once() -> None:
    with pytest.raises((SemanticsError, GraphError)) as caught:
        _lif(du=(0, 5000), dv=(0, 5000), bias=(0, 10**6), fan_in=10**6)
    assert all(word in str(caught.value) for word in ("input", "du", "dv", "bias"))


@pytest.mark.parametrize("interval", [(0, 0), (3, 3), (3, -1)])
def test_intervals(interval: tuple[int, int]) -> None:
    b = GraphBuilder()
    x = b.input("x", (1,), type=QType(-5, 5))
    params: Any = {k: tensor([0], QType(0, 1)) for k in LIF}
    options = dict(zip(("interval", "offset"), interval, strict=True))
    with pytest.raises((SemanticsError, GraphError), match="an interval from 1 on"):
        b.cell("n", "loihi_lif_reset", x, params=params, options=options)


@pytest.mark.parametrize("exponent", [-9, 8])
def test_weight_exponents(exponent: int) -> None:
    b = GraphBuilder()
    x = b.input("x", (1,), type=QType(-5, 5))
    with pytest.raises((SemanticsError, GraphError), match="a weight exponent of"):
        b.cell("n", "loihi_synapse", x, options={"exponent": exponent})


@given(st.lists(st.integers(-400, 400), min_size=1, max_size=20), st.integers(1, 8))
def test_what_is_kept_is_held(weights: list[int], bits: int) -> None:
    """Loihi's cut is the identity on what it has cut, and nothing else is held."""
    mode = sign_mode(weights)
    kept = kept_weights(weights, mode, bits)
    assert held_weights(kept, mode, bits).tolist() == kept.tolist()
    if kept.tolist() != weights:
        with pytest.raises(QuantizationError, match="are not held as they are"):
            held_weights(weights, mode, bits)


def test_weights_that_are_no_integers() -> None:
    with pytest.raises(QuantizationError, match="as floats, all between -1 and 1 would become 0"):
        held_weights(np.array([0.7, -0.2]), SignMode.MIXED)
    with pytest.raises(QuantizationError, match="weights of 9 bits"):
        held_weights([2], SignMode.MIXED, 9)
    with pytest.raises(QuantizationError, match=r"1 of 2 weights .* as 255.* multiples of 2"):
        held_weights([-2, 255], SignMode.MIXED)


@pytest.mark.parametrize(
    ("period", "alpha", "bits", "text"),
    [
        (3.9, 0.1, 12, "a period of 3.9 steps"),
        (float("nan"), 0.1, 12, "a period of nan steps"),
        ([10, 2], 0.1, 12, "a period of 2 steps"),
        (10, -0.1, 12, "alpha is -0.1"),
        (10, 1.5, 12, "alpha is 1.5"),
        (10, 0.1, 16, "decays of 16 bits"),
    ],
)
def test_periods(period: Any, alpha: float, bits: int, text: str) -> None:
    with pytest.raises(QuantizationError, match=text):
        resonators.resonator_decays(period, alpha, bits)


def test_decays_of_a_quarter_turn() -> None:
    sine, cosine = resonators.resonator_decays([4, 8], 0.0)
    assert (sine.tolist(), cosine.tolist()) == ([4096, 2896], [0, 2896])


@pytest.mark.parametrize(
    ("cell", "options", "text"),
    [
        ("loihi_delta", {"state_exp": 8}, "state_exp is 8"),
        ("loihi_delta", {"spike_exp": -1}, "spike_exp is -1"),
        ("loihi_sigma_delta", {"activation": "tanh"}, "relu or unit"),
    ],
)
def test_sigma_delta_options(cell: str, options: Any, text: str) -> None:
    b = GraphBuilder()
    x = b.input("x", (1,), type=QType(-5, 5))
    threshold = tensor([3], QType(0, sigma_delta.POSITIVE.hi))
    bias = tensor([3], QType(0, 9))
    params: Any = {"threshold": threshold, **({"bias": bias} if "sigma" in cell else {})}
    with pytest.raises((SemanticsError, GraphError), match=text):
        b.cell("n", cell, x, params=params, options=options)


def test_a_sum_that_leaves_24_bits_is_held() -> None:
    from neurodeploy.reference import simulate

    b = GraphBuilder()
    x = b.input("x", (1,), type=QType(0, 2**22))
    graph = b.output("y", b.cell("n", "loihi_sigma", x)).build()
    trace = simulate(graph, {"x": np.full((1, 4, 1), 2**22)}, 4, record=[("y", "out")])
    assert trace["y", "out"].reshape(-1).tolist() == [2**22, *[cells.STATE.hi] * 3]
