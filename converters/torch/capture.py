"""Runs a module in eager mode, checks that it can be captured, and exports it."""

from __future__ import annotations

import logging
import operator
import re
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import PurePath
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from neurodeploy.converters.torch.example import Example
from neurodeploy.converters.torch.select import path_name
from neurodeploy.errors import ConversionError, Finding, UsageError

__all__ = ["Capture", "capture", "export", "plain_module", "reason", "untouched"]

# Between batches of two sizes a kernel may add in another order; samples that mix differ more.
BATCH_TOLERANCE = 1e-3
_CALL = re.compile(r'raised this error:\s+File "(?P<file>[^"]+)", line (?P<line>\d+)')


@dataclass(frozen=True)
class Capture:
    """A module as captured.

    Attributes:
        program: The exported program: functional, and in terms of ATen operators.
        example: What it was run on.
        outputs: What the module gave in eager mode.
        names: Names of the outputs, in the same order.
    """

    program: ExportedProgram
    example: Example
    outputs: tuple[torch.Tensor, ...]
    names: tuple[str, ...]


def plain_module(module: object) -> nn.Module:
    """Take off the wrappers of torch.compile and of data parallelism.

    Raises:
        UsageError: it is no module.
        ConversionError: it is compiled by TorchScript.
    """
    for attribute in ("_orig_mod", "module"):
        wrapped = type(module).__name__ in (
            "OptimizedModule",
            "DataParallel",
            "DistributedDataParallel",
        )
        if wrapped and isinstance(getattr(module, attribute, None), nn.Module):
            module = getattr(module, attribute)
    if isinstance(module, torch.jit.ScriptModule):
        raise ConversionError(
            "a TorchScript module cannot be exported", hint="give the module that it was made from"
        )
    if not isinstance(module, nn.Module):
        raise UsageError(f"a {type(module).__name__} is no torch.nn.Module")
    return module


@contextmanager
def untouched(module: nn.Module) -> Iterator[None]:
    """Run what is inside in evaluation mode without gradients; leave the module as it was.

    Modes, attributes (a state that ``forward`` keeps in one, too) and buffers are restored.
    """
    layers = list(module.modules())
    kept = _contents(_with_siblings(layers))
    held = [
        (value, value.detach().clone())
        for _, content in kept
        for value in (content.values() if isinstance(content, dict) else content)
        if isinstance(value, torch.Tensor) and not isinstance(value, nn.Parameter)
    ]
    for layer in layers:
        layer.training = False
    try:
        with torch.no_grad():
            yield
    finally:
        for value, before in held:
            if value.shape == before.shape:
                value.data.copy_(before)
        for container, content in kept:
            container.clear()
            add = container.extend if isinstance(container, list | deque) else container.update
            add(content)


def _with_siblings(layers: Sequence[nn.Module]) -> list[nn.Module]:
    """Add neurons that a reset in ``forward`` reaches: snnTorch resets whole classes."""
    registered = [r for c in {type(m) for m in layers} for r in getattr(c, "instances", ())]
    found = {id(m): m for m in (*layers, *registered) if isinstance(m, nn.Module)}
    return list(found.values())


def _contents(layers: Sequence[nn.Module]) -> list[tuple[Any, Any]]:
    """Give every container among the attributes of modules, nested ones too, and what it holds."""
    found: dict[int, tuple[Any, Any]] = {}
    todo: list[object] = [vars(layer) for layer in layers]
    while todo:
        now: Any = todo.pop()
        if isinstance(now, tuple):
            todo += now
        elif isinstance(now, dict | list | set | deque) and id(now) not in found:
            content = dict(now) if isinstance(now, dict) else list(now)
            found[id(now)] = (now, content)
            todo += content.values() if isinstance(content, dict) else content
    return list(found.values())


def capture(module: nn.Module, example: Example) -> Capture:
    """Run and export a module.

    Raises:
        ConversionError: it cannot run on the example or be exported, keeps a state or draws
            random numbers, or mixes the samples of a batch.
    """
    with untouched(module):
        first = _run(module, example)
        names, outputs = _named(first, example)
        again = _named(_run(module, example), example)[1]
        if any(not torch.equal(a, b) for a, b in zip(outputs, again, strict=True)):
            raise ConversionError(
                "the module gives two different results for the same input in evaluation mode",
                hint="it keeps a state between calls or draws random numbers; neither is handled",
            )
        _check_batch(module, example, outputs)
        program = export(module, example)
    return Capture(program, example, outputs, names)


def _run(module: nn.Module, example: Example) -> object:
    shapes = ", ".join(f"{k} {list(v.shape)}" for k, v in example.inputs.items())
    try:
        return module(*example.inputs.values())
    except Exception as error:  # the user's code may raise anything
        raise ConversionError(
            f"the module does not run on the example ({shapes}): {reason(error)}",
            hint="the example is a batch: its first axis counts samples",
        ) from error


def _named(result: object, example: Example) -> tuple[tuple[str, ...], tuple[torch.Tensor, ...]]:
    leaves = pytree.tree_flatten_with_path(result)[0]
    names, tensors = [], []
    for path, value in leaves:
        if not isinstance(value, torch.Tensor):
            raise ConversionError(
                f"the module returns a {type(value).__name__}", hint="return tensors"
            )
        names.append(path_name(path))
        tensors.append(value.detach().clone())
    for name, value in zip(names, tensors, strict=True):
        if value.ndim < 1 or value.shape[0] != example.samples:
            raise ConversionError(
                f"output {name!r} of shape {list(value.shape)} is not one value per sample "
                f"({example.samples} samples went in)",
                hint="the first axis of every output is the batch",
            )
        if not bool(torch.isfinite(value).all()):
            raise ConversionError(f"output {name!r} holds NaN or infinity on the example")
    if not tensors:
        raise ConversionError("the module returns nothing")
    return tuple(names), tuple(tensors)


def _check_batch(module: nn.Module, example: Example, outputs: Sequence[torch.Tensor]) -> None:
    """Refuse a module whose result for a sample depends on the rest of the batch."""
    hint = "each sample must be computed by itself, for any size of the batch"
    more = example.grown()
    try:
        grown = _named(_run(module, more), more)[1]
    except ConversionError as error:
        raise ConversionError(
            f"the module runs on a batch of {example.samples} samples but not of {more.samples}: "
            f"{error.findings[0].message}",
            hint=hint,
        ) from error
    for a, b in zip(outputs, grown, strict=True):
        kept = b[: example.samples]
        scale = float(a.abs().max()) if a.numel() else 0.0
        if a.shape != kept.shape or bool(((a - kept).abs() > BATCH_TOLERANCE * scale).any()):
            raise ConversionError(
                "the result for a sample depends on the other samples of its batch", hint=hint
            )


def export(module: nn.Module, example: Example) -> ExportedProgram:
    """Export a module and make the program functional, so that no operator works in place.

    Raises:
        ConversionError: torch.export cannot capture it, or it writes to a buffer or an input.
    """
    with _silence(), _without_traces():
        try:
            program: ExportedProgram = torch.export.export(module, tuple(example.inputs.values()))
            if _writes(program):
                program = program.run_decompositions({})
        except Exception as error:  # capture fails with exceptions of many kinds
            raise ConversionError(
                Finding(
                    f"torch.export cannot capture the module: {reason(error)}",
                    node=_place(error),
                    hint="forward may not branch on values of tensors; branch on shapes or options",
                )
            ) from error
    signature = program.graph_signature
    written = [*signature.buffers_to_mutate.values(), *signature.user_inputs_to_mutate.values()]
    if written:
        raise ConversionError(
            f"forward writes to {', '.join(sorted(written))}",
            hint="a state or an input that forward changes is not handled",
        )
    return program


def _writes(program: ExportedProgram) -> bool:
    """Say whether an operator of the program works in place, or is none of ATen."""
    schemas = [
        getattr(node.target, "_schema", None)
        for node in program.graph.nodes
        if node.op == "call_function" and node.target is not operator.getitem
    ]
    return any(schema is None or schema.is_mutable for schema in schemas)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep to ourselves what torch tells its developers: own deprecations, dumps of its graph."""
    before = logging.root.manager.disable
    with warnings.catch_warnings(), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(before)


@contextmanager
def _without_traces() -> Iterator[None]:
    """Keep torch from noting the lines of Python behind each operator: a fifth of the time."""
    config = getattr(torch.fx, "config", None)  # not in every torch
    before = getattr(config, "do_not_emit_stack_traces", None)
    if before is None:
        yield
        return
    vars(config)["do_not_emit_stack_traces"] = True
    try:
        yield
    finally:
        vars(config)["do_not_emit_stack_traces"] = before


def _place(error: Exception) -> str:
    """Give the line of the user's code that torch names, or nothing."""
    found = _CALL.search(str(error))
    return f"{PurePath(found['file']).name}, line {found['line']}" if found else ""


def reason(error: Exception) -> str:
    """Give class and first line of an error of torch or of the user's code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else ""
    return f"{type(error).__name__}: {text}"[:300].rstrip(": ")
