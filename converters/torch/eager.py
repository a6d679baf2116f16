"""Runs a torch module eagerly and records its layers: one side of a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neurodeploy.comparison import Side
from neurodeploy.errors import UsageError
from neurodeploy.ir.graph import Graph

__all__ = ["eager_side"]

Array = npt.NDArray[Any]
Key = tuple[str, str]


def eager_side(module: object, graph: Graph) -> Side:
    """Give a side of a comparison that runs ``module`` itself, once per step.

    Recorded are the outputs, and every layer that is one node of the graph: a layer that became
    several nodes gives the last of them. A layer that is called more than once is left out.

    Args:
        module: The torch module that ``graph`` was read from.
        graph: The graph.

    Raises:
        UsageError: it is no torch module.
    """
    if not isinstance(module, torch.nn.Module):
        raise UsageError(f"a {type(module).__name__} is no torch module")
    network = module
    layers = _layers(network, graph)

    def run(
        inputs: Mapping[str, Array],
        timesteps: int,
        *,
        record: Collection[Key],
        seed: int = 0,
        first_sample: int = 0,
    ) -> dict[Key, Array]:
        steps = [_step(network, graph, layers, inputs, t) for t in range(timesteps)]
        return {key: np.stack([s[key] for s in steps], axis=1) for key in record}

    outputs = {(n.name, "out") for n in graph.outputs}
    return Side(graph, run, keys=frozenset(outputs | {(name, "out") for name in layers.values()}))


def _layers(module: torch.nn.Module, graph: Graph) -> dict[str, str]:
    """Give, for each path of a submodule that is met once, the last node that came from it."""
    paths = dict(module.named_modules(remove_duplicate=False))
    shared = Counter(id(m) for m in paths.values())
    found: dict[str, str] = {}
    for node in graph.nodes:
        if len(node.source) == 1 and node.source[0] in paths and "out" in node.outputs:
            path = node.source[0]
            if node.ports and path and shared[id(paths[path])] == 1:
                found[path] = node.name
    return found


def _step(
    module: torch.nn.Module,
    graph: Graph,
    layers: Mapping[str, str],
    inputs: Mapping[str, Array],
    step: int,
) -> dict[Key, Array]:
    seen: dict[Key, Array] = {}
    calls: Counter[str] = Counter()

    def hook(path: str) -> Any:
        def keep(layer: torch.nn.Module, args: object, out: object) -> None:
            calls[path] += 1
            if isinstance(out, torch.Tensor):
                seen[(layers[path], "out")] = out.detach().cpu().numpy().copy()

        return keep

    paths = dict(module.named_modules(remove_duplicate=False))
    handles = [paths[p].register_forward_hook(hook(p)) for p in layers]
    was_training = module.training
    given = [
        torch.from_numpy(np.ascontiguousarray(_at(inputs[n.name], len(n.shape), step)))
        for n in graph.inputs
    ]
    try:
        module.eval()
        with torch.no_grad():
            out = module(*given)
    finally:
        module.train(was_training)
        for handle in handles:
            handle.remove()
    values = out if isinstance(out, tuple | list) else [out]
    for node, value in zip(graph.outputs, values, strict=False):
        seen[(node.name, "out")] = value.detach().cpu().numpy()
    for key in list(seen):
        seen[key] = seen[key].reshape(seen[key].shape[0], *graph.signals[key].shape)
    return seen


def _at(x: Array, rank: int, step: int) -> Array:
    return x[:, step] if x.ndim > rank + 1 else x
