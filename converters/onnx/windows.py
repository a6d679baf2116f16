"""The window of a convolution or pool as ONNX writes it: pads, auto_pad, strides, dilations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurodeploy.converters.emit import Padded, signal
from neurodeploy.converters.emit_windows import Pads, same_padding
from neurodeploy.converters.onnx.table import Operation
from neurodeploy.errors import ConversionError

__all__ = ["Frame", "frame", "pairs"]


@dataclass(frozen=True)
class Frame:
    """Window of an operator."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pads
    dilation: tuple[int, ...]


def pairs(flat: Sequence[int]) -> Pads:
    """Turn ONNX's pads, all beginnings and then all ends, into pairs.

    >>> pairs([1, 2, 3, 4])
    ((1, 3), (2, 4))
    """
    half = len(flat) // 2
    return tuple(zip(flat[:half], flat[half:], strict=True))


def frame(op: Operation, x: object, kernel: Sequence[int], skip: int = 1) -> Frame:
    """Read the window of an operator over ``x``, whose first ``skip`` axes are not spatial.

    Raises:
        ConversionError: attributes of the wrong length, or an unknown auto_pad.
    """
    rank = len(kernel)
    stride = op.numbers("strides", rank, 1)
    dilation = op.numbers("dilations", rank, 1)
    if min((*stride, *dilation, *kernel), default=0) < 1:
        raise ConversionError(f"kernel {list(kernel)}, strides or dilations below 1")
    auto = op.text("auto_pad", "NOTSET")
    if auto in ("NOTSET", ""):
        padding = pairs(op.numbers("pads", 2 * rank, 0))
    elif auto == "VALID":
        padding = ((0, 0),) * rank
    elif auto in ("SAME_UPPER", "SAME_LOWER"):
        ref = x.ref if isinstance(x, Padded) else signal(x)
        if len(ref.shape) != rank + skip:
            raise ConversionError(f"{rank} spatial axes meet samples of shape {list(ref.shape)}")
        upper = auto == "SAME_UPPER"
        padding = same_padding(ref.shape[skip:], kernel, stride, dilation, upper=upper)
    else:
        raise ConversionError(f"auto_pad = {auto!r}")
    return Frame(tuple(kernel), stride, padding, dilation)
