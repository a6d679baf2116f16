"""How the attributes of a framework's neuron are read, and what is wrong with them collected."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from neurodeploy.errors import ConversionError, Finding, raise_findings

__all__ = ["NeuronAttributes"]


class NeuronAttributes:
    """Reads the attributes of one neuron and collects what cannot be translated.

    Args:
        module: The neuron.
        holder: What has its parameters as attributes; the neuron itself unless given.
    """

    way_out: ClassVar[str] = "convert the module with .float()"

    def __init__(self, module: Any, holder: Any = None) -> None:
        self.module = module
        self.holder = module if holder is None else holder
        self.findings: list[Finding] = []

    def refuse(self, message: str, hint: str = "") -> None:
        """Keep a reason why the neuron cannot be translated."""
        self.findings.append(Finding(f"{type(self.module).__name__}: {message}", hint=hint))

    def check(self) -> None:
        """Raise everything that was found, at once.

        Raises:
            ConversionError: something was.
        """
        raise_findings(ConversionError, self.findings)

    def tensor(self, name: str, number: torch.Tensor | float | None = None) -> torch.Tensor:
        """Give a parameter as the arithmetic of the neuron sees it, in float32.

        Axes of size 1 in front are dropped: they are the batch's, and broadcast without.

        Args:
            name: The attribute.
            number: Its value, where that is computed.
        """
        given = getattr(self.holder, name) if number is None else number
        value = torch.as_tensor(given).detach()
        if value.ndim and value.is_floating_point() and value.dtype != torch.float32:
            # a number of another type is rounded to the signal's; an array promotes the signal
            self.refuse(f"{name} is {value.dtype}", self.way_out)
        while value.ndim and value.shape[0] == 1:
            value = value[0]
        return value.to(torch.float32)
