"""What the neurons of snnTorch have in common, read from their attributes.

Harmless are ``init_hidden``, ``output`` (both the front end's), ``learn_*`` and
``surrogate_disable``. Source: snnTorch 1.0.0, ``_neurons/neurons.py``.
"""

from __future__ import annotations

from typing import Any

import torch

from neurodeploy.converters.torch.step_function import step_findings
from neurodeploy.errors import ConversionError, Finding, raise_findings

__all__ = ["Attributes"]


class Attributes:
    """Reads the attributes of one neuron and collects what cannot be translated.

    Args:
        module: The neuron.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.findings: list[Finding] = list(step_findings(module.spike_grad, strict=True))
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

    def refuse(self, message: str, hint: str = "") -> None:
        """Keep a reason why the neuron cannot be translated."""
        self.findings.append(Finding(f"{type(self.module).__name__}: {message}", hint=hint))

    def check(self) -> None:
        """Raise everything that was found, at once.

        Raises:
            ConversionError: something was.
        """
        raise_findings(ConversionError, self.findings)

    def tensor(self, name: str) -> torch.Tensor:
        """Give a parameter as the neuron's arithmetic sees it, in float32.

        Axes of size 1 in front are dropped: they are the batch's, and broadcast without.
        """
        return self.rounded(name, getattr(self.module, name))

    def rounded(self, name: str, number: torch.Tensor | float) -> torch.Tensor:
        """Give a value that was computed of parameters likewise."""
        value = torch.as_tensor(number).detach()
        if value.ndim and value.dtype != torch.float32 and value.is_floating_point():
            # a number of another type is rounded to the signal's; an array promotes the signal
            self.refuse(f"{name} is {value.dtype}", "convert the module with .float()")
        while value.ndim and value.shape[0] == 1:
            value = value[0]
        return value.to(torch.float32)

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
