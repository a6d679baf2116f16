"""Every runner gives what the reference gives, bit for bit, in every output and state."""

from __future__ import annotations

import numpy as np

from neurodeploy.compiling import compile_graph
from neurodeploy.errors import MissingDependencyError, UnavailableTargetError
from neurodeploy.reference import Trace, all_outputs, simulate
from neurodeploy.runners import make_runner, runner_names
from neurodeploy.targets.base import Run
from neurodeploy.testing.drawing import Array, RandomCase
from neurodeploy.testing.random_graphs import spiking_share
from neurodeploy.testing.subject import Subject, padded

__all__ = ["compare_traces", "runners_equal_the_reference"]

SPIKING = 0.7


def runners_equal_the_reference(subject: Subject) -> str | None:
    """Reference and runner agree on every accepted graph, whole batches and single samples."""
    missing: dict[str, str] = {}
    alive = 0
    for number, (case, lowered, _) in enumerate(subject.accepted):
        folder = subject.folder("run") / "out"
        artifact = compile_graph(case.graph, subject.name, folder, subject.options)
        assert artifact.latency_steps == lowered.latency_steps
        long = padded(case, lowered.latency_steps)
        keys = all_outputs(artifact.graph)
        expected = simulate(artifact.graph, long.inputs, long.timesteps, record=keys)
        alive += spiking_share(expected, artifact.graph) == 1
        for name in subject.runners or runner_names(subject.target):
            if name == "reference" or name in missing:
                continue
            try:
                _, run = make_runner(
                    artifact.graph, name, target=subject.target, path=folder, options={}
                )
            except (MissingDependencyError, UnavailableTargetError) as error:
                missing[name] = str(error)
                continue
            _agree(run, long, expected, f"runner {name!r}")
            if number < 3:
                _agree_alone(run, long, expected, f"runner {name!r}, one sample")
    share = alive / max(1, len(subject.accepted))
    assert share >= SPIKING, f"only {share:.0%} of the lowered graphs spike in every population"
    return "; ".join(f"{n} did not run: {why}" for n, why in missing.items()) or None


def _agree(run: Run, case: RandomCase, expected: Trace, what: str) -> None:
    found = run(case.inputs, case.timesteps, record=tuple(expected))
    compare_traces(expected, found, what)


def _agree_alone(run: Run, case: RandomCase, expected: Trace, what: str) -> None:
    """A sample gives the same alone as in a batch: random bits follow its ordinal."""
    at = case.first(1).inputs
    last = {k: v[-1:] for k, v in case.inputs.items()}
    ordinal = next(iter(case.inputs.values())).shape[0] - 1
    found = run(at, case.timesteps, record=tuple(expected))
    compare_traces({k: v[:1] for k, v in expected.items()}, found, what)
    found = run(last, case.timesteps, record=tuple(expected), first_sample=ordinal)
    compare_traces({k: v[-1:] for k, v in expected.items()}, found, what)


def compare_traces(expected: Trace, found: Trace, what: str) -> None:
    """Demand the same value of every signal at every step.

    Raises:
        AssertionError: names the signal, sample, step and both values.
    """
    for (node, output), a in expected.items():
        assert (node, output) in found, f"{what} gives no {output!r} of {node!r}"
        b: Array = np.asarray(found[(node, output)])
        assert a.shape == b.shape, f"{what}: {node}.{output} is {b.shape}, not {a.shape}"
        off = np.argwhere(a != b)
        assert not off.size, (
            f"{what}: {node}.{output} differs in {len(off)} of {a.size} values, first at "
            f"(sample, step, ...) {off[0].tolist()}: {b[tuple(off[0])]!r} instead of "
            f"{a[tuple(off[0])]!r}"
        )
