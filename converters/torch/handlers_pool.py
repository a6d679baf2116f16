"""Pools and reductions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from neurodeploy.converters.emit import Padded, signal
from neurodeploy.converters.emit_analog import binary
from neurodeploy.converters.emit_shapes import sample_axes
from neurodeploy.converters.emit_windows import (
    adaptive_window,
    average_pool,
    max_pool,
    reduce_axes,
    spread,
)
from neurodeploy.converters.torch.table import HANDLERS, Arguments
from neurodeploy.errors import ConversionError

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__: list[str] = []


def _rank(name: str) -> int:
    return int(next(c for c in name if c.isdigit()))


def _operator_rank(walk: Walk) -> int:
    return _rank(str(walk.node.target).removeprefix("aten."))


@HANDLERS.handles("max_pool1d", "max_pool2d", "max_pool3d")
def _max_pool(walk: Walk, a: Arguments) -> object:
    rank = _operator_rank(walk)
    kernel = spread(a["kernel_size"], rank)
    return max_pool(
        walk.emit,
        a["self"],
        kernel=kernel,
        stride=spread(a["stride"] or kernel, rank),
        padding=tuple((n, n) for n in spread(a["padding"], rank)),
        dilation=spread(a["dilation"], rank),
        ceil=bool(a["ceil_mode"]),
    )


@HANDLERS.handles("max_pool2d_with_indices", "max_pool3d_with_indices")
def _max_pool_pair(walk: Walk, a: Arguments) -> object:
    return _max_pool(walk, a), None


@HANDLERS.handles("avg_pool1d", "avg_pool2d", "avg_pool3d")
def _avg_pool(walk: Walk, a: Arguments) -> object:
    rank = _operator_rank(walk)
    kernel = spread(a["kernel_size"], rank)
    return average_pool(
        walk.emit,
        a["self"],
        kernel=kernel,
        stride=spread(a["stride"] or kernel, rank),
        padding=tuple((n, n) for n in spread(a["padding"], rank)),
        ceil=bool(a["ceil_mode"]),
        count_padding=bool(a["count_include_pad"]),
        divisor=a.get("divisor_override"),
    )


@HANDLERS.handles(
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d",
)
def _adaptive_average(walk: Walk, a: Arguments) -> object:
    window = adaptive_window(signal(a["self"]), a["output_size"])
    none = tuple((0, 0) for _ in window)
    return average_pool(walk.emit, a["self"], kernel=window, stride=window, padding=none)


@HANDLERS.handles("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def _adaptive_max(walk: Walk, a: Arguments) -> object:
    window = adaptive_window(signal(a["self"]), a["output_size"])
    none = tuple((0, 0) for _ in window)
    ones = (1,) * len(window)
    pooled = max_pool(
        walk.emit, a["self"], kernel=window, stride=window, padding=none, dilation=ones
    )
    return pooled, None


def _reduce(walk: Walk, a: Arguments, function: Literal["sum", "mean", "max"]) -> object:
    if isinstance(a["self"], Padded):
        signal(a["self"])
    ref = signal(a["self"], f"the operand of {function}")
    dims = a.get("dim")
    if dims is None or dims == []:
        raise ConversionError(
            f"{function} over all axes, the batch included", hint="name the axes to reduce"
        )
    axes = sample_axes([dims] if isinstance(dims, int) else dims, ref, function)
    return reduce_axes(walk.emit, ref, function, axes, bool(a.get("keepdim")))


@HANDLERS.handles("mean")
def _mean(walk: Walk, a: Arguments) -> object:
    return _reduce(walk, a, "mean")


@HANDLERS.handles("sum")
def _sum(walk: Walk, a: Arguments) -> object:
    return _reduce(walk, a, "sum")


@HANDLERS.handles("amax")
def _amax(walk: Walk, a: Arguments) -> object:
    return _reduce(walk, a, "max")


@HANDLERS.handles("max")
def _max(walk: Walk, a: Arguments) -> object:
    if "other" in a:
        return binary(walk.emit, "maximum", a["self"], a["other"])
    return _reduce(walk, a, "max"), None
