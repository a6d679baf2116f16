"""Which class of SpikingJelly is which cell, and why some are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurodeploy.converters.base import Handlers
from neurodeploy.converters.spikingjelly import (
    neurons,
    noisy,
    normalised,
    trained,
    variants,
    variants_output,
)
from neurodeploy.converters.torch.cell_spec import CellSpec
from neurodeploy.converters.torch.classes import no_cell
from neurodeploy.errors import ConversionError

__all__ = ["REFUSED", "SPECS", "refusal"]

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

SPECS.handles(f"{_NEURON}.nonlinear_if.QIFNode")(variants.quadratic_if_node)
SPECS.handles(f"{_NEURON}.nonlinear_if.EIFNode")(variants.exponential_if_node)
SPECS.handles(f"{_NEURON}.adapt.IzhikevichNode")(variants.izhikevich_node)
SPECS.handles(f"{_NEURON}.resonate.RAFNode")(variants.resonate_node)
SPECS.handles(f"{_NEURON}.lif_variants.KLIFNode")(variants.klif_node)
SPECS.handles(f"{_NEURON}.lif_variants.ComplementaryLIFNode")(variants.complementary_lif_node)
SPECS.handles(f"{_NEURON}.lif_variants.GatedLIFNode")(variants_output.gated_lif_node)
SPECS.handles(f"{_NEURON}.lif_variants.LIAFNode")(variants_output.liaf_node)
SPECS.handles(f"{_NEURON}.ilif.ILIFNode")(variants_output.multilevel_lif_node)
SPECS.handles(f"{_NEURON}.online_learning.OTTTLIFNode", f"{_NEURON}.online_learning.SLTTLIFNode")(
    trained.online_lif_node
)
SPECS.handles(f"{_NEURON}.dsr.DSRIFNode")(trained.dsr_if_node)
SPECS.handles(f"{_NEURON}.dsr.DSRLIFNode")(trained.dsr_lif_node)
SPECS.handles(f"{_NEURON}.mpbn.MPBNLIFNode")(normalised.mpbn_lif_node)
SPECS.handles(f"{_NEURON}.spikezip.STBIFNode")(trained.stbif_node)
SPECS.handles(f"{_NEURON}.integrate_and_fire.ActivationAwareIFNode")(
    trained.activation_aware_if_node
)
SPECS.handles(f"{_NEURON}.noisy.NoisyCUBALIFNode")(noisy.noisy_cuba_lif_node)
SPECS.handles(f"{_NEURON}.noisy.NoisyNonSpikingIFNode")(noisy.noisy_non_spiking_if_node)

_TAPS = (
    "it weighs the inputs of the last k steps: a map with delays, then a threshold",
    "neurodeploy.converters.spikingjelly.taps writes these two nodes",
)
_BASE = ("it is a base class: its step is its user's", "write the step as a cell")
_WAY_BACK = (
    "its own map returns its spikes to it",
    "write it as a plain node in a LinearRecurrentContainer",
)
_TABLES = (
    "one of its steps runs through a table of thresholds",
    "convert the network that it came from",
)

# the same names: why the class is no cell, and a way out
REFUSED: dict[str, tuple[str, str]] = {
    f"{_NEURON}.psn.PSN": (
        "each of its steps reads all steps, those to come as well",
        "use SlidingPSN or MaskedPSN, which read the past alone",
    ),
    f"{_NEURON}.psn.SlidingPSN": _TAPS,
    f"{_NEURON}.psn.MaskedPSN": _TAPS,
    f"{_NEURON}.flexsn.FlexSN": (
        "its step is a function of its user",
        "write the function as a cell (neurodeploy.semantics.trace.cell)",
    ),
    **dict.fromkeys(
        [
            f"{_NEURON}.adapt.AdaptBaseNode",
            f"{_NEURON}.base_node.BaseNode",
            f"{_NEURON}.base_node.SimpleBaseNode",
            f"{_NEURON}.mpbn.MPBNBaseNode",
        ],
        _BASE,
    ),
    **dict.fromkeys(
        [
            f"{_NEURON}.inter_layer_connection.ILCIFNode",
            f"{_NEURON}.inter_layer_connection.ILCLIFNode",
            f"{_NEURON}.inter_layer_connection.ILCCUBALIFNode",
            f"{_NEURON}.noisy.NoisyILCCUBALIFNode",
        ],
        _WAY_BACK,
    ),
    **dict.fromkeys(
        [
            f"{_NEURON}.few_spike.FewSpikeNode",
            f"{_NEURON}.few_spike.HGNode",
            f"{_NEURON}.few_spike.OutlierAwareThresholdNode",
        ],
        _TABLES,
    ),
}


def refusal(module: object) -> ConversionError:
    """Give the error that tells why a module is no cell."""
    return no_cell(
        module,
        REFUSED,
        "handled are neurons of SpikingJelly 2.0 themselves, not what derives from them",
    )
