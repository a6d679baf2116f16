"""Reads a spiking PyTorch module: capture a few steps, find the one that repeats, translate it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypedDict, cast

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
from neurodeploy.converters.torch.program import Rolled, exported, unwrapped
from neurodeploy.converters.torch.roll import roll
from neurodeploy.converters.torch.select import choose, result_names
from neurodeploy.converters.torch.spiking_side import Reading, spiking_side
from neurodeploy.converters.torch.unroll import Unroll
from neurodeploy.converters.torch.verify_spiking import VERIFIED_STEPS, verify_spiking
from neurodeploy.converters.torch.walk import Walk
from neurodeploy.errors import ConversionError, DataError, Finding, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Decode
from neurodeploy.semantics.types import Float

__all__ = ["SpikingModel", "read_spiking"]

# each step is a copy of all operators
MOST_CAPTURED = 128


class _Options(TypedDict):
    dt: str | Fraction | None
    output: int | str | None
    float_type: Float


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
    lasting = _lasting(example, form)
    form = with_folding(module, leaves, example, form)
    form = with_carrying(module, leaves, example.inputs, form)
    more: _Options = {"dt": dt, "output": output, "float_type": float_type}
    try:
        return _read(module, leaves, example, form, CAPTURED_STEPS, **more)
    except ConversionError:
        # a delay of more steps, or a loop over a number of steps that forward knows
        if not CAPTURED_STEPS < lasting <= MOST_CAPTURED:
            raise
        return _read(module, leaves, example, form, lasting, **more)


def _lasting(example: Example, form: Form) -> int:
    """Give the steps that the example of a module that takes a sequence has; else 0."""
    if form.kind != "sequence":
        return 0
    found = [
        Finding(
            f"the example of shape {list(x.shape)} holds no sequence",
            node=name,
            hint="shape (samples, steps, *input)",
        )
        for name, x in example.inputs.items()
        if x.ndim < 2 or x.shape[1] < 1
    ]
    lengths = {int(x.shape[1]) for x in example.inputs.values() if x.ndim > 1}
    if len(lengths) > 1:
        found.append(Finding(f"the inputs last {sorted(lengths)} steps"))
    raise_findings(DataError, found)
    return lengths.pop()


def _read(
    module: nn.Module,
    leaves: Mapping[str, Leaf],
    example: Example,
    form: Form,
    captured: int,
    *,
    dt: str | Fraction | None,
    output: int | str | None,
    float_type: Float,
) -> SpikingModel:
    """Read a module that is captured over some steps of a sequence; see `read_spiking`."""
    names, rolled = _captured(module, leaves, example, form, captured)
    sequence = form.kind == "sequence"
    if rolled.lasting is not None and form.kind != "static":
        _refuse_part(rolled.lasting, _lasting(example, form))
    if sequence and captured == CAPTURED_STEPS and "membrane" in rolled.program.decodes:
        # the last step, and not the third
        _captured(module, leaves, example, form, captured + 1)
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
            **_noted_states(walk, rolled, example),
            **({} if output is None else {"output": str(output)}),
        }
    )
    model = SpikingModel(
        module, graph, leaves, _reading(walk, graph, rolled, example, form, chosen)
    )
    # a loop of the module's own cannot run for longer than what was captured
    least = captured if captured > CAPTURED_STEPS else VERIFIED_STEPS
    verify_spiking(module, model.side(), graph, leaves, model.reading, example, least)
    return model


def _noted_states(walk: Walk, rolled: Rolled, example: Example) -> dict[str, str]:
    """Give, for each argument of ``forward`` that is a state, the node and state that it became."""
    names = dict(zip(rolled.arguments, example.inputs, strict=False))
    refs = {names[a]: walk.states[site][state] for a, (site, state) in rolled.handed.items()}
    return {f"state.{name}": f"{ref.node}.{ref.output}" for name, ref in refs.items()}


def _refuse_part(known: int, steps: int) -> None:
    """Refuse parameters of each step that were not read for all steps.

    Raises:
        ConversionError: the example has other steps, or the module takes one step per call.
    """
    if not steps:
        raise ConversionError(
            "each step has parameters of its own, and forward takes one step",
            hint="a forward over the whole sequence, and time_axis=",
        )
    if known < steps:
        raise ConversionError(
            f"each step has parameters of its own, and the example has {steps} steps",
            hint=f"at most {MOST_CAPTURED}",
        )


def _captured(
    module: nn.Module, leaves: Mapping[str, Leaf], example: Example, form: Form, captured: int
) -> tuple[tuple[str, ...], Rolled]:
    """Export the module over a few steps and find the one that repeats."""
    rewrites = find_rewrites(module)
    stepped = form.kind == "step" and not rewrites and not form.carries
    repeated = form.kind == "step" and not stepped
    given = Example(form.captured(example.inputs, repeated=repeated, steps=captured))
    whole = Repeated(module) if repeated else module
    if form.carries:
        whole = Carried(module, loops=repeated)
    with untouched(module), opaque(leaves, rewrites):
        set_sizes(module, example.samples, captured if form.kind == "sequence" else 1)
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
        steps = captured
        timed = dict.fromkeys(taken.inputs, axis)
    unrolled = Unroll(taken, timed, steps, example.samples, leaves, folded=form.folded)
    unrolled.run()
    rolled = _with_handed(roll(unrolled, leaves, stepped=stepped), taken.inputs, example)
    if stepped:
        _refuse_lost(leaves, rolled)
    return names, rolled


def _with_handed(rolled: Rolled, arguments: Sequence[str], example: Example) -> Rolled:
    """Start layers from the states that the example hands to a module of one step.

    Raises:
        ConversionError: they differ from sample to sample.
    """
    initial = {site: dict(states) for site, states in rolled.initial.items()}
    values = dict(zip(arguments, example.inputs.items(), strict=False))
    for argument, (site, state) in rolled.handed.items():
        name, value = values[argument]
        if bool((value != value[:1]).any()):
            raise ConversionError(
                Finding(
                    f"its {state}, forward's argument {name}, differs from sample to sample",
                    node=site,
                    source=(site,),
                    hint="give the state from before the first step, such as zeros",
                )
            )
        initial.setdefault(site, {})[state] = value[0].detach().cpu().numpy()
    return replace(rolled, initial=initial)


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
