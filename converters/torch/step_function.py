"""Whether the spike function of a framework is the step that a cell fires by."""

from __future__ import annotations

from collections.abc import Callable

import torch

from neurodeploy.errors import Finding

__all__ = ["step_findings"]

# both sides of 0 at all sizes: a custom forward function may be a step elsewhere, or none at all
SIZES = (1e-45, 1e-38, 1e-20, 1e-7, 1e-3, 0.1, 0.49, 0.51, 0.9, 1.0, 1.1, 2.5, 10.0, 1e3, 1e6)


def step_findings(function: Callable[[torch.Tensor], object], *, strict: bool) -> list[Finding]:
    """Give what keeps a surrogate function from being a step in its forward pass.

    Args:
        function: From membrane minus threshold to spikes.
        strict: The step is 0 at 0, else 1.
    """
    sizes = torch.tensor(SIZES)
    margins = torch.cat([-sizes, torch.zeros(1), sizes])
    steps = (margins > 0 if strict else margins >= 0).float()
    try:
        with torch.no_grad():
            spikes = function(margins.clone())
    except (RuntimeError, TypeError, ValueError) as error:
        return [_finding(f"the spike function cannot be called: {str(error)[:100]}")]
    if not isinstance(spikes, torch.Tensor) or not torch.equal(spikes.float(), steps):
        return [_finding("the spike function is no step from 0 to 1 at the threshold")]
    return []


def _finding(message: str) -> Finding:
    return Finding(message, hint="use a surrogate whose forward pass is the Heaviside function")
