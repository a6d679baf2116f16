"""A trained module as one side of a comparison."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from neurodeploy.comparison import Side
from neurodeploy.training.graph_module import GraphModule

__all__ = ["module_side"]

Array = npt.NDArray[Any]
Key = tuple[str, str]


def module_side(module: GraphModule) -> Side:
    """Run a module of `to_torch` as one side of `neurodeploy.comparison.compare`.

    Its Maps are computed by torch's own kernels, which add in another order, so it counts as an
    outside framework.
    """

    def run(
        inputs: Mapping[str, Array],
        timesteps: int,
        *,
        record: Collection[Key],
        seed: int = 0,
        first_sample: int = 0,
    ) -> dict[Key, Array]:
        given = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in inputs.items()}
        with torch.no_grad():
            _, trace = module(
                given, timesteps, record=list(record), seed=seed, first_sample=first_sample
            )
        return {key: value.numpy() for key, value in trace.items()}

    return Side(module.graph, run)
