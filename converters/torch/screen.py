"""What is refused before a module is run: everything that capture would lose or misread."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from neurodeploy.converters.torch.example import torch_dtype
from neurodeploy.errors import ConversionError, Finding, GraphError, raise_findings
from neurodeploy.semantics.types import Float

__all__ = ["screen"]

# Packages whose modules carry a state from step to step, which torch.export drops without a word
# (`buffers_to_mutate` stays empty).
SPIKING_PACKAGES = ("lava", "norse", "rockpool", "sinabs", "slayer", "snntorch", "spikingjelly")
# of these packages, what has no state: wrappers of torch's own layers
_STATELESS = ("StepModule", "MultiStepModule", "SingleModule")
_STATELESS_MODULES = (
    "spikingjelly.activation_based.layer",
    "spikingjelly.activation_based.surrogate",
    "sinabs.layers.merge",
)


def screen(module: nn.Module, kind: Float) -> None:
    """Refuse spiking layers, unsuitable types, odd padding, and parameters that are not finite.

    Raises:
        ConversionError: all layers and types that are not handled.
        GraphError: all parameters that hold NaN or infinity.
    """
    raise_findings(ConversionError, [*_layers(module), *_types(module, kind)])
    raise_findings(GraphError, _values(module))


def _package(module: nn.Module) -> str:
    """Give the spiking package that a module, or a class that it derives from, belongs to."""
    for cls in type(module).__mro__:
        package = cls.__module__.partition(".")[0]
        stateless = cls.__name__ in _STATELESS or cls.__module__.startswith(_STATELESS_MODULES)
        if package in SPIKING_PACKAGES and not stateless:
            return package
    return ""


def _layers(module: nn.Module) -> Iterator[Finding]:
    spiking = ""
    for path, layer in module.named_modules():
        kind = type(layer).__name__
        package = _package(layer)
        if spiking and path.startswith(f"{spiking}."):
            continue
        if package:
            spiking = path
            yield Finding(
                f"a {kind} of {package} keeps a state from step to step; spiking layers are not "
                "yet handled by this front end",
                node=path or kind,
                hint="its state would be lost silently by torch.export",
            )
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
