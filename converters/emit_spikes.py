"""Spikes among numbers, and values that return some steps later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from neurodeploy.converters.emit import Array, Emitter, Layer
from neurodeploy.errors import ConversionError, InternalError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.types import BOOL, Kind, NumType, Signal

__all__ = ["Returns", "as_number", "delayed"]

# no node has such a name: layers of a framework are no empty string
_PROMISE = "\0"


def as_number(e: Emitter, value: object) -> object:
    """Give a spike as the number 0 or 1; everything else, also nested, as it is.

    Each signal is turned into numbers once, however often it is used.
    """
    if isinstance(value, list | tuple):
        return type(value)(as_number(e, v) for v in value)
    if not isinstance(value, Ref) or value.signal.type != BOOL:
        return value
    key = (value.node, value.output, value.delay, str(value.initial))
    if key not in e.numbers:
        name = value.node.strip(_PROMISE).partition(_PROMISE)[0]
        with e.at(Layer(f"{name}.number", e.source)):
            params = {"amplitude": np.float64(1)}
            e.numbers[key] = e.builder.cell(
                e.fresh(), "spike_scale", value, params=params, source=e.source
            )
    return e.numbers[key]


def delayed(e: Emitter, value: Ref, delay: int, initial: Array | None) -> Ref:
    """Give a signal as it was ``delay`` steps before; ``initial`` is for one sample, None for 0."""
    if initial is None or not initial.any():
        return value.after(delay)
    first = initial.flat[0]
    if value.signal.type == BOOL:
        if not (initial == 1).all():
            raise ConversionError("spikes from before the first step are neither 0 nor 1 for all")
        return value.after(delay, True)
    if (initial == first).all():
        return value.after(delay, float(first))
    name = e.weight(f"{value.node.strip(_PROMISE)}.initial", np.broadcast_to(initial, value.shape))
    return value.after(delay, name)


@dataclass
class Returns:
    """Values of layers that are read before the layer is written: the way back of recurrences."""

    promised: dict[str, tuple[str, str]] = field(default_factory=dict)

    def promise(self, layer: str, output: str, shape: tuple[int, ...], kind: NumType) -> Ref:
        """Give a reference to an output of a layer that may come later."""
        node = f"{_PROMISE}{layer}{_PROMISE}{output}"
        self.promised[node] = (layer, output)
        what: Kind = "spike" if kind == BOOL else "value"
        return Ref(node, "out", Signal(shape, kind, what))

    def keep(self, e: Emitter, made: Mapping[str, Mapping[str, Ref]]) -> None:
        """Lead every promised edge to what was made since.

        Raises:
            InternalError: a layer was never written.
        """
        edges = []
        for edge in e.builder.edges:
            if edge.source in self.promised:
                layer, output = self.promised[edge.source]
                if layer not in made:
                    raise InternalError(f"layer {layer!r} was read but never written")
                ref = made[layer][output]
                edge = replace(edge, source=ref.node, output=ref.output)
            edges.append(edge)
        e.builder.edges = edges
