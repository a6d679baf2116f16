"""What is refused before a module is run: everything that capture would lose or misread."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from neurodeploy.converters.torch.example import torch_dtype
from neurodeploy.errors import ConversionError, Finding, GraphError, raise_findings
from neurodeploy.semantics.types import Float

__all__ = ["screen"]


def screen(module: nn.Module, kind: Float) -> None:
    """Refuse unsuitable types, odd padding, and parameters that are not finite.

    Raises:
        ConversionError: all layers and types that are not handled.
        GraphError: all parameters that hold NaN or infinity.
    """
    raise_findings(ConversionError, [*_layers(module), *_types(module, kind)])
    raise_findings(GraphError, _values(module))


def _layers(module: nn.Module) -> Iterator[Finding]:
    for path, layer in module.named_modules():
        kind = type(layer).__name__
        padding = getattr(layer, "padding_mode", "zeros")
        if isinstance(padding, str) and padding != "zeros":
            yield Finding(
                f"{kind} with padding_mode={padding!r}",
                node=path or kind,
                hint="only padding with zeros is handled",
            )
        if any(map(_uninitialized, layer._parameters.values())):
            yield Finding(
                f"{kind} has no parameters yet", node=path or kind, hint="run the module once"
            )


def _uninitialized(value: object) -> bool:
    return isinstance(value, nn.UninitializedParameter | nn.UninitializedBuffer)


def _named_tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        if not _uninitialized(value):
            yield name, value


def _types(module: nn.Module, kind: Float) -> Iterator[Finding]:
    due = torch_dtype(kind)
    hint = "call .float() on the module" if kind.bits == 32 else "call .double() on the module"
    for name, value in _named_tensors(module):
        if (value.is_floating_point() or value.is_complex()) and value.dtype != due:
            yield Finding(f"is of {value.dtype}, where {due} is due", node=name, hint=hint)
        elif value.is_quantized or value.is_sparse:
            yield Finding("is a quantised or sparse tensor", node=name, hint=hint)


def _values(module: nn.Module) -> Iterator[Finding]:
    for name, value in _named_tensors(module):
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            count = int((~torch.isfinite(value)).sum())
            yield Finding(
                f"{count} of {value.numel()} values are NaN or infinite",
                node=name,
                hint="the training diverged, or the file is damaged",
            )
