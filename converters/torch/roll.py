"""Finds, in a program of several steps, the one step that it repeats.

Each stateful layer is called once per step. What it is given at step t is followed back through
the operators to other layers' values: of the same step, or of d steps before, which is a delayed
edge of the graph. This must have the same form at every step; where step t reads a value from
before the first step, it has a constant instead, which is the initial value of that edge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import fx

from neurodeploy.converters.torch.accumulate import accumulated
from neurodeploy.converters.torch.columns import Columns, find_columns
from neurodeploy.converters.torch.descent import (
    Key,
    arguments,
    evaluated,
    flat,
    leaf_call,
    leaf_reads,
    operation,
)
from neurodeploy.converters.torch.leaf import Leaf
from neurodeploy.converters.torch.opaque import LEAF
from neurodeploy.converters.torch.program import Previous, Program, Rolled, previous
from neurodeploy.converters.torch.sequences import Decoded, Steps
from neurodeploy.converters.torch.unroll import Unroll, step_of
from neurodeploy.errors import ConversionError, Finding, raise_findings

__all__ = ["roll"]

Array = npt.NDArray[Any]


def roll(unrolled: Unroll, leaves: Mapping[str, Leaf], *, stepped: bool) -> Rolled:
    """Give the step that an unrolled program repeats.

    Args:
        unrolled: The program.
        leaves: Its stateful layers.
        stepped: The module makes one step per call, so that states come in as inputs.

    Raises:
        ConversionError: a layer is not called once per step, a state is changed outside of its
            layer, or the steps differ in more than their values.
    """
    return _Roll(unrolled, leaves, stepped).run()


class _Roll:
    def __init__(self, unrolled: Unroll, leaves: Mapping[str, Leaf], stepped: bool) -> None:
        self.unrolled = unrolled
        self.leaves = leaves
        self.stepped = stepped
        self.steps = unrolled.timesteps
        self.last = self.steps - 1
        self.calls: dict[str, list[fx.Node]] = {}
        self.ordinal: dict[fx.Node, int] = {}
        self.keys: dict[tuple[fx.Node, int], Key] = {}
        self.reads: dict[tuple[str, int, int], list[Array | None]] = {}
        self.initial: dict[str, dict[str, Array]] = {}
        self.handed: dict[str, tuple[str, int]] = {}
        self.columns = Columns({}, {})
        for node in unrolled.graph.nodes:
            if node.target is LEAF:
                calls = self.calls.setdefault(str(node.args[0]), [])
                self.ordinal[node] = len(calls)
                calls.append(node)

    def run(self) -> Rolled:
        raise_findings(ConversionError, [*self._counts()])
        results = [self._result(r) for r in self.unrolled.results]
        self._parameters([nodes for nodes, _ in results])
        for site, calls in self.calls.items():
            self._states(site, calls)
            self._driven(site, calls[self.last])
            for position in range(len(arguments(calls[0])[1])):
                self._same([arguments(c)[1][position] for c in calls], f"the input of {site}", site)
        for number, (nodes, _) in enumerate(results):
            self._same(list(nodes), f"result {number}", "")
        return self._built(results)

    def _counts(self) -> Iterator[Finding]:
        for site, calls in self.calls.items():
            if len(calls) != self.steps:
                yield Finding(
                    f"is called {len(calls)} times in {self.steps} step{'s' * (self.steps > 1)}",
                    node=site,
                    source=(site,),
                    value=len(calls),
                    limit=self.steps,
                    hint="a layer with a state is called once per step; give steps= or "
                    "time_axis= as forward has them, and one layer for each use",
                )

    def _result(self, value: Any) -> tuple[tuple[fx.Node, ...], str | None]:
        """Give the nodes of a result, one per step, and how the module reads it over time."""
        if isinstance(value, Decoded):
            if len(value.nodes) != self.steps:
                raise ConversionError(
                    f"a result is read over {len(value.nodes)} of {self.steps} steps",
                    hint="sum, average or maximise over all steps, or return the sequence",
                )
            return value.nodes, value.how
        if isinstance(value, Steps):
            own = value.folded and not self.unrolled.folded
            if own or len(value.nodes) != self.steps:
                raise ConversionError(
                    f"a result holds {len(value.nodes)} of {self.steps} steps, or time and batch "
                    "on one axis",
                    hint="return the whole sequence, or its last step",
                )
            return value.nodes, None
        if not isinstance(value, fx.Node):
            raise ConversionError(f"the module returns a {type(value).__name__}")
        if self.stepped:
            return (value,), None
        nodes, how = accumulated(value, self.unrolled.stamp, self.steps)
        if nodes:
            return nodes, how
        if 0 <= self.unrolled.stamp(value) < self.last:
            raise ConversionError(
                f"a result is the value of step {self.unrolled.stamp(value)} of {self.steps}",
                hint="return the sequence as one tensor: torch.stack(values)",
            )
        return (value,), "membrane"

    def _driven(self, site: str, call: fx.Node) -> None:
        """Refuse a layer whose input is no signal: perhaps one that arrives in later steps."""
        fixed = self.unrolled.program.constants
        reads = self._closure(list(arguments(call)[1]))
        signals = [
            n
            for n in reads
            if n.target in (LEAF, step_of) or (n.op == "placeholder" and n.target not in fixed)
        ]
        if not signals:
            raise ConversionError(
                Finding(
                    f"its input is constant in the first {self.steps} steps",
                    node=site,
                    source=(site,),
                    hint="where it arrives later, give an example of more steps than that takes",
                )
            )

    # -- the same at every step ---------------------------------------------------------------

    def _parameters(self, results: list[tuple[fx.Node, ...]]) -> None:
        """Find the parameters that each step has of its own."""
        given = [
            [arguments(call)[1][position] for call in calls]
            for calls in self.calls.values()
            for position in range(len(arguments(calls[0])[1]))
        ]
        values = [v for v in (*given, *results) if len(v) == self.steps]
        self.columns = find_columns(values, self.unrolled.program.constants, self._key)
        self.keys.clear()

    def _states(self, site: str, calls: list[fx.Node]) -> None:
        """Check that a state that is handed in is what the layer gave the step before."""
        leaf = self.leaves[site]
        for position, name in enumerate(leaf.states):
            if position >= len(arguments(calls[0])[2]):
                return
            first = arguments(calls[0])[2][position]
            if self.stepped and first.op == "placeholder":
                self.handed[str(first.target)] = (site, position + 1)
            else:
                value = self._constant(first, f"the initial {name} of {site}")
                self.initial.setdefault(site, {})[name] = value
            for t in range(1, self.steps):
                node = arguments(calls[t])[2][position]
                if self._terminal(node) != (site, position + 1, t - 1):
                    raise ConversionError(
                        Finding(
                            f"its {name} is changed between two steps, or is not its own",
                            node=site,
                            source=(site,),
                            hint="hand each state back as the layer returned it",
                        )
                    )

    def _terminal(self, node: fx.Node) -> tuple[str, int, int] | None:
        """Give layer, output and step of a value that a layer gave."""
        made = leaf_call(node)
        if made is None:
            return None
        return str(made[0].args[0]), made[1], self.ordinal[made[0]]

    def _key(self, node: fx.Node, step: int) -> Key:
        """Describe a value relative to a step; equal keys compute the same."""
        known = self.keys.get((node, step))
        if known is not None:
            return known
        found = self._terminal(node)
        if (node, step) in self.columns.heads:
            key: Key = ("column", self.columns.heads[(node, step)].name)
        elif found is not None:
            key = ("leaf", *found[:2], step - found[2])
        elif node.op == "placeholder":
            key = ("given", node.target)
        elif node.target is step_of:
            key = ("step", node.args[0], step - int(node.args[2]))  # type: ignore[arg-type]
        else:
            key = (node.target, *flat((node.args, node.kwargs), lambda n: self._key(n, step)))
        self.keys[(node, step)] = key
        return key

    def _same(self, nodes: list[fx.Node], what: str, site: str) -> None:
        """Check a value over the steps; note what is read from before the first one."""
        offset = self.steps - len(nodes)
        last = self._key(nodes[-1], self.last)
        delay = max((k[3] for k in leaf_reads(last)), default=0)
        for t, node in enumerate(nodes[:-1], offset):
            if t >= delay and self._key(node, t) != last:
                raise self._differs(what, site, t)
            if t < delay:
                self._beside(nodes[-1], node, t, what, site)
        if len(nodes) == 1 and delay and self.steps > 1:
            raise ConversionError(
                f"{what} is one value of several steps that is no sum, mean, maximum or last step",
                hint="return the sequence as one tensor: torch.stack(values)",
            )

    def _beside(self, last: fx.Node, node: fx.Node, step: int, what: str, site: str) -> None:
        """Walk a value of the last step and of an early one; find the initial values."""
        found = self._terminal(last)
        if found is not None and self.last - found[2] > step:
            read = (*found[:2], self.last - found[2])
            self.reads.setdefault(read, []).append(self._constant(node, what))
            return
        if self._key(last, self.last) == self._key(node, step):
            return
        mine, theirs = list(last.all_input_nodes), list(node.all_input_nodes)
        if found is not None or operation(last) != operation(node):
            raise self._differs(what, site, step)
        for a, b in zip(mine, theirs, strict=True):
            self._beside(a, b, step, what, site)

    def _differs(self, what: str, site: str, step: int) -> ConversionError:
        return ConversionError(
            Finding(
                f"{what} is computed otherwise at step {step} than at step {self.last}: a value "
                "is carried from step to step outside of a stateful layer, or forward branches",
                node=site,
                source=(site,) if site else (),
                hint="carry values over time in layers, such as a neuron without reset",
            )
        )

    def _constant(self, node: fx.Node, what: str) -> Array:
        """Compute what depends on parameters alone; give it for one sample.

        Raises:
            ConversionError: it depends on the input, or differs from sample to sample.
        """
        value = evaluated(node, self.unrolled.program.constants, what)
        array: Array = value.detach().cpu().numpy()
        if array.ndim and array.shape[0] == self.unrolled.batch:
            if (array != array[:1]).any():
                raise ConversionError(f"{what} differs from sample to sample")
            array = array[0]
        return array

    # -- the step -----------------------------------------------------------------------------

    def _built(self, results: list[tuple[tuple[fx.Node, ...], str | None]]) -> Rolled:
        graph = fx.Graph()
        made: dict[fx.Node, fx.Node] = {}
        roots = [nodes[-1] for nodes, _ in results]
        wanted = self._closure(roots)
        inputs: list[tuple[int, str]] = []
        constants = dict(self.unrolled.program.constants)
        order = list(self.unrolled.program.inputs)
        for node in self.unrolled.graph.nodes:
            if node not in wanted:
                continue
            found = self._terminal(node)
            if node in self.columns.rows:
                made[node] = self.columns.placeholder(node, graph, constants)
            elif found is not None and found[2] < self.last:
                read: Any = self._previous(found)
                made[node] = graph.call_function(previous, (read,))
                made[node].meta = dict(node.meta)
            elif node.target is step_of:
                if node.args[2] != self.last:
                    raise ConversionError("the input of an earlier step is read again")
                given: Any = node.args[0]
                made[node] = graph.placeholder(str(given.target))
                made[node].meta = dict(node.meta)
                inputs.append((order.index(given.target), str(given.target)))
            elif node.target is LEAF:
                site, arrived, _, ranks, sizes = node.args
                mapped: Any = fx.map_arg(arrived, made.__getitem__)
                made[node] = graph.call_function(LEAF, (site, mapped, [], ranks, sizes))
                made[node].meta = dict(node.meta)
            else:
                made[node] = graph.node_copy(node, made.__getitem__)
                self.columns.rename(node, made[node], constants)
                if node.op == "placeholder" and node.target in order:
                    inputs.append((order.index(node.target), str(node.target)))
        graph.output(tuple(made[r] for r in roots))
        inputs.sort()
        program = Program(
            graph,
            constants,
            tuple(name for _, name in inputs),
            tuple(how for _, how in results),
        )
        axes = tuple(
            value.dim if isinstance(value, Steps) else (1 if self.stepped else None)
            for value in self.unrolled.results
        )
        used = tuple(position for position, _ in inputs)
        handed = {
            name: (site, self.leaves[site].outputs[output])
            for name, (site, output) in self.handed.items()
        }
        lasting = self.steps if self.columns.rows else None
        return Rolled(
            program=program,
            initial=self.initial,
            inputs=used,
            axes=axes,
            carried=self._carried(roots),
            arguments=tuple(order),
            handed=handed,
            lasting=lasting,
        )

    def _carried(self, roots: list[fx.Node]) -> dict[int, int]:
        """Find the results that hand states back to a module that is called once per step.

        Raises:
            ConversionError: a state comes in and is not returned.
        """
        order = list(self.unrolled.program.inputs)
        ends = {f[:2]: i for i, r in reversed(list(enumerate(roots))) if (f := self._terminal(r))}
        lost = {name: place for name, place in self.handed.items() if place not in ends}
        raise_findings(
            ConversionError,
            [
                Finding(
                    f"takes {self.leaves[site].outputs[output]} from forward's argument {name}, "
                    "and forward does not return it",
                    node=site,
                    source=(site,),
                    hint="return every state, or use layers that keep their own",
                )
                for name, (site, output) in lost.items()
            ],
        )
        return {order.index(name): ends[place] for name, place in self.handed.items()}

    def _closure(self, roots: list[fx.Node]) -> set[fx.Node]:
        """Give the nodes of the last step that the results depend on."""
        wanted: set[fx.Node] = set()
        todo = list(roots)
        while todo:
            node = todo.pop()
            if node in wanted:
                continue
            wanted.add(node)
            found = self._terminal(node)
            if found is not None:
                # a value of an earlier step needs its layer in this one
                call = self.calls[found[0]][self.last]
                todo.append(call)
            elif node.target is LEAF:
                todo += list(node.args[1])  # type: ignore[arg-type]
            elif node.target is not step_of and node not in self.columns.rows:
                todo += node.all_input_nodes
        return wanted

    def _previous(self, found: tuple[str, int, int]) -> Previous:
        site, output, step = found
        delay = self.last - step
        values = self.reads.get((site, output, delay), [])
        for value in values[1:]:
            if not np.array_equal(np.asarray(value), np.asarray(values[0])):
                raise ConversionError(
                    f"what is read of {site} before its first step differs from use to use",
                )
        return Previous(site, output, delay, values[0] if values else None)
