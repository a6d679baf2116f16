"""Loads trained weights from .safetensors and .pt files into a torch module.

Checkpoints wrap the state dict in others (``{"model": ..., "optimizer": ..., "epoch": ...}``) and
put prefixes before its keys (``module.``). What fits the module is found and reported; where two
places fit, the file is refused until a key is given.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurodeploy.errors import ConversionError, FileFormatError, Finding, UsageError
from neurodeploy.ir.strict_json import shown

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Found", "find_state_dict", "load_weights", "read_checkpoint"]

log = logging.getLogger("neurodeploy")

PREFIXES = ("", "module.", "_orig_mod.", "model.", "net.", "network.", "module._orig_mod.")
_DEEPEST = 4
MAX_DICTS = 10_000
_SHOWN = 20

State = Mapping[str, "Tensor"]


@dataclass(frozen=True)
class Found:
    """A state dict inside a checkpoint.

    Attributes:
        key: Where it is, such as ``checkpoint.model``; empty for the top.
        prefix: What was taken off the front of its keys.
        tensors: Its tensors, by the names that the module uses.
    """

    key: str
    prefix: str
    tensors: State


def load_weights(
    module: nn.Module, weights: str | os.PathLike[str], *, key: str | None = None
) -> nn.Module:
    """Load a file of weights into ``module``, in place, and give it.

    Args:
        module: The module.
        weights: A .safetensors, .pt, .pth, .ckpt or .bin file; ``:KEY`` behind it names the
            state dict inside a checkpoint.
        key: The same, apart.

    Raises:
        FileFormatError: the file cannot be read, or holds other objects than tensors.
        ConversionError: no state dict in it fits (all missing and unexpected keys are listed), or
            several do.
        UsageError: the file is not there.
    """
    path, inner = _split(os.fspath(weights))
    found = find_state_dict(module, read_checkpoint(path), key=key or inner, name=path.name)
    module.load_state_dict(dict(found.tensors), strict=True)
    log.log(
        logging.WARNING if found.key or found.prefix else logging.INFO,
        "%s: %d tensors%s%s",
        path.name,
        len(found.tensors),
        f", under {found.key!r}" if found.key else "",
        f", prefix {found.prefix!r} taken off" if found.prefix else "",
    )
    return module


def _split(text: str) -> tuple[Path, str | None]:
    if os.path.isfile(text):
        return Path(text), None
    place, colon, key = text.rpartition(":")
    if colon and os.path.isfile(place):
        return Path(place), key
    raise UsageError(Finding(f"there is no file {shown(text)}", node="weights"))


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """Read a file of tensors; no code in it is run.

    Raises:
        FileFormatError: it is damaged, of another kind, or holds other objects than tensors.
    """
    if path.stat().st_size == 0:
        raise FileFormatError(Finding("is empty", node=str(path)))
    safe = path.suffix.lower() == ".safetensors"
    content = _read_safetensors(path) if safe else _read_torch(path)
    if not isinstance(content, Mapping):
        raise FileFormatError(
            Finding(
                f"holds a {type(content).__name__}, not a state dict",
                node=str(path),
                hint="save model.state_dict()",
            )
        )
    return content


def _read_safetensors(path: Path) -> object:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise FileFormatError(
            Finding(f"is no .safetensors file, or is damaged: {error}", node=str(path))
        ) from error


def _read_torch(path: Path) -> object:
    import pickle

    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        foreign = "Unsupported global" in str(error)
        raise FileFormatError(
            Finding(
                "holds Python objects, which would run code when read"
                if foreign
                else "is no file of torch weights, or is damaged",
                node=str(path),
                hint="save model.state_dict() alone" if foreign else "",
            )
        ) from error
    except Exception as error:  # a damaged file fails in many ways
        raise FileFormatError(
            Finding("is no file of torch weights, or is damaged", node=str(path))
        ) from error


def _every(content: Mapping[str, Any], name: str) -> list[Found]:
    """List all state dicts, the outer ones first.

    A small file can hold one inner dict under a thousand names, and so on inwards.
    """
    found = list(islice(_dicts(content), MAX_DICTS + 1))
    if len(found) > MAX_DICTS:
        raise ConversionError(Finding(f"holds more than {MAX_DICTS} dicts", node=name))
    return [f for f in found if f.tensors]


def _dicts(content: Mapping[Any, Any], key: str = "", depth: int = 0) -> Iterator[Found]:
    """Give every mapping, with its tensors where it is one from names."""
    import torch

    values = {k: v for k, v in content.items() if isinstance(v, torch.Tensor)}
    yield Found(key, "", values if all(isinstance(k, str) for k in values) else {})
    for name, inner in content.items():
        if isinstance(name, str) and isinstance(inner, Mapping) and depth < _DEEPEST:
            yield from _dicts(inner, f"{key}.{name}" if key else name, depth + 1)


def _unprefixed(found: Found, wanted: State) -> Found:
    """Take off the prefix that makes most names fit."""

    def without(prefix: str) -> Found:
        tensors = {k.removeprefix(prefix): v for k, v in found.tensors.items()}
        return Found(found.key, prefix, tensors)

    options = [without(p) for p in PREFIXES if all(k.startswith(p) for k in found.tensors)]
    return max(options, key=lambda f: len(f.tensors.keys() & wanted.keys()))


def find_state_dict(
    module: nn.Module, content: Mapping[str, Any], *, key: str | None = None, name: str = "weights"
) -> Found:
    """Find, in the content of a checkpoint, the state dict that fits ``module``.

    Args:
        module: The module.
        content: What the file holds.
        key: Where to look; None to look everywhere.
        name: Name of the file, for errors.

    Raises:
        ConversionError: none fits, or several that differ do.
        UsageError: there is nothing under ``key``.
    """
    wanted = module.state_dict()
    every = _every(content, name)
    if key is not None:
        keys = [f.key or "(top)" for f in every[:_SHOWN]]
        every = [f for f in every if f.key == key]
        if not every:
            raise UsageError(
                Finding(f"there is no state dict {key!r}", node=name, hint=f"there are: {keys}")
            )
    if not every:
        raise ConversionError(Finding("holds no tensors", node=name))
    options = [_unprefixed(f, wanted) for f in every]
    fitting = [f for f in options if not _problems(f, wanted, name)]
    if not fitting:
        best = max(options, key=lambda f: len(f.tensors.keys() & wanted.keys()))
        raise ConversionError(_problems(best, wanted, name))
    if any(not _same(fitting[0], other) for other in fitting[1:]):
        several = ", ".join(f.key or "(top)" for f in fitting)
        raise ConversionError(
            Finding(
                f"several state dicts fit the model: {several}",
                node=name,
                hint=f"choose one: {name}:{fitting[0].key}",
            )
        )
    return fitting[0]


def _same(a: Found, b: Found) -> bool:
    import torch

    return all(torch.equal(v, b.tensors[k]) for k, v in a.tensors.items())


def _problems(found: Found, wanted: State, name: str) -> list[Finding]:
    """Say what does not fit: keys that are missing, keys too many, shapes that differ."""
    place = f"{name}:{found.key}" if found.key else name
    problems: list[Finding] = []
    for what, keys in (
        ("lacks", sorted(wanted.keys() - found.tensors.keys())),
        ("has, and the model has not,", sorted(found.tensors.keys() - wanted.keys())),
    ):
        if keys:
            more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
            text = f"{what} {', '.join(keys[:_SHOWN])}{more}"
            problems.append(Finding(text, node=place, hint="is it the same architecture?"))
    for k in sorted(wanted.keys() & found.tensors.keys()):
        given, due = list(found.tensors[k].shape), list(wanted[k].shape)
        if given != due:
            text = f"{k} has the shape {given}, the model's is {due}"
            problems.append(Finding(text, node=place))
        elif what := _odd(found.tensors[k], wanted[k]):
            problems.append(Finding(f"{k} is {what}", node=place, hint="save plain tensors"))
    return problems


def _odd(given: Tensor, due: Tensor) -> str:
    """Say what keeps a tensor from being copied whole; torch would fail, or drop a part of it."""
    if given.is_meta:
        return "a tensor on the meta device, without values"
    if given.is_quantized:
        return "a quantised tensor"
    if str(given.layout) != "torch.strided":
        return f"a tensor of layout {given.layout}"
    return "complex, and the model's is not" if given.is_complex() > due.is_complex() else ""
