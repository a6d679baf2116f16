"""Walks the graph of an ONNX model and translates each operator by its handler."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto

from neurodeploy.converters.emit import Array, Emitter, Layer, Padded, layer_name, signal
from neurodeploy.converters.emit_bias import join_biases
from neurodeploy.converters.emit_shapes import solid
from neurodeploy.converters.onnx.constants import FOLDS, fold
from neurodeploy.converters.onnx.file import DEFAULT_DOMAINS, Model
from neurodeploy.converters.onnx.handlers import HANDLERS
from neurodeploy.converters.onnx.inputs import (
    OPEN_BATCH,
    Shapes,
    choose_outputs,
    input_settings,
    input_shapes,
)
from neurodeploy.converters.onnx.kinds import check_node, reads, signal_kinds
from neurodeploy.converters.onnx.layout import Whole
from neurodeploy.converters.onnx.load import InputShape
from neurodeploy.converters.onnx.table import HINTS, Handler, Operation
from neurodeploy.converters.onnx.tensors import read_tensor
from neurodeploy.converters.onnx.views import Views
from neurodeploy.converters.onnx.wholes import ALONG, ELEMENTWISE, LAYOUT, handle_whole, one_row
from neurodeploy.errors import (
    ConversionError,
    FileFormatError,
    Finding,
    GraphError,
    NeurodeployError,
)
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.graph import Change, Graph
from neurodeploy.semantics.types import Float

__all__ = ["Walk"]


class _Unknown:
    """The result of an operator that was refused; what reads it is not looked at."""


UNKNOWN = _Unknown()
_FOLDED = {("", name) for name in FOLDS}
# what the walk does by itself
_OURS = {("", "Constant"), ("", "If")}
TAKES_PADDING = frozenset({"AveragePool", "Conv", "Pad"})


class Walk(Views):
    """Translates one model; handlers read the state of the walk from it.

    Args:
        model: The model.
        dt: Duration of a step.
        float_type: Type of weights and values.
        input_shape: Shapes of samples where the file leaves them open.
        output: Which output to keep.
        constants: Values of inputs that are no signals.
    """

    def __init__(
        self,
        model: Model,
        *,
        dt: str | Fraction | None,
        float_type: Float,
        input_shape: InputShape | None,
        output: int | str | None,
        constants: Mapping[str, float | Sequence[float]],
    ) -> None:
        self.model = model
        self.graph = model.proto.graph
        self.opset = model.opset
        self.emit = Emitter(dt, float_type=float_type)
        self.findings: list[NeurodeployError] = []
        self.outputs = choose_outputs(model.proto, output)
        self.wanted: set[str] = set(self.outputs)
        self.nodes = self._needed()
        settings = input_settings(model.proto, constants)
        self.shapes: Shapes = input_shapes(
            model.proto, input_shape, float_type, self.wanted, settings
        )
        self.values: dict[str, Any] = {"": None, **settings}
        self.kinds = signal_kinds(model.proto)
        self.per_sample: list[str] = []
        self._initializers = {t.name: t for t in self.graph.initializer}
        self._weight_names: dict[int, str] = {}

    # -- for handlers -------------------------------------------------------------------------

    @property
    def batch(self) -> int:
        """Samples of a batch: what the file says, or a number that nothing else equals."""
        return self.shapes.batch

    def kind(self, op: Operation, position: int) -> np.dtype[Any] | None:
        """Give the type that an operand has in the file; here all signals are floats.

        Only a file with integers among its signals is looked through; None for the others.
        """
        return self.kinds.get(op.node.input[position])

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
        self._load_initializers()
        for name, shape in self.shapes.samples.items():
            with self.emit.at(Layer(name, (name,))):
                self.values[name] = self._input(name, shape)
        for index, node in enumerate(self.nodes):
            self._translate(node, node.name or f"{node.op_type.lower()}_{index}")
        self._raise()

    def _input(self, name: str, shape: tuple[int, ...]) -> Ref | Whole:
        ref = self.emit.builder.input(self.emit.fresh(), shape)
        layout = self.shapes.layouts.get(name)
        if layout is None:
            return ref
        full = list(shape)
        if layout.axis is not None:
            full.insert(layout.axis, 1)
        held = self.emit.builder.reshape(self.emit.fresh("batch"), ref, tuple(full))
        return Whole(held if tuple(full) != shape else ref, layout)

    def _raise(self) -> None:
        for kind in (FileFormatError, ConversionError, GraphError):
            found = [f for e in self.findings if isinstance(e, kind) for f in e.findings]
            if found:
                raise kind(list(dict.fromkeys(found)))

    def _needed(self) -> list[NodeProto]:
        """Give the nodes that the chosen outputs depend on, in the order of the file."""
        kept = []
        for node in reversed(self.graph.node):
            if self.wanted.intersection(node.output) - {""}:
                self.wanted.update(reads(node))
                kept.append(node)
        return kept[::-1]

    def _load_initializers(self) -> None:
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
        signals = any(isinstance(v, Ref | Padded | Whole) for v in operands)
        shown = f"{domain}::{node.op_type}" if domain else node.op_type
        results: Any = UNKNOWN
        blocked = any(v is UNKNOWN for v in operands)
        known = key in HANDLERS or key in _OURS or (not signals and key in _FOLDED)
        if not known:
            hint = HINTS.get(node.op_type, "replace the operator by one that is handled")
            self._found(ConversionError(f"the operator {shown} is not handled", hint=hint), name)
        elif not blocked:
            op = Operation(node, name, operands)
            try:
                check_node(node, self.model.proto)
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
        if key == ("", "If"):
            return self._branch(op)
        if not signals and key in _FOLDED:
            result = fold(op)
            if op.node.op_type == "Identity":
                name = self._weight_names.get(id(op.inputs[0]), "")
                self._weight_names[id(result)] = name
            return result
        name = layer_name(op.name)
        with self.emit.at(Layer(name, (op.name,))):
            return self._handle(key[1], HANDLERS[key], op)

    def _handle(self, name: str, handler: Handler, op: Operation) -> object:
        """Run a handler on plain signals where that is possible, else on their full shapes."""
        self.dropped = ()
        if name not in TAKES_PADDING:
            held = [solid(self.emit, v) if isinstance(v, Padded) else v for v in op.inputs]
            op = replace(op, inputs=held)
        if name in ELEMENTWISE and self.batch == OPEN_BATCH:
            op = replace(op, inputs=[one_row(v, self.batch) for v in op.inputs])
        if name in LAYOUT:
            return handler(self, op)
        along = name in ALONG or name in ELEMENTWISE
        if any(isinstance(v, Whole) for v in op.inputs):
            if along:
                return handle_whole(self, handler, op)
            held = [self.plain(v) if isinstance(v, Whole) else v for v in op.inputs]
            return handler(self, replace(op, inputs=held))
        try:
            return handler(self, op)
        except ConversionError as first:
            if not along:
                raise
            try:
                return handle_whole(self, handler, op)
            except ConversionError:
                raise first from None

    def _branch(self, op: Operation) -> object:
        """Take the branch of an If whose condition is known."""
        condition = op.input(0)
        if not isinstance(condition, np.ndarray) or condition.size != 1:
            raise ConversionError("its condition depends on the network's input")
        graph = op.attribute("then_branch" if condition.all() else "else_branch")
        for tensor in graph.initializer:
            self.values[tensor.name] = self._read(tensor, tensor.name)
        for index, node in enumerate(graph.node):
            self._translate(node, node.name or f"{op.name}/{node.op_type.lower()}_{index}")
        return tuple(self.values[o.name] for o in graph.output)

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

    # -- the end ------------------------------------------------------------------------------

    def build(self, metadata: Mapping[str, str]) -> Graph:
        """Give the graph of everything that the outputs depend on.

        Raises:
            ConversionError: an output does not depend on the input, or has another shape than
                the file declares.
        """
        declared = {o.name: o for o in self.graph.output}
        for name in self.outputs:
            ref = self._output(name, declared[name])
            self.emit.builder.output(self.emit.take(name), ref, source=(name,))
        join_biases(self.emit)
        self.emit.prune()
        self.emit.builder.metadata.update(metadata)
        return self.emit.builder.build(changes=self._changes())

    def _changes(self) -> Iterator[Change]:
        for name in self.shapes.whole:
            yield Change(
                name, (name,), "load", "integers are carried as floats", "exact up to 2**24",
                "the graph has one type of value beside spikes",
            )  # fmt: skip
        for name in self.per_sample if self.batch != 1 else ():
            yield Change(
                layer_name(name), (name,), "load", "dynamic range of each sample by itself",
                "exact for a batch of one", "the file takes one range for a whole batch",
            )  # fmt: skip
        for name in self.shapes.unread:
            yield Change(
                name, (name,), "load", "the input is left out", "exact", "no output depends on it"
            )

    def _output(self, name: str, declared: ValueInfoProto) -> Ref:
        """Give the signal of an output, without the batch wherever it is."""
        found = self.values[name]
        if isinstance(found, Padded):
            found = solid(self.emit, found)
        held = isinstance(found, Whole)
        value: Ref | Whole = found if held else signal(found, f"the output {name!r}")
        stated = [int(d.dim_value) for d in declared.type.tensor_type.shape.dim]
        full = self.full(value)
        free = full.index(self.batch) if self.batch in full else None
        wrong = any(
            s > 0 and s != n
            for i, (s, n) in enumerate(zip(stated, full, strict=False))
            if i != free
        )
        if len(stated) != len(full):
            # exporters that were told names of axes by hand also get their number wrong
            wrong = bool(stated) and min(stated) > 0
        if wrong:
            raise ConversionError(
                Finding(f"has the shape {list(full)}, the file declares {stated}", node=name)
            )
        if isinstance(value, Ref):
            return value
        layout, shape = value.layout, value.ref.shape
        if not layout.simple:
            raise ConversionError(Finding("has its batch folded into another axis", node=name))
        at = layout.axis if layout.axis is not None else 0
        kept = (*shape[:at], *shape[at + 1 :]) if shape and shape[at] == 1 else shape
        with self.emit.at(Layer(layer_name(name), (name,))):
            if kept == shape:
                return value.ref
            return self.emit.builder.reshape(self.emit.fresh("sample"), value.ref, kept)


def _prefixed(error: NeurodeployError, shown: str) -> NeurodeployError:
    return type(error)(
        [Finding(f"{shown}: {f.message}", node=f.node, hint=f.hint) for f in error.findings]
    )
