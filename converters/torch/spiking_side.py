"""Runs a spiking module in eager mode and records its layers: one side of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils import _pytree as pytree

from neurodeploy.comparison import Side
from neurodeploy.converters.torch.capture import reason, untouched
from neurodeploy.converters.torch.carrying import carried_apart
from neurodeploy.converters.torch.forms import Form
from neurodeploy.converters.torch.leaf import Leaf, set_sizes
from neurodeploy.errors import ConversionError, DataError, Finding, UsageError
from neurodeploy.ir.graph import Graph

__all__ = ["Reading", "arguments_of", "run_eagerly", "spiking_side"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
Rows = dict[tuple[str, str], list[torch.Tensor]]


def run_eagerly(
    module: nn.Module,
    leaves: Mapping[str, Leaf],
    form: Form,
    inputs: Mapping[str, torch.Tensor],
    timesteps: int,
    fixed: Mapping[str, int | None] | None = None,
) -> tuple[list[object], dict[tuple[str, str], Array]]:
    r"""Run a module over time from its initial state.

    Args:
        module: The module.
        leaves: Its stateful layers.
        form: How it meets time.
        inputs: By argument, (N, T, \*shape), or (N, \*shape) for a static input, for a state and
            for what is not used.
        timesteps: Steps of a module that is called once per step.
        fixed: Arguments without a time axis: for a state the position of the result that is
            handed back, None for what is not used.

    Returns:
        What each call returned, and by layer and output what was seen of it, (N, T, \*shape).
    """
    rows: Rows = {}
    with untouched(module), _seen(leaves, rows):
        samples, *lasting = next(iter(inputs.values())).shape
        set_sizes(module, samples, lasting[0] if form.kind == "sequence" else 1)
        for leaf in leaves.values():
            leaf.reset()
        try:
            if form.kind == "step":
                step = _carrying(module) if form.carries else module
                results = _stepped(step, inputs, timesteps, fixed or {})
            else:
                called = module(*(form.placed(x) for x in inputs.values()))
                called = carried_apart(called)[0] if form.carries else called
                results = [form.unfolded(called, samples)]
        except Exception as error:  # the user's code may raise anything
            shapes = ", ".join(f"{k} {list(x.shape)}" for k, x in inputs.items())
            raise ConversionError(
                f"the module does not run on {timesteps} steps ({shapes}): {reason(error)}",
                hint="forward must run for every number of steps; over time: x.shape[time_axis]",
            ) from error
    seen = {
        key: np.moveaxis(values[0].numpy(), 0, 1)
        if leaves[key[0]].over_time
        else np.stack([v.numpy() for v in values], axis=1)
        for key, values in rows.items()
    }
    return results, seen


def _stepped(
    module: Callable[..., object],
    inputs: Mapping[str, torch.Tensor],
    timesteps: int,
    fixed: Mapping[str, int | None],
) -> list[object]:
    """Call a module once per step and hand it back the states that it returned."""
    states = {name: inputs[name] for name in fixed}
    results: list[object] = []
    for t in range(timesteps):
        given = (states[name] if name in states else x[:, t] for name, x in inputs.items())
        results.append(module(*given))
        flat = pytree.tree_leaves(results[-1])
        states |= {name: flat[position] for name, position in fixed.items() if position is not None}
    return results


def _carrying(module: nn.Module) -> Callable[..., object]:
    """Give a module as a function that hands it the state that it returned the last time."""
    state: list[object] = [None]

    def step(*inputs: torch.Tensor) -> object:
        out, state[0] = carried_apart(module(*inputs, state=state[0]))
        return out

    return step


@contextmanager
def _seen(leaves: Mapping[str, Leaf], rows: Rows) -> Iterator[None]:
    def hook(leaf: Leaf) -> Any:
        def keep(layer: nn.Module, args: object, result: object) -> None:
            for name, value in leaf.observed(result).items():
                rows.setdefault((leaf.path, name), []).append(value.detach().cpu().clone())

        return keep

    handles = [leaf.module.register_forward_hook(hook(leaf)) for leaf in leaves.values()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True)
class Reading:
    """How a module and the graph that was read from it belong together.

    Attributes:
        form: How the module meets time.
        nodes: By layer and output, where that is in the graph.
        inputs: By argument of ``forward``, the input node; None for a state, and for an argument
            that is not used.
        states: By argument that is no input, its value before the first step, for one sample.
        carried: By argument that is a state, the position of the result that is handed back.
        results: By output node, position and axis of time of a result that holds every step.
        decoded: By output node, position of a result that the module reads over time itself.
    """

    form: Form
    nodes: Mapping[tuple[str, str], Key]
    inputs: Mapping[str, str | None]
    states: Mapping[str, torch.Tensor]
    carried: Mapping[str, int]
    results: Mapping[Key, tuple[int, int]]
    decoded: Mapping[Key, int]


def arguments_of(
    reading: Reading, graph: Graph, inputs: Mapping[str, Array], timesteps: int
) -> dict[str, torch.Tensor]:
    """Give what ``forward`` takes, by argument, from samples by input node."""
    samples = next(iter(inputs.values())).shape[0]
    given: dict[str, torch.Tensor] = {}
    for argument, name in reading.inputs.items():
        if name is None:
            state = reading.states[argument]
            given[argument] = state.unsqueeze(0).expand(samples, *state.shape).contiguous()
        else:
            x = torch.from_numpy(np.ascontiguousarray(inputs[name]))
            rank = len(graph.signals[(name, "out")].shape)
            given[argument] = _over_time(x, rank, timesteps, reading.form)
    return given


def spiking_side(
    module: nn.Module, graph: Graph, leaves: Mapping[str, Leaf], reading: Reading
) -> Side:
    """Give a side of a comparison that runs a spiking module itself.

    Args:
        module: The module.
        graph: What it was read into.
        leaves: Its stateful layers.
        reading: How the two belong together.
    """
    back = {
        key: place
        for place, key in reversed(list(reading.nodes.items()))
        if place[1] in leaves[place[0]].comparable
    }
    form = reading.form

    def run(
        inputs: Mapping[str, Array],
        timesteps: int,
        *,
        record: Collection[Key],
        seed: int = 0,
        first_sample: int = 0,
    ) -> dict[Key, Array]:
        samples = next(iter(inputs.values())).shape[0]
        given = arguments_of(reading, graph, inputs, timesteps)
        fixed = {name: reading.carried.get(name) for name in reading.states}
        if form.kind == "static" and timesteps > form.steps:
            raise UsageError(
                Finding(
                    f"forward loops over {form.steps} steps by itself, not {timesteps}",
                    node="timesteps",
                    hint=f"timesteps={form.steps} at most, and samples without a time axis",
                )
            )
        called, seen = run_eagerly(module, leaves, form, given, timesteps, fixed)
        found: dict[Key, Array] = {}
        for key in record:
            values = seen[back[key]] if key in back else _result(called, *reading.results[key])
            values = values[:, :timesteps]
            if values.shape[:2] != (samples, timesteps):
                raise ConversionError(
                    f"{key[0]}: the module gives {values.shape[1]} of {timesteps} steps",
                    hint="forward must run for every number of steps and return all of them",
                )
            found[key] = values.reshape(*values.shape[:2], *graph.signals[key].shape)
        return found

    return Side(graph, run, keys=frozenset({*back, *reading.results}))


def _over_time(x: torch.Tensor, rank: int, timesteps: int, form: Form) -> torch.Tensor:
    """Give a constant value at every step, where the module takes steps."""
    if form.kind == "static" and x.ndim > rank + 1:
        raise DataError(
            "forward takes a static input, and the samples have a time axis",
            hint="shape (samples, *input)",
        )
    if form.kind == "static" or x.ndim > rank + 1:
        return x
    return x.unsqueeze(1).expand(-1, timesteps, *x.shape[1:]).contiguous()


def _result(called: list[object], position: int, axis: int) -> Array:
    values = [pytree.tree_leaves(result)[position].detach().cpu() for result in called]
    value: Array = (torch.stack(values, dim=1) if len(values) > 1 else values[0]).numpy()
    return value if len(values) > 1 else np.moveaxis(value, axis, 1)
