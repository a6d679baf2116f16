"""The table of ONNX handlers, what they see of a node, and hints for operators without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onnx import AttributeProto, NodeProto, helper

from neurodeploy.converters.base import Handlers
from neurodeploy.errors import ConversionError

if TYPE_CHECKING:
    from neurodeploy.converters.onnx.walk import Walk

__all__ = ["HANDLERS", "HINTS", "Handler", "Operation"]

Handler = Callable[["Walk", "Operation"], object]

# (domain, operator): its translation; the default domain is written ""
HANDLERS: Handlers[tuple[str, str], Handler] = Handlers("ONNX")

_LOGITS = "end the network at the logits: the largest logit is the same class"
_RELU = "train with ReLU, ReLU6 or leaky ReLU"
_FLOATS = "export the float model; quantise it here afterwards"
_LOOP = "simplify the model first: a loop is not handled"

HINTS = {
    "ArgMax": _LOGITS,
    "TopK": _LOGITS,
    "NonMaxSuppression": "end the network at the scores: suppression belongs to what reads them",
    "Shrink": _RELU,
    "ThresholdedRelu": _RELU,
    "DynamicQuantizeLSTM": _FLOATS,
    "DynamicQuantizeMatMul": _FLOATS,
    "QLinearMatMul": _FLOATS,
    "Loop": _LOOP,
    "Scan": _LOOP,
}


@dataclass(frozen=True)
class Operation:
    """One node of the file.

    Attributes:
        node: The node.
        name: Its name in the file, or one made for it.
        inputs: Its operands: signals, arrays, or None where an optional one is left out.
    """

    node: NodeProto
    name: str
    inputs: Sequence[Any]

    def input(self, position: int) -> Any:
        """Give an operand; None where it is left out."""
        return self.inputs[position] if position < len(self.inputs) else None

    def attribute(self, name: str) -> Any:
        """Give an attribute; None where it is left out."""
        for attribute in self.node.attribute:
            if attribute.name == name:
                value = helper.get_attribute_value(attribute)
                if attribute.type == AttributeProto.INTS:
                    return [int(v) for v in value]
                return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        return None

    def integer(self, name: str, default: int) -> int:
        """Give an integer attribute."""
        value = self.attribute(name)
        return default if value is None else int(value)

    def number(self, name: str, default: float) -> float:
        """Give a float attribute."""
        value = self.attribute(name)
        return default if value is None else float(value)

    def text(self, name: str, default: str) -> str:
        """Give a text attribute."""
        value = self.attribute(name)
        return default if value is None else str(value)

    def numbers(self, name: str, rank: int, default: int) -> tuple[int, ...]:
        """Give a list of ``rank`` integers.

        Raises:
            ConversionError: the list has another length.
        """
        value = self.attribute(name)
        if value is None:
            return (default,) * rank
        if not isinstance(value, list) or len(value) != rank:
            raise ConversionError(f"{name} = {value}, where {rank} numbers are due")
        return tuple(value)

    def given(self, position: int) -> bool:
        """Say whether the node gives its output at ``position``."""
        return position < len(self.node.output) and bool(self.node.output[position])
