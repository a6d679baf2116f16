"""The table of ATen handlers, and what to do about operators that are not in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from neurodeploy.converters.base import Handlers

if TYPE_CHECKING:
    from neurodeploy.converters.torch.walk import Walk

__all__ = ["HANDLERS", "HINTS", "TAKES_SPIKES", "TAKES_STEPS", "Arguments", "Handler"]

Arguments = Mapping[str, Any]
Handler = Callable[["Walk", Arguments], object]

# ATen operator, without overload: its translation
HANDLERS: Handlers[str, Handler] = Handlers("torch")

# What takes events as they are: projections, pools, and what only moves elements. To everything
# else a spike is the number 0 or 1 that torch has for it.
TAKES_SPIKES = frozenset({
    "_unsafe_view", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "addmm", "alias", "avg_pool1d",
    "avg_pool2d", "cat", "clone", "contiguous", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "convolution", "detach", "dropout", "expand",
    "feature_dropout", "flatten", "index_select", "linear", "matmul", "max_pool1d", "max_pool2d",
    "max_pool2d_with_indices", "mm", "permute", "reshape", "select", "slice", "squeeze", "t",
    "transpose", "unflatten", "unsqueeze", "view",
})  # fmt: skip

# What takes constants that each step has of its own.
TAKES_STEPS = frozenset({
    "_native_batch_norm_legit_no_training", "add", "batch_norm", "mul", "multiply", "rsub", "sub",
    "subtract",
})  # fmt: skip

_LOGITS = "end the network at the logits: the largest logit is the same class"
_RELU = "train with ReLU, ReLU6 or leaky ReLU"

HINTS = {
    "argmax": _LOGITS,
    "topk": _LOGITS,
    "hardshrink": _RELU,
    "log_sigmoid": _RELU,
    "rrelu": _RELU,
    "softshrink": _RELU,
}
