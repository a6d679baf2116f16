"""The verbs, each in a file of its own or with its nearest kin."""

from __future__ import annotations

from typing import Annotated

import typer

from neurodeploy import __version__
from neurodeploy.cli import chain, checks, look, quantise

__all__ = ["app", "verb_names"]

app = typer.Typer(
    name="neurodeploy",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"neurodeploy {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A trained network becomes a spiking program that is checked and billed.

    Exit codes: 0 done; 1 finding (differs, does not fit); 2 usage or bad input; 3 something is
    not installed or not reachable; 70 a bug of neurodeploy.
    """


# in the order of use; the texts are those of the overview, each on one line
app.command("demo", short_help="Show the whole chain on a network that ships with this.")(
    chain.demo
)
app.command("convert", short_help="Model to graph; an ANN becomes an SNN.")(chain.convert)
app.command("quantize", short_help="Float graph to integers.")(quantise.quantize)
app.command("inspect", short_help="Show a model, graph or compiled folder.")(look.inspect)
app.command("compile", short_help="Graph to program for a target.")(chain.compile_)
app.command("run", short_help="Run samples: accuracy and spikes.")(checks.run)
app.command("compare", short_help="Prove that two forms compute the same.")(checks.compare)
app.command("profile", short_help="Bill: spikes, operations, memory, latency, energy.")(
    checks.profile
)
app.command("deploy", short_help="The whole chain in one, and its recipe.")(chain.deploy)
app.command("targets", short_help="List the targets, or what one can do.")(look.targets)
app.command("converters", short_help="List the kinds of models that can be read.")(look.converters)
app.command("doctor", short_help="What is installed, and how to get the rest.")(look.doctor)


def verb_names() -> tuple[str, ...]:
    """Give the names of all verbs."""
    return tuple(str(c.name) for c in app.registered_commands)
