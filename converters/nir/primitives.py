"""NIR's primitives: which fields each has, and the plain tree that both readers give.

Source: the classes of ``nir.ir``, version 1.0.8, and NIR's ``docs/primitives.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding
from neurodeploy.ir.strict_json import shown

__all__ = [
    "NEURONS",
    "PRIMITIVES",
    "SPIKING",
    "STATEFUL",
    "Array",
    "NirNode",
    "Primitive",
    "field_findings",
]

Array = npt.NDArray[Any]
Value = Array | str


@dataclass(frozen=True)
class Primitive:
    """The fields of one kind of node.

    Attributes:
        needed: Fields without which it means nothing.
        optional: Fields that have a default, or that say nothing new.
    """

    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_CONV = ("weight", "stride", "padding", "dilation", "groups", "bias")
_POOL = Primitive(("kernel_size", "stride", "padding"))

PRIMITIVES: Mapping[str, Primitive] = {
    "Affine": Primitive(("weight", "bias")),
    "AvgPool2d": _POOL,
    "Conv1d": Primitive(_CONV, ("input_shape",)),
    "Conv2d": Primitive(_CONV, ("input_shape",)),
    "CubaLI": Primitive(("tau_syn", "tau_mem", "r", "v_leak"), ("w_in",)),
    "CubaLIF": Primitive(("tau_syn", "tau_mem", "r", "v_leak", "v_threshold"), ("v_reset", "w_in")),
    "Delay": Primitive(("delay",)),
    "Flatten": Primitive((), ("input_type", "start_dim", "end_dim")),
    "I": Primitive(("r",)),
    "IF": Primitive(("r", "v_threshold"), ("v_reset",)),
    "Input": Primitive(("shape",)),
    "LI": Primitive(("tau", "r", "v_leak")),
    "LIF": Primitive(("tau", "r", "v_leak", "v_threshold"), ("v_reset",)),
    "Linear": Primitive(("weight",)),
    "NIRGraph": Primitive(),
    "Output": Primitive(("shape",)),
    "Scale": Primitive(("scale",)),
    "SumPool2d": _POOL,
    "Threshold": Primitive(("threshold",)),
}

SPIKING = frozenset({"IF", "LIF", "CubaLIF"})
STATEFUL = SPIKING | {"I", "LI", "CubaLI"}
# what a convention gives its meaning to
NEURONS = STATEFUL


@dataclass(frozen=True)
class NirNode:
    """A node as the file says it; a graph has nodes and edges of its own.

    Attributes:
        type: Name of the primitive.
        fields: Numbers and texts by field.
        nodes: The nodes of a graph, by name.
        edges: The edges of a graph, (source, target).
        metadata: What is stored beside the fields; nothing in it is part of NIR.
    """

    type: str
    fields: Mapping[str, Value] = field(default_factory=dict)
    nodes: Mapping[str, NirNode] = field(default_factory=dict)
    edges: tuple[tuple[str, str], ...] = ()
    metadata: Mapping[str, Value] = field(default_factory=dict)

    def array(self, name: str) -> Array:
        """Give a numeric field."""
        return np.asarray(self.fields[name])

    def walk(self, prefix: str = "") -> Iterator[tuple[str, NirNode]]:
        """Give this node and all nodes below, each with its dotted name."""
        yield prefix, self
        for name, node in self.nodes.items():
            yield from node.walk(f"{prefix}.{name}" if prefix else name)


def field_findings(name: str, node: NirNode) -> Iterator[Finding]:
    """Say what is wrong with the fields of one node: missing, unknown, NaN, infinite, text."""
    known = PRIMITIVES.get(node.type)
    if known is None:
        yield Finding(
            f"a node of the type {shown(node.type)}, which NIR does not have",
            node=name,
            hint=f"types are {', '.join(sorted(PRIMITIVES))}",
        )
        return
    for key in known.needed:
        if key not in node.fields:
            yield Finding(f"{node.type} lacks the field {key!r}", node=name)
    for key, value in node.fields.items():
        if key not in known.needed and key not in known.optional:
            yield Finding(
                f"{node.type} has no field {shown(key)}: what it says would be lost",
                node=name,
                hint="is the file of a newer NIR? This reader knows nir 1.0.8",
            )
        elif isinstance(value, str):
            if not (key == "padding" and node.type in ("Conv1d", "Conv2d")):
                yield Finding(f"{key} is the text {shown(value)}, not a number", node=name)
        elif value.size == 0 and key not in ("shape", "input_type"):
            yield Finding(f"{key} is empty", node=name)
        elif value.dtype.kind not in "biuf":
            yield Finding(f"{key} is of {value.dtype}", node=name)
        elif value.dtype.kind == "f" and not np.isfinite(value).all():
            count = int((~np.isfinite(value)).sum())
            yield Finding(f"{count} of {value.size} values of {key} are NaN or infinite", node=name)
        elif key.startswith("tau") and not (value > 0).all():
            yield Finding(f"{key} holds a time constant that is not positive", node=name)
