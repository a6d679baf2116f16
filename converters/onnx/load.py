"""Reads an ONNX file: parse, check, walk."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from neurodeploy.errors import MissingDependencyError
from neurodeploy.ir.graph import Graph
from neurodeploy.semantics.types import F32, Float

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["InputShape", "load_onnx"]

InputShape = Sequence[int] | Mapping[str, Sequence[int]]


def load_onnx(
    model: str | os.PathLike[str] | bytes | ModelProto,
    *,
    example: object = None,
    dt: str | Fraction | None = None,
    input_shape: InputShape | None = None,
    output: int | str | None = None,
    constants: Mapping[str, float | Sequence[float]] | None = None,
    float_type: Float = F32,
) -> Graph:
    """Read an ONNX model into a graph of one step.

    The first axis of every input is the batch, whether the file names a number there or leaves
    it open; every sample is computed by itself. Nothing in the file is executed. Integers among
    the signals are carried as floats, which hold them exactly up to 2**24.

    Args:
        model: Path of the file, its bytes, or the parsed model.
        example: Samples, batch first, that give the shapes which the file leaves open; a sequence
            or mapping of them where there are several inputs.
        dt: Duration of a step, such as ``"1ms"``, for what is later made of the graph.
        input_shape: Shape of one sample, without the batch, where the file leaves it open; by
            input name where there are several. A shape with as many axes as the file states
            says that the file has no batch axis: it computes one sample.
        output: Which of several outputs to keep, by name or position; all by default.
        constants: Values for inputs that are settings and no signals, such as ``{"sr": 16000}``.
        float_type: Type of the model's floats.

    Raises:
        FileFormatError: the file is empty, truncated, no ONNX model, or lacks its weights.
        ConversionError: all operators, types and arguments that are not handled.
        GraphError: all weights that hold NaN or infinity.
        UsageError: ``input_shape`` or ``output`` does not go with the model.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingDependencyError(
            f"reading an ONNX file needs onnx: {error}", hint="pip install 'neurodeploy[onnx]'"
        ) from error
    from neurodeploy.converters.onnx.file import read_model
    from neurodeploy.converters.onnx.inputs import example_shape
    from neurodeploy.converters.onnx.walk import Walk

    read = read_model(model)
    shape = input_shape if example is None else example_shape(read.proto, example)
    walk = Walk(
        read,
        dt=dt,
        float_type=float_type,
        input_shape=shape,
        output=output,
        constants=constants or {},
    )
    walk.run()
    return walk.build(
        {
            "framework": "onnx",
            "framework_version": onnx.__version__,
            "producer": f"{read.proto.producer_name} {read.proto.producer_version}".strip(),
            "opset": str(read.opset),
        }
    )
