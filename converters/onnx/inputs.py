"""Reads which inputs and outputs a model has, and the shapes of their samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, ValueInfoProto

from neurodeploy.converters.onnx.tensors import dtype_of
from neurodeploy.errors import ConversionError, Finding, UsageError, raise_findings
from neurodeploy.semantics.types import Float

__all__ = ["Shapes", "choose_outputs", "example_shape", "input_shapes"]

# Stands for an open batch where a file computes shapes. A prime that no layer has as its size.
OPEN_BATCH = 1_000_003


@dataclass(frozen=True)
class Shapes:
    """Shapes of the inputs.

    Attributes:
        samples: Shape of one sample, by input.
        batch: Size of the batch: what the file says, or `OPEN_BATCH`.
    """

    samples: Mapping[str, tuple[int, ...]]
    batch: int


def input_shapes(
    model: ModelProto, given: Sequence[int] | Mapping[str, Sequence[int]] | None, kind: Float
) -> Shapes:
    """Give the shape of one sample of each input.

    Raises:
        ConversionError: an input is no batch of floats of the type ``kind``.
        UsageError: a shape is open and not given, or given and different.
    """
    weights = {t.name for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in weights]
    if not inputs:
        raise ConversionError("the model has no input")
    by_name = _by_name([i.name for i in inputs], given)
    raise_findings(ConversionError, [f for i in inputs for f in _type_findings(i, kind)])
    found: list[Finding] = []
    samples: dict[str, tuple[int, ...]] = {}
    batches: set[int] = set()
    for value in inputs:
        dims = value.type.tensor_type.shape.dim
        stated = [int(d.dim_value) for d in dims]
        shape, problem = _sample(stated, by_name.get(value.name))
        if problem:
            names = [d.dim_param or str(d.dim_value or "?") for d in dims]
            found.append(
                Finding(
                    f"{problem}; the file says ({', '.join(names)}), batch first",
                    node=value.name,
                    hint="input_shape= (--input-shape) gives the shape of one sample",
                )
            )
        samples[value.name] = shape
        batches |= {stated[0]} if stated and stated[0] > 0 else set()
    raise_findings(UsageError, found)
    if len(batches) > 1:
        raise ConversionError(f"the inputs have batches of {sorted(batches)} samples")
    return Shapes(samples, batches.pop() if batches else OPEN_BATCH)


def example_shape(model: ModelProto, example: object) -> dict[str, tuple[int, ...]]:
    """Give the shape of a sample of each input from samples of it.

    Raises:
        UsageError: the example is no array, or does not go with the inputs.
    """
    weights = {t.name for t in model.graph.initializer}
    names = [i.name for i in model.graph.input if i.name not in weights]
    if isinstance(example, Mapping):
        given = {str(k): v for k, v in example.items()}
    elif isinstance(example, list | tuple):
        given = dict(zip(names, example, strict=False)) if len(example) == len(names) else {}
    else:
        given = dict.fromkeys(names[:1], example)
    if set(given) != set(names):
        raise UsageError(
            Finding("does not go with the inputs", node="example", hint=f"the inputs are {names}")
        )
    shapes = {}
    for name, value in given.items():
        shape = getattr(value, "shape", None)
        if not isinstance(shape, tuple) or not shape:
            raise UsageError(Finding(f"a {type(value).__name__} holds no samples", node=name))
        shapes[name] = tuple(int(n) for n in shape[1:])
    return shapes


def _by_name(
    names: Sequence[str], given: Sequence[int] | Mapping[str, Sequence[int]] | None
) -> dict[str, tuple[int, ...]]:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise UsageError(
                Finding(f"there is no input {unknown}", node="input_shape", hint=f"it has {names}")
            )
        return {k: tuple(int(n) for n in v) for k, v in given.items()}
    if len(names) > 1:
        raise UsageError(
            Finding(
                f"one shape for {len(names)} inputs", node="input_shape", hint=f"name them: {names}"
            )
        )
    return {names[0]: tuple(int(n) for n in given)}


def _type_findings(value: ValueInfoProto, kind: Float) -> Iterator[Finding]:
    if not value.type.HasField("tensor_type"):
        yield Finding("is no tensor", node=value.name)
        return
    found = dtype_of(value.type.tensor_type.elem_type)
    if found != np.dtype(kind.dtype):
        yield Finding(
            f"is of {found or 'an unknown type'}, where {kind.dtype} is due",
            node=value.name,
            hint="export the model with float inputs, scaled as in training",
        )


def _sample(stated: Sequence[int], given: tuple[int, ...] | None) -> tuple[tuple[int, ...], str]:
    """Give the shape of a sample, and what is wrong with it."""
    if given is not None and any(n < 1 for n in given):
        return (), f"the shape {list(given)} is given"
    if not stated:
        return (given, "") if given is not None else ((), "its shape is open")
    if given is None:
        open_axes = [i for i, n in enumerate(stated) if i and n < 1]
        return tuple(stated[1:]), f"axes {open_axes} are open" if open_axes else ""
    fits = len(given) == len(stated) - 1 and all(
        s in (0, n) for s, n in zip(stated[1:], given, strict=True)
    )
    return given, "" if fits else f"the shape {list(given)} does not fit"


def choose_outputs(model: ModelProto, output: int | str | None) -> list[str]:
    """Give the names of the outputs to keep.

    Raises:
        UsageError: there is no such output.
    """
    names = [o.name for o in model.graph.output]
    if output is None:
        return names
    if output in names:
        return [str(output)]
    text = str(output)
    if text.lstrip("-").isdigit() and -len(names) <= int(text) < len(names):
        return [names[int(text)]]
    raise UsageError(
        Finding(f"there is no output {output!r}", node="output", hint=f"outputs: {names}")
    )
