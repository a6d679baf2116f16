"""Graphs as torch modules: trained by backpropagation through time, and written back.

Cells compute exactly what the reference computes; sums of float Maps come from torch's kernels
(`neurodeploy.training.maps`). Spikes get a surrogate gradient (`neurodeploy.semantics.surrogate`).
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurodeploy.errors import Finding, GraphError, UsageError, raise_findings
from neurodeploy.ir.check import tensor_names
from neurodeploy.ir.graph import Change, Graph
from neurodeploy.ir.nodes import Cell, Map
from neurodeploy.ir.types import BOOL, num_type_text
from neurodeploy.ir.types import tensor as make_tensor
from neurodeploy.semantics.surrogate import Surrogate, register_surrogate, surrogate
from neurodeploy.semantics.types import Float
from neurodeploy.training.inputs import prepared_inputs
from neurodeploy.training.stepper import Key, TorchStepper, Trace, signal_dtype

__all__ = [
    "GraphModule",
    "Surrogate",
    "attribute_of",
    "from_torch",
    "register_surrogate",
    "surrogate",
    "to_torch",
]

Outputs = Tensor | dict[str, Tensor]
RESERVED = frozenset(dir(nn.Module()))


class GraphModule(nn.Module):
    """A graph that torch can train.

    Float weights and float parameters of cells are parameters; integer tensors, index tables and
    initial states are buffers. They live in the submodule ``tensors``, whose names have ``/``
    where the graph's have a dot; `tensor` finds one by its name in the graph.

    Attributes:
        graph: The graph that it was made from; training does not change it (`from_torch` gives
            the trained one).
        surrogate: Derivative of the spikes.
    """

    def __init__(self, graph: Graph, spike_surrogate: Surrogate) -> None:
        super().__init__()
        self.graph = graph
        self.surrogate = spike_surrogate
        self.tensors = nn.Module()
        trained = trained_names(graph)
        for name, given in graph.tensors.items():
            data = torch.from_numpy(np.array(given.data)).to(signal_dtype(given.type))
            if name in trained:
                self.tensors.register_parameter(attribute_of(name), nn.Parameter(data))
            else:
                self.tensors.register_buffer(attribute_of(name), data)

    def __deepcopy__(self, memo: dict[int, Any]) -> GraphModule:
        memo[id(self.graph)] = self.graph  # a graph never changes
        made = GraphModule.__new__(GraphModule)
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    def tensor(self, name: str) -> Tensor:
        """Give the parameter or buffer of a tensor of the graph.

        Raises:
            UsageError: the graph has no such tensor.
        """
        if name not in self.graph.tensors:
            raise UsageError(
                f"the graph has no tensor {name!r}", hint=f"{list(self.graph.tensors)}"
            )
        found: Tensor = getattr(self.tensors, attribute_of(name))
        return found

    def forward(
        self,
        x: Tensor | Mapping[str, Tensor],
        timesteps: int | None = None,
        *,
        record: Collection[Key] = (),
        truncate: int | None = None,
        seed: int = 0,
        first_sample: int = 0,
    ) -> Outputs | tuple[Outputs, Trace]:
        r"""Run the graph from its initial state.

        Args:
            x: The input, or inputs by name: (N, T, \*shape), or (N, \*shape) for a value that is
                presented unchanged at every step. Spikes are bools or floats of 0 and 1.
            timesteps: Number of steps; else that of the data, else the graph's, else 1.
            record: Outputs and states to give as well, as (node, output).
            truncate: Cut the gradient every so many steps (truncated backpropagation).
            seed: Seed of the random bits.
            first_sample: Ordinal of the first sample within the run, for the random bits.

        Returns:
            The output at every step, (N, T, \*output), or a dict of them if there are several;
            with ``record``, a pair of that and of the recorded values (N, T, \*shape), by key.
            Spikes are float32 0 and 1, integers int64.

        Raises:
            DataError: an input is missing, or of the wrong shape, type or length.
            UsageError: an unknown name, or the module was converted to another float type.
            GraphError: a value leaves the range that a cell declared for it.
        """
        self._check(record, truncate)
        inputs, steps = prepared_inputs(self.graph, x, timesteps)
        first = next(iter(inputs.values()))
        tensors = {name: self.tensor(name) for name in self.graph.tensors}
        stepper = TorchStepper(
            self.graph, tensors, first.shape[0], first.device, self.surrogate, seed, first_sample
        )
        kept: dict[Key, list[Tensor]] = {
            key: [] for key in (*((o.name, "out") for o in self.graph.outputs), *record)
        }
        for step in range(steps):
            if truncate and step and step % truncate == 0:
                stepper.detach()
            ranks = {node.name: len(node.shape) for node in self.graph.inputs}
            now = {n: v[:, step] if v.ndim > ranks[n] + 1 else v for n, v in inputs.items()}
            values = stepper.step(now)
            for key, recorded in kept.items():
                recorded.append(values[key])
        found = {key: self._stacked(key, recorded) for key, recorded in kept.items()}
        by_name = {o.name: found[(o.name, "out")] for o in self.graph.outputs}
        outputs: Outputs = by_name if len(by_name) > 1 else next(iter(by_name.values()))
        return (outputs, {key: found[key] for key in record}) if record else outputs

    def _stacked(self, key: Key, recorded: list[Tensor]) -> Tensor:
        if self.graph.signals[key].type == BOOL:
            recorded = [value.to(torch.float32) for value in recorded]
        return torch.stack(recorded, dim=1)

    def _check(self, record: Collection[Key], truncate: int | None) -> None:
        found = [
            Finding(f"there is no output {key!r} to record", hint="give pairs (node, output)")
            for key in record
            if key not in self.graph.signals
        ]
        if truncate is not None and truncate < 1:
            found.append(Finding(f"truncate is {truncate}", hint="at least 1 step"))
        for name, given in self.graph.tensors.items():
            held, due = self.tensor(name).dtype, signal_dtype(given.type)
            if held != due:
                found.append(
                    Finding(
                        f"tensor {name!r} is {held}, the graph computes it in {due}",
                        hint="a graph has its own types: no .half(), .double() or .to(dtype)",
                    )
                )
        raise_findings(UsageError, found)


def attribute_of(name: str) -> str:
    """Give the name under which torch holds a tensor; no two names share one."""
    escaped = name.replace("%", "%25").replace("/", "%2F").replace(".", "/")
    return f"{escaped}%" if not escaped or escaped in RESERVED else escaped


def trained_names(graph: Graph) -> set[str]:
    """Give the tensors that training may change: float weights, biases and cell parameters."""
    used: set[str] = set()
    for node in graph.nodes:
        if isinstance(node, Cell):
            used |= {p.tensor for p in node.params}
        elif isinstance(node, Map):
            used |= set(tensor_names(node))
    return {name for name in used if isinstance(graph.tensors[name].type, Float)}


def to_torch(
    graph: Graph,
    *,
    surrogate: Surrogate | str = "fast_sigmoid",
    slope: float | None = None,
) -> GraphModule:
    """Make a trainable module of a graph.

    Args:
        graph: The graph.
        surrogate: Derivative of the spikes: a registered name, or a surrogate.
        slope: Slope of a surrogate given by name; its usual one unless given.

    Raises:
        UsageError: the surrogate is unknown, or a slope stands beside a surrogate object.
    """
    return GraphModule(graph, _chosen(surrogate, slope))


def _chosen(given: Surrogate | str, slope: float | None) -> Surrogate:
    if isinstance(given, str):
        return surrogate(given, slope)
    if slope is not None:
        raise UsageError("a slope stands beside a surrogate that has one")
    return given


def from_torch(module: GraphModule, graph: Graph) -> Graph:
    """Write the values of a trained module into a graph, and record what changed.

    Args:
        module: The module.
        graph: The graph that it was made from, or one with the same tensors.

    Returns:
        The graph with the module's float weights and parameters, in the graph's types, and one
        change for each node whose values differ.

    Raises:
        GraphError: the tensors of the two differ in name, shape or type, or a value is NaN or
            infinite.
    """
    raise_findings(GraphError, _mismatches(module.graph, graph))
    made = dict(graph.tensors)
    found: list[Finding] = []
    for name in sorted(trained_names(module.graph)):
        values = module.tensor(name).detach().cpu().numpy()
        try:
            made[name] = make_tensor(values, graph.tensors[name].type, name=name)
        except GraphError as error:
            found += error.findings
    raise_findings(GraphError, found)
    changed = {name for name in made if made[name] != graph.tensors[name]}
    trained = replace(graph, tensors=made)
    return trained.with_changes(*_changes(graph, trained, changed))


def _mismatches(mine: Graph, other: Graph) -> Iterator[Finding]:
    for name in sorted(set(mine.tensors) ^ set(other.tensors)):
        yield Finding(f"only one of module and graph has the tensor {name!r}")
    for name in sorted(set(mine.tensors) & set(other.tensors)):
        a, b = mine.tensors[name], other.tensors[name]
        if a.data.shape != b.data.shape or a.type != b.type:
            yield Finding(
                f"tensor {name!r} is {num_type_text(a.type)}{list(a.data.shape)} in the module, "
                f"{num_type_text(b.type)}{list(b.data.shape)} in the graph"
            )


def _changes(before: Graph, after: Graph, changed: set[str]) -> Iterator[Change]:
    for node in before.nodes:
        for name in dict.fromkeys(tensor_names(node)):
            if name not in changed:
                continue
            old, new = (g.tensors[name].data.astype(np.float64) for g in (before, after))
            largest = float(np.abs(new - old).max(initial=0))
            yield Change(
                node=node.name,
                source=node.source,
                step="train",
                what=f"{name} replaced by trained values",
                amount=f"by at most {largest:.6g}",
                why="values of the trained torch module",
            )
