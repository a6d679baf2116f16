"""The published L2MU Braille network, built in snnTorch: accuracy, spikes, synaptic operations."""

from __future__ import annotations

import numpy as np
import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("snntorch", reason="snntorch is not installed")

import neurodeploy as nd  # noqa: E402
from l2mu import DATA, braille, l2mu, l2mu_graph  # noqa: E402
from tiers import VERIFY  # noqa: E402

pytestmark = pytest.mark.skipif(
    not (DATA / "l2mu_braille7_weights.npz").is_file(), reason=f"no L2MU weights in {DATA}"
)
# synapses that a spike of each population has
FAN_OUT = {"spk_u": 7, "spk_m": 70 + 7 + 120, "spk_h": 70 + 120 + 7, "spk_output": 0}


def test_all_samples(oracle: Ledger) -> None:
    """The figures are those of the publication, run again with torch on these files."""
    x, y = braille()
    graph = l2mu_graph()
    found = nd.run(graph, x, y, on="engine")
    assert found.accuracy == pytest.approx(0.9853, abs=5e-5)
    means = {name: counts.mean() for name, counts in found.counts.items()}
    assert {name: round(mean) for name, mean in means.items()} == {
        "spk_u": 3371,
        "spk_m": 3014,
        "spk_h": 752,
        "spk_output": 282,
    }
    sent = x.sum(axis=(1, 2)).mean() * (70 + 120)
    sent += sum(means[name] * fan_out for name, fan_out in FAN_OUT.items())
    assert round(float(sent)) == 897_538
    # a spike of the last step that returns over a delay arrives in no step of the sample
    arrived = nd.profile(graph, x, y).to_json()["total"]["synops"] / len(x)
    late = sent - arrived
    assert 0 < late < 0.002 * sent
    oracle("closed form").record(spiking=True)


def test_in_eager_mode(oracle: Ledger) -> None:
    """Sums of trained weights depend on their order; every spike is the same all the same."""
    x, _ = braille()
    net = l2mu()
    graph = l2mu_graph()
    found = nd.compare(net, graph, x[:4])
    assert found.verdict in ("exact", "near")
    assert {n.name for n in found.nodes} >= {"spk_u", "spk_m", "spk_h", "spk_output", "out"}
    assert all(n.mismatches == 0 for n in found.nodes)
    assert all(n.count_a for n in found.nodes), [n.name for n in found.nodes if not n.count_a]
    oracle("snntorch").record(spiking=True)


@pytest.mark.skipif(not VERIFY, reason="another ten seconds of one network: in the full tier")
def test_time_first(oracle: Ledger) -> None:
    """The same from time-first data, as loaders of events give it."""
    x, _ = braille()
    net = l2mu()
    first = np.ascontiguousarray(x[:4].swapaxes(0, 1))
    graph = nd.load(net, example=first, time_axis=0, layout="TN")
    assert graph == nd.load(net, example=x[:4], time_axis=0)
    assert nd.compare(net, graph, first, layout="TN", timesteps=20).equal
    oracle("snntorch").record(spiking=True)
