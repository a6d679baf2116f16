"""The verbs, each in a file of its own or with its nearest kin."""

from __future__ import annotations

from typing import Annotated

import typer

from neurodeploy import __version__
from neurodeploy.cli import chain, checks, look

app = typer.Typer(
    name="neurodeploy",
    help="A trained network becomes a spiking program that is checked and billed.",
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


app.command("demo")(chain.demo)
app.command("convert")(chain.convert)
app.command("compile")(chain.compile_)
app.command("run")(checks.run)
app.command("profile")(checks.profile)
app.command("compare")(checks.compare)
app.command("deploy")(chain.deploy)
app.command("inspect")(look.inspect)
app.command("targets")(look.targets)
app.command("converters")(look.converters)
app.command("doctor")(look.doctor)
