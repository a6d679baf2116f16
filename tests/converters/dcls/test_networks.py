"""Networks with learned delays in eager mode against their graphs: sums, spikes and states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from oracles import Ledger

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("DCLS", reason="oracle DCLS: pip install --no-deps dcls")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

from DCLS.construct.modules import Dcls1d, Dcls2d  # noqa: E402
from spikingjelly.activation_based import neuron  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

from neurodeploy.errors import ConversionError  # noqa: E402
from neurodeploy.ir.nodes import Map  # noqa: E402
from neurodeploy.ir.ops import Synapses  # noqa: E402
from spiking_nets import events, proof, read  # noqa: E402

T, N, K = 200, 4, 12


def delays(n: int, m: int, version: str, *, count: int = 1, whole: bool = True, **more: Any) -> Any:
    layer = Dcls1d(n, m, count, dilated_kernel_size=K, version=version, **more)
    with torch.no_grad():
        # what its own clamping allows: positions 0 to K - 1
        layer.P.uniform_(-(K // 2), K - 1 - K // 2)
        if whole:
            layer.P.round_()
        layer.weight.mul_(6).mul_(32).round_().div_(32)
        if layer.bias is not None:
            layer.bias.mul_(32).round_().div_(32)
        wanted = (layer.DCK(layer.weight, layer.P, layer.SIG) * 64).round() / 64
        if whole and version != "v0":
            _nudge(layer, wanted)
    layer.DCK.IDX = layer.DCK.lim = None
    return layer


def _nudge(layer: Any, wanted: torch.Tensor) -> None:
    """Move weights by an ulp or two, so that the taps, normalised by 1 + 1e-7, are on a grid."""
    start = layer.weight.clone()
    for ulps in (1, 2, 3):
        wrong = layer.DCK(layer.weight, layer.P, layer.SIG) != wanted
        ours = wrong.any(-1, keepdim=True)
        raised = start
        for _ in range(ulps):
            raised = torch.nextafter(raised, 2 * start)
        layer.weight.copy_(torch.where(ours, raised, layer.weight))
    assert torch.equal(layer.DCK(layer.weight, layer.P, layer.SIG), wanted)


class Delayed(nn.Module):
    """Two layers of delays, each behind its padding, as in the paper; (T, N, channels)."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.d1, self.sn1 = first, neuron.LIFNode(tau=2.0, decay_input=False, step_mode="m")
        self.d2, self.sn2 = second, neuron.IFNode(step_mode="m", v_reset=None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer, node in ((self.d1, self.sn1), (self.d2, self.sn2)):
            y = layer(F.pad(x.permute(1, 2, 0), (K - 1, 0)))
            x = node(y.permute(2, 0, 1))
        return x


@pytest.mark.parametrize("version", ["v0", "v1", "max", "gauss"])
@pytest.mark.parametrize("more", [{}, {"bias": False, "groups": 4}])
def test_whole_delays(version: str, more: dict[str, Any], oracle: Ledger) -> None:
    """The taps of a Gaussian are off the grid: it differs in rounding alone."""
    torch.manual_seed(0)
    whole = version != "gauss"
    first = delays(12, 16, version, whole=whole, **more)
    net = Delayed(first, delays(16, 8, version, whole=whole, **more)).eval()
    x = events((N, T if whole else 60, 12))
    model = read(net, x, time_axis=0)
    maps = {n.name: n.op for n in model.graph.nodes if isinstance(n, Map)}
    op = maps["d1"]
    assert isinstance(op, Synapses)
    assert op.delay is not None
    if whole:
        data = {k: v.data for k, v in model.graph.tensors.items()}
        position = (first.P[0].detach().numpy() + K // 2).reshape(-1)
        assert data[op.weight].size == np.count_nonzero(first.weight.detach().numpy())
        kept = first.weight.detach().numpy().reshape(-1) != 0
        assert np.array_equal(np.sort(data[op.delay]), np.sort(K - 1 - position[kept]))
    found = proof(model, x)
    assert found.verdict == "exact" if whole else found.equal
    assert all(n.count_a for n in found.nodes)
    assert {"d1", "sn1", "d2", "sn2"} <= {n.name for n in found.nodes}
    oracle("DCLS").record(spiking=True)


def test_several_positions_between_steps(oracle: Ledger) -> None:
    """Each position gives two taps; sums differ in the order of their terms alone."""
    torch.manual_seed(1)
    first = delays(12, 16, "v1", count=3, whole=False)
    net = Delayed(first, delays(16, 8, "v0", count=2, whole=False)).eval()
    x = events((N, 60, 12))
    found = proof(read(net, x, time_axis=0), x)
    assert found.equal
    oracle("DCLS").record(spiking=True)


def test_everything_refused_is_named_at_once() -> None:
    net = Delayed(
        Dcls1d(4, 4, 1, dilated_kernel_size=K, padding=K - 1, stride=2),
        Dcls2d(4, 4, 1, dilated_kernel_size=3),
    )
    with pytest.raises(ConversionError) as caught:
        read(net, events((N, 5, 4)), time_axis=0)
    found = [(f.node, f.message) for f in caught.value.findings]
    assert [n for n, _ in found] == ["d1", "d1", "d2"]
    assert "both sides" in found[0][1]
    assert "Dcls2d" in found[2][1]


@pytest.mark.parametrize(
    ("pads", "text"),
    [((K - 1, 2), "padded by"), ((3, 0), "with 11 zeros in front and is given one with 3")],
)
def test_other_paddings_are_refused(pads: tuple[int, int], text: str) -> None:
    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.d = delays(4, 4, "v0")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.d(F.pad(x.permute(1, 2, 0), pads))

    with pytest.raises(ConversionError, match=text):
        read(Other(), events((N, 20, 4)), time_axis=0)


def test_the_layer_is_left_as_it_was() -> None:
    net = Delayed(delays(4, 6, "v1"), delays(6, 4, "v1"))
    read(net, events((N, 20, 4)), time_axis=0)
    assert net.d1.DCK.IDX is None
    assert net.training
