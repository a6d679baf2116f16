"""Models that code makes: ``package.module:callable`` and ``file.py:callable``.

This runs that code, with the caller's rights; nothing else in the project does.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from neurodeploy.errors import ConversionError, Finding, MissingDependencyError, UsageError
from neurodeploy.ir.strict_json import shown

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_model", "is_callable_spec"]

_SPEC = re.compile(r"(?P<place>[^:]+(?::[\\/][^:]+)?):(?P<name>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)")


def is_callable_spec(text: str) -> bool:
    """Say whether ``text`` names a callable, and not a file.

    >>> is_callable_spec("nets.py:build"), is_callable_spec("my.nets:Net"), is_callable_spec("a.nd")
    (True, True, False)
    """
    return _SPEC.fullmatch(text) is not None


def build_model(spec: str, *, weights: str | os.PathLike[str] | None = None) -> nn.Module:
    """Import or run the code that ``spec`` names, and give the torch module that it makes.

    The name may be a function or class that needs no argument, or a module itself. The folder
    of the file, or the current one, can be imported from while the code runs.

    Args:
        spec: ``package.module:callable`` or ``file.py:callable``.
        weights: File of weights to load, as `neurodeploy.converters.weights.load_weights` takes.

    Raises:
        UsageError: there is no such file, module or name, or it needs arguments.
        ConversionError: the code raises, or makes something else than a torch module.
        MissingDependencyError: torch is not installed.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise UsageError(
            Finding(
                f"{spec!r} names no callable",
                node="MODEL",
                hint="package.module:callable or file.py:callable",
            )
        )
    try:
        from torch import nn
    except ImportError as error:
        raise MissingDependencyError(
            f"a model that code makes needs torch: {error}",
            hint="pip install 'neurodeploy[torch]'",
        ) from error
    place, name = match["place"], match["name"]
    is_file = place.endswith(".py")
    with _importable(Path(place).resolve().parent if is_file else Path.cwd()):
        module = _run_file(Path(place), spec) if is_file else _import(place, spec)
        found = _attribute(module, name, spec)
        made = found if isinstance(found, nn.Module) else _call(found, spec)
    if not isinstance(made, nn.Module):
        raise ConversionError(Finding(f"it gives {_kind(made)}, not a torch.nn.Module", node=spec))
    if weights is not None:
        from neurodeploy.converters.weights import load_weights

        made = load_weights(made, weights)
    return made


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


def _run_file(path: Path, spec: str) -> ModuleType:
    if not os.path.isfile(path):
        raise UsageError(Finding(f"there is no file {shown(str(path))}", node=spec))
    name = f"_neurodeploy_model_{path.stem}"
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise UsageError(Finding(f"{str(path)!r} cannot be imported", node=spec))
    module = importlib.util.module_from_spec(found)
    # dataclasses and pickling look a module up by its name while it runs
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        del sys.modules[name]
        raise _failed(error, "running the file", spec) from error
    return module


def _import(place: str, spec: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{place}.".startswith(f"{missing}."):
            raise UsageError(
                Finding(
                    f"there is no Python module {place!r}",
                    node=spec,
                    hint="run from the folder that holds it, or give file.py:callable",
                )
            ) from error
        raise _failed(error, "importing the module", spec) from error


def _attribute(module: ModuleType, name: str, spec: str) -> Any:
    found: Any = module
    for part in name.split("."):
        try:
            there = hasattr(found, part)
        except Exception as error:  # a package that imports lazily may fail here
            raise _failed(error, f"looking up {part!r}", spec) from error
        if not there:
            offered = [k for k, v in vars(module).items() if callable(v) and not k.startswith("_")]
            raise UsageError(
                Finding(
                    f"there is no {name!r} in it",
                    node=spec,
                    hint=f"it has: {', '.join(offered[:20]) or 'no callable'}",
                )
            )
        found = getattr(found, part)
    return found


def _call(found: Any, spec: str) -> object:
    if not callable(found):
        raise UsageError(Finding(f"{_kind(found)} cannot be called", node=spec))
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        raise UsageError(
            Finding(
                f"cannot be called without arguments: {error}",
                node=spec,
                hint="write a function without arguments that builds the network",
            )
        ) from error
    except ValueError as error:
        raise UsageError(Finding("is no function or class of Python", node=spec)) from error
    try:
        return found()
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise _failed(error, "the call", spec) from error


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def _failed(error: BaseException, what: str, spec: str) -> ConversionError:
    text = str(error).strip().splitlines()
    reason = f"{type(error).__name__}: {text[0] if text else ''}".rstrip(": ")
    return ConversionError(Finding(f"{what} failed: {reason}", node=spec))
