"""Finds out what stands on the two sides of a comparison."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from neurodeploy.artifact import Artifact, open_artifact
from neurodeploy.comparison import Side
from neurodeploy.converters.callable_model import build_model, is_callable_spec
from neurodeploy.data import Data
from neurodeploy.events.sources import is_data_set, items_of, one_by_one
from neurodeploy.ir.graph import Graph
from neurodeploy.models import read_model
from neurodeploy.recorded import recorded_side
from neurodeploy.recording import Recording

if TYPE_CHECKING:
    from neurodeploy.training.graph_module import GraphModule

__all__ = ["drawn_once", "recordings_of", "resolve", "resolve_pair"]


def drawn_once(x: Data) -> Data:
    """Draw a generator or a loader, so that every later reader sees the same samples."""
    items = None if isinstance(x, list | tuple) else items_of(x)
    if items is None:
        return x
    return one_by_one(items) if is_data_set(x) else list(items)


def resolve_pair(
    a: object, b: object, x: Data, layout: str = "NT"
) -> tuple[Graph | Artifact | Side, Graph | Artifact | Side]:
    """Give what two values or paths stand for.

    A recording is played back beside the other one. A torch module, also one that
    ``module:callable`` builds, is run eagerly; beside a graph in the way in which that graph was
    read: step by step, over a sequence, or looping by itself.

    Raises:
        UsageError: a path leads nowhere.
    """
    a, b = _built(a), _built(b)
    if isinstance(b, Recording):
        left = resolve(a, x, layout)
        return left, recorded_side(b, _graph(left))
    if isinstance(a, Recording):
        right = resolve(b, x, layout)
        return recorded_side(a, _graph(right)), right
    if _is_module(a):
        right = resolve(b, x, layout)
        return resolve(a, x, layout, like=_graph(right)), right
    left = resolve(a, x, layout)
    return left, resolve(b, x, layout, like=_graph(left))


def resolve(
    what: object, example: Data = None, layout: str = "NT", like: Graph | None = None
) -> Graph | Artifact | Side:
    """Give what a value or a path stands for; a torch module stands for itself, run eagerly.

    Args:
        what: A graph, artifact, torch module, or a path.
        example: Samples, for a torch module.
        layout: ``NT`` or ``TN``.
        like: A graph that was read from the module; it tells how the module meets time.

    Raises:
        UsageError: the path leads nowhere.
    """
    if isinstance(what, Graph | Artifact | Side):
        return what
    if isinstance(what, str | os.PathLike) and os.path.isdir(what):
        return open_artifact(what)
    if _is_module(what):
        if isinstance(getattr(what, "graph", None), Graph):
            from neurodeploy.training.side import module_side

            return module_side(cast("GraphModule", what))
        from neurodeploy.converters.torch.side import torch_side

        return torch_side(what, example, layout, like)
    return read_model(what, example=example, layout=layout)


def recordings_of(a: object, b: object) -> tuple[Recording, Recording] | None:
    """Give two recordings, or the files of two; None where one side is something else."""
    if all(isinstance(side, Recording) or _is_npz(side) for side in (a, b)):
        left, right = _built(a), _built(b)
        if isinstance(left, Recording) and isinstance(right, Recording):
            return left, right
    return None


def _is_npz(what: object) -> bool:
    return isinstance(what, str | os.PathLike) and os.fspath(what).endswith(".npz")


def _built(what: object) -> object:
    """Read a recording, give the module that ``module:callable`` builds; else what is given."""
    if _is_npz(what):
        return Recording.load(cast("str", what))
    if isinstance(what, str | os.PathLike) and not os.path.exists(what):
        spec = str(what)
        if is_callable_spec(spec):
            return build_model(spec)
    return what


def _is_module(what: object) -> bool:
    return hasattr(what, "named_modules")


def _graph(side: Graph | Artifact | Side) -> Graph:
    return side if isinstance(side, Graph) else side.graph
