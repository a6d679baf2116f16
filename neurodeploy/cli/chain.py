"""The verbs that make something: convert, compile, deploy, demo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from neurodeploy.cli.arguments import (
    GraphArgument,
    Layout,
    Model,
    Options,
    OutFile,
    OutFolder,
    Seed,
    Target,
    check_place,
    key_values,
    shape_example,
)
from neurodeploy.cli.session import Session, command_line, verb
from neurodeploy.errors import NeurodeployError, UsageError
from neurodeploy.ir.graph import Graph

__all__ = ["compile_", "convert", "demo", "deploy"]


def changes_text(graph: Graph) -> str:
    """Give the changes of a graph, one line each."""
    if not graph.changes:
        return "changes: none"
    lines = ["changes:"]
    for c in graph.changes:
        source = f" ({', '.join(c.source)})" if c.source and c.source != (c.node,) else ""
        lines.append(f"  {c.step}: {c.node}{source}: {c.what}, {c.amount}; {c.why}")
    return "\n".join(lines)


@verb("convert")
def convert(
    session: Session,
    model: Model,
    out: OutFile,
    weights: Annotated[
        str | None,
        typer.Option(metavar="FILE[:KEY]", help="Weights for file.py:callable: .safetensors, .pt."),
    ] = None,
    example: Annotated[
        str | None,
        typer.Option(metavar="X.npz", help="Samples or events that show a torch model its input."),
    ] = None,
    input_shape: Annotated[
        str | None,
        typer.Option(metavar="1,28,28", help="Instead of samples: the shape of one."),
    ] = None,
    time_axis: Annotated[
        int | None, typer.Option(metavar="N", help="Axis of time, if forward takes sequences.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Steps, if forward loops by itself.")
    ] = None,
    dt: Annotated[
        str | None, typer.Option(metavar="TIME", help="Duration of a step, such as 1ms.")
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which of several outputs to keep.")
    ] = None,
    decode: Annotated[
        str | None, typer.Option(metavar="NAME", help="count, membrane, max, first or mean.")
    ] = None,
    calibrate: Annotated[
        str | None,
        typer.Option(
            metavar="X.npz",
            help="Some hundred training samples: the neurons' thresholds come from them. Needed "
            "unless the model spikes already or --method is none.",
        ),
    ] = None,
    timesteps: Annotated[
        int | None,
        typer.Option(
            "--timesteps",
            "-T",
            metavar="T",
            help="Timesteps to choose thresholds for. [default: 16]",
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How thresholds are chosen: max, percentile, mse; auto: the best of these; none: "
            "keep the ANN.",
        ),
    ] = "auto",
    keep_ann: Annotated[
        bool,
        typer.Option(
            "--keep-ann", help="Let a part that cannot spike stay a float segment, marked as such."
        ),
    ] = False,
    convention: Annotated[
        str | None, typer.Option(metavar="NAME", help="What the neurons of a NIR file compute.")
    ] = None,
    layout: Layout = "NT",
    seed: Seed = 0,
) -> None:
    """Read a trained model, turn an ANN into an SNN, and write the graph."""
    from neurodeploy import api
    from neurodeploy.ir.decoding import check_decoding, with_decoding

    if example is not None and input_shape is not None:
        raise UsageError("--example and --input-shape are both given")
    if decode is not None:
        check_decoding(decode)
    check_place(out, out.suffix if out.suffix in (".nd", ".nir", ".net") else ".nd")
    given = shape_example(input_shape) if example is None else example
    with _command_in_hints(), session.progress("calibrating") as progress:
        graph = api.load(
            model,
            example=calibrate if given is None else given,
            time_axis=time_axis,
            steps=steps,
            layout="NT" if input_shape is not None else layout,  # such an example has no time
            dt=dt,
            output=output,
            weights=weights,
            convention=convention,
        )
        converted = api.convert(
            graph,
            data=calibrate,
            timesteps=timesteps,
            method=method,
            keep_ann=keep_ann,
            layout=layout,
            seed=seed,
            progress=progress,
        )
    report = None
    if converted != graph:
        with session.progress("comparing with the ANN") as progress:
            report = api.conversion_report(
                graph, converted, calibrate, layout=layout, progress=progress
            )
    if decode is not None:
        converted = with_decoding(converted, decode)
    loss = api.save(converted, out)
    document: dict[str, object] = {
        "graph": converted.digest,
        "seed": seed,
        "output": str(out),
        "changes": [c.to_json() for c in converted.changes],
        "report": None if report is None else report.to_json(),
    }
    cells = sum(any(i.op == "fire" for i in c.program.instrs) for c in converted.cells)
    lines = [f"{out}: {len(converted.nodes)} nodes, populations that spike: {cells}"]
    lines.append(changes_text(converted))
    if loss is not None:
        document["findings"] = loss.to_json()
        lines.append(str(loss))
    if report is not None:
        lines += ["", report.table()]
    session.finish(document, "\n".join(lines))


@contextmanager
def _command_in_hints() -> Iterator[None]:
    """Where samples are missing, give the command that has them."""
    more = f"{command_line('--calibrate', 'data.npz')}   (x: some hundred training samples)"
    try:
        yield
    except NeurodeployError as error:
        missing = [
            f.node in ("data", "example") and "--calibrate" in f.hint for f in error.findings
        ]
        if not any(missing):
            raise
        raise type(error)(
            replace(f, hint=more) if lacks else f
            for f, lacks in zip(error.findings, missing, strict=True)
        ) from error


@verb("compile")
def compile_(
    session: Session, path: GraphArgument, target: Target, out: OutFolder, option: Options = None
) -> None:
    """Compile a graph for a target into a folder."""
    from neurodeploy import api

    graph = api.load(path)
    artifact = api.compile(graph, target, out, key_values(option))
    lines = [f"{out}: compiled for {target}, {artifact.latency_steps} steps of latency"]
    for r in artifact.manifest["resources"]:
        limit = "" if r["limit"] is None else f" of {r['limit']}"
        where = f"{r['node']}: " if r["node"] else ""
        lines.append(f"  {where}{r['name']}: {r['used']}{limit} {r['unit']}")
    session.finish(artifact.to_json(), "\n".join(lines))


@verb("deploy")
def deploy(
    session: Session,
    model: Annotated[
        str, typer.Argument(metavar="MODEL|RECIPE.toml", help="A model, or a recipe to repeat.")
    ],
    out: OutFolder,
    target: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A target; needed unless the recipe names it."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="X.npz",
            help="Samples x, labels y, to calibrate, run and compare with; needed likewise.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="VERB.KEY=VALUE",
            help="Change the recipe: convert.timesteps=8, quantize.bits=8.",
        ),
    ] = None,
) -> None:
    """Run the whole chain: convert, compile, run, compare, profile; write the recipe."""
    from neurodeploy.deployment import deploy as run_chain

    with session.progress("deploying") as progress:
        result = run_chain(
            model,
            target=target,
            data=data,
            out=out,
            settings=key_values(set_),
            progress=progress,
            say=session.say,
        )
    session.finish(result.to_json(), result.text(), exit_code=0 if result.equal else 1)


@verb("demo")
def demo(
    session: Session,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder to write.")
    ] = Path("neurodeploy-demo"),
) -> None:
    """Convert, compile, run, prove and bill a trained digits network that ships with this."""
    from neurodeploy.demo.digits import run_demo

    result = run_demo(out, progress=session.progress, say=session.say)
    session.finish(result.to_json(), result.text(), exit_code=0 if result.exact else 1)
