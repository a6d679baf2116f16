"""What the neurons of snnTorch have in common, read from their attributes.

Harmless are ``init_hidden``, ``output`` (both the front end's), ``learn_*`` and
``surrogate_disable``. Source: snnTorch 1.0.0, ``_neurons/neurons.py``.
"""

from __future__ import annotations

from typing import Any

import torch

from neurodeploy.converters.torch.attributes import NeuronAttributes
from neurodeploy.converters.torch.step_function import step_findings

__all__ = ["Attributes"]


class Attributes(NeuronAttributes):
    """What is read of a neuron of snnTorch."""

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        self.findings += step_findings(module.spike_grad, strict=True)
        if getattr(module, "inhibition", False):
            self.refuse(
                "inhibition=True lets one neuron of the layer fire per step",
                "neurodeploy.converters.snntorch.inhibition writes its three nodes",
            )

    def unquantised(self) -> None:
        """Refuse the quantisation of states, where no cell has it."""
        if self.module.state_quant:
            self.refuse(
                "state_quant quantises its states in each step",
                "Leaky, Lapicque and Synaptic have cells for that",
            )

    def factor(self, name: str) -> torch.Tensor:
        """Give a decay factor, which is held to 0 and 1."""
        return self.tensor(name).clamp(0, 1)

    def firing(
        self, *, zero: str, delayed: bool | None = None
    ) -> tuple[dict[str, str | int | bool], dict[str, torch.Tensor]]:
        """Give options and parameters of threshold, reset and payload.

        Args:
            zero: Where the class resets to zero: ``before`` or ``after`` decay and input.
            delayed: Whether the reset waits for the next step; as the neuron says unless given.
        """
        options: dict[str, str | int | bool] = {"strict": True}
        mechanism = self.module.reset_mechanism
        delayed = bool(self.module.reset_delay) if delayed is None else delayed
        if mechanism == "none":
            options["reset"] = "none"
        else:
            options["reset"] = "subtract" if mechanism == "subtract" else "value"
            place = "after" if mechanism == "subtract" else zero
            options["timing"] = f"{'next' if delayed else 'corrected'}_{place}"
            # the reset of the last step is detached; the correction is not
            if delayed:
                options["detach_reset"] = True
        params = {"threshold": self.tensor("threshold")}
        self.graded(options, params)
        if not delayed and (params.get("amplitude", torch.ones(1)) == 0).any():
            self.refuse("graded_spikes_factor is 0, and reset_delay=False divides by it")
        return options, params

    def graded(
        self, options: dict[str, str | int | bool], params: dict[str, torch.Tensor], times: int = 1
    ) -> None:
        """Enter the payload of the spikes, multiplied in ``times`` times, where it is not 1."""
        factor = self.tensor("graded_spikes_factor")
        if (factor != 1).any():
            options["payload"] = "graded"
            params["amplitude"] = factor if times == 1 else factor * factor
