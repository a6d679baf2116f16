"""Brings a program that was captured over several steps into one node per operator and step."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx
from torch._guards import detect_fake_mode

from neurodeploy.converters.torch.layers import layer_of
from neurodeploy.converters.torch.leaf import Leaf
from neurodeploy.converters.torch.opaque import LEAF
from neurodeploy.converters.torch.program import Program
from neurodeploy.converters.torch.schema import by_name, operator_name
from neurodeploy.converters.torch.sequences import Decoded, Steps, lift_arguments, padded, reshaped
from neurodeploy.errors import ConversionError, Finding

__all__ = ["Unroll", "step_of"]

_RESHAPES = frozenset({
    "_unsafe_view", "flatten", "reshape", "squeeze", "unflatten", "unsqueeze", "view",
})  # fmt: skip
_REDUCES = {"sum": "count", "mean": "mean", "amax": "max", "max": "max"}
# what they hold; None for what their argument says
_FILLS: dict[str, float | None] = {
    "full_like": None, "new_full": None, "new_ones": 1.0, "new_zeros": 0.0, "ones_like": 1.0,
    "zeros_like": 0.0,
}  # fmt: skip
_REPEATS = frozenset({"expand", "repeat"})
_PADS = frozenset({"constant_pad_nd", "pad"})
_IN_FRONT = "pad along time right before the layer that takes the zeros off again"


def step_of(sequence: torch.Tensor, axis: int, step: int, batch: int = 0) -> torch.Tensor:
    """Give one step of an input that has a time axis, or one axis for ``batch`` and time."""
    if batch:
        lead = (batch, -1) if axis else (-1, batch)
        sequence = sequence.reshape(*lead, *sequence.shape[1:])
    return sequence.select(axis, step)


class Unroll:
    """Rewrites a program so that no operator but at its end sees more than one step.

    Args:
        program: The program, captured over ``timesteps`` steps.
        timed: By the name of an input, the axis of time that it has.
        timesteps: Number of steps.
        batch: Samples.
        leaves: Its stateful layers.
        folded: The inputs have time and batch on one axis.

    Attributes:
        graph: The rewritten graph.
        results: What the program returns.
    """

    def __init__(
        self,
        program: Program,
        timed: Mapping[str, int],
        timesteps: int,
        batch: int,
        leaves: Mapping[str, Leaf],
        *,
        folded: bool = False,
    ) -> None:
        self.program = program
        self.leaves = leaves
        self.folded = folded
        self.timed = timed
        self.timesteps = timesteps
        self.batch = batch
        self.graph = fx.Graph()
        self.results: tuple[Any, ...] = ()
        self.findings: list[Finding] = []
        self._values: dict[fx.Node, Any] = {}
        self._stamps: dict[fx.Node, int] = {}
        self._calls: dict[str, int] = {}
        self._fake: Any = None

    def run(self) -> None:
        """Rewrite the program.

        Raises:
            ConversionError: every operator that works across time.
        """
        for node in self.program.graph.nodes:
            if self._fake is None:
                self._fake = detect_fake_mode(node.meta.get("val"))
            if node.op == "placeholder":
                self._placeholder(node)
            elif node.op == "output":
                results: Any = self._resolved(node.args[0])
                if any(isinstance(r, Steps) and r.lead for r in results):
                    raise ConversionError(
                        "a result is a sequence with zeros in front", hint=_IN_FRONT
                    )
                self.results = tuple(results)
            else:
                try:
                    self._values[node] = self._rewritten(node)
                except ConversionError as error:
                    layer = layer_of(node, operator_name(node))
                    raise ConversionError(
                        [
                            Finding(f.message, node=layer.name, source=layer.source, hint=f.hint)
                            for f in error.findings
                        ]
                    ) from error

    def stamp(self, node: fx.Node) -> int:
        """Give the latest step that a node depends on; -1 where it is the same at every step."""
        return self._stamps[node]

    # -- nodes --------------------------------------------------------------------------------

    def _placeholder(self, node: fx.Node) -> None:
        made = self.graph.node_copy(node)
        self._stamps[made] = -1
        self._values[node] = made
        if node.target in self.timed:
            axis = self.timed[str(node.target)]
            batch = self.batch if self.folded else 0
            calls: list[Any] = [((made, axis, t, batch), {}) for t in range(self.timesteps)]
            self._values[node] = Steps(tuple(self._each(step_of, calls, node)), axis, self.folded)

    def _each(self, target: Any, calls: list[Any], like: fx.Node) -> list[fx.Node]:
        """Add an operator for each step of a sequence, from its positional and named arguments.

        All steps have one shape, so it is computed once.
        """
        made: list[fx.Node] = []
        for args, kwargs in calls:
            made.append(self._add(target, args, kwargs, like, value=made[0] if made else None))
        return made

    def _add(
        self,
        target: Any,
        args: Any,
        kwargs: Mapping[str, Any],
        like: fx.Node,
        value: fx.Node | None = None,
    ) -> fx.Node:
        """Add an operator; ``value`` is a node whose shape and type it has, where one is known."""
        made = self.graph.call_function(target, args, dict(kwargs))
        made.meta = {k: v for k, v in like.meta.items() if k == "nn_module_stack"}
        if target is step_of:
            self._stamps[made] = args[2]
        else:
            self._stamps[made] = max((self._stamps[n] for n in made.all_input_nodes), default=-1)
        if value is not None:
            made.meta["val"] = value.meta["val"]
            return made
        values = fx.map_arg((made.args, made.kwargs), lambda n: n.meta["val"])
        with self._fake, torch.no_grad():
            made.meta["val"] = target(*values[0], **values[1])
        return made

    def _resolved(self, value: Any) -> Any:
        return fx.map_arg(value, self._values.__getitem__)

    def _rewritten(self, node: fx.Node) -> Any:
        if operator_name(node) in _FILLS:
            return self._filled(node)
        args, kwargs = self._resolved(node.args), self._resolved(node.kwargs)
        if node.target is operator.getitem and not isinstance(args[0], fx.Node):
            if isinstance(args[0], Decoded) and args[1] != 0:
                raise ConversionError(
                    "the step of a maximum is read", hint="return the maximum alone: x.amax(dim)"
                )
            return args[0] if isinstance(args[0], Decoded) else args[0][args[1]]
        found = _find(Steps, (args, kwargs))
        if _find(Decoded, (args, kwargs)) is not None:
            raise ConversionError(
                f"{operator_name(node)} is computed on what was summed up over time",
                hint="end the network with the sum or mean over time, or return the sequence",
            )
        if node.target is LEAF:
            return self._leaf(node, args, found)
        if found is None:
            return self._plain(node, args, kwargs)
        return self._lifted(node, by_name(node.target, args, kwargs), found)

    def _filled(self, node: fx.Node) -> fx.Node:
        """Give a tensor that takes only its shape from its operand: it depends on no step."""
        name, value = operator_name(node), node.meta["val"]
        fill = _FILLS[name]
        if fill is None:
            given = by_name(node.target, node.args, node.kwargs)
            fill = given["fill_value"]
        shape = [int(n) for n in value.shape]
        return self._add(torch.ops.aten.full.default, (shape, fill), {"dtype": value.dtype}, node)

    def _plain(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        name = operator_name(node)
        if name == "stack" and self._is_time(args[0]):
            dim = by_name(node.target, args, kwargs)["dim"]
            return Steps(tuple(args[0]), int(dim) % (args[0][0].meta["val"].ndim + 1))
        if name in _REPEATS:
            repeated = self._repeated(node, args)
            if repeated is not None:
                return repeated
        made = self.graph.node_copy(node, self._values.__getitem__)
        stamp = max((self._stamps[n] for n in made.all_input_nodes), default=-1)
        self._stamps[made] = stamp
        return made

    def _leaf(self, node: fx.Node, args: Any, found: Steps | None) -> Any:
        """Write a call of a leaf; one for each step where it takes a whole sequence."""
        site = str(args[0])
        leaf = self.leaves[site]
        if found is None:
            if leaf.over_time:
                raise ConversionError(
                    "takes a whole sequence and is given one step",
                    hint="give time_axis= where forward takes a sequence",
                )
            made = self.graph.node_copy(node, self._values.__getitem__)
            self._stamps[made] = self._calls[site] = self._calls.get(site, -1) + 1
            return made
        if not leaf.over_time:
            raise ConversionError("takes one step and is given a whole sequence")
        if (found.folded, found.dim) != (leaf.folded, leaf.time_dim):
            raise ConversionError(
                f"takes {_layout(leaf.folded, leaf.time_dim)} and is given "
                f"{_layout(found.folded, found.dim)}"
            )
        if found.lead != leaf.history:
            raise ConversionError(
                f"takes a sequence with {leaf.history} zeros in front and is given one with "
                f"{found.lead}",
                hint=f"torch.nn.functional.pad(x, ({leaf.history}, 0)) along time",
            )
        values, rows = node.meta["val"], []
        for step in found.nodes:
            shapes = [self._single(v.shape, leaf) for v in values]
            ranks, sizes = [len(s) for s in shapes], [int(n) for s in shapes for n in s]
            made = self._add(LEAF, (site, [step], [], ranks, sizes), {}, node)
            self._stamps[made] = self._calls[site] = self._calls.get(site, -1) + 1
            outputs: list[Any] = [((made, k), {}) for k in range(len(values))]
            rows.append([self._add(operator.getitem, a, k, node) for a, k in outputs])
        form = (leaf.time_dim, leaf.folded)
        return tuple(Steps(tuple(column), *form) for column in zip(*rows, strict=True))

    def _single(self, shape: Sequence[int], leaf: Leaf) -> list[int]:
        """Give the shape of one step of what a leaf gives over time."""
        if leaf.folded:
            return [self.batch, *shape[1:]]
        return [*shape[: leaf.time_dim], *shape[leaf.time_dim + 1 :]]

    def _is_time(self, values: Any) -> bool:
        if len(values) != self.timesteps or not all(isinstance(v, fx.Node) for v in values):
            return False
        stamps = [self._stamps[v] for v in values]
        return stamps == list(range(self.timesteps)) or (
            self.timesteps > 1 and set(stamps) == {-1} and len(set(values)) == 1
        )

    def _repeated(self, node: fx.Node, args: Any) -> Steps | None:
        """Find a static value that is repeated over a new first axis of time."""
        inner = args[0]
        shape = tuple(node.meta["val"].shape)
        new_axis = operator_name(inner) == "unsqueeze" and inner.args[1] == 0
        if not new_axis or self._stamps[inner] >= 0 or shape[0] != self.timesteps:
            return None
        value = inner.args[0]
        return Steps((value,) * self.timesteps, 0) if shape[1:] == value.meta["val"].shape else None

    # -- operators on sequences ---------------------------------------------------------------

    def _lifted(self, node: fx.Node, arguments: dict[str, Any], steps: Steps) -> Any:
        name = operator_name(node)
        rank = self._rank(steps)
        longer = padded(arguments, steps, rank) if name in _PADS else None
        if longer is not None:
            return longer
        if steps.lead:
            raise ConversionError(f"{name} is given a sequence with zeros in front", hint=_IN_FRONT)
        dims = arguments.get("dim")
        along = dims if isinstance(dims, list | tuple) else [dims]
        across = not steps.folded and [d % rank for d in along if d is not None] == [steps.dim]
        if across and name == "select":
            return steps.nodes[int(arguments["index"])]
        if name == "unbind" and not steps.folded and arguments["dim"] % rank == steps.dim:
            return steps.nodes
        if across and name == "slice":
            end = min(int(arguments["end"] or self.timesteps), self.timesteps)
            part = slice(arguments["start"], end, arguments["step"])
            if not steps.nodes[part]:
                raise ConversionError(
                    f"a slice of time is empty where there are {self.timesteps} steps",
                    hint="return the whole sequence",
                )
            return Steps(steps.nodes[part], steps.dim)
        if across and name in _REDUCES and not arguments.get("keepdim"):
            return Decoded(steps.nodes, _REDUCES[name])
        if name in ("permute", "transpose") and not steps.folded:
            return self._permuted(node, arguments, steps, rank)
        if name in _RESHAPES:
            shape = tuple(int(n) for n in node.meta["val"].shape)
            single, form = reshaped(shape, steps, self.timesteps, self.batch)
            view = torch.ops.aten.reshape.default
            made = self._each(view, [((n, list(single)), {}) for n in steps.nodes], node)
            return Steps(tuple(made), form.dim, form.folded)
        calls = [
            ((), lift_arguments(name, node.target, arguments, steps, rank, t))
            for t in range(len(steps.nodes))
        ]
        made = self._each(node.target, calls, node)
        if isinstance(made[0].meta["val"], list | tuple):
            return self._several(made, steps, node)
        return Steps(tuple(made), steps.dim, steps.folded)

    def _several(self, made: list[fx.Node], steps: Steps, like: fx.Node) -> tuple[Steps, ...]:
        """Give the results of an operator that has several, each a sequence."""
        count = len(made[0].meta["val"])
        parts: list[Any] = [[((n, k), {}) for n in made] for k in range(count)]
        return tuple(
            Steps(tuple(self._each(operator.getitem, part, like)), steps.dim, steps.folded)
            for part in parts
        )

    def _rank(self, steps: Steps) -> int:
        rank = int(steps.nodes[0].meta["val"].ndim)
        return rank if steps.folded else rank + 1

    def _permuted(self, node: fx.Node, a: dict[str, Any], steps: Steps, rank: int) -> Steps:
        order = list(range(rank))
        if "dims" in a:
            order = [int(d) % rank for d in a["dims"]]
        else:
            i, j = int(a["dim0"]) % rank, int(a["dim1"]) % rank
            order[i], order[j] = order[j], order[i]
        dim = order.index(steps.dim)
        single = [d - (d > steps.dim) for d in order if d != steps.dim]
        if single == list(range(rank - 1)):
            return Steps(steps.nodes, dim)
        permute = torch.ops.aten.permute.default
        made = self._each(permute, [((n, single), {}) for n in steps.nodes], node)
        return Steps(tuple(made), dim)


def _layout(folded: bool, dim: int) -> str:
    if folded:
        return f"{'batch and time' if dim else 'time and batch'} as one axis"
    return f"a sequence with time on axis {dim}"


def _find(kind: type, value: Any) -> Any:
    """Give the first value of a type in nested arguments."""
    if isinstance(value, kind):
        return value
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return next((f for v in value if (f := _find(kind, v)) is not None), None)
    return None
