"""Front ends: what reads a trained network and returns a `Graph`.

Lives in the repository's ``converters/`` directory and imports as ``neurodeploy.converters``.
Ours stand in a table, others in the entry-point group ``neurodeploy.converters``; one resolver
serves both, and `neurodeploy.converters.base` tells how to write one. Importing this package
loads no framework.
"""

from __future__ import annotations

from pathlib import PurePath

from neurodeploy.converters.base import FrontEnd
from neurodeploy.errors import ConversionError, UsageError
from neurodeploy.extensions import load, places
from neurodeploy.ir.strict_json import shown

__all__ = ["ENTRY_POINT_GROUP", "FrontEnd", "converter_names", "find_converter", "get_converter"]

ENTRY_POINT_GROUP = "neurodeploy.converters"

WEIGHTS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")

# front end: where its FrontEnd is
_OURS = {
    "netx": "neurodeploy.converters.netx:FRONT_END",
    "nir": "neurodeploy.converters.nir:FRONT_END",
    "onnx": "neurodeploy.converters.onnx:FRONT_END",
    "torch": "neurodeploy.converters.torch:FRONT_END",
}


def _places() -> dict[str, str]:
    """Give module:attribute of every front end that is installed.

    Raises:
        ConversionError: two packages offer a front end of the same name.
    """
    return places(ENTRY_POINT_GROUP, _OURS, "front end", ConversionError)


def converter_names() -> tuple[str, ...]:
    """Give the names of all installed front ends.

    >>> {"onnx", "torch"} <= set(converter_names())
    True
    """
    return tuple(sorted(_places()))


def get_converter(name: str) -> FrontEnd:
    """Give the front end ``name``.

    >>> get_converter("onnx").suffixes
    ('.onnx',)

    Raises:
        UsageError: there is none of that name; the hint lists those that there are.
        ConversionError: it cannot be loaded, or is no `FrontEnd`.
    """
    known = _places()
    if name not in known:
        raise UsageError(f"there is no front end {name!r}", hint=f"front ends: {sorted(known)}")
    found = load(name, known[name], "front end", ConversionError)
    if not isinstance(found, FrontEnd):
        raise ConversionError(
            f"{known[name]} is no FrontEnd", hint="see neurodeploy.converters.base"
        )
    return found


def find_converter(model: object) -> FrontEnd:
    """Give the one front end that reads ``model``: a path by its suffix, an object by its class.

    >>> find_converter("net.onnx").name
    'onnx'

    Raises:
        UsageError: no front end reads it, or several do.
    """
    front_ends = [get_converter(name) for name in converter_names()]
    found = [f for f in front_ends if f.reads(model)]
    if len(found) == 1:
        return found[0]
    what = shown(str(model)) if isinstance(model, str | PurePath) else f"a {type(model).__name__}"
    if found:
        names = ", ".join(f.name for f in found)
        raise UsageError(f"several front ends read {what}: {names}", hint="call one by its name")
    if not isinstance(model, str | PurePath):
        known = ", ".join(c for f in front_ends for c in f.classes)
        raise UsageError(f"no front end reads {what}", hint=f"read are {known}")
    suffixes = ", ".join([*(s for f in front_ends for s in f.suffixes), ".nd"])
    raise UsageError(f"no front end reads {what}", hint=_way_out(PurePath(model), suffixes))


def _way_out(path: PurePath, suffixes: str) -> str:
    if path.suffix.lower() in WEIGHTS:
        return f"weights go with the code of their model: file.py:callable --weights {path.name}"
    if path.suffix == ".py":
        return f"name what builds the network: {path.name}:callable"
    return f"models are files ({suffixes}), file.py:callable, or package.module:callable"
