"""The opaque operator that stands for a stateful layer while its module is exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import library, nn

from neurodeploy.converters.torch.leaf import Leaf

__all__ = ["LEAF", "opaque"]

# torch leaves its library functions untyped
_TORCH: Any = library
_LIBRARY = _TORCH.Library("neurodeploy", "DEF")
_LIBRARY.define(
    "leaf(str site, Tensor[] inputs, Tensor[] states, int[] ranks, int[] sizes) -> Tensor[]"
)


def _empty(
    site: str,
    inputs: list[torch.Tensor],
    states: list[torch.Tensor],
    ranks: list[int],
    sizes: list[int],
) -> list[torch.Tensor]:
    """Give tensors of the right shapes; the operator is exported, never run."""
    made, at = [], 0
    for rank in ranks:
        made.append(inputs[0].new_empty(sizes[at : at + rank]))
        at += rank
    return made


_LIBRARY.impl("leaf", _empty, "CompositeExplicitAutograd")

LEAF: Any = torch.ops.neurodeploy.leaf.default


@contextmanager
def opaque(
    leaves: Mapping[str, Leaf], rewrites: Sequence[tuple[nn.Module, Callable[..., object]]] = ()
) -> Iterator[None]:
    """Run what is inside with every leaf's ``forward`` replaced by the opaque operator.

    Args:
        leaves: The leaves.
        rewrites: Other layers whose ``forward`` is replaced, and by what.
    """
    replaced: list[tuple[Any, Mapping[str, Any]]] = [
        (leaf.module, {"forward": _forward(leaf), **leaf.stubs()}) for leaf in leaves.values()
    ]
    replaced += [(layer, {"forward": forward}) for layer, forward in rewrites]
    before = [dict(vars(layer)) for layer, _ in replaced]
    try:
        for layer, functions in replaced:
            # an attribute of the instance hides the method of its class
            vars(layer).update(functions)
        yield
    finally:
        for (layer, _), attributes in zip(replaced, before, strict=True):
            vars(layer).clear()
            vars(layer).update(attributes)


def _forward(leaf: Leaf) -> Any:
    def step(*args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        arrived = leaf.arrived(args, kwargs)
        shapes = leaf.shapes(arrived.inputs)
        values = LEAF(
            leaf.path,
            list(arrived.inputs),
            list(arrived.states.values()),
            [len(s) for s in shapes],
            [int(n) for s in shapes for n in s],
        )
        return dict(zip(leaf.outputs, values, strict=True))

    return lambda *args, **kwargs: leaf.result(step(*args, **kwargs))
