"""Reads a spiking PyTorch module: capture a few steps, find the one that repeats, translate it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import torch
from torch import nn

from neurodeploy.comparison import Side
from neurodeploy.converters.torch.capture import export, untouched
from neurodeploy.converters.torch.carrying import Carried, with_carrying
from neurodeploy.converters.torch.example import Example
from neurodeploy.converters.torch.folding import with_folding
from neurodeploy.converters.torch.forms import CAPTURED_STEPS, Form, Repeated
from neurodeploy.converters.torch.leaf import Leaf, find_rewrites, set_sizes
from neurodeploy.converters.torch.opaque import opaque
from neurodeploy.converters.torch.program import exported, unwrapped
from neurodeploy.converters.torch.roll import Rolled, roll
from neurodeploy.converters.torch.select import choose, result_names
from neurodeploy.converters.torch.spiking_side import Reading, spiking_side
from neurodeploy.converters.torch.unroll import Unroll
from neurodeploy.converters.torch.verify_spiking import verify_spiking
from neurodeploy.converters.torch.walk import Walk
from neurodeploy.errors import ConversionError, Finding, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Decode
from neurodeploy.semantics.types import Float

__all__ = ["SpikingModel", "read_spiking"]


@dataclass(frozen=True)
class SpikingModel:
    """A spiking module and its graph, shown to compute the same.

    Attributes:
        module: The module.
        graph: The graph.
        leaves: The module's stateful layers.
        reading: How the two belong together.
    """

    module: nn.Module
    graph: Graph
    leaves: Mapping[str, Leaf]
    reading: Reading

    def side(self) -> Side:
        """Give the module as one side of a comparison."""
        return spiking_side(self.module, self.graph, self.leaves, self.reading)


def read_spiking(
    module: nn.Module,
    leaves: Mapping[str, Leaf],
    example: Example,
    form: Form,
    *,
    dt: str | Fraction | None,
    output: int | str | None,
    float_type: Float,
) -> SpikingModel:
    """Read a spiking module into a graph and compare the two over several steps.

    Args:
        module: The module.
        leaves: Its stateful layers.
        example: Samples: (N, T, ...) for a module that takes a sequence, else (N, ...).
        form: How the module meets time.
        dt: Duration of a step.
        output: Which of several results to keep.
        float_type: Type of the module's parameters.

    Raises:
        ConversionError: everything that is not handled; or the first layer, step and neuron where
            the graph differs from the module.
    """
    form = with_folding(module, leaves, example, form)
    form = with_carrying(module, leaves, example.inputs, form)
    names, rolled = _captured(module, leaves, example, form)
    walk = Walk(
        rolled.program,
        dt=dt,
        float_type=float_type,
        owner=type(module).__name__,
        leaves=leaves,
        initial=rolled.initial,
    )
    walk.run()
    chosen = list(choose(names, output))
    for position in chosen:
        how = rolled.program.decodes[position]
        name = names[position] if len(names) > 1 else "out"
        walk.output(position, name, cast("Decode | None", how))
    graph = walk.build(
        {
            "framework": "torch",
            "framework_version": str(torch.__version__),
            "model": type(module).__name__,
            **form.noted(),
            **({} if output is None else {"output": str(output)}),
        }
    )
    model = SpikingModel(
        module, graph, leaves, _reading(walk, graph, rolled, example, form, chosen)
    )
    verify_spiking(module, model.side(), graph, leaves, model.reading, example)
    return model


def _captured(
    module: nn.Module, leaves: Mapping[str, Leaf], example: Example, form: Form
) -> tuple[tuple[str, ...], Rolled]:
    """Export the module over a few steps and find the one that repeats."""
    rewrites = find_rewrites(module)
    stepped = form.kind == "step" and not rewrites and not form.carries
    repeated = form.kind == "step" and not stepped
    given = Example(form.captured(example.inputs, repeated=repeated))
    whole = Repeated(module) if repeated else module
    if form.carries:
        whole = Carried(module, loops=repeated)
    with untouched(module), opaque(leaves, rewrites):
        set_sizes(module, example.samples, CAPTURED_STEPS if form.kind == "sequence" else 1)
        program = export(whole, given)
    spec = program.call_spec.out_spec
    if spec is None:
        raise ConversionError("the module returns nothing")
    names = result_names(spec)
    taken = exported(program)
    if whole is not module:
        taken = unwrapped(taken, "module", list(given.inputs))
    axis = 0 if repeated else form.time_axis
    timed: dict[str, int] = {}
    steps = form.steps if form.kind == "static" else 1
    if form.kind == "sequence" or repeated:
        steps = CAPTURED_STEPS
        timed = dict.fromkeys(taken.inputs, axis)
    unrolled = Unroll(taken, timed, steps, example.samples, leaves, folded=form.folded)
    unrolled.run()
    rolled = roll(unrolled, leaves, stepped=stepped)
    if stepped:
        _refuse_lost(leaves, rolled)
    return names, rolled


def _refuse_lost(leaves: Mapping[str, Leaf], rolled: Rolled) -> None:
    """Refuse layers that start anew at each call of a module that makes one step."""
    raise_findings(
        ConversionError,
        [
            Finding(
                "starts from a new state in each call of forward",
                node=site,
                source=(site,),
                hint="forward(x, state=None), returning (out, state)",
            )
            for site in rolled.initial
            if not leaves[site].keeps_state
        ],
    )


def _reading(
    walk: Walk, graph: Graph, rolled: Rolled, example: Example, form: Form, chosen: list[int]
) -> Reading:
    arguments = list(example.inputs)
    used = dict(zip(rolled.inputs, walk.input_names, strict=True))
    nodes: dict[tuple[str, str], tuple[str, str]] = {}
    for site, outputs in walk.states.items():
        for name, ref in outputs.items():
            if ref.delay == 0 and (ref.node, ref.output) in graph.signals:
                nodes[(site, name)] = (ref.node, ref.output)
    results: dict[tuple[str, str], tuple[int, int]] = {}
    decoded: dict[tuple[str, str], int] = {}
    for key, position in zip(walk.output_keys, chosen, strict=True):
        axis = rolled.axes[position]
        if axis is None:
            decoded[key] = position
        else:
            results[key] = (position, axis)
    values: Any = list(example.inputs.values())
    return Reading(
        form=form,
        nodes=nodes,
        inputs={name: used.get(i) for i, name in enumerate(arguments)},
        states={a: values[i][0] for i, a in enumerate(arguments) if i not in used},
        carried={arguments[i]: result for i, result in rolled.carried.items()},
        results=results,
        decoded=decoded,
    )
