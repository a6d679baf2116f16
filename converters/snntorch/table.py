"""Which class of snnTorch is which cell, and why some are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurodeploy.converters.base import Handlers
from neurodeploy.converters.snntorch import neurons
from neurodeploy.converters.torch.cell_spec import CellSpec
from neurodeploy.errors import ConversionError

__all__ = ["REFUSED", "SPECS", "class_name", "refusal"]

_NEURON = "snntorch._neurons"

# a neuron as its module and qualified name tell it: the cell that it is
SPECS: Handlers[str, Callable[[Any], CellSpec]] = Handlers("snnTorch")

SPECS.handles(f"{_NEURON}.leaky.Leaky")(neurons.leaky)
SPECS.handles(f"{_NEURON}.synaptic.Synaptic")(neurons.synaptic)
SPECS.handles(f"{_NEURON}.rleaky.RLeaky")(neurons.recurrent_leaky)
SPECS.handles(f"{_NEURON}.rsynaptic.RSynaptic")(neurons.recurrent_synaptic)

# the same names: why the class is no cell, and a way out
REFUSED: dict[str, tuple[str, str]] = {}


def class_name(module: object) -> str:
    """Give the full name of an object's class, as the tables have it."""
    return f"{type(module).__module__}.{type(module).__qualname__}"


def refusal(module: object) -> ConversionError:
    """Give the error that tells why a module is no cell."""
    message, hint = REFUSED.get(
        class_name(module), ("this class is not handled", "use one of its own neurons")
    )
    return ConversionError(f"{type(module).__name__}: {message}", hint=hint)
