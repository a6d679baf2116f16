"""Which class of snnTorch is which cell, and why some are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurodeploy.converters.base import Handlers
from neurodeploy.converters.snntorch import neurons, parts
from neurodeploy.converters.torch.cell_spec import CellSpec
from neurodeploy.converters.torch.classes import no_cell
from neurodeploy.errors import ConversionError

__all__ = ["PARTS", "REFUSED", "SPECS", "refusal"]

_NEURON = "snntorch._neurons"

# a neuron as its module and qualified name tell it: the cell that it is
SPECS: Handlers[str, Callable[[Any], CellSpec]] = Handlers("snnTorch")

SPECS.handles(f"{_NEURON}.leaky.Leaky")(neurons.leaky)
SPECS.handles(f"{_NEURON}.synaptic.Synaptic")(neurons.synaptic)
SPECS.handles(f"{_NEURON}.rleaky.RLeaky")(neurons.recurrent_leaky)
SPECS.handles(f"{_NEURON}.rsynaptic.RSynaptic")(neurons.recurrent_synaptic)

SPECS.handles(f"{_NEURON}.lapicque.Lapicque")(neurons.lapicque)
SPECS.handles(f"{_NEURON}.alpha.Alpha")(neurons.alpha)

# layers that are more than a cell, or are called in another way: the cell in them
PARTS: Handlers[str, Callable[[Any], CellSpec]] = Handlers("snnTorch")

PARTS.handles(f"{_NEURON}.slstm.SLSTM", f"{_NEURON}.sconv2dlstm.SConv2dLSTM")(parts.spiking_lstm)
PARTS.handles(f"{_NEURON}.leakyparallel.LeakyParallel")(parts.leaky_parallel)
PARTS.handles(f"{_NEURON}.stateleaky.StateLeaky", f"{_NEURON}.linearleaky.LinearLeaky")(
    parts.state_leaky
)
PARTS.handles(f"{_NEURON}.deltaleaky.DeltaLeaky")(parts.delta_leaky)

_BASE = ("it is a base class, which computes nothing", "use Leaky")
_MORE = "neurodeploy.converters.snntorch.parts knows the cell in it; write the rest as nodes"

# the same names: why the class is no cell of its own, and a way out
REFUSED: dict[str, tuple[str, str]] = {
    f"{_NEURON}.slstm.SLSTM": ("its gates are maps of its own membrane", _MORE),
    f"{_NEURON}.sconv2dlstm.SConv2dLSTM": ("its gates are maps of its own membrane", _MORE),
    f"{_NEURON}.leakyparallel.LeakyParallel": ("it maps its input, and takes sequences", _MORE),
    f"{_NEURON}.stateleaky.StateLeaky": ("it takes sequences alone", "use Leaky, reset none"),
    f"{_NEURON}.linearleaky.LinearLeaky": (
        "it maps its input, and takes sequences alone",
        "use nn.Linear and Leaky, reset none",
    ),
    f"{_NEURON}.deltaleaky.DeltaLeaky": ("it takes two states as one argument", _MORE),
    f"{_NEURON}.associative.AssociativeLeaky": (
        "its state is a matrix that decays by what arrives, as quotients of cumulative products",
        "use Leaky or Synaptic",
    ),
    f"{_NEURON}.neurons.SpikingNeuron": _BASE,
    f"{_NEURON}.neurons.LIF": _BASE,
}


def refusal(module: object) -> ConversionError:
    """Give the error that tells why a module is no cell."""
    return no_cell(
        module,
        REFUSED,
        "handled are neurons of snnTorch 1.0 themselves, not what derives from them",
    )
