"""Which class of SpikingJelly is which cell, and why some are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurodeploy.converters.base import Handlers
from neurodeploy.converters.spikingjelly import neurons
from neurodeploy.converters.torch.cell_spec import CellSpec
from neurodeploy.errors import ConversionError

__all__ = ["REFUSED", "SPECS", "class_name", "refusal"]

_NEURON = "spikingjelly.activation_based.neuron"

# a neuron as its module and qualified name tell it: the cell that it is
SPECS: Handlers[str, Callable[[Any], CellSpec]] = Handlers("SpikingJelly")

SPECS.handles(
    f"{_NEURON}.integrate_and_fire.IFNode",
    f"{_NEURON}.integrate_and_fire.SimpleIFNode",
    f"{_NEURON}.integrate_and_fire.HalfThresholdIFNode",
)(neurons.if_node)
SPECS.handles(f"{_NEURON}.lif.LIFNode", f"{_NEURON}.lif.SimpleLIFNode")(neurons.lif_node)
SPECS.handles(f"{_NEURON}.plif.ParametricLIFNode")(neurons.parametric_lif_node)
SPECS.handles(f"{_NEURON}.lif_variants.CUBALIFNode")(neurons.cuba_lif_node)
SPECS.handles(f"{_NEURON}.ternary.TernaryIFNode")(neurons.ternary_if_node)
SPECS.handles(f"{_NEURON}.ternary.TernaryLIFNode")(neurons.ternary_lif_node)
SPECS.handles(f"{_NEURON}.integrate_and_fire.NonSpikingIFNode")(neurons.non_spiking_if_node)
SPECS.handles(f"{_NEURON}.lif.NonSpikingLIFNode")(neurons.non_spiking_lif_node)

_CAUSAL = "use SlidingPSN or MaskedPSN, which read the past alone"

# the same names: why the class is no cell, and a way out
REFUSED: dict[str, tuple[str, str]] = {
    f"{_NEURON}.psn.PSN": ("each of its steps reads all steps, those to come as well", _CAUSAL),
    f"{_NEURON}.flexsn.FlexSN": (
        "its step is a function of its user",
        "write the function as a cell (neurodeploy.semantics.trace.cell)",
    ),
}


def class_name(module: object) -> str:
    """Give the full name of an object's class, as the tables have it."""
    return f"{type(module).__module__}.{type(module).__qualname__}"


def refusal(module: object) -> ConversionError:
    """Give the error that tells why a module is no cell."""
    message, hint = REFUSED.get(
        class_name(module), ("this class is not handled", "use one of its own neurons")
    )
    return ConversionError(f"{type(module).__name__}: {message}", hint=hint)
