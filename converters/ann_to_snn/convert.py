"""The conversion: checks, calibration, choice of thresholds, spiking graph."""

from __future__ import annotations

from neurodeploy.converters.ann_to_snn.check import (
    calibration_inputs,
    graph_findings,
    option_findings,
    without_spikes,
)
from neurodeploy.converters.ann_to_snn.observe import observe
from neurodeploy.converters.ann_to_snn.runner import (
    MakeRunner,
    Meter,
    count,
    reference_runner,
)
from neurodeploy.converters.ann_to_snn.select import Trial, split, try_methods
from neurodeploy.converters.ann_to_snn.spiking import STEP, already_spiking, spiking_graph
from neurodeploy.converters.ann_to_snn.thresholds import METHODS, choose_thresholds
from neurodeploy.errors import ConversionError, raise_findings
from neurodeploy.execute import Progress
from neurodeploy.ir.graph import Change, Graph
from neurodeploy.passes.fold_batch_norm import fold_batch_norm
from neurodeploy.passes.recognise import fires

__all__ = ["DEFAULT_TIMESTEPS", "ann_to_snn"]

DEFAULT_TIMESTEPS = 16


def ann_to_snn(
    graph: Graph,
    data: object = None,
    *,
    timesteps: int | None = None,
    method: str = "auto",
    keep_ann: bool = False,
    seed: int = 0,
    make_runner: MakeRunner = reference_runner,
    progress: Progress | None = None,
) -> Graph:
    r"""Turn an analog network with ReLUs into a spiking one.

    Over T steps, with the same input at each, the mean of each output is that of the analog
    network, up to an error that falls as 1 / T. Batch norms are folded, ReLUs become
    integrate-and-fire neurons (`spiking_graph`), max pools are exact.

    1. A graph in which a cell fires already comes back unchanged, with a record that says so.
    2. ``method="none"`` gives the graph back.
    3. ``max``, ``percentile`` and ``mse`` set the thresholds per channel (`choose_thresholds`);
       ``auto`` tries all three at T steps and keeps the one whose outputs are nearest to the
       analog network's on held-out calibration samples.

    Args:
        graph: The analog network, one step per sample.
        data: Calibration samples, (N, \*input), a mapping by input name, or checked `Samples`;
            labels are not looked at.
        timesteps: Steps T that the spiking network will run for; 16 by default.
        method: How thresholds are chosen.
        keep_ann: Let what has no spiking form stay a float segment; each such node is named in
            the record of changes.
        seed: Seed of what is drawn: held-out samples, values kept of large layers.
        make_runner: Gives what runs a graph; the reference by default.
        progress: Called with (done, in all), in samples times steps.

    Raises:
        ConversionError: all that stands in the way, at once: layers without a spiking form,
            options out of range, calibration data missing or damaged.
    """
    if method == "none":
        return graph
    if any(fires(node) for node in graph.nodes):
        return graph.with_changes(already_spiking(graph))
    timesteps = DEFAULT_TIMESTEPS if timesteps is None else timesteps
    inputs, found = calibration_inputs(graph, data)
    methods = ("auto", "none", *METHODS)
    raise_findings(
        ConversionError,
        [
            *graph_findings(graph, keep_ann=keep_ann),
            *option_findings(timesteps, method, methods),
            *found,
        ],
    )
    folded = fold_batch_norm(graph)
    kept = [n.name for n in folded.nodes if any(without_spikes(n))] if keep_ann else []
    if method != "auto":
        meter = Meter(progress, count(inputs))
        seen = observe(folded, inputs, make_runner, meter, seed=seed)
        chosen = {n: choose_thresholds(o, method, timesteps) for n, o in seen.items()}
        return spiking_graph(folded, chosen, timesteps, kept)
    setting, held = split(inputs, seed)
    meter = Meter(progress, count(setting) + count(held) * (1 + len(METHODS) * timesteps))
    seen = observe(folded, setting, make_runner, meter, seed=seed)
    trials = try_methods(folded, seen, METHODS, held, timesteps, make_runner, meter, kept)
    return trials[0].graph.with_changes(_choice(trials, folded, timesteps))


def _choice(trials: list[Trial], graph: Graph, timesteps: int) -> Change:
    output = graph.outputs[0]
    others = "; ".join(f"{t.method} {t.distance:.3g}" for t in trials[1:])
    return Change(
        output.name,
        output.source,
        STEP,
        f"{trials[0].method} thresholds chosen",
        f"outputs off by {trials[0].distance:.3g} of their rms at {timesteps} steps, "
        f"{trials[0].agreement:.2%} of the held-out samples agree",
        f"nearest to the analog network on held-out calibration samples ({others})",
    )
