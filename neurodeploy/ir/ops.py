"""What a Map or a Reduce computes: frozen data, checked when made.

Shapes are those of one sample, without batch and time. The canonical order of each sum
(DESIGN 6 in ``docs/architecture.md``) is by ascending flat source index; a bias comes last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from neurodeploy.errors import GraphError
from neurodeploy.ir.types import QType

__all__ = [
    "ArgMax",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Dense",
    "Gather",
    "MapOp",
    "MaxPool",
    "Permute",
    "Pool",
    "ReduceAxes",
    "ReduceOp",
    "Reshape",
    "Synapses",
    "Window",
]

MAX_PORTS = 1 << 16


@dataclass(frozen=True)
class Window:
    """A sliding window over the spatial axes that follow the channel axis.

    Output length along an axis: ``(n + lo + hi - dilation * (kernel - 1) - 1) // stride + 1``.

    Attributes:
        kernel: Length along each axis.
        stride: Step along each axis.
        padding: Zeros before and after, along each axis.
        dilation: Distance of neighbouring taps, along each axis.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]

    def __post_init__(self) -> None:
        rank = len(self.kernel)
        if not 1 <= rank <= 3:
            raise GraphError(f"a window has 1 to 3 spatial axes, not {rank}")
        if not len(self.stride) == len(self.padding) == len(self.dilation) == rank:
            raise GraphError(f"kernel {self.kernel}, stride, padding and dilation differ in rank")
        positive = (*self.kernel, *self.stride, *self.dilation)
        if min(positive) < 1 or min(n for pair in self.padding for n in pair) < 0:
            raise GraphError("kernel, stride and dilation are at least 1, padding at least 0")

    def output(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """Give the output lengths for input lengths ``spatial``; below 1 where nothing fits."""
        return tuple(
            (n + lo + hi - d * (k - 1) - 1) // s + 1
            for n, k, s, (lo, hi), d in zip(
                spatial, self.kernel, self.stride, self.padding, self.dilation, strict=True
            )
        )


@dataclass(frozen=True)
class Dense:
    """``y[o] = sum_i weight[o, i] * x[i] + bias[o]`` along ``axis``, shared over the others.

    ``bias`` has the shape (out,) or that of the output.
    """

    weight: str
    bias: str | None = None
    axis: int = -1
    accumulator: QType | None = None


@dataclass(frozen=True)
class Conv:
    r"""Cross-correlation over 1 to 3 spatial axes; input (channels, \*spatial).

    ``weight`` is (out, in / groups, \\*kernel); ``bias`` is (out,) or of the output's shape.
    """

    weight: str
    window: Window
    bias: str | None = None
    groups: int = 1
    accumulator: QType | None = None


@dataclass(frozen=True)
class ConvTranspose:
    r"""Transposed convolution; ``weight`` is (in, out / groups, \*kernel).

    Output length: ``(n - 1) * stride - lo - hi + dilation * (kernel - 1) + 1 + extra``.
    """

    weight: str
    window: Window
    extra: tuple[int, ...]
    bias: str | None = None
    groups: int = 1
    accumulator: QType | None = None


@dataclass(frozen=True)
class Synapses:
    """Single synapses, each with its own weight and whole delay.

    ``y[j](t) = sum_k weight[k] * x[source[k]](t - delay[k])`` over the k with target j, added
    oldest delay first, then by source, then in the given order. Several synapses may join the
    same pair. Synapses lie in rows, those of one source together: ``source[k]`` is the i with
    ``starts[i] <= k < starts[i + 1]``.

    Attributes:
        shape: Shape of the output.
        weight: (synapses,).
        starts: (sources + 1,), the first synapse of each source, and the number of all.
        target: Flat target index of each synapse.
        delay: Delay in steps of each synapse; None for none.
        bias: Of the output's shape, or None.
        accumulator: Type of the sum, where it is not derived.
    """

    shape: tuple[int, ...]
    weight: str
    starts: str
    target: str
    delay: str | None = None
    bias: str | None = None
    accumulator: QType | None = None


@dataclass(frozen=True)
class Pool:
    """Sum, or average, over a window of each channel; the average is a sum and one division.

    ``divisor`` is ``kernel`` (padding counts) or ``valid`` (only positions inside count).
    """

    window: Window
    mode: Literal["sum", "average"] = "average"
    divisor: Literal["kernel", "valid"] = "kernel"


@dataclass(frozen=True)
class Reshape:
    """The same elements in the same flat order, in another shape."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Permute:
    """Axes in another order, as numpy's transpose."""

    axes: tuple[int, ...]


@dataclass(frozen=True)
class Concat:
    """The inputs in0, in1, ... one behind the other along ``axis``."""

    axis: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_PORTS:
            raise GraphError(f"a concatenation joins 1 to {MAX_PORTS} signals, not {self.count}")


@dataclass(frozen=True)
class Gather:
    """``y = take(x, indices)`` along ``axis``; ``indices`` is a tensor of one axis."""

    axis: int
    indices: str


MapOp = Dense | Conv | ConvTranspose | Synapses | Pool | Reshape | Permute | Concat | Gather


@dataclass(frozen=True)
class MaxPool:
    """Largest value over a window of each channel; padding never wins.

    Attributes:
        window: The window.
        mode: ``frame``: the maximum of this step. ``cumulative``: the increment of the maximum
            of what each position has received so far, ``max(S_t) - max(S_t-1)``, so that the
            sum over the steps is the maximum of the sums. Its state is an integer count for
            spikes (the increment then is a spike) and float64 otherwise, else it would drift.
    """

    window: Window
    mode: Literal["frame", "cumulative"] = "frame"


@dataclass(frozen=True)
class ReduceAxes:
    """Sum, mean or maximum along axes, in ascending flat order; mean is a sum and one division."""

    function: Literal["sum", "mean", "max"]
    axes: tuple[int, ...]
    keepdims: bool = False


@dataclass(frozen=True)
class ArgMax:
    """True at the first position of the largest value along ``axis``, false elsewhere."""

    axis: int


ReduceOp = MaxPool | ReduceAxes | ArgMax
