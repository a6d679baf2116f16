"""Walks the graph of an ONNX model and translates each operator by its handler."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto

from neurodeploy.converters.emit import Array, Emitter, Layer, Padded, layer_name, signal
from neurodeploy.converters.emit_bias import join_biases
from neurodeploy.converters.onnx.constants import FOLDS, fold
from neurodeploy.converters.onnx.file import DEFAULT_DOMAINS, Model
from neurodeploy.converters.onnx.handlers import HANDLERS
from neurodeploy.converters.onnx.inputs import Shapes, choose_outputs, input_shapes
from neurodeploy.converters.onnx.load import InputShape
from neurodeploy.converters.onnx.table import HINTS, Operation
from neurodeploy.converters.onnx.tensors import read_tensor
from neurodeploy.errors import (
    ConversionError,
    FileFormatError,
    Finding,
    GraphError,
    NeurodeployError,
)
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.graph import Graph
from neurodeploy.semantics.types import Float

__all__ = ["Walk"]


class _Unknown:
    """The result of an operator that was refused; what reads it is not looked at."""


UNKNOWN = _Unknown()
_FOLDED = {("", name) for name in FOLDS}


class Walk:
    """Translates one model; handlers read the state of the walk from it.

    Args:
        model: The model.
        dt: Duration of a step.
        float_type: Type of weights and values.
        input_shape: Shapes of samples where the file leaves them open.
        output: Which output to keep.
    """

    def __init__(
        self,
        model: Model,
        *,
        dt: str | Fraction | None,
        float_type: Float,
        input_shape: InputShape | None,
        output: int | str | None,
    ) -> None:
        self.model = model
        self.graph = model.proto.graph
        self.opset = model.opset
        self.emit = Emitter(dt, float_type=float_type)
        self.findings: list[NeurodeployError] = []
        self.shapes: Shapes = input_shapes(model.proto, input_shape, float_type)
        self.outputs = choose_outputs(model.proto, output)
        self.values: dict[str, Any] = {"": None}
        self.wanted: set[str] = set()
        self._initializers = {t.name: t for t in self.graph.initializer}
        self._weight_names: dict[int, str] = {}

    # -- for handlers -------------------------------------------------------------------------

    @property
    def batch(self) -> int:
        """Samples of a batch: what the file says, or a number that nothing else equals."""
        return self.shapes.batch

    def full(self, ref: Ref) -> tuple[int, ...]:
        """Give the shape of a signal with its batch, as the file sees it."""
        return (self.batch, *ref.shape)

    def array(self, value: object, what: str) -> Array:
        """Give an operand that must be a constant.

        Raises:
            ConversionError: it depends on the network's input, or is missing.
        """
        if not isinstance(value, np.ndarray):
            raise ConversionError(
                f"{what} is missing" if value is None else f"{what} depends on the network's input"
            )
        return value

    def weight(self, op: Operation, values: Array, part: str, origin: object = None) -> str:
        """Store a weight under the name that the file has for ``origin``, or after the layer.

        Names that an exporter made up (``onnx::MatMul_12``) are not used.
        """
        name = self._weight_names.get(id(values if origin is None else origin), "")
        if not name or re.fullmatch(r"(onnx::.*|\d+|/.*|.*::.*)", name):
            name = f"{layer_name(op.name)}.{part}"
        return self.emit.weight(name, values)

    # -- the walk -----------------------------------------------------------------------------

    def run(self) -> None:
        """Translate every operator that an output needs; collect what is not handled.

        Raises:
            ConversionError: everything that is not handled.
            FileFormatError: weights that cannot be read.
            GraphError: weights that hold NaN or infinity.
        """
        nodes = self._needed()
        self._load_initializers(nodes)
        for name, shape in self.shapes.samples.items():
            with self.emit.at(Layer(name, (name,))):
                self.values[name] = self.emit.builder.input(self.emit.fresh(), shape)
        for index, node in enumerate(nodes):
            self._translate(node, node.name or f"{node.op_type.lower()}_{index}")
        self._raise()

    def _raise(self) -> None:
        for kind in (FileFormatError, ConversionError, GraphError):
            found = [f for e in self.findings if isinstance(e, kind) for f in e.findings]
            if found:
                raise kind(list(dict.fromkeys(found)))

    def _needed(self) -> list[NodeProto]:
        """Give the nodes that the chosen outputs depend on, in the order of the file."""
        wanted = set(self.outputs)
        kept = []
        for node in reversed(self.graph.node):
            if wanted.intersection(node.output) - {""}:
                wanted.update(node.input)
                kept.append(node)
        self.wanted = wanted
        return kept[::-1]

    def _load_initializers(self, nodes: list[NodeProto]) -> None:
        for sparse in self.graph.sparse_initializer:
            if sparse.values.name in self.wanted:
                self._found(ConversionError("a sparse weight"), sparse.values.name)
                self.values[sparse.values.name] = UNKNOWN
        for name, tensor in self._initializers.items():
            if name in self.wanted:
                self.values[name] = self._read(tensor, name)

    def _read(self, tensor: TensorProto, name: str) -> object:
        try:
            array = read_tensor(tensor, self.model.folder, name)
            self._check_values(array, name)
        except (FileFormatError, ConversionError, GraphError) as error:
            self.findings.append(error)
            return UNKNOWN
        self._weight_names[id(array)] = name
        return array

    def _check_values(self, array: Array, name: str) -> None:
        due = self.emit.float_type.dtype
        if array.dtype.kind == "f" and array.dtype != due:
            raise ConversionError(
                Finding(
                    f"is of {array.dtype}, where {due} is due",
                    node=name,
                    hint="export the model in that type",
                )
            )
        if array.dtype.kind == "f" and np.isnan(array).any():
            count = int(np.isnan(array).sum())
            raise GraphError(Finding(f"{count} of {array.size} values are NaN", node=name))

    def _found(self, error: NeurodeployError, name: str, hint: str = "") -> None:
        """Note what is wrong with the node ``name``."""
        found = [
            Finding(f.message, node=f.node or name, source=(name,), hint=f.hint or hint)
            for f in error.findings
        ]
        self.findings.append(type(error)(found))

    def _translate(self, node: NodeProto, name: str) -> None:
        domain = "" if node.domain in DEFAULT_DOMAINS else node.domain
        key = (domain, node.op_type)
        operands = [self.values.get(value, UNKNOWN) for value in node.input]
        signals = any(isinstance(v, Ref | Padded) for v in operands)
        shown = f"{domain}::{node.op_type}" if domain else node.op_type
        results: Any = UNKNOWN
        blocked = any(v is UNKNOWN for v in operands)
        known = key in HANDLERS or key == ("", "Constant") or (not signals and key in _FOLDED)
        if not known:
            hint = HINTS.get(node.op_type, "replace the operator by one that is handled")
            self._found(ConversionError(f"the operator {shown} is not handled", hint=hint), name)
        elif not blocked:
            op = Operation(node, name, operands)
            try:
                self._check(node)
                results = self._apply(key, op, signals)
            except (ConversionError, GraphError, FileFormatError) as error:
                self._found(_prefixed(error, shown), name)
        several = results if isinstance(results, tuple) else (results,)
        for position, value in enumerate(node.output):
            if value:
                given = several[position] if position < len(several) else UNKNOWN
                self.values[value] = given

    def _apply(self, key: tuple[str, str], op: Operation, signals: bool) -> object:
        if key == ("", "Constant"):
            return self._constant(op)
        if not signals and key in _FOLDED:
            result = fold(op)
            if op.node.op_type == "Identity":
                name = self._weight_names.get(id(op.inputs[0]), "")
                self._weight_names[id(result)] = name
            return result
        name = layer_name(op.name)
        with self.emit.at(Layer(name, (op.name,))):
            return HANDLERS[key](self, op)

    def _constant(self, op: Operation) -> object:
        value = op.attribute("value")
        if isinstance(value, TensorProto):
            return self._read(value, value.name or op.name)
        for name, kind in (("value_float", np.float32), ("value_int", np.int64)):
            for plural in (name, f"{name}s"):
                found = op.attribute(plural)
                if found is not None:
                    return np.array(found, kind)
        raise ConversionError("a constant that is no dense tensor of numbers")

    def _check(self, node: NodeProto) -> None:
        """Let the onnx package check a node against the definition of its operator."""
        context = onnx.checker.C.CheckerContext()
        context.ir_version = max(3, min(self.model.proto.ir_version, onnx.IR_VERSION))
        context.opset_imports = {o.domain: o.version for o in self.model.proto.opset_import}
        try:
            onnx.checker.check_node(node, context)
        except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
            text = str(error).strip().splitlines()
            raise FileFormatError(f"breaks the definition of its operator: {text[0]}") from error

    # -- the end ------------------------------------------------------------------------------

    def build(self, metadata: Mapping[str, str]) -> Graph:
        """Give the graph of everything that the outputs depend on.

        Raises:
            ConversionError: an output does not depend on the input, or has another shape than
                the file declares.
        """
        declared = {o.name: o for o in self.graph.output}
        for name in self.outputs:
            ref = signal(self.values[name], f"the output {name!r}")
            dims = declared[name].type.tensor_type.shape.dim
            stated = [int(d.dim_value) for d in dims]
            full = self.full(ref)
            if stated and (
                len(stated) != len(full)
                or any(s not in (0, n) for s, n in zip(stated[1:], full[1:], strict=True))
            ):
                raise ConversionError(
                    Finding(
                        f"has samples of shape {list(ref.shape)}, the file declares {stated[1:]}",
                        node=name,
                    )
                )
            self.emit.builder.output(self.emit.take(name), ref, source=(name,))
        join_biases(self.emit)
        self.emit.prune()
        self.emit.builder.metadata.update(metadata)
        return self.emit.builder.build()


def _prefixed(error: NeurodeployError, shown: str) -> NeurodeployError:
    return type(error)(
        [Finding(f"{shown}: {f.message}", node=f.node, hint=f.hint) for f in error.findings]
    )
