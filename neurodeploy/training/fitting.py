"""A plain training loop for graphs that classify."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neurodeploy.errors import DataError, UsageError
from neurodeploy.training.graph_module import GraphModule

__all__ = ["MARGIN", "fit"]

MARGIN = 5.0


def fit(
    module: GraphModule,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    timesteps: int | None = None,
    epochs: int = 5,
    batch: int = 64,
    rate: float = 1e-3,
    scale: float | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[float]:
    r"""Minimise the cross entropy of the mean output by Adam, with a cosine decay of the rate.

    Args:
        module: The module; trained in place.
        x: Samples, (N, \*input) or (N, T, \*input).
        y: (N,) labels.
        timesteps: Steps; else those of the data or the graph.
        epochs: Passes over the samples.
        batch: Samples per step of the optimiser.
        rate: Learning rate at the start.
        scale: Factor of the mean output before the softmax. Rates are far smaller than the logits
            that a softmax needs: by default it is such that in the first batch the largest mean
            output of a sample lies `MARGIN` above the mean of its outputs.
        seed: Seed of the order of the samples.
        progress: Called with (batches done, batches in all).

    Returns:
        The mean loss of each epoch.

    Raises:
        DataError: as many labels as samples are needed.
        UsageError: the graph has several outputs.
    """
    samples = torch.as_tensor(np.asarray(x))
    labels = torch.as_tensor(np.asarray(y), dtype=torch.int64)
    if labels.shape != (samples.shape[0],):
        raise DataError(f"{samples.shape[0]} samples and labels of shape {list(labels.shape)}")
    if len(module.graph.outputs) > 1:
        raise UsageError("a graph of several outputs is no classifier")
    optimiser = torch.optim.Adam(module.parameters(), lr=rate)
    per_epoch = math.ceil(samples.shape[0] / batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * per_epoch)
    order = torch.Generator().manual_seed(seed)
    losses: list[float] = []
    done = 0
    for _ in range(epochs):
        total = 0.0
        shuffled = torch.randperm(samples.shape[0], generator=order)
        for picked in torch.split(shuffled, batch):
            optimiser.zero_grad()
            out = module(samples[picked], timesteps)
            mean: Tensor = out.mean(dim=1).flatten(1)
            if scale is None:
                scale = _scale(mean.detach())
            loss = nn.functional.cross_entropy(mean * scale, labels[picked])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * picked.numel()
            done += 1
            if progress is not None:
                progress(done, epochs * per_epoch)
        losses.append(total / samples.shape[0])
    return losses


def _scale(mean: Tensor) -> float:
    """Give the factor that brings the outputs of a batch to a margin of `MARGIN`."""
    margin = float((mean.amax(dim=1) - mean.mean(dim=1)).mean())
    return MARGIN / margin if margin > 0 else 1.0
