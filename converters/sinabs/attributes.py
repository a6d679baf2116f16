"""What the neurons of sinabs have in common, read from their attributes.

Harmless are ``surrogate_grad_fn``, ``record_states`` and ``shape``. Source: sinabs 3.1.3,
``layers/lif.py``, ``layers/functional``, ``activation``.
"""

from __future__ import annotations

import torch

from neurodeploy.converters.base import full_name
from neurodeploy.converters.torch.attributes import NeuronAttributes
from neurodeploy.semantics.cells.firing import MAX_SPIKES

__all__ = ["Attributes"]

_SPIKES = "sinabs.activation.spike_generation"
_RESETS = "sinabs.activation.reset_mechanism"


class Attributes(NeuronAttributes):
    """What is read of a neuron of sinabs."""

    def optional(self, name: str) -> torch.Tensor | None:
        """Give a parameter, or None where the neuron has none."""
        return None if getattr(self.module, name, None) is None else self.tensor(name)

    def spikes(self) -> int | None:
        """Give the most spikes that the neuron emits in a step; None for one that is not counted.

        MultiSpike knows no limit, the cells end at `MAX_SPIKES`.
        """
        function = self.module.spike_fn
        name = full_name(function if isinstance(function, type) else type(function))
        if name == f"{_SPIKES}.SingleSpike":
            return None
        if name == f"{_SPIKES}.MultiSpike":
            return MAX_SPIKES
        most = getattr(function, "max_num_spikes_per_bin", None)
        if name == f"{_SPIKES}.MaxSpike" and (most is None or most in range(1, MAX_SPIKES + 1)):
            return MAX_SPIKES if most is None else int(most)
        self.refuse(
            f"spike_fn {name.rpartition('.')[2]} is not handled",
            f"MultiSpike, SingleSpike, or MaxSpike of 1 to {MAX_SPIKES}",
        )
        return None

    def reset(self) -> tuple[str, torch.Tensor | None]:
        """Give the reset, ``subtract`` or ``zero``, and what it subtracts unless the threshold."""
        function = self.module.reset_fn
        name = full_name(type(function))
        if name == f"{_RESETS}.MembraneSubtract":
            value = function.subtract_value
            return "subtract", None if value is None else self.tensor("subtract_value", value)
        if name == f"{_RESETS}.MembraneReset":
            if function.reset_value != 0:
                self.refuse(
                    f"MembraneReset adds its reset_value {function.reset_value} in every step, "
                    "spike or not",
                    "a reset_value of 0",
                )
            return "zero", None
        self.refuse(
            f"reset_fn {name.rpartition('.')[2]} is not handled",
            "MembraneSubtract() or MembraneReset()",
        )
        return "subtract", None

    def threshold(self, name: str = "spike_threshold") -> torch.Tensor:
        """Give the threshold, by which a membrane is divided to count spikes."""
        value = self.tensor(name)
        if not bool((value > 0).all()):
            self.refuse("its threshold is not positive", "it counts spikes by a division by it")
        return value
