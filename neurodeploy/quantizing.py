"""Quantises a graph from samples, and reports what that changed; the functions of the API."""

from __future__ import annotations

from neurodeploy.data import Data, as_samples, timesteps_of
from neurodeploy.errors import QuantizationError, UsageError
from neurodeploy.execute import Progress, check_seed
from neurodeploy.ir.graph import Graph
from neurodeploy.quantize import QuantisationReport, Scheme, layer_errors, quantised
from neurodeploy.runners import make_runner
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
        layout: ``NT`` or ``TN``.
        seed: Seed of the choice of values that observers keep.
        progress: Called with (samples done, samples in all).

    Raises:
        QuantizationError: all nodes without an integer form, and layers that the data leave
            silent; or more bits than the target's weights have.
        UsageError: ``bits`` and a scheme with other bits are given.
    """
    check_seed(seed)
    if bits is not None and scheme is not None and bits != scheme.weight_bits:
        raise UsageError(f"bits is {bits}, and the scheme has {scheme.weight_bits}")
    policy = scheme or (Scheme() if bits is None else Scheme(weight_bits=bits))
    widest = None if target is None else resolve_target(target)[1].weight_bits
    if widest is not None and policy.weight_bits > widest:
        raise QuantizationError(
            f"{target} holds weights of {widest} bits, not {policy.weight_bits}",
            hint=f"bits={widest}",
        )
    samples = as_samples(graph, data, layout=layout, timesteps=timesteps)
    return quantised(
        graph,
        samples.inputs,
        timesteps_of(graph, samples, timesteps),
        policy,
        make_runner=lambda made: make_runner(made, None)[1],
        seed=seed,
        progress=progress,
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
        make_runner=lambda made: make_runner(made, None)[1],
        progress=progress,
    )
