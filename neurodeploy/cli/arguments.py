"""The arguments that several verbs share, and small parsers for their texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from neurodeploy.artifact import Artifact, open_artifact
from neurodeploy.errors import UsageError
from neurodeploy.ir.graph import Graph
from neurodeploy.targets.base import OptionValue

__all__ = [
    "Input",
    "Layout",
    "Model",
    "Options",
    "OutFile",
    "OutFolder",
    "PathArgument",
    "Seed",
    "Target",
    "Timesteps",
    "key_values",
    "load_path",
    "shape_example",
]

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="An .onnx or .nd file; package.module:callable or file.py:callable (runs it).",
    ),
]
PathArgument = Annotated[
    str, typer.Argument(metavar="PATH", help="A model, an .nd file, or a compiled folder.")
]
Input = Annotated[str, typer.Option("--input", metavar="X.npz", help="Samples x, labels y.")]
OutFile = Annotated[Path, typer.Option("-o", "--out", help="File to write.")]
OutFolder = Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")]
Target = Annotated[str, typer.Option("--target", help="Name of a target; see `targets`.")]
Timesteps = Annotated[
    int | None, typer.Option("--timesteps", "-T", help="T, the number of timesteps.")
]
Layout = Annotated[str, typer.Option("--layout", help="NT (batch first) or TN (time first).")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything that is drawn.")]
Options = Annotated[
    list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="An option of the target.")
]


def key_values(texts: list[str] | None) -> dict[str, OptionValue]:
    """Split ``key=value`` texts.

    Raises:
        UsageError: a text has no ``=``, or a key comes twice.
    """
    found: dict[str, OptionValue] = {}
    for text in texts or []:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise UsageError(f"{text!r} is not KEY=VALUE")
        if key in found:
            raise UsageError(f"{key!r} is given twice")
        found[key] = value
    return found


def shape_example(text: str | None) -> npt.NDArray[Any] | None:
    """Give zeros of a shape such as ``1,28,28``, as one sample.

    Raises:
        UsageError: it is no shape.
    """
    if text is None:
        return None
    parts = text.split(",")
    if not all(p.strip().isdecimal() and 0 < int(p) < 10**6 for p in parts):
        raise UsageError(f"--input-shape {text!r}", hint="such as 1,28,28, without the batch")
    return np.zeros((1, *(int(p) for p in parts)), np.float32)


def load_path(path: str, example: str | None = None) -> Graph | Artifact:
    """Give the artifact of a folder, or the graph of a model."""
    from neurodeploy.api import load

    if Path(path).is_dir():
        return open_artifact(path)
    return load(path, example=example)
