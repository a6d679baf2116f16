"""The arguments that several verbs share, and small parsers for their texts."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from neurodeploy.artifact import Artifact, open_artifact
from neurodeploy.errors import Finding, UsageError
from neurodeploy.ir.graph import Graph
from neurodeploy.memory import require_bytes
from neurodeploy.targets.base import OptionValue

__all__ = [
    "INPUT",
    "GraphArgument",
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
    "check_place",
    "key_values",
    "load_path",
    "shape_example",
]

MAX_RANK = 31  # numpy before 2.0 holds 32 axes, and the batch is one of them

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="An .onnx or .nd file; or file.py:callable or package.module:callable, code that "
        "returns a torch module (and is run).",
    ),
]
GraphArgument = Annotated[
    str,
    typer.Argument(
        metavar="NET.nd", help="A graph that `convert` wrote, or an .onnx file as it is."
    ),
]
PathArgument = Annotated[
    str,
    typer.Argument(
        metavar="PATH", help="A model (.nd, .onnx, file.py:callable) or compiled folder."
    ),
]
INPUT = typer.Option(
    "--input",
    metavar="X.npz",
    help="Samples x, batch first, and labels y; or events: an .npz with events and offsets, "
    "an .h5 as of SHD, an .aedat4.",
)
Input = Annotated[str, INPUT]
OutFile = Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="File to write.")]
OutFolder = Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder to write.")]
Target = Annotated[
    str,
    typer.Option("--target", metavar="NAME", help="A target; `neurodeploy targets` lists them."),
]
Timesteps = Annotated[
    int | None,
    typer.Option(
        "--timesteps",
        "-T",
        metavar="T",
        help="Timesteps per sample; by default those of the data, else of the conversion.",
    ),
]
Layout = Annotated[
    str,
    typer.Option(
        "--layout",
        metavar="NT|TN",
        help="Order of the data's axes: NT, batch first; TN, time first.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of everything that is drawn.")]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="KEY=VALUE", help="An option of the target; may be repeated."),
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
    parts = [p.strip() for p in text.split(",")]
    if not all(p.isdecimal() and len(p) < 10 and int(p) for p in parts):
        raise UsageError(
            f"--input-shape {text!r} is no shape", hint="such as 1,28,28, without the batch"
        )
    shape = [int(p) for p in parts]
    if len(shape) > MAX_RANK:
        raise UsageError(f"--input-shape has {len(shape)} axes", hint=f"at most {MAX_RANK}")
    require_bytes(4 * math.prod(shape), f"a sample of --input-shape {text}")
    return np.zeros((1, *shape), np.float32)


def check_place(out: Path, suffix: str = "") -> None:
    """Refuse a file that cannot be written, before the work and not after it.

    Raises:
        UsageError: it has another ending than ``suffix``, is a folder, or lies in none.
    """
    if suffix and out.suffix != suffix:
        what = f"a {out.suffix} file" if out.suffix else "a file without an ending"
        raise UsageError(Finding(f"{what} cannot be written", node=str(out), hint=f"-o X{suffix}"))
    if os.path.isdir(out):
        raise UsageError(Finding("this is a folder", node=str(out), hint="name a file"))
    if os.path.exists(out) and not os.path.isfile(out):  # it would be replaced, not written to
        raise UsageError(Finding("this is no regular file", node=str(out)))
    if not os.path.isdir(out.parent):
        raise UsageError(Finding(f"there is no folder {str(out.parent)!r}", node=str(out)))
    if not os.access(out.parent, os.W_OK):
        raise UsageError(Finding(f"nothing can be written into {out.parent}", node=str(out)))


def load_path(path: str, example: object = None) -> Graph | Artifact:
    """Give the artifact of a folder, or the graph of a model."""
    from neurodeploy.api import load

    if os.path.isdir(path):
        return open_artifact(path)
    return load(path, example=example)
