"""What all verbs share: one document on stdout, everything else on stderr, exit codes.

A verb is a function whose first argument is the `Session`. `verb` adds the options that every
verb takes, turns errors into findings and exit codes, and prints the result.
"""

from __future__ import annotations

import inspect
import json
import logging
import math
import os
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from neurodeploy import __version__
from neurodeploy.errors import (
    ConversionError,
    DataError,
    Finding,
    InternalError,
    NeurodeployError,
    UsageError,
)
from neurodeploy.execute import Progress

__all__ = ["COMMAND", "Session", "command_line", "fail", "unwritten", "verb"]

# all but line feed and tab
_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f]")

log = logging.getLogger("neurodeploy")

# The arguments of this call, for reports and for hints that repeat the command.
COMMAND: ContextVar[tuple[str, ...]] = ContextVar("COMMAND", default=())


def command_line(*more: str) -> str:
    """Give the command as it was typed, with ``more`` arguments behind it."""
    return shlex.join(["neurodeploy", *COMMAND.get(), *more])


class Session:
    """Where a verb reports to.

    Args:
        name: Name of the verb.
        as_json: Print one JSON document on stdout.
        quiet: Print no progress and no notices.
    """

    def __init__(self, name: str, *, as_json: bool, quiet: bool) -> None:
        self.name, self.as_json, self.quiet = name, as_json, quiet
        self.document: dict[str, object] = {}
        self.text = ""
        self.seed = 0
        self.exit_code = 0

    def finish(self, document: dict[str, object], text: str, *, exit_code: int = 0) -> None:
        """Set what the verb gives: the document for ``--json``, the text for people."""
        self.document, self.text, self.exit_code = document, text, exit_code

    def say(self, text: str) -> None:
        """Print a message on stderr."""
        if not self.quiet:
            _tell(text)

    @contextmanager
    def progress(self, label: str) -> Iterator[Progress]:
        """Give a callback that draws a progress bar on stderr."""
        if self.quiet:
            yield lambda done, total: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        console = Console(stderr=True)
        with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as b:
            task = b.add_task(label, total=None)

            def advance(done: int, total: int) -> None:
                b.update(task, completed=done, total=total)

            yield advance


class _Handler(logging.Handler):
    """Shows the library's log on stderr, as notices."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = {"WARNING": "notice", "INFO": "note"}.get(record.levelname, record.levelname.lower())
        _tell(f"{kind}: {record.getMessage()}")


def _document(name: str, seed: int = 0) -> dict[str, object]:
    return {
        "schema": f"neurodeploy.{name}/1",
        "version": __version__,
        "graph": None,
        "seed": seed,
        "findings": [],
    }


def fail(name: str, error: NeurodeployError, *, as_json: bool, seed: int = 0) -> int:
    """Report an error and give its exit code."""
    if as_json:
        document = _document(name, seed) | {
            "error": type(error).__name__,
            "findings": [f.to_json() for f in error.findings],
        }
        return _write(_json(document)) or error.exit_code
    _tell(f"{type(error).__name__}:")
    for finding in error.findings:
        _tell(f"  {finding}")
    return error.exit_code


def _json(document: object) -> str:
    """Write a document; JSON has no NaN and no infinity, so null stands for them."""
    return json.dumps(_finite(document), indent=1, allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _internal(error: BaseException) -> InternalError:
    """Write a report of an unexpected error and give the error to show."""
    text = "".join(traceback.format_exception(error))
    text = f"neurodeploy {__version__}\nPython {sys.version}\n{command_line()}\n\n{text}"
    try:
        report = Path(tempfile.mkdtemp(prefix="neurodeploy-report-")) / "report.txt"
        # an argument may be no valid Unicode
        report.write_text(text, encoding="utf-8", errors="backslashreplace")
        send = str(report)
    except OSError:  # no folder for temporary files, or a full one
        send = "what --debug shows"
    return InternalError(
        Finding(
            f"{type(error).__name__}: {error}",
            hint=f"this is a bug of neurodeploy; please send {send}",
        )
    )


def verb(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a verb: it then takes ``--json``, ``-q``, ``-v`` and ``--debug``."""
    shared = {
        "as_json": Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")],
        "quiet": Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no notices.")],
        "verbose": Annotated[bool, typer.Option("-v", "--verbose", help="More notices.")],
        "debug": Annotated[
            bool, typer.Option("--debug", help="Show tracebacks; keep C that fails.")
        ],
    }

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(function, eval_str=True)
        own = list(signature.parameters.values())[1:]
        extra = [
            inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=a)
            for n, a in shared.items()
        ]

        @wraps(function)
        def run(**given: Any) -> None:
            flags = {n: bool(given.pop(n)) for n in shared}
            session = Session(name, as_json=flags["as_json"], quiet=flags["quiet"])
            session.seed = given.get("seed", 0)
            handler = _Handler()
            before = log.level
            level = logging.ERROR if flags["quiet"] else logging.WARNING
            handler.setLevel(logging.INFO if flags["verbose"] else level)
            # what is not shown may still be done: the source that no compiler took is kept
            log.setLevel(logging.DEBUG if flags["debug"] else handler.level)
            log.addHandler(handler)
            try:
                with _stdout_kept():
                    function(session, **given)
                text = _shown(session)
            except (typer.Exit, typer.Abort, KeyboardInterrupt):
                raise
            except BaseException as error:  # the model's code may also end the program
                if flags["debug"]:
                    traceback.print_exc()
                told = _told(error)
                code = fail(name, told, as_json=session.as_json, seed=session.seed)
                raise typer.Exit(code) from error
            finally:
                log.removeHandler(handler)
                log.setLevel(before)
            code = _write(text) or session.exit_code
            if code:
                raise typer.Exit(code)

        keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        run.__signature__ = signature.replace(parameters=[*keyword, *extra])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in [*keyword, *extra]} | {"return": None}
        return run

    return decorate


def _told(error: BaseException) -> NeurodeployError:
    """Give the error to show: our own as it is, whatever else as our bug."""
    if isinstance(error, NeurodeployError):
        return error
    if isinstance(error, SystemExit):  # nothing of ours raises it inside a verb
        return ConversionError(f"the model's code ended the program: SystemExit({error.code!r})")
    if isinstance(error, MemoryError):
        return DataError(
            f"this needs more memory than there is: {error}".rstrip(": "),
            hint="run fewer samples or steps at a time",
        )
    return _internal(error)


def _shown(session: Session) -> str:
    if not session.as_json:
        return session.text
    return _json(_document(session.name, session.seed) | session.document)


@contextmanager
def _stdout_kept() -> Iterator[None]:
    """Keep stdout for the result: code that builds a model may print, as may what it calls."""
    with redirect_stdout(sys.stderr):
        try:
            if sys.__stdout__ is not None:
                sys.__stdout__.flush()
            kept = os.dup(1)
            os.dup2(2, 1)
        except OSError:  # stdout or stderr is closed
            yield
            return
        try:
            yield
        finally:
            if sys.__stdout__ is not None:
                sys.__stdout__.flush()
            os.dup2(kept, 1)
            os.close(kept)


def _plain(text: str) -> str:
    """Write control characters as text: a name out of a file must not steer the terminal."""
    return _CONTROL.sub(lambda c: ascii(c[0])[1:-1], text)


def _tell(text: str) -> None:
    if sys.stderr is not None:  # print would take stdout instead
        print(_plain(text), file=sys.stderr)  # noqa: T201


def _write(text: str) -> int:
    """Print the result; give the exit code, 0 unless it cannot be written."""
    if not text or sys.stdout is None:
        return 0
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        # a terminal or a file name may know other characters than the text has
        print(_plain(text).encode(encoding, "backslashreplace").decode(encoding))  # noqa: T201
        sys.stdout.flush()
    except OSError as error:
        return unwritten(error)
    return 0


def unwritten(error: OSError) -> int:
    """Give the exit code where stdout takes no text; a reader that has seen enough is no error."""
    # Python would try again at its end
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 0
    _tell(f"the result cannot be written: {error.strerror}")
    return UsageError.exit_code
