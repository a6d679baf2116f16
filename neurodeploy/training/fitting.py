"""Plain training loops for graphs that classify: from labels, or from a trained network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neurodeploy.errors import DataError, Finding, UsageError
from neurodeploy.training.graph_module import GraphModule

__all__ = ["MARGIN", "distil", "fit"]

MARGIN = 5.0

Loss = Callable[[Tensor, Tensor], Tensor]
Progress = Callable[[int, int], None]


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
    progress: Progress | None = None,
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
    _check(module)
    factor = scale

    def loss(given: Tensor, picked: Tensor) -> Tensor:
        nonlocal factor
        mean: Tensor = module(given, timesteps).mean(dim=1).flatten(1)
        if factor is None:
            factor = _scale(mean.detach())
        return nn.functional.cross_entropy(mean * factor, labels[picked])

    return list(_minimised(module, samples, loss, epochs, batch, rate, seed, None, progress))


def distil(
    module: GraphModule,
    teacher: GraphModule,
    x: npt.ArrayLike,
    *,
    timesteps: int | None = None,
    windows: int = 8,
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    epochs: int = 5,
    batch: int = 64,
    rate: float = 1e-3,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[float]:
    r"""Train a module to send what a teacher sends: over a run, and in each window of its steps.

    The loss is the Kullback-Leibler divergence of ``softmax(scale * m)`` from the teacher's, m
    being mean outputs over all steps, plus the same for the mean outputs of each window (Hinton,
    Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network", with 1 / scale in the
    place of their temperature). The scale is that of `fit`, found from the teacher. No labels are
    needed, and what ``augment`` makes of a sample may be anything that a run could meet. A network
    with rounded weights that has the float network as teacher keeps more of it than labels alone
    give back (``docs/quantisation.md``).

    Args:
        module: The module; trained in place.
        teacher: The module whose outputs are wanted.
        x: Samples, (N, \*input) or (N, T, \*input).
        timesteps: Steps; else those of the data or the graph.
        windows: Parts of a run that are compared; their number divides the steps. 1 for the whole.
        augment: Gives other samples for a batch, drawn with the generator; None for the same.
        epochs: Passes over the samples.
        batch: Samples per step of the optimiser.
        rate: Learning rate at the start.
        seed: Seed of the order of the samples, and of ``augment``.
        progress: Called with (batches done, batches in all).

    Returns:
        The mean loss of each epoch.

    Raises:
        UsageError: a graph has several outputs, the outputs differ in shape, or the windows do not
            divide the steps.
    """
    samples = torch.as_tensor(np.asarray(x))
    _check(module)
    _check(teacher)
    with torch.no_grad():
        first = teacher(samples[:batch], timesteps)
    made = [m.graph.signals[(m.graph.outputs[0].name, "out")].shape for m in (module, teacher)]
    if made[0] != made[1]:
        raise UsageError(f"outputs of shape {list(made[0])}, of the teacher {list(made[1])}")
    if windows < 1 or first.shape[1] % windows:
        hint = f"a divisor of the {first.shape[1]} steps"
        raise UsageError(Finding(f"{windows}", node="windows", value=windows, hint=hint))
    scale = _scale(first.mean(dim=1).flatten(1))

    def loss(given: Tensor, _: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = teacher(given, timesteps)
        found = module(given, timesteps)
        total = _divergence(found.mean(dim=1).flatten(1), wanted.mean(dim=1).flatten(1), scale)
        if windows > 1:
            total = total + _divergence(
                _windowed(found, windows), _windowed(wanted, windows), scale
            )
        return total

    return list(_minimised(module, samples, loss, epochs, batch, rate, seed, augment, progress))


def _minimised(
    module: GraphModule,
    samples: Tensor,
    loss: Loss,
    epochs: int,
    batch: int,
    rate: float,
    seed: int,
    augment: Callable[[Tensor, torch.Generator], Tensor] | None,
    progress: Progress | None,
) -> Iterator[float]:
    """Give the mean loss of each epoch."""
    optimiser = torch.optim.Adam(module.parameters(), lr=rate)
    per_epoch = math.ceil(samples.shape[0] / batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * per_epoch)
    order = torch.Generator().manual_seed(seed)
    done = 0
    for _ in range(epochs):
        total = 0.0
        for picked in torch.split(torch.randperm(samples.shape[0], generator=order), batch):
            given = samples[picked] if augment is None else augment(samples[picked], order)
            optimiser.zero_grad()
            found = loss(given, picked)
            found.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += float(found.detach()) * picked.numel()
            done += 1
            if progress is not None:
                progress(done, epochs * per_epoch)
        yield total / samples.shape[0]


def _check(module: GraphModule) -> None:
    if len(module.graph.outputs) > 1:
        raise UsageError("a graph of several outputs is no classifier")


def _windowed(values: Tensor, windows: int) -> Tensor:
    """Give the mean of each window, (N * windows, outputs)."""
    split = values.reshape(values.shape[0] * windows, values.shape[1] // windows, -1)
    return split.mean(dim=1)


def _divergence(found: Tensor, wanted: Tensor, scale: float) -> Tensor:
    return nn.functional.kl_div(
        torch.log_softmax(found * scale, 1),
        torch.log_softmax(wanted * scale, 1),
        reduction="batchmean",
        log_target=True,
    )


def _scale(mean: Tensor) -> float:
    """Give the factor that brings the outputs of a batch to a margin of `MARGIN`."""
    margin = float((mean.amax(dim=1) - mean.mean(dim=1)).mean())
    return MARGIN / margin if margin > 0 else 1.0
