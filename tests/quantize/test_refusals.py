"""What cannot be quantised is refused, each layer by its name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy.errors import DataError, QuantizationError, UsageError
from neurodeploy.ir import Graph, GraphBuilder
from neurodeploy.quantize import Scheme

N, T = 6, 5


def network(weight: float = 1.0, threshold: float = 0.5) -> Graph:
    random = np.random.default_rng(0)
    b = GraphBuilder()
    first = b.dense("fc1", b.input("x", (4,)), weight * random.normal(size=(6, 4)))
    hidden = b.cell("hidden", "lif", first, params={"beta": 0.9, "threshold": threshold})
    last = b.dense("fc2", hidden, random.normal(size=(3, 6)))
    return b.output("y", b.cell("last", "lif", last, params={"beta": 0.9})).build()


def data() -> np.ndarray:
    return np.random.default_rng(1).random((N, T, 4)).astype(np.float32)


def test_a_layer_that_is_silent() -> None:
    with pytest.raises(QuantizationError) as caught:
        nd.quantize(network(threshold=1e9), data=data())
    assert [f.node for f in caught.value.findings] == ["last"]
    assert "0 throughout the calibration data" in str(caught.value)


def test_weights_that_are_all_zero() -> None:
    with pytest.raises(QuantizationError, match="fc1: all its weights are 0"):
        nd.quantize(network(weight=0.0), data=data())


def test_a_graph_that_is_quantised_already() -> None:
    made = nd.quantize(network(), data=data())
    with pytest.raises(QuantizationError, match="holds no float weights"):
        nd.quantize(made, data=data())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weight_bits": 1}, "weight_bits is 1. Hint: 2 to 16"),
        ({"state_bits": 64}, "state_bits is 64"),
        ({"grid": "log"}, "grid 'log' is unknown"),
        ({"percentile": 0.0, "observer": "some"}, "observer 'some' is unknown"),
        ({"headroom": 0.5}, "headroom is 0.5"),
    ],
)
def test_schemes_out_of_range(given: dict[str, Any], message: str) -> None:
    with pytest.raises(QuantizationError, match=message):
        Scheme(**given)


def test_bits_that_contradict_the_scheme() -> None:
    with pytest.raises(UsageError, match="bits is 4, and the scheme has 8"):
        nd.quantize(network(), data=data(), bits=4, scheme=Scheme())


def test_nothing_is_mutated_and_the_same_comes_out_twice() -> None:
    graph, x = network(), data()
    before, kept = graph.digest, x.copy()
    first, second = (nd.quantize(graph, data=x, bits=6) for _ in range(2))
    assert first == second
    assert first.changes == second.changes
    assert graph.digest == before
    assert np.array_equal(x, kept)
    named = {c.node for c in first.changes}
    assert {"x", "fc1", "hidden", "fc2", "last"} <= named


def test_data_far_outside_the_calibration_are_refused() -> None:
    """Pixels of 0 to 255 in the place of 0 to 1 would all saturate, without a word."""
    made = nd.quantize(network(), data=data())
    assert nd.run(made, np.minimum(data() * 1.1, 1.2)).outputs.shape == (N, T, 3)
    with pytest.raises(DataError, match=r"lies in \[.*\], the calibration samples in"):
        nd.run(made, 255 * data())
    whole = (255 * data()).astype(np.int64)  # integers are the steps themselves
    assert nd.run(made, whole).outputs.shape == (N, T, 3)
    with pytest.raises(DataError, match="does not lie in"):
        nd.run(made, whole + 100)


def test_inputs_become_spikes_or_steps() -> None:
    spikes = (data() < 0.4).astype(np.float32)
    made = nd.quantize(network(), data=spikes)
    assert str(made.inputs[0].type) == "Bool()"
    made = nd.quantize(network(), data=data())
    kind = made.inputs[0].type
    assert (kind.lo, kind.hi) == (0, 255)  # type: ignore[union-attr]
    # numbers are rounded to steps, integers are steps
    real = nd.run(made, data(), record=("x",)).states["x"]["out"]
    step = kind.scale[0]  # type: ignore[union-attr]
    assert np.abs(real * step - data()).max() <= step / 2 + 1e-7
    assert np.array_equal(nd.run(made, real).outputs, nd.run(made, data()).outputs)
