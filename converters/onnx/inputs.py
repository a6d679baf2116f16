"""Reads which inputs and outputs a model has, and the shapes of their samples."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, ValueInfoProto

from neurodeploy.converters.onnx.layout import Layout
from neurodeploy.converters.onnx.tensors import dtype_of
from neurodeploy.errors import ConversionError, Finding, UsageError, raise_findings
from neurodeploy.semantics.types import Float

__all__ = ["OPEN_BATCH", "Shapes", "choose_outputs", "example_shape", "input_shapes"]

# Stands for an open batch where a file computes shapes. A prime that no layer has as its size.
OPEN_BATCH = 1_000_003


@dataclass(frozen=True)
class Shapes:
    """Shapes of the inputs.

    Attributes:
        samples: Shape of one sample, by input.
        batch: Size of the batch: what the file says, or `OPEN_BATCH`; 1 where the file computes
            one sample.
        layouts: Where an input has its batch, if not in front.
        whole: Inputs whose integers are carried as floats.
        unread: Inputs that no wanted output depends on and that are left out.
    """

    samples: Mapping[str, tuple[int, ...]]
    batch: int
    layouts: Mapping[str, Layout]
    whole: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def input_shapes(
    model: ModelProto,
    given: Sequence[int] | Mapping[str, Sequence[int]] | None,
    kind: Float,
    wanted: Container[str],
    settings: Container[str] = (),
) -> Shapes:
    """Give the shape of one sample of each input.

    The first axis of the first input is the batch. A file whose batch is 1, or for which a shape
    with as many axes as the file's is given, computes one sample: an input of it has its batch
    in front if that axis is 1, and none otherwise.

    Raises:
        ConversionError: an input is no batch of numbers of the type ``kind``.
        UsageError: a shape is open and not given, or given and different.
    """
    weights = {t.name for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in weights and i.name not in settings]
    if not inputs:
        raise ConversionError("the model has no input")
    by_name = _by_name([i.name for i in inputs], given)
    # what nothing reads, and is no batch either, such as a sampling rate
    unread = [i for i in inputs if i.name not in wanted and not i.type.tensor_type.shape.dim]
    inputs = [i for i in inputs if i not in unread] or inputs
    raise_findings(ConversionError, [f for i in inputs for f in _type_findings(i, kind)])
    stated = {i.name: _dims(i) for i in inputs}
    first = stated[inputs[0].name]
    single = bool(first) and first[0][0] == 1
    single |= any(0 < len(stated[n]) == len(s) for n, s in by_name.items() if n in stated)
    batch = 1 if single else max(0, first[0][0] if first else 0) or OPEN_BATCH
    found: list[Finding] = []
    samples: dict[str, tuple[int, ...]] = {}
    layouts: dict[str, Layout] = {}
    for value in inputs:
        name, dims = value.name, stated[value.name]
        axis = _batch_axis(dims, first, single, len(by_name.get(name, ())))
        if axis != 0:
            layouts[name] = Layout(axis)
        rest = [n for i, (n, _) in enumerate(dims) if i != axis]
        shape, problem = _sample(rest, bool(dims), by_name.get(name))
        if problem:
            names = [text or str(n or "?") for n, text in dims]
            found.append(
                Finding(
                    f"{problem}; the file says ({', '.join(names)}), batch first",
                    node=name,
                    hint="input_shape= (--input-shape) gives the shape of one sample",
                )
            )
        samples[name] = shape
    raise_findings(UsageError, found)
    batches = {d[0][0] for n, d in stated.items() if d and d[0][0] > 0 and n not in layouts}
    if len(batches) > 1:
        raise ConversionError(f"the inputs have batches of {sorted(batches)} samples")
    types = {i.name: dtype_of(i.type.tensor_type.elem_type) for i in inputs}
    whole = tuple(n for n, t in types.items() if t is not None and t.kind in "iu")
    return Shapes(samples, batch, layouts, whole, tuple(i.name for i in unread))


def input_settings(
    model: ModelProto, constants: Mapping[str, float | Sequence[float]]
) -> dict[str, npt.NDArray[Any]]:
    """Give the values of inputs that are settings of the model, in the types of the file.

    Raises:
        UsageError: there is no such input, or it is of another shape.
    """
    found = {}
    declared = {i.name: i for i in model.graph.input}
    for name, value in constants.items():
        if name not in declared:
            raise UsageError(
                Finding(f"there is no input {name!r}", node="constants", hint=str(list(declared)))
            )
        kind = dtype_of(declared[name].type.tensor_type.elem_type)
        array = np.asarray(value, kind)
        if array.ndim != len(declared[name].type.tensor_type.shape.dim):
            raise UsageError(Finding(f"a value of shape {list(array.shape)}", node=name))
        found[name] = array
    return found


Dims = list[tuple[int, str]]


def _dims(value: ValueInfoProto) -> Dims:
    return [(int(d.dim_value), str(d.dim_param)) for d in value.type.tensor_type.shape.dim]


def _batch_axis(dims: Dims, first: Dims, single: bool, given: int) -> int | None:
    """Give the axis of the batch of an input; None where it has none."""
    if single:
        return 0 if dims and dims[0][0] in (0, 1, -1) and given != len(dims) else None
    if dims and first and first[0][1] and dims[0][1] != first[0][1]:
        # another axis may bear the name that the batch of the first input has
        named = [i for i, (_, text) in enumerate(dims) if text == first[0][1]]
        return named[0] if named else 0
    if dims and first and first[0][0] < 1 and dims[0][0] > 1:
        # of a batch of any size, on a first axis of one size, only an open axis can hold it
        free = [i for i, (n, _) in enumerate(dims) if n < 1]
        return free[0] if len(free) == 1 else 0
    return 0


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
    if found is None or (found.kind not in "iu" and found != np.dtype(kind.dtype)):
        yield Finding(
            f"is of {found or 'an unknown type'}, where {kind.dtype} is due",
            node=value.name,
            hint="export the model with float inputs, scaled as in training",
        )


def _sample(
    rest: Sequence[int], known: bool, given: tuple[int, ...] | None
) -> tuple[tuple[int, ...], str]:
    """Give the shape of a sample, and what is wrong with it.

    Args:
        rest: Lengths that the file states, without the batch; below 1 where it leaves them open.
        known: Whether the file states a shape at all.
        given: The shape that the user gives.
    """
    if given is not None and any(n < 1 for n in given):
        return (), f"the shape {list(given)} is given"
    if not known:
        return (given, "") if given is not None else ((), "its shape is open")
    if given is None:
        open_axes = [i for i, n in enumerate(rest, 1) if n < 1]
        return tuple(rest), f"axes {open_axes} are open" if open_axes else ""
    fits = len(given) == len(rest) and all(
        s < 1 or s == n for s, n in zip(rest, given, strict=True)
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
