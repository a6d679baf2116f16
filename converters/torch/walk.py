"""Walks one step of a captured program and translates each ATen operator by its handler."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import fx

from neurodeploy.converters.emit import Array, Emitter, Layer, Padded, signal
from neurodeploy.converters.emit_bias import join_biases
from neurodeploy.converters.emit_spikes import Returns, as_number, delayed
from neurodeploy.converters.per_step import PerStep
from neurodeploy.converters.torch.handlers import HANDLERS
from neurodeploy.converters.torch.layers import layer_of
from neurodeploy.converters.torch.leaf import Leaf
from neurodeploy.converters.torch.opaque import LEAF
from neurodeploy.converters.torch.program import Previous, Program, previous
from neurodeploy.converters.torch.schema import by_name, operator_name
from neurodeploy.converters.torch.table import HINTS, TAKES_SPIKES, TAKES_STEPS
from neurodeploy.errors import ConversionError, Finding, GraphError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Decode
from neurodeploy.ir.types import Signal
from neurodeploy.semantics.types import Float

__all__ = ["Walk"]

# checks of shapes and types that hold for the example; they compute nothing
_CHECKS = ("_assert_tensor_metadata", "sym_constrain_range_for_size", "_assert_scalar")


class Walk:
    """Translates one program; handlers read the operator at hand from it.

    Args:
        program: The program, functional, with a static batch.
        dt: Duration of a step.
        float_type: Type of weights and values.
        owner: Class of the module, for names at its top.
        leaves: Its stateful layers, by path.
        initial: By layer and state, the initial value that the module hands in.
    """

    def __init__(
        self,
        program: Program,
        *,
        dt: str | Fraction | None,
        float_type: Float,
        owner: str,
        leaves: Mapping[str, Leaf] | None = None,
        initial: Mapping[str, Mapping[str, Array]] | None = None,
    ) -> None:
        self.program = program
        self.emit = Emitter(dt, float_type=float_type)
        self.owner = owner
        self.leaves = leaves or {}
        self.initial = initial or {}
        self.states: dict[str, Mapping[str, Ref]] = {}
        self.returns = Returns()
        self.values: dict[fx.Node, object] = {}
        self.findings: list[Finding] = []
        self.batch = 0
        self.input_names: list[str] = []
        self.output_keys: list[tuple[str, str]] = []
        self.node: fx.Node = next(iter(program.graph.nodes))
        self._aliases: dict[tuple[object, ...], list[str]] = {}

    # -- for handlers -------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the first result of the operator at hand, batch included."""
        value = self.node.meta["val"]
        first = value[0] if isinstance(value, tuple | list) else value
        return tuple(int(n) for n in first.shape)

    def array(self, value: object, what: str) -> Array:
        """Give a constant tensor as an array.

        Raises:
            ConversionError: it depends on the network's input.
        """
        if isinstance(value, PerStep):
            raise ConversionError(f"each step has {what} of its own", hint=_STEPPED)
        if not isinstance(value, torch.Tensor):
            raise ConversionError(f"{what} depends on the network's input")
        array: Array = value.detach().cpu().numpy()
        return array

    def weight(self, value: object, part: str) -> str:
        """Store a weight under the name that the module has for it.

        A weight that is computed from parameters is named after the layer.
        """
        array = self.array(value, f"the {part}")
        wanted = f"{self.emit.source[0]}.{part}" if self.emit.source else part
        known = self._aliases.get(_identity(value), []) if isinstance(value, torch.Tensor) else []
        stored = [name for name in known if name in self.emit.builder.tensors]
        name = wanted if wanted in known or not known else known[0]
        return self.emit.weight(stored[0] if stored else name, array)

    # -- the walk -----------------------------------------------------------------------------

    def run(self) -> None:
        """Translate every operator; collect what is not handled.

        Raises:
            ConversionError: everything that is not handled.
        """
        graph = self.program.graph
        # a layer may be read in later steps alone
        graph.eliminate_dead_code(lambda node: node.target is LEAF or bool(node.is_impure()))
        self._placeholders()
        for node in graph.nodes:
            if node.op == "call_function":
                self.node = node
                self.values[node] = self._translate(node)
        if self.findings:
            raise ConversionError(self.findings)

    def _placeholders(self) -> None:
        for node in self.program.graph.nodes:
            if node.op != "placeholder":
                continue
            constant = self.program.constants.get(str(node.target))
            if constant is None:
                shape = tuple(int(n) for n in node.meta["val"].shape)
                self.batch = shape[0]
                name = self.emit.take(str(node.target))
                self.input_names.append(name)
                self.values[node] = self.emit.builder.input(name, shape[1:])
                continue
            self.values[node] = constant.value
            if isinstance(constant.value, torch.Tensor):
                self._aliases.setdefault(_identity(constant.value), []).append(constant.name)

    def _translate(self, node: fx.Node) -> object:
        arguments = self._resolve(node.args), self._resolve(node.kwargs)
        if node.target is operator.getitem:
            sequence, index = arguments[0]
            picked = sequence[index]
            return picked() if callable(picked) else picked
        if node.target is LEAF:
            return self._leaf(*arguments[0][:2])
        if node.target is previous:
            return self._previous(arguments[0][0])
        name = operator_name(node)
        if name in _CHECKS:
            return None
        layer = layer_of(node, name)
        if not _has_signal(arguments):
            return self._fold(node, name, layer, *arguments)
        with self.emit.at(layer):
            if name not in HANDLERS:
                return self._refuse(
                    layer, f"the operator {name} is not handled", HINTS.get(name, _WAY_OUT)
                )
            try:
                given = by_name(node.target, *arguments)
                _refuse_steps(name, given)
                if name not in TAKES_SPIKES or _mixed(given.get("tensors")):
                    given = {k: as_number(self.emit, v) for k, v in given.items()}
                return HANDLERS[name](self, given)
            except (ConversionError, GraphError) as error:
                for found in error.findings:
                    self._refuse(layer, f"{name}: {found.message}", found.hint)
                return self._stand_in(node)

    def _leaf(self, site: str, inputs: Sequence[Ref]) -> object:
        """Write a stateful layer; give its outputs in the operator's order."""
        leaf = self.leaves[site]
        with self.emit.at(Layer(site or self.owner, (site or self.owner,))):
            self.states[site] = leaf.emit(self, inputs, self.initial.get(site, {}))
        return tuple(self.states[site][name] for name in leaf.outputs)

    def _previous(self, read: Previous) -> Ref:
        """Read what a layer, perhaps one that comes later, gave some steps before."""
        leaf = self.leaves[read.site]
        name = leaf.outputs[read.output]
        shape = tuple(int(n) for n in self.node.meta["val"].shape[1:])
        promised = self.returns.promise(read.site, name, shape, leaf.kind(name))
        return delayed(self.emit, promised, read.delay, read.initial)

    def _fold(
        self, node: fx.Node, name: str, layer: Layer, args: Any, kwargs: Mapping[str, Any]
    ) -> object:
        """Compute what depends on parameters alone, in torch's own arithmetic."""
        target = node.target
        tags = getattr(target, "tags", ())
        if not callable(target) or torch.Tag.nondeterministic_seeded in tags:
            return self._refuse(layer, f"the operator {name} draws random numbers", _WAY_OUT)
        with torch.no_grad():
            return target(*args, **kwargs)

    def _refuse(self, layer: Layer, message: str, hint: str) -> object:
        path = layer.source[0] if layer.source else self.owner
        finding = Finding(message, node=path, source=(path,), hint=hint)
        if finding not in self.findings:
            self.findings.append(finding)
        return self._stand_in(self.node)

    def _stand_in(self, node: fx.Node) -> object:
        """Give what an operator would have given, so that those behind it are looked at too."""

        def one(value: object) -> Ref | None:
            if not isinstance(value, torch.Tensor):
                return None
            shape = tuple(int(n) for n in value.shape[1:])
            return Ref(node.name, "out", Signal(shape, self.emit.float_type, "value"))

        value = node.meta.get("val")
        return tuple(map(one, value)) if isinstance(value, tuple | list) else one(value)

    def _resolve(self, value: Any) -> Any:
        known: Any = self.values
        return fx.map_arg(value, known.__getitem__)

    # -- the end ------------------------------------------------------------------------------

    def output(self, position: int, name: str, decode: Decode | None = None) -> None:
        """Add an output node for a result of the module, read over time as ``decode`` says.

        Raises:
            ConversionError: the result does not depend on the input.
        """
        results: Any = next(n for n in self.program.graph.nodes if n.op == "output").args[0]
        value = signal(self.values[results[position]], f"the output {name!r}")
        made = self.emit.take(name)
        self.output_keys.append((made, "out"))
        self.emit.builder.output(made, value, decode=decode, source=(name,))

    def build(self, metadata: Mapping[str, str]) -> Graph:
        """Give the graph of everything that the outputs depend on."""
        self.returns.keep(self.emit, self.states)
        join_biases(self.emit)
        self.emit.prune()
        self.emit.builder.metadata.update(metadata)
        return self.emit.builder.build()


_WAY_OUT = "replace the layer by one that is handled"
_STEPPED = "batch norms, and factors and summands of a signal, may differ from step to step"


def _refuse_steps(name: str, given: Mapping[str, Any]) -> None:
    """Refuse parameters that each step has of its own, where an operator takes none."""
    if name not in TAKES_STEPS:
        for part, value in given.items():
            if isinstance(value, PerStep):
                raise ConversionError(f"each step has a {part} of its own", hint=_STEPPED)


def _mixed(values: object) -> bool:
    """Say whether some of several signals are spikes and some are numbers."""
    if not isinstance(values, list | tuple):
        return False
    return len({v.signal.type for v in values if isinstance(v, Ref)}) > 1


def _has_signal(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_signal, value.values()))
    if isinstance(value, tuple | list):
        return any(map(_has_signal, value))
    return isinstance(value, Ref | Padded)


def _identity(value: torch.Tensor) -> tuple[object, ...]:
    return (value.data_ptr(), value.dtype, tuple(value.shape), tuple(value.stride()))
