"""The verbs that make something: convert, compile, deploy, demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neurodeploy.cli.arguments import (
    Layout,
    Model,
    Options,
    OutFile,
    OutFolder,
    Seed,
    Target,
    Timesteps,
    key_values,
    shape_example,
)
from neurodeploy.cli.session import Session, verb
from neurodeploy.errors import UsageError
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
    weights: Annotated[str | None, typer.Option(help="Weights, FILE or FILE:KEY.")] = None,
    example: Annotated[str | None, typer.Option(help="X.npz with samples.")] = None,
    input_shape: Annotated[str | None, typer.Option(help="Shape of one sample: 1,28,28.")] = None,
    time_axis: Annotated[
        int | None, typer.Option(help="Axis of time, if forward takes it.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps, if forward loops by itself.")] = None,
    dt: Annotated[str | None, typer.Option(help="Duration of a step, such as 1ms.")] = None,
    output: Annotated[str | None, typer.Option(help="Which output to keep.")] = None,
    decode: Annotated[str | None, typer.Option(help="count|membrane|max|first|mean.")] = None,
    calibrate: Annotated[str | None, typer.Option(help="X.npz for the thresholds.")] = None,
    timesteps: Timesteps = None,
    method: Annotated[str, typer.Option(help="auto, none, or a method.")] = "auto",
    convention: Annotated[str | None, typer.Option(help="Reading of an ambiguous format.")] = None,
    layout: Layout = "NT",
    seed: Seed = 0,
) -> None:
    """Read a trained model, turn an ANN into an SNN, and write the graph."""
    from neurodeploy import api
    from neurodeploy.ir.decoding import with_decoding

    if example is not None and input_shape is not None:
        raise UsageError("--example and --input-shape are both given")
    if out.suffix != ".nd":
        raise UsageError(
            f"cannot write {out.suffix or 'a file without ending'!r}", hint="-o net.nd"
        )
    given = shape_example(input_shape) if example is None else example
    graph = api.load(
        model,
        example=calibrate if given is None else given,
        time_axis=time_axis,
        steps=steps,
        layout=layout,
        dt=dt,
        output=output,
        weights=weights,
        convention=convention,
    )
    if decode is not None:
        graph = with_decoding(graph, decode)
    with session.progress("calibrating") as progress:
        converted = api.convert(
            graph,
            data=calibrate,
            timesteps=timesteps,
            method=method,
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
    api.save(converted, out)
    document: dict[str, object] = {
        "graph": converted.digest,
        "seed": seed,
        "output": str(out),
        "changes": [c.to_json() for c in converted.changes],
        "report": None if report is None else report.to_json(),
    }
    cells = sum(any(i.op == "fire" for i in c.program.instrs) for c in converted.cells)
    lines = [f"{out}: {len(converted.nodes)} nodes, {cells} spiking populations"]
    lines.append(changes_text(converted))
    if report is not None:
        lines += ["", report.table()]
    session.finish(document, "\n".join(lines))


@verb("compile")
def compile_(
    session: Session, path: Model, target: Target, out: OutFolder, option: Options = None
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
    model: Annotated[str, typer.Argument(metavar="MODEL|RECIPE.toml", help="What to deploy.")],
    out: OutFolder,
    target: Annotated[str | None, typer.Option(help="Name of a target.")] = None,
    data: Annotated[str | None, typer.Option(help="X.npz: samples x, labels y.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="VERB.KEY=VALUE", help="Override the recipe."),
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
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")] = Path(
        "neurodeploy-demo"
    ),
) -> None:
    """Convert, compile, run, prove and bill a trained digits network that ships with this."""
    from neurodeploy.demo.digits import run_demo

    result = run_demo(out, progress=session.progress, say=session.say)
    session.finish(result.to_json(), result.text(), exit_code=0 if result.exact else 1)
