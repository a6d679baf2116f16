"""Quantises a graph from samples, and reports what that changed; the functions of the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.data import Data, Samples, as_samples, timesteps_of
from neurodeploy.errors import Finding, QuantizationError, UsageError, raise_findings
from neurodeploy.execute import Progress, check_seed, execute
from neurodeploy.input_range import with_input_range
from neurodeploy.ir.graph import Graph
from neurodeploy.quantize import QuantisationReport, Scheme, layer_errors, quantised
from neurodeploy.quantize.chip import for_chip
from neurodeploy.quantize.mixed import bits_within, sensitivities
from neurodeploy.runners import make_runner
from neurodeploy.spike_rates import with_spike_rates
from neurodeploy.targets.base import Capabilities, Run, Target
from neurodeploy.targets.registry import resolve_target

__all__ = ["quantization_report", "quantize"]

REPORT_SAMPLES = 256


def quantize(
    graph: Graph,
    *,
    data: Data,
    bits: int | None = None,
    scheme: Scheme | None = None,
    timesteps: int | None = None,
    target: str | None = None,
    budget: int | None = None,
    max_loss: float | None = None,
    layout: str = "NT",
    seed: int = 0,
    progress: Progress | None = None,
) -> Graph:
    """Turn a float graph into one over integers (`neurodeploy.quantize`).

    Args:
        graph: A float graph, spiking or not.
        data: Calibration samples.
        bits: Bits of a weight; 8 by default.
        scheme: All widths, grids and how they are chosen.
        timesteps: T of the calibration; by default that of the data, else the graph's.
        target: A target whose widest weight the bits must not exceed.
        budget: Bytes that all weights may take, packed to their bits: each projection then gets
            as few bits as measured to cost least (`neurodeploy.quantize.mixed`).
        max_loss: Percentage points of accuracy on ``data`` that quantisation may cost; without
            labels, of samples that change their class.
        layout: ``NT`` or ``TN``.
        seed: Seed of the choice of values that observers keep.
        progress: Called with (samples done, samples in all).

    Raises:
        QuantizationError: all nodes without an integer form, and layers that the data leave
            silent; more bits than the target's weights have; a budget that no bits meet, or a
            loss above ``max_loss``.
        UsageError: ``bits`` and a scheme with other bits are given.
    """
    check_seed(seed)
    if bits is not None and scheme is not None and bits != scheme.weight_bits:
        raise UsageError(f"bits is {bits}, and the scheme has {scheme.weight_bits}")
    policy = scheme or (Scheme() if bits is None else Scheme(weight_bits=bits))
    resolved = None if target is None else resolve_target(target)
    widest = None if resolved is None else _widest(resolved[1])
    if widest is not None and policy.weight_bits > widest:
        raise QuantizationError(
            f"{target} holds weights of {widest} bits, not {policy.weight_bits}",
            hint=f"bits={widest}",
        )
    samples = as_samples(graph, data, layout=layout, timesteps=timesteps)
    steps = timesteps_of(graph, samples, timesteps)

    def inputs_of(made: Graph) -> Mapping[str, npt.NDArray[Any]]:
        return as_samples(made, data, layout=layout, timesteps=timesteps).inputs

    if resolved is not None and resolved[1].grid is not None:
        _check_choices(policy, budget, str(target))
        made = _for_chip(graph, samples, steps, policy, resolved, seed=seed, progress=progress)
        made = with_input_range(made, samples.inputs)
        made = with_spike_rates(made, _fastest(made), inputs_of(made), steps)
        if max_loss is not None:
            _check_loss(graph, made, data, samples, steps, layout, max_loss)
        return made
    bits_of = None
    if budget is not None:
        found = sensitivities(graph, samples.inputs, inputs_of, steps, policy, make_runner=_fastest)
        bits_of = bits_within(found, budget)
    made = quantised(
        graph,
        samples.inputs,
        steps,
        policy,
        bits=bits_of,
        make_runner=_fastest,
        seed=seed,
        progress=progress,
    )
    made = with_input_range(made, samples.inputs)
    if max_loss is not None:
        _check_loss(graph, made, data, samples, steps, layout, max_loss)
    return made


def _widest(capabilities: Capabilities) -> int | None:
    """Give the most bits of a weight; of mantissas of both signs one is the sign."""
    if capabilities.grid is not None:
        return capabilities.grid.mantissa.bit_length()
    return capabilities.weight_bits


def _check_choices(policy: Scheme, budget: int | None, target: str) -> None:
    """Refuse what a chip with neurons of its own decides itself.

    Raises:
        QuantizationError: all of it.
    """
    plain, free = Scheme(), ("weight_bits", "input_bits", "granularity", "headroom")
    names = [
        f.name
        for f in fields(policy)
        if f.name not in free and getattr(policy, f.name) != getattr(plain, f.name)
    ] + ["budget"] * (budget is not None)
    hint = f"to choose: {', '.join(free)}"
    raise_findings(
        QuantizationError,
        [Finding(f"{name} has no meaning for {target!r}", name, hint=hint) for name in names],
    )


def _for_chip(
    graph: Graph,
    samples: Samples,
    timesteps: int,
    policy: Scheme,
    resolved: tuple[Target, Capabilities],
    *,
    seed: int,
    progress: Progress | None,
) -> Graph:
    target, capabilities = resolved
    return for_chip(
        graph,
        samples.inputs,
        timesteps,
        policy,
        target,
        capabilities,
        make_runner=_fastest,
        seed=seed,
        progress=progress,
    )


def _fastest(graph: Graph) -> Run:
    return make_runner(graph, None)[1]


def _check_loss(
    graph: Graph,
    made: Graph,
    data: Data,
    samples: Samples,
    timesteps: int,
    layout: str,
    most: float,
) -> None:
    """Refuse a graph that loses more than it may.

    Raises:
        QuantizationError: it does; or the graph classifies nothing.
    """
    runs = [
        execute(g, _fastest(g), s, timesteps)
        for g, s in (
            (graph, samples),
            (made, as_samples(made, data, layout=layout, timesteps=timesteps)),
        )
    ]
    before, after = runs
    if before.predictions is None or after.predictions is None:
        raise QuantizationError("max_loss is given, and the graph classifies nothing")
    lost = float(np.mean(before.predictions != after.predictions))
    what = "of the samples change their class"
    if before.accuracy is not None and after.accuracy is not None:
        lost, what = before.accuracy - after.accuracy, "points of accuracy are lost"
    if 100 * lost > most:
        raise QuantizationError(
            f"{100 * lost:.2f} {what}, {most:g} may",
            hint="more bits, a larger budget, or training with rounded weights",
        )


def quantization_report(
    before: Graph,
    after: Graph,
    data: Data,
    *,
    timesteps: int | None = None,
    layout: str = "NT",
    progress: Progress | None = None,
) -> QuantisationReport:
    """Compare each layer of a float graph with its integer form, on samples.

    Args:
        before: The graph that `quantize` was given.
        after: What it made.
        data: Samples; the first 256 are used.
        timesteps: T; as for `quantize`.
        layout: ``NT`` or ``TN``.
        progress: Called with (samples done, samples in all).
    """
    given = [
        as_samples(g, data, layout=layout, timesteps=timesteps, limit=REPORT_SAMPLES)
        for g in (before, after)
    ]
    return layer_errors(
        before,
        after,
        given[0].inputs,
        given[1].inputs,
        timesteps_of(before, given[0], timesteps),
        make_runner=_fastest,
        progress=progress,
    )
