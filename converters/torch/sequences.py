"""Values of an unrolled program that hold all steps of a sequence, and how operators meet them.

A module that takes a sequence computes partly step by step (a loop over ``x[t]``) and partly on
all steps at once (``flatten(0, 1)`` before a convolution, ``x_seq + y_seq``). The second kind is
brought into the first: each operator on a sequence becomes one operator per step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx

from neurodeploy.errors import ConversionError

__all__ = ["Decoded", "Steps", "lift_arguments", "padded", "place", "reshaped"]

# beside what torch tags as pointwise: they treat axes in front of the last ones alike
_BATCHED = frozenset({
    "alias", "clone", "contiguous", "detach", "dropout", "feature_dropout", "layer_norm",
    "lift_fresh_copy", "linear", "matmul", "to", "_to_copy",
})  # fmt: skip
# of these they take weights, which no axis of a sequence meets
_WEIGHTED = frozenset({"layer_norm", "linear", "matmul"})
# their argument ``dim`` counts axes
_WITH_DIM = frozenset({
    "_softmax", "amax", "cat", "chunk", "index_select", "mean", "select", "slice", "softmax",
    "split", "split_with_sizes", "sum",
})  # fmt: skip


@dataclass(frozen=True)
class Steps:
    """The values of a sequence, one node per step.

    Attributes:
        nodes: One node per step.
        dim: The axis of time in the unrolled program.
        folded: Time and batch are one axis, time first where ``dim`` is 0.
        lead: Steps of zeros in front of it.
    """

    nodes: tuple[fx.Node, ...]
    dim: int
    folded: bool = False
    lead: int = 0


@dataclass(frozen=True)
class Decoded:
    """A sequence that was reduced over time: ``count``, ``mean``, ``max`` or ``membrane``."""

    nodes: tuple[fx.Node, ...]
    how: str


def place(dim: int, rank: int, steps: Steps) -> int | None:
    """Give where axis ``dim`` of a sequence of ``rank`` axes is in one step; None for time."""
    axis = dim % rank
    if steps.folded:
        return axis
    return None if axis == steps.dim else axis - (axis > steps.dim)


def padded(arguments: Mapping[str, Any], steps: Steps, rank: int) -> Steps | None:
    """Give a sequence with zeros in front; None where the padding is not along time.

    Raises:
        ConversionError: the padding is behind the sequence, of another value, or of other axes too.
    """
    pads = [int(n) for n in arguments["pad"]]
    at = 2 * (rank - 1 - steps.dim)
    if steps.folded or not any(pads[at : at + 2]):
        return None
    front, behind = pads[at], pads[at + 1]
    plain = arguments.get("mode", "constant") == "constant" and not arguments.get("value")
    if behind or front < 0 or sum(map(abs, pads)) != front or not plain:
        raise ConversionError(
            f"a sequence is padded by {pads}",
            hint="along time, pad with zeros in front alone, and no other axis at once",
        )
    return replace(steps, lead=steps.lead + front)


def lift_arguments(
    operator: str,
    target: Any,
    arguments: Mapping[str, Any],
    steps: Steps,
    rank: int,
    step: int,
) -> dict[str, Any]:
    """Give the arguments of an operator on a sequence for one of its steps.

    Args:
        operator: Name of the operator.
        target: The operator.
        arguments: Its arguments by name; sequences as `Steps`.
        steps: A sequence among them.
        rank: Number of axes of that sequence in the unrolled program.
        step: The step.

    Raises:
        ConversionError: the operator works across time, or is not known not to.
    """
    found: dict[str, Any] = {}
    pointwise = torch.Tag.pointwise in getattr(target, "tags", ())
    if not (steps.folded or pointwise or operator in _BATCHED or operator in _WITH_DIM):
        raise ConversionError(
            f"{operator} is given a whole sequence",
            hint="compute it step by step, or on flatten(0, 1) of time and batch",
        )
    if operator in _WEIGHTED and not steps.folded and _along(operator, arguments, steps, rank):
        raise ConversionError(f"{operator} along the axis of time")
    for name, value in arguments.items():
        if operator in _WITH_DIM and name == "dim" and value is not None:
            many = isinstance(value, list | tuple)
            moved = [place(int(d), rank, steps) for d in (value if many else [value])]
            if None in moved:
                raise ConversionError(
                    f"{operator} along the axis of time",
                    hint="outputs may be summed, averaged or maximised over time at the very end",
                )
            found[name] = moved if many else moved[0]
        else:
            weight = operator in _WEIGHTED and isinstance(value, fx.Node)
            found[name] = value if weight else _at(value, steps, rank, step)
    return found


def _along(operator: str, arguments: Mapping[str, Any], steps: Steps, rank: int) -> bool:
    """Say whether an operator with weights contracts, or normalises over, the axis of time."""
    last = 1
    if operator == "layer_norm":
        last = len(arguments["normalized_shape"])
    elif operator == "matmul" and isinstance(arguments["other"], Steps):
        last = 2
    return steps.dim >= rank - last


def _at(value: Any, like: Steps, rank: int, step: int) -> Any:
    if isinstance(value, Steps):
        if (value.dim, value.folded, len(value.nodes)) != (like.dim, like.folded, len(like.nodes)):
            raise ConversionError(
                "two sequences meet with time on different axes or of different length"
            )
        return value.nodes[step]
    if isinstance(value, list | tuple):
        return [_at(v, like, rank, step) for v in value]
    if isinstance(value, fx.Node) and not like.folded:
        shape = value.meta["val"].shape
        before_end = rank - like.dim
        if len(shape) >= before_end and shape[-before_end] != 1:
            raise ConversionError("a tensor that differs from step to step meets a sequence")
    return value


def reshaped(
    shape: Sequence[int], steps: Steps, timesteps: int, batch: int
) -> tuple[tuple[int, ...], Steps]:
    """Give the shape of one step where a sequence is brought into ``shape``, and its form.

    Args:
        shape: The new shape of the whole sequence.
        steps: The sequence.
        timesteps: Its length.
        batch: Samples.

    Raises:
        ConversionError: time or batch is mixed with other axes.
    """
    lead: tuple[int, ...] = (batch, timesteps) if steps.dim else (timesteps, batch)
    if steps.dim > 1:
        lead = ()
    if lead and tuple(shape[:2]) == lead:
        return (batch, *shape[2:]), Steps(steps.nodes, steps.dim)
    if lead and shape and shape[0] == timesteps * batch:
        return (batch, *shape[1:]), Steps(steps.nodes, steps.dim, folded=True)
    raise ConversionError(
        f"a sequence is brought into the shape {list(shape)}, which mixes time or batch with "
        "other axes",
        hint="keep time and batch as the first two axes, or as one",
    )
