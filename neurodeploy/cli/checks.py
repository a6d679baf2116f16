"""The verbs that measure something: run, profile, compare."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurodeploy.artifact import Artifact
from neurodeploy.cli.arguments import (
    INPUT,
    Input,
    Layout,
    Options,
    PathArgument,
    Seed,
    Timesteps,
    check_place,
    key_values,
    load_path,
)
from neurodeploy.cli.session import Session, verb
from neurodeploy.errors import UsageError
from neurodeploy.ir.graph import Graph

if TYPE_CHECKING:
    from neurodeploy.long_recording_file import LongRecording
    from neurodeploy.profile import Bill

__all__ = ["compare", "profile", "run"]

On = Annotated[
    str | None,
    typer.Option("--on", metavar="RUNNER", help="engine, reference, or one of the target's."),
]


@verb("run")
def run(
    session: Session,
    path: PathArgument,
    input_: Input,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="REC.npz|REC.h5", help="Recording to write; .h5: as it runs."
        ),
    ] = None,
    on: On = None,
    option: Options = None,
    timesteps: Timesteps = None,
    record: Annotated[
        str | None, typer.Option(metavar="NODE|all|states", help="What to keep in the recording.")
    ] = None,
    layout: Layout = "NT",
    seed: Seed = 0,
    threads: Annotated[int, typer.Option(metavar="N", help="Threads of the engine.")] = 1,
) -> None:
    """Run samples and print accuracy and spikes."""
    from neurodeploy import api
    from neurodeploy.long_recording import record as write_long

    if out is not None:
        check_place(out, ".h5" if out.suffix == ".h5" else ".npz")
    what = load_path(path, input_)
    if out is not None and out.suffix == ".h5":
        if on not in (None, "engine") or option or threads != 1:
            raise UsageError("the engine writes an .h5 file on one thread", hint="leave out --on")
        graph = what.graph if isinstance(what, Artifact) else what
        started = time.perf_counter()
        with session.progress("running") as progress:
            made = write_long(
                graph,
                input_,
                out,
                timesteps=timesteps,
                record=record or "all",  # as `neurodeploy.record`
                layout=layout,
                seed=seed,
                progress=progress,
            )
        with made:
            session.finish(*_long_summary(made, time.perf_counter() - started))
        return
    with session.progress("running") as progress:
        if isinstance(what, Artifact):
            recording = what.run(
                input_,
                timesteps=timesteps,
                record=record,
                on=on,
                options=key_values(option),
                layout=layout,
                seed=seed,
                threads=threads,
                progress=progress,
            )
        else:
            if option:
                raise UsageError("--option is for the runner of a compiled folder")
            recording = api.run(
                what,
                input_,
                timesteps=timesteps,
                record=record,
                on=on,
                layout=layout,
                seed=seed,
                threads=threads,
                progress=progress,
            )
    if out is not None:
        recording.save(out)
    document = recording.to_json()
    samples = int(recording.steps.shape[0])
    lines = [
        f"{samples} samples, {document['timesteps']} timesteps, "
        f"{recording.seconds:.3f} s on {recording.runner}"
    ]
    if recording.accuracy is not None:
        lines.append(f"accuracy {100 * recording.accuracy:.2f} %")
    if recording.instructions is not None:
        lines.append(f"{recording.instructions.mean():,.0f} instructions per sample")
    for node, counts in recording.counts.items():
        lines.append(f"  {node}: {int(counts.sum())} spikes, {counts.mean():.1f} per sample")
    session.finish(document, "\n".join(lines))


def _long_summary(made: LongRecording, seconds: float) -> tuple[dict[str, object], str]:
    """Give the JSON and the lines that tell of a long recording."""
    spikes = {
        node if output == "out" else f"{node}.{output}": sum(
            made.count(node, output, sample=i) for i in range(made.samples)
        )
        for node, output in made.spiking
    }
    document: dict[str, object] = {
        "samples": made.samples,
        "timesteps": made.timesteps,
        "accuracy": None,
        "steps_mean": float(made.timesteps),
        "spikes": spikes,
        "seconds": seconds,
        "instructions_mean": None,
        "runner": "engine",
        "seed": made.seed,
        "graph": made.graph,
        "file": made.path,
    }
    lines = [f"{made.samples} samples, {made.timesteps} timesteps, {seconds:.3f} s, in {made.path}"]
    lines += [f"  {name}: {count} spikes" for name, count in spikes.items()]
    return document, "\n".join(lines)


@verb("profile")
def profile(
    session: Session,
    path: PathArgument,
    input_: Input,
    targets: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Targets to bill for.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="X.html", help="Report to write, on the first target.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Another network, such as the ANN: which is cheaper?"),
    ] = None,
    on: On = None,
    option: Options = None,
    timesteps: Timesteps = None,
    layout: Layout = "NT",
    seed: Seed = 0,
    require_measured: Annotated[
        bool, typer.Option("--require-measured", help="Fail where energy is not measured.")
    ] = False,
) -> None:
    """Count spikes and operations, and give the energy with its interval and source."""
    from neurodeploy import api
    from neurodeploy.targets.registry import resolve_target

    names: list[str | None] = [None]
    if targets is not None:
        names = [n.strip() for n in targets.split(",")]
        for name in names:
            resolve_target(str(name))
    if report is not None:
        check_place(report)
    what = load_path(path, input_)

    def bill_of(network: Graph | Artifact, name: str | None, steps: int | None) -> Bill:
        with session.progress(f"profiling {name or ''}".strip()) as progress:
            return api.profile(
                network,
                input_,
                target=name,
                on=on,
                options=key_values(option),
                timesteps=steps,
                layout=layout,
                seed=seed,
                require_measured=require_measured,
                progress=progress,
            )

    bills = [bill_of(what, name, timesteps) for name in names]
    # the other network makes the steps that are stored in it
    other = None if against is None else bill_of(load_path(against, input_), names[0], None)
    if report is not None:
        bills[0].to_html(report)
    document = dict(bills[0].to_json())
    if len(bills) > 1:
        document["targets"] = {str(b.to_json()["target"]): b.to_json() for b in bills}
    document["graph"] = what.graph.digest if isinstance(what, Artifact) else what.digest
    texts = [b.table() for b in bills]
    if other is not None:
        from neurodeploy.profile import compare_bills

        contrast = compare_bills(bills[0], other)
        document |= {"against": other.to_json(), "contrast": contrast.to_json()}
        texts += [other.table(), f"a: {path}, b: {against}\n{contrast.text()}"]
    session.finish(document | {"seed": seed}, "\n\n".join(texts))


@verb("compare")
def compare(
    session: Session,
    a: Annotated[str, typer.Argument(metavar="A", help="A model, compiled folder or recording.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    input_: Annotated[str | None, INPUT] = None,
    expect: Annotated[
        str,
        typer.Option(
            metavar="WHAT",
            help="exact, near, or 'predictions>=0.99' (the share that agrees); else exit code 1.",
        ),
    ] = "near",
    timesteps: Timesteps = None,
    layout: Layout = "NT",
    seed: Seed = 0,
) -> None:
    """Compare two forms of a network, spike by spike and state by state."""
    from neurodeploy import api
    from neurodeploy.differences import expected_share
    from neurodeploy.recorded import compare_recordings
    from neurodeploy.sides import recordings_of, resolve_pair

    expected_share(expect)
    recorded = recordings_of(a, b)
    if recorded is not None:
        if input_ is not None or timesteps is not None:
            raise UsageError(
                "two recordings hold what is compared", hint="neither --input nor --timesteps"
            )
        found, seed = compare_recordings(*recorded), recorded[0].seed
        digest = recorded[0].graph
    else:
        if input_ is None:
            raise UsageError("--input is missing", hint="two recordings alone need none")
        left, right = resolve_pair(a, b, input_, layout)
        digest = (left if isinstance(left, Graph) else left.graph).digest
        with session.progress("comparing") as progress:
            found = api.compare(
                left,
                right,
                input_,
                timesteps=timesteps,
                layout=layout,
                seed=seed,
                progress=progress,
            )
    document = {"graph": digest, "seed": seed, "expected": expect, **found.to_json()}
    session.finish(document, str(found), exit_code=0 if found.meets(expect) else 1)
