"""The verb that turns a float graph into integers."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, cast

import typer

from neurodeploy.cli.arguments import GraphArgument, Layout, OutFile, Seed, Timesteps, check_place
from neurodeploy.cli.chain import changes_text
from neurodeploy.cli.session import Session, verb
from neurodeploy.errors import UsageError

if TYPE_CHECKING:
    from neurodeploy.quantize.scheme import Fit, Granularity, Grid, Observer, Structure

__all__ = ["quantize"]


@verb("quantize")
def quantize(
    session: Session,
    path: GraphArgument,
    out: OutFile,
    bits: Annotated[int, typer.Option(metavar="N", help="Bits of a weight, 2 to 16.")] = 8,
    calibrate: Annotated[
        str | None,
        typer.Option(
            metavar="X.npz",
            help="Some hundred training samples: the ranges of states and activations come from "
            "them.",
        ),
    ] = None,
    for_: Annotated[
        str | None,
        typer.Option("--for", metavar="TARGET", help="A target whose weights must hold the bits."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Bytes for all weights, such as 64KiB: each layer gets the bits that cost least.",
        ),
    ] = None,
    max_loss: Annotated[
        float | None,
        typer.Option(
            metavar="P", help="Points of accuracy on the calibration data that may be lost."
        ),
    ] = None,
    prune: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of each layer's weights set to 0.")
    ] = 0.0,
    structure: Annotated[
        str, typer.Option(metavar="NAME", help="Prune single weights (none) or whole channels.")
    ] = "none",
    state_bits: Annotated[
        int, typer.Option(metavar="N", help="Bits of membranes and currents, 8 to 32.")
    ] = 16,
    activation_bits: Annotated[
        int, typer.Option(metavar="N", help="Bits of what is sent and is no spike, 2 to 16.")
    ] = 8,
    input_bits: Annotated[
        int, typer.Option(metavar="N", help="Bits of an input that is a number, 2 to 16.")
    ] = 8,
    factor_bits: Annotated[
        int, typer.Option(metavar="N", help="Bits of a decay or another factor, 4 to 30.")
    ] = 15,
    grid: Annotated[
        str, typer.Option(metavar="NAME", help="uniform, ternary or power-of-two.")
    ] = "uniform",
    granularity: Annotated[
        str, typer.Option(metavar="NAME", help="One step of the weights per channel or tensor.")
    ] = "channel",
    group: Annotated[
        int, typer.Option(metavar="N", help="Inputs of a sum that share a step; 0 for all.")
    ] = 0,
    equalise: Annotated[
        bool, typer.Option("--equalise", help="Balance channels across ReLUs first (exact).")
    ] = False,
    fit: Annotated[
        str,
        typer.Option(metavar="NAME", help="mse: least squared error; max: nothing is clipped."),
    ] = "mse",
    observer: Annotated[
        str, typer.Option(metavar="NAME", help="Ranges from the data: max, percentile or mse.")
    ] = "max",
    timesteps: Timesteps = None,
    layout: Layout = "NT",
    seed: Seed = 0,
) -> None:
    """Turn a float graph into integers: weights, thresholds, decays, biases, states."""
    from neurodeploy import api
    from neurodeploy.quantize.scheme import Scheme
    from neurodeploy.quantizing import quantization_report
    from neurodeploy.quantizing import quantize as quantised
    from neurodeploy.targets.options import byte_size

    check_place(out, ".nd")
    if calibrate is None:
        raise UsageError(
            "the ranges of states and activations are not known",
            hint="--calibrate data.npz   (x: some hundred training samples)",
        )
    scheme = Scheme(
        weight_bits=bits,
        state_bits=state_bits,
        activation_bits=activation_bits,
        input_bits=input_bits,
        factor_bits=factor_bits,
        grid=cast("Grid", grid),  # the scheme checks every value itself
        granularity=cast("Granularity", granularity),
        group=group,
        equalise=equalise,
        fit=cast("Fit", fit),
        observer=cast("Observer", observer),
        prune=prune,
        structure=cast("Structure", structure),
    )
    graph = api.load(path)
    with session.progress("calibrating") as progress:
        made = quantised(
            graph,
            data=calibrate,
            scheme=scheme,
            timesteps=timesteps,
            target=for_,
            budget=None if budget is None else byte_size(budget),
            max_loss=max_loss,
            layout=layout,
            seed=seed,
            progress=progress,
        )
    with session.progress("comparing with floats") as progress:
        report = quantization_report(
            graph, made, calibrate, timesteps=timesteps, layout=layout, progress=progress
        )
    api.save(made, out)
    sizes = [sum(t.data.nbytes for t in g.tensors.values()) for g in (graph, made)]
    document = {
        "graph": made.digest,
        "seed": seed,
        "output": str(out),
        "scheme": {f.name: getattr(scheme, f.name) for f in fields(scheme)},
        "constants_bytes": sizes[1],
        "changes": [c.to_json() for c in made.changes],
        "report": report.to_json(),
    }
    lines = [
        f"{out}: constants {sizes[0]} to {sizes[1]} bytes",
        changes_text(made),
        "",
        report.table(),
    ]
    session.finish(document, "\n".join(lines))
