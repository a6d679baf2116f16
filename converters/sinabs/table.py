"""Which class of sinabs is which cell, which are looked into, and why some are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurodeploy.converters.base import Handlers
from neurodeploy.converters.sinabs import neurons
from neurodeploy.converters.torch.cell_spec import CellSpec
from neurodeploy.converters.torch.classes import no_cell
from neurodeploy.errors import ConversionError

__all__ = ["REFUSED", "SPECS", "TRANSPARENT", "refusal"]

_LAYERS = "sinabs.layers"

# a neuron as its module and qualified name tell it: the cell that it is
SPECS: Handlers[str, Callable[[Any], CellSpec]] = Handlers("sinabs")

SPECS.handles(f"{_LAYERS}.iaf.IAF", f"{_LAYERS}.iaf.IAFSqueeze", f"{_LAYERS}.iaf.IAFRecurrent")(
    neurons.integrate_and_fire
)
SPECS.handles(f"{_LAYERS}.lif.LIF", f"{_LAYERS}.lif.LIFSqueeze", f"{_LAYERS}.lif.LIFRecurrent")(
    neurons.lif
)
SPECS.handles(f"{_LAYERS}.exp_leak.ExpLeak", f"{_LAYERS}.exp_leak.ExpLeakSqueeze")(neurons.exp_leak)
SPECS.handles(
    f"{_LAYERS}.alif.ALIF", f"{_LAYERS}.alif.ALIFSqueeze", f"{_LAYERS}.alif.ALIFRecurrent"
)(neurons.adaptive_lif)

# layers without a state
TRANSPARENT = frozenset({
    "sinabs.network.Network",
    f"{_LAYERS}.channel_shift.ChannelShift",
    f"{_LAYERS}.crop2d.Cropping2dLayer",
    f"{_LAYERS}.merge.Merge",
    f"{_LAYERS}.neuromorphic_relu.NeuromorphicReLU",
    f"{_LAYERS}.pool2d.SumPool2d",
    f"{_LAYERS}.quantize.QuantizeLayer",
    f"{_LAYERS}.reshape.FlattenTime",
    f"{_LAYERS}.reshape.Repeat",
    f"{_LAYERS}.reshape.UnflattenTime",
})  # fmt: skip

_RANDOM = ("it draws its spikes at random", "give the network spikes, or the values themselves")

# the same names: why the class is no cell, and a way out
REFUSED: dict[str, tuple[str, str]] = {
    f"{_LAYERS}.pool2d.SpikingMaxPooling2dLayer": (
        "it adds its input up along the first axis, which it takes for time without a batch",
        "use SumPool2d, or nn.MaxPool2d in each step",
    ),
    f"{_LAYERS}.to_spike.Img2SpikeLayer": _RANDOM,
    f"{_LAYERS}.to_spike.Sig2SpikeLayer": _RANDOM,
    f"{_LAYERS}.stateful_layer.StatefulLayer": (
        "it is a base class, which computes nothing",
        "use LIF",
    ),
}


def refusal(module: object) -> ConversionError:
    """Give the error that tells why a module is no cell."""
    return no_cell(module, REFUSED, "use one of its own neurons")
