"""A torch module as one side of a comparison, run in the way in which people run it."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from neurodeploy.comparison import Side
from neurodeploy.converters.torch.capture import plain_module
from neurodeploy.converters.torch.eager import eager_side
from neurodeploy.converters.torch.leaf import find_leaves
from neurodeploy.converters.torch.load import load_torch, spiking_model
from neurodeploy.data import Data
from neurodeploy.errors import DataError, UsageError
from neurodeploy.ir.graph import Graph
from neurodeploy.models import first_samples

__all__ = ["torch_side"]

# what `read_spiking` notes in the metadata of its graph
_FORM = ("time_axis", "steps")


def torch_side(module: object, data: Data, layout: str, like: Graph | None) -> Side:
    """Give a module as a side.

    Args:
        module: The module.
        data: Samples; a few of them show the module how it is called.
        layout: ``NT`` or ``TN``.
        like: A graph that was read from the module, perhaps changed since.

    Raises:
        UsageError: there are no samples.
        DataError: a module that takes a sequence meets samples without time.
    """
    plain = plain_module(module)
    leaves = find_leaves(plain)
    noted = {} if like is None else dict(like.metadata)
    time_axis, steps = (int(noted[k]) if k in noted else None for k in _FORM)
    given: Any = first_samples(data, layout, timed=bool(leaves), like=like)
    if given is None:
        raise UsageError("comparing a torch module needs samples")
    if not leaves:
        return eager_side(plain, load_torch(plain, example=given))
    arrays = given if isinstance(given, tuple) else (given,)
    ranks = [len(n.shape) + 1 for n in like.inputs] if like is not None else []
    if len(ranks) == len(arrays):
        pairs = zip(arrays, ranks, strict=True)
        arrays = tuple(_fitting(x, rank, time_axis is not None) for x, rank in pairs)
    example: Any = arrays if len(arrays) > 1 else arrays[0]
    if like is not None:
        example = _with_states(plain, arrays, like)
    return spiking_model(
        plain, example, leaves, time_axis=time_axis, steps=steps, output=noted.get("output")
    ).side()


def _with_states(module: nn.Module, arrays: tuple[Any, ...], like: Graph) -> Any:
    """Put the states that the caller hands to ``forward`` between the samples.

    Their values before the first step are those that the graph starts from.
    """
    left = list(arrays)
    found: dict[str, Any] = {}
    for name in inspect.signature(module.forward).parameters:
        node, _, state = dict(like.metadata).get(f"state.{name}", "").rpartition(".")
        if node in like:
            refs = {s.name: s for s in getattr(like.node(node), "states", ())}
            if state in refs:
                shape = like.signals[(node, state)].shape
                value = np.broadcast_to(like.tensors[refs[state].initial].data, shape)
                found[name] = np.broadcast_to(value, (arrays[0].shape[0], *shape))
                continue
        if left:
            found[name] = left.pop(0)
    if len(found) == len(arrays):
        return arrays if len(arrays) > 1 else arrays[0]
    return found


def _fitting(x: npt.NDArray[Any], rank: int, sequence: bool) -> npt.NDArray[Any]:
    """Give a sample of one step to a module of one step, and a sequence to one that takes it."""
    if sequence and x.ndim == rank:
        raise DataError(
            f"samples of shape {list(x.shape[1:])} have no time, and forward takes a sequence",
            hint="shape (samples, steps, *input)",
        )
    return x[:, 0] if x.ndim == rank + 1 and not sequence else np.asarray(x)
