"""Turns the caller's example into a small batch of the tensors that ``forward`` takes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from neurodeploy.errors import DataError, Finding, UsageError
from neurodeploy.semantics.types import Float

__all__ = ["MOST_SAMPLES", "Example", "example_inputs", "torch_dtype"]

# Enough to see samples mix and values differ, few enough for the slow reference.
MOST_SAMPLES = 8


@dataclass(frozen=True)
class Example:
    """A batch of inputs, at least two samples, by the names of ``forward``'s arguments."""

    inputs: Mapping[str, torch.Tensor]

    @property
    def samples(self) -> int:
        """Number of samples."""
        return int(next(iter(self.inputs.values())).shape[0])

    def grown(self) -> Example:
        """Give the batch with its first sample once more at the end."""
        return Example({k: torch.cat([v, v[:1]]) for k, v in self.inputs.items()})


def torch_dtype(kind: Float) -> torch.dtype:
    """Give torch's name of a float type."""
    return torch.float32 if kind.bits == 32 else torch.float64


def example_inputs(module: nn.Module, example: object, kind: Float) -> Example:
    """Bind the example to the arguments of ``forward`` and cut it to a few samples.

    A single sample is taken twice, so that the batch axis can be told from an axis of length 1.
    Floats are rounded to the type of the module.

    Raises:
        DataError: something is no array of finite floats with a batch axis.
        UsageError: the arguments are not those of ``forward``.
    """
    found: list[Finding] = []
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    tensors: dict[str, torch.Tensor] = {}
    for name, value in _bound(module, example).items():
        made = _tensor(value)
        problem = _problem(made, value)
        if made is None or problem:
            found.append(Finding(problem, node=name, hint=_HINT))
        else:
            tensors[name] = made.detach().to(device, torch_dtype(kind))
    sizes = {int(t.shape[0]) for t in tensors.values()}
    if len(sizes) > 1:
        found.append(Finding(f"the inputs have batches of {sorted(sizes)} samples"))
    if found:
        raise DataError(found)
    count = min(MOST_SAMPLES, *sizes)
    few = {k: (v[:count] if count > 1 else torch.cat([v, v])) for k, v in tensors.items()}
    return Example(few)


_HINT = "give a batch of floats, scaled as in training: shape (samples, *input)"


def _bound(module: nn.Module, example: object) -> dict[str, object]:
    signature = inspect.signature(module.forward)
    try:
        if isinstance(example, Mapping):
            arguments = signature.bind(**{str(k): v for k, v in example.items()})
        elif isinstance(example, Sequence) and not isinstance(example, str):
            arguments = signature.bind(*example)
        else:
            arguments = signature.bind(example)
    except TypeError as error:
        raise UsageError(
            Finding(f"the example does not fit forward{signature}: {error}", node="example")
        ) from None
    flat: dict[str, object] = {}
    for name, value in arguments.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            flat.update({f"{name}_{i}": v for i, v in enumerate(value)})
        elif kind is inspect.Parameter.VAR_KEYWORD:
            flat.update(value)
        else:
            flat[name] = value
    return flat


def _tensor(value: object) -> torch.Tensor | None:
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.from_numpy(np.array(value, copy=True))
    return None


def _problem(made: torch.Tensor | None, value: object) -> str:
    if made is None:
        return f"the example holds a {type(value).__name__}, not an array or tensor"
    if not made.is_floating_point():
        return f"the example is of {made.dtype}"
    if made.ndim < 1 or made.shape[0] < 1:
        return f"the example of shape {list(made.shape)} holds no sample"
    if not bool(torch.isfinite(made).all()):
        return "the example holds NaN or infinity"
    return ""
