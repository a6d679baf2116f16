"""The command line: parse, call the API, print. No logic of its own."""

from __future__ import annotations

import sys

from neurodeploy.errors import Finding, UsageError

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Args:
        arguments: Arguments; by default those of the process.
    """
    import typer

    from neurodeploy.cli.app import app, verb_names
    from neurodeploy.cli.session import COMMAND, fail, unwritten

    given = sys.argv[1:] if arguments is None else arguments
    COMMAND.set(tuple(given))
    try:
        code = app(given or ["--help"], prog_name="neurodeploy", standalone_mode=False)
    except typer.TyperException as error:
        verb = next((a for a in given if a in verb_names()), "")
        hint = f"neurodeploy {verb} --help" if verb else "neurodeploy --help"
        wrong = UsageError(Finding(error.format_message(), hint=hint))
        code = fail(verb or "neurodeploy", wrong, as_json="--json" in given)
    except OSError as error:  # a help text cannot be written; verbs handle their own errors
        code = unwritten(error)
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except typer.Exit as stop:
        code = stop.exit_code
    sys.exit(code or 0)
