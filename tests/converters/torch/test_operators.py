"""Every handled ATen operator, against PyTorch in eager mode, on samples that were not exported."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from oracles import Ledger
from tiers import sample_count

torch = pytest.importorskip("torch", reason="torch is not installed")

from neurodeploy.converters.torch import load_torch  # noqa: E402
from neurodeploy.ir import F32, Graph  # noqa: E402
from neurodeploy.reference import simulate  # noqa: E402
from plain_nets import NETS, build, samples  # noqa: E402

# torch tells about an even kernel that it pads by a copy; the result is what counts here
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")


def run(graph: Graph, x: np.ndarray) -> np.ndarray:
    name = graph.outputs[0].name
    return simulate(graph, {graph.inputs[0].name: x}, 1, record=[(name, "out")])[(name, "out")][
        :, 0
    ]


def assert_close(value: np.ndarray, due: np.ndarray) -> None:
    assert value.shape == due.shape
    assert np.abs(value - due).max() <= 1e-5 * np.abs(due).max()


@pytest.mark.parametrize("name", NETS)
def test_graph_computes_what_the_module_does(name: str, oracle: Ledger) -> None:
    found = oracle("torch")
    module, x = build(name), samples(name, 5, seed=1)
    graph = load_torch(module, example=samples(name, 3))
    with torch.no_grad():
        due = module(x).numpy()
    assert due.any()
    assert_close(run(graph, x.numpy()), due)
    found.record()


DECOMPOSED = (
    "conv2d groups", "conv transpose", "linear", "matmul", "max pool1d", "max pool2d", "avg pool1d",
    "adaptive average", "global max", "bn before relu", "bn after relu", "split", "arithmetic",
)  # fmt: skip


@pytest.mark.parametrize("name", DECOMPOSED[: sample_count(len(DECOMPOSED), 5)])
def test_core_aten_operators_give_the_same(name: str, oracle: Ledger) -> None:
    """Programs that were decomposed further, as older versions of torch export them."""
    found = oracle("torch")
    from neurodeploy.converters.torch.capture import export, untouched
    from neurodeploy.converters.torch.example import Example
    from neurodeploy.converters.torch.program import exported
    from neurodeploy.converters.torch.walk import Walk

    module, x = build(name), samples(name, 4, seed=2)
    with untouched(module), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = exported(export(module, Example({"x": samples(name, 3)})).run_decompositions())
    walk = Walk(program, dt=None, float_type=F32, owner="Net")
    walk.run()
    walk.output(0, "out")
    with torch.no_grad():
        due = module(x).numpy()
    assert_close(run(walk.build({}), x.numpy()), due)
    found.record()
