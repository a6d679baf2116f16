"""Which class of norse is which cell, which are looked into, and why some are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurodeploy.converters.base import Handlers
from neurodeploy.converters.norse import neurons
from neurodeploy.converters.torch.cell_spec import CellSpec
from neurodeploy.converters.torch.classes import no_cell
from neurodeploy.errors import ConversionError

__all__ = ["REFUSED", "SPECS", "TRANSPARENT", "refusal"]

_MODULE = "norse.torch.module"

# a neuron as its module and qualified name tell it: the cell that it is
SPECS: Handlers[str, Callable[[Any], CellSpec]] = Handlers("norse")

SPECS.handles(f"{_MODULE}.lif.LIF", f"{_MODULE}.lif.LIFCell")(neurons.lif)
SPECS.handles(f"{_MODULE}.lif.LIFRecurrent", f"{_MODULE}.lif.LIFRecurrentCell")(
    neurons.recurrent_lif
)
SPECS.handles(f"{_MODULE}.lif_box.LIFBoxCell")(neurons.lif_box)
SPECS.handles(f"{_MODULE}.iaf.IAF", f"{_MODULE}.iaf.IAFCell")(neurons.integrate_and_fire)
SPECS.handles(f"{_MODULE}.leaky_integrator.LI", f"{_MODULE}.leaky_integrator.LICell")(
    neurons.leaky_integrator
)
SPECS.handles(f"{_MODULE}.leaky_integrator_box.LIBoxCell")(neurons.leaky_box)

# containers: their state is that of the layers in them
TRANSPARENT = frozenset({f"{_MODULE}.lift.Lift", f"{_MODULE}.sequential.SequentialState"})

_EXPONENTIAL = (
    "its membrane has an exponential, whose last bit differs from library to library",
    "use LIFCell",
)

# the same names: why the class is no cell, and a way out
REFUSED: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        [f"{_MODULE}.lif_adex.LIFAdEx{end}" for end in ("", "Cell", "Recurrent", "RecurrentCell")]
        + [f"{_MODULE}.lif_ex.LIFEx{end}" for end in ("", "Cell", "Recurrent", "RecurrentCell")],
        _EXPONENTIAL,
    ),
    f"{_MODULE}.leaky_integrator.LILinearCell": (
        "its map is a part of it",
        "use nn.Linear without bias and LICell",
    ),
    f"{_MODULE}.sequential.RecurrentSequential": (
        "it adds what it gave the step before, in every step but the first",
        "use LIFRecurrentCell",
    ),
}


def refusal(module: object) -> ConversionError:
    """Give the error that tells why a module is no cell."""
    return no_cell(module, REFUSED, "use LIFCell, IAFCell or LICell")
