"""Reads a ``nir.NIRGraph`` object into the plain tree; the object is not touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurodeploy.converters.nir.primitives import NirNode, Value
from neurodeploy.errors import ConversionError, Finding

__all__ = ["read_object"]

MAX_DEPTH = 16
# what nir derives, and stores nowhere
_DERIVED = ("input_type", "output_type", "metadata", "nodes", "edges")


def read_object(graph: Any) -> NirNode:
    """Give the tree of a graph; arrays are copied, nodes are in the order of their names.

    Raises:
        ConversionError: a field is neither a number nor an array.
    """
    found: list[Finding] = []
    tree = _node(graph, "", 0, found)
    if found:
        raise ConversionError(found)
    return tree


def _node(node: Any, place: str, depth: int, found: list[Finding]) -> NirNode:
    kind = type(node).__name__
    if depth > MAX_DEPTH:
        found.append(Finding(f"is nested deeper than {MAX_DEPTH} levels", node=place))
        return NirNode(kind)
    fields: dict[str, Value] = {}
    given = {k: v for k, v in vars(node).items() if k not in _DERIVED}
    if kind in ("Input", "Output"):
        types = node.input_type if kind == "Input" else node.output_type
        given["shape"] = next(iter(types.values()), None) if isinstance(types, Mapping) else None
    if kind == "Flatten":
        given["input_type"] = (node.input_type or {}).get("input")
    for key, value in given.items():
        if value is None:
            continue  # nir leaves out what is not known yet, such as the input of a convolution
        made = _value(value)
        if made is None:
            text = f"{key} is a {type(value).__name__}, not a number or an array"
            found.append(Finding(text, node=place))
        else:
            fields[key] = made
    nodes = {
        name: _node(inner, f"{place}.{name}" if place else name, depth + 1, found)
        for name, inner in sorted(getattr(node, "nodes", {}).items())
    }
    edges = tuple((str(a), str(b)) for a, b in getattr(node, "edges", ()))
    metadata = {str(k): v for k, v in _metadata(getattr(node, "metadata", None))}
    return NirNode(kind, fields, nodes, edges, metadata)


def _metadata(given: object) -> list[tuple[str, Value]]:
    if not isinstance(given, Mapping):
        return []
    pairs: list[tuple[str, Value]] = []
    for key, value in sorted(given.items(), key=lambda item: str(item[0])):
        if isinstance(value, Mapping):
            pairs += [(f"{key}.{name}", inner) for name, inner in _metadata(value)]
        else:
            made = _value(value)
            pairs.append((str(key), str(value) if made is None else made))
    return pairs


def _value(value: Any) -> Value | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    detach = getattr(value, "detach", None)  # sinabs and snnTorch leave torch tensors in nodes
    array = np.array(detach().cpu().numpy() if detach is not None else value)
    return array if array.dtype.kind in "biuf" else None
