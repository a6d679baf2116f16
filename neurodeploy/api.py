"""The functions of the chain, as people call them; each step is a pure function of its input."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from neurodeploy.artifact import Artifact, open_artifact
from neurodeploy.comparison import compare as compare_sides
from neurodeploy.compiling import compile_graph
from neurodeploy.data import Data, as_samples, timesteps_of
from neurodeploy.differences import Comparison
from neurodeploy.errors import DataError, UsageError
from neurodeploy.execute import Progress, check_seed, execute
from neurodeploy.input_range import with_input_range
from neurodeploy.ir.file import save_graph
from neurodeploy.ir.graph import Graph
from neurodeploy.pacing import paced_inputs
from neurodeploy.recorded import compare_recordings
from neurodeploy.recording import Recording
from neurodeploy.runners import make_runner
from neurodeploy.sides import drawn_once, recordings_of, resolve_pair
from neurodeploy.targets.base import OptionValue

REPORT_SAMPLES = 256

if TYPE_CHECKING:
    from neurodeploy.converters.ann_to_snn import ConversionReport
    from neurodeploy.converters.nir import NirLoss
    from neurodeploy.profile import Bill

__all__ = [
    "compare",
    "compile",
    "conversion_report",
    "convert",
    "load",
    "open",
    "profile",
    "run",
    "save",
]

Path_ = str | os.PathLike[str]


def load(
    model: object,
    *,
    example: object = None,
    time_axis: int | None = None,
    steps: int | None = None,
    layout: str = "NT",
    dt: str | float | Fraction | None = None,
    output: str | int | None = None,
    weights: str | None = None,
    convention: str | None = None,
) -> Graph:
    """Read a trained model into a graph, and prove that the graph computes the same.

    Args:
        model: A torch module, one of `to_torch` included (its trained values come back into its
            graph); the path of an ``.onnx``, ``.nir`` or ``.nd`` file;
            ``package.module:callable`` or ``file.py:callable`` that returns a torch module (this
            runs that code); or a graph, ours or NIR's.
        example: Samples, batch first; needed for torch modules.
        time_axis: Axis of time where ``forward`` takes the sequence.
        steps: Steps where ``forward`` takes one static input and loops by itself.
        layout: ``NT`` or ``TN``, the layout of ``example``.
        dt: Duration of a step, such as ``"1ms"``.
        output: Which of several outputs to keep, by name or position.
        weights: File of weights, with ``:KEY`` for a nested state dict.
        convention: What the neurons of a NIR file compute in a step; found from its parameters
            where they tell (`neurodeploy.converters.nir.conventions`).

    Raises:
        ConversionError: everything that cannot be read, all at once.
        FileFormatError: the file is damaged or of another kind.
        UsageError: the model cannot be found, or an argument does not go with it.
    """
    from neurodeploy.models import read_model

    return read_model(
        model,
        example=example,
        time_axis=time_axis,
        steps=steps,
        layout=layout,
        dt=dt,
        output=output,
        weights=weights,
        convention=convention,
    )


def convert(
    graph: Graph,
    *,
    data: Data = None,
    timesteps: int | None = None,
    method: str = "auto",
    keep_ann: bool = False,
    layout: str = "NT",
    seed: int = 0,
    progress: Progress | None = None,
) -> Graph:
    """Turn an ANN into an SNN where an activation does not spike.

    A graph that spikes already passes unchanged, and its ``changes`` say so.

    Args:
        graph: The graph.
        data: Calibration samples; needed where something is converted.
        timesteps: T that the thresholds are chosen for, stored in the graph; default 16.
        method: ``auto``, ``none`` (keep the ANN), or the name of a method.
        keep_ann: Let what cannot spike stay a float segment, named in ``changes``.
        layout: ``NT`` or ``TN``.
        seed: Seed of the choice of held-out samples.
        progress: Called with (done, in all).

    Raises:
        ConversionError: all activations that cannot spike, or calibration data is missing.
        DataError: the samples do not fit, or ``timesteps`` is below 1.
    """
    from neurodeploy.converters.ann_to_snn import ann_to_snn

    check_seed(seed)
    if timesteps is not None and timesteps < 1:
        raise DataError(f"timesteps is {timesteps}", hint="a whole number of at least 1")
    samples = None if data is None else as_samples(graph, data, layout=layout)
    snn = ann_to_snn(
        graph,
        samples,
        timesteps=timesteps,
        method=method,
        keep_ann=keep_ann,
        seed=seed,
        make_runner=lambda made: make_runner(made, None)[1],
        progress=progress,
    )
    return snn if samples is None else with_input_range(snn, samples.inputs)


def conversion_report(
    ann: Graph, snn: Graph, data: Data, *, layout: str = "NT", progress: Progress | None = None
) -> ConversionReport:
    """Compare each activation of an ANN with the neurons that stand for it, on samples.

    Args:
        ann: The graph that `convert` was given.
        snn: What it made.
        data: Samples; the first 256 are used.
        layout: ``NT`` or ``TN``.
        progress: Called with (done, in all).

    Raises:
        ConversionError: ``snn`` does not come from ``ann``.
    """
    from neurodeploy.converters.ann_to_snn import layer_report

    samples = as_samples(ann, data, layout=layout, limit=REPORT_SAMPLES)
    return layer_report(
        ann,
        snn,
        samples,
        make_runner=lambda made: make_runner(made, None)[1],
        progress=progress,
    )


def save(graph: Graph, path: Path_) -> NirLoss | None:
    """Write a graph to an ``.nd``, ``.nir`` or ``.net`` file; the same graph, the same bytes.

    Args:
        graph: The graph.
        path: The file. One that ends in ``.nir`` holds the nearest NIR nodes, and the exact graph
            beside them for `load`.

    Returns:
        What NIR cannot say, for a ``.nir`` file.

    Raises:
        ConversionError: all nodes for which NIR has none.
    """
    if Path(path).suffix.lower() == ".nir":
        from neurodeploy.converters.nir import save_nir

        return save_nir(graph, path)
    if Path(path).suffix.lower() == ".net":
        from neurodeploy.converters.netx import save_netx

        save_netx(graph, path)
        return None
    save_graph(graph, Path(path))
    return None


def run(
    graph: Graph,
    x: Data,
    y: object = None,
    *,
    timesteps: int | None = None,
    record: str | tuple[str, ...] | None = None,
    on: str | None = "reference",
    layout: str = "NT",
    seed: int = 0,
    threads: int = 1,
    progress: Progress | None = None,
) -> Recording:
    """Run samples on a graph, by default on the reference.

    Args:
        graph: The graph.
        x: Samples (`neurodeploy.data`).
        y: Labels, (N,).
        timesteps: T; by default that of the data, else the one stored at conversion, else 1.
        record: None, ``all``, ``states``, or names of nodes.
        on: ``reference`` or ``engine``.
        layout: ``NT`` or ``TN``.
        seed: Seed of the random bits.
        threads: Threads of the engine.
        progress: Called with (samples done, samples in all).
    """
    samples = as_samples(graph, x, y, layout=layout, timesteps=timesteps)
    steps = timesteps_of(graph, samples, timesteps)
    name, runner = make_runner(graph, on, threads=threads)
    return execute(
        graph, runner, samples, steps, record=record, seed=seed, runner=name, progress=progress
    )


def compile(
    graph: Graph,
    target: str,
    out: Path_,
    options: Mapping[str, OptionValue] | None = None,
) -> Artifact:
    """Compile a graph for a target into a folder (`neurodeploy.compiling.compile_graph`)."""
    return compile_graph(graph, target, out, options)


def open(path: Path_) -> Artifact:
    """Open a compiled folder after checking every file (`neurodeploy.artifact`)."""
    return open_artifact(path)


def profile(
    what: Graph | Artifact,
    x: Data,
    y: object = None,
    *,
    target: str | None = None,
    on: str | None = None,
    options: Mapping[str, OptionValue] | None = None,
    timesteps: int | None = None,
    layout: str = "NT",
    seed: int = 0,
    require_measured: bool = False,
    progress: Progress | None = None,
) -> Bill:
    """Count what a network does on samples, and what that costs.

    Args:
        what: A graph or an artifact.
        x: Samples.
        y: Labels, (N,).
        target: Target whose cost model is used; by default the artifact's, or ``cpu``.
        on: Runner; by default the engine. One that counts instructions, such as ``qemu`` of the
            edge target, adds the cycles, time and energy of the processor that it emulates.
        options: Options of the runner.
        timesteps: T; by default that of the data, else the one stored at conversion.
        layout: ``NT`` or ``TN``.
        seed: Seed of the random bits.
        require_measured: Refuse where the energy cannot be measured.
        progress: Called with (samples done, samples in all).

    Raises:
        UnavailableTargetError: a measured energy is required and there is no sensor.
        UsageError: there is no such runner, or it is one of another target.
    """
    from neurodeploy.profile import profile_graph
    from neurodeploy.targets.registry import resolve_target

    if isinstance(what, Artifact):
        own = what.capabilities.name
        if on in what.target.runners() and target not in (None, own):
            raise UsageError(f"the runner {on!r} runs {own}, not {target}", hint=f"target {own}")
        graph, (name, runner) = what.graph, what.runner(on, options)
        target = target or own
    else:
        graph, (name, runner) = what, make_runner(what, on, options=options)
        target = target or "cpu"
    check_seed(seed)
    back_end, capabilities = resolve_target(target)
    samples = as_samples(graph, x, y, layout=layout, timesteps=timesteps)
    steps, inputs, lengths = (
        timesteps_of(graph, samples, timesteps),
        samples.inputs,
        samples.lengths,
    )
    if isinstance(what, Artifact) and (what.latency_steps or what.pace > 1):
        # what is counted are the steps of the chip, to the last one of the outputs
        late, pace = what.latency_steps, what.pace
        inputs, steps = paced_inputs(graph, inputs, steps, late, pace)
        lengths = None if lengths is None else pace * lengths + late
    return profile_graph(
        graph,
        runner,
        inputs,
        steps,
        labels=samples.labels,
        lengths=lengths,
        hosted=back_end.hosted and name == "engine",
        target=target,
        costs=back_end.costs(capabilities),
        seed=seed,
        require_measured=require_measured,
        progress=progress,
    )


def compare(
    a: object,
    b: object,
    x: Data = None,
    *,
    timesteps: int | None = None,
    on_a: str | None = None,
    on_b: str | None = None,
    layout: str = "NT",
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Compare two forms of a network on the same samples (`neurodeploy.comparison`).

    Args:
        a: A graph, artifact, torch module, recording, or the path of one of them.
        b: The other one.
        x: Samples; not for two recordings, which hold what is compared.
        timesteps: T; by default that of the data, else the one stored in ``a``.
        on_a: Runner of an artifact on the left.
        on_b: Runner of an artifact on the right.
        layout: ``NT`` or ``TN``.
        seed: Seed of the random bits.
        progress: Called with (samples done, samples in all).

    Raises:
        UsageError: there are no samples.
    """
    check_seed(seed)
    recorded = recordings_of(a, b)
    if recorded is not None:
        return compare_recordings(*recorded)
    if x is None:
        raise UsageError("a comparison needs samples", hint="two recordings alone need none")
    x = drawn_once(x)
    left, right = resolve_pair(a, b, x, layout)
    return compare_sides(
        left,
        right,
        x,
        timesteps=timesteps,
        on_a=on_a,
        on_b=on_b,
        layout=layout,
        seed=seed,
        progress=progress,
    )
