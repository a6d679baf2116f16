"""What the neurons of SpikingJelly have in common, read from their attributes.

Of all neurons: harmless are ``step_mode`` (the front end's), ``store_v_seq`` and ``lava_s_cale``.
``v_reset=None`` is a reset that subtracts the threshold. Source: SpikingJelly 2.0.0,
``activation_based/neuron/base_node.py`` and ``activation_based/functional/neuron.py``.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from neurodeploy.converters.torch.attributes import NeuronAttributes
from neurodeploy.converters.torch.step_function import step_findings

__all__ = ["Attributes"]


class Attributes(NeuronAttributes):
    """What is read of a neuron of SpikingJelly."""

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        if getattr(module, "_neuron_precision", None) is not None:
            self.refuse("a precision of its own is set", "remove it: the graph is float32")

    def number(self, name: str) -> float:
        """Give an attribute that is one finite number, as a float."""
        value = getattr(self.module, name)
        if isinstance(value, torch.Tensor) and value.ndim == 0:
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(f"{name} is {type(value).__name__}, not one number", "one for all neurons")
            return 0.0
        if not math.isfinite(value):
            self.refuse(f"{name} is {value}")
            return 0.0
        return float(value)

    def numbers(self, **names: str) -> dict[str, float]:
        """Give parameters of a cell by the attributes that hold them."""
        return {ours: self.number(theirs) for ours, theirs in names.items()}

    def steps(self) -> None:
        """Refuse a surrogate function whose forward pass is no step."""
        self.findings += step_findings(self.module.surrogate_function, strict=False)

    def reset(self) -> tuple[dict[str, str | int | bool], dict[str, float]]:
        """Give options and parameters of threshold and reset."""
        params = {"threshold": self.number("v_threshold")}
        options: dict[str, str | int | bool] = {"reset": "subtract"}
        if self.module.v_reset is not None:
            options["reset"] = "value"
            params["reset_value"] = self.number("v_reset")
        if self.module.detach_reset:
            options["detach_reset"] = True
        return options, params

    def rest(self) -> float:
        """Give where a LIF decays to: what it resets to, or 0 for a soft reset."""
        return 0.0 if self.module.v_reset is None else self.number("v_reset")

    def initial(self, **states: str) -> dict[str, float]:
        """Give the initial values that are not 0.

        Args:
            states: The memory of the module for each state of the cell.
        """
        found: dict[str, float] = {}
        for ours, theirs in states.items():
            value = self.module.get_reset_value(theirs)
            if isinstance(value, bool) or not isinstance(value, int | float):
                self.refuse(f"{theirs} starts at a {type(value).__name__}, not one number")
            elif value:
                found[ours] = float(value)
        return found
