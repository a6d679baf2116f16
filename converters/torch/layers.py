"""Finds, for an operator of an exported program, the layer of the module that it came from."""

from __future__ import annotations

from torch import fx

from neurodeploy.converters.base import full_name
from neurodeploy.converters.emit import Layer

__all__ = ["layer_of"]

# What moves elements may be regenerated inside a neighbouring layer when a program is made
# functional; only these layers are such an operator themselves.
_MOVING = (
    "clone", "expand", "flatten", "permute", "reshape", "select", "slice", "squeeze", "transpose",
    "unflatten", "unsqueeze", "view", "_unsafe_view",
)  # fmt: skip
_MOVERS = ("Flatten", "Unflatten", "Identity")


def layer_of(node: fx.Node, operator: str) -> Layer:
    """Give the layer, and the name of the first node that is made of it.

    An operator of a layer that torch provides is named after the layer, ``features.3``; one that
    stands in the ``forward`` of a user's module is named after that module and the operator,
    ``block1.relu``.
    """
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, kind = stack[-1] if stack else ("", "")
    kind = kind if isinstance(kind, str) else full_name(kind)
    label = operator.lstrip("_").removesuffix("_").partition(".")[0]
    own = kind.startswith("torch.nn.modules.") and not kind.startswith(
        "torch.nn.modules.container."
    )
    if operator in _MOVING and kind.rpartition(".")[2] not in _MOVERS:
        own = False
    if not path:
        return Layer(label, (label,))
    return Layer(path if own else f"{path}.{label}", (path,))
