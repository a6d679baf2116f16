"""The networks of snnTorch's docstrings, executed as they stand there."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("snntorch", reason="snntorch is not installed")

from neurodeploy.errors import ConversionError  # noqa: E402
from spiking_nets import events, on_grid, proof, read  # noqa: E402

SIZES = {"num_inputs": 20, "num_hidden": 32, "num_outputs": 10, "num_steps": 25}
N, T = 4, 200


def docstring_net(name: str, *args: int) -> Any:
    """Run the example of a class's docstring and make its network."""
    import snntorch

    text = getattr(snntorch, name).__doc__
    example = text.partition("Example::")[2].partition(":param")[0]
    space: dict[str, Any] = {**SIZES, "torch": torch}
    torch.manual_seed(0)
    exec(textwrap.dedent(example), space)
    return on_grid(space["Net"](*args))


@pytest.mark.parametrize(
    ("name", "args", "states"),
    [("Leaky", (), (32, 32, 10)), ("Synaptic", (20, 32, 10), (32, 32, 32, 10, 10))],
)
def test_states_as_arguments(
    name: str, args: tuple[int, ...], states: tuple[int, ...], oracle: Ledger
) -> None:
    net = docstring_net(name, *args)
    x = events((N, T, 20))
    from neurodeploy.converters.torch.load import spiking_model

    given = (x[:, 0], *(np.zeros((N, size), np.float32) for size in states))
    model = spiking_model(net, given)
    assert [n.name for n in model.graph.inputs] == ["x"]
    found = proof(model, x)
    assert found.verdict == "exact"
    assert {"lif1", "lif2"} <= {n.name for n in found.nodes}
    oracle("snntorch").record(spiking=all(n.count_a for n in found.nodes))


def test_recurrent_network_that_loops_by_itself(oracle: Ledger) -> None:
    net = docstring_net("RLeaky")
    x = (np.random.default_rng(0).integers(0, 33, (N, 20)) / 32).astype(np.float32)
    found = proof(read(net, x, steps=25), x, timesteps=25)
    assert found.verdict == "exact"
    oracle("snntorch").record(spiking=all(n.count_a for n in found.nodes))


def test_a_docstring_that_does_not_run_is_refused() -> None:
    """RSynaptic's example makes RLeaky neurons and calls methods that they have not."""
    with pytest.raises(ConversionError, match="init_rsynaptic"):
        read(docstring_net("RSynaptic"), events((N, 20)), steps=25)
