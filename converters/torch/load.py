"""Reads a plain PyTorch module: screen, capture, translate, compare with eager mode."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import ModuleType
from typing import TYPE_CHECKING

from neurodeploy.errors import ConversionError, Finding, MissingDependencyError
from neurodeploy.ir.graph import Graph
from neurodeploy.semantics.types import F32, Float

if TYPE_CHECKING:
    from torch import nn

    from neurodeploy.converters.torch.leaf import Leaf
    from neurodeploy.converters.torch.load_spiking import SpikingModel

__all__ = ["load_torch", "spiking_model"]


def load_torch(
    module: nn.Module,
    *,
    example: object,
    time_axis: int | None = None,
    steps: int | None = None,
    dt: str | Fraction | None = None,
    output: int | str | None = None,
    float_type: Float = F32,
) -> Graph:
    r"""Read a network into a graph of one step.

    Spiking layers are read as they are; `neurodeploy.converters.torch.forms` tells in which ways
    ``forward`` may meet time.

    The module is run in evaluation mode, without gradients, and is left as it was: modes,
    buffers and attributes. The graph is run by the reference on up to eight samples of the
    example and must give what the module gives, within 1e-5 of the largest output or 4 times the
    reference's own rounding error.

    Args:
        module: The module.
        example: Samples, batch first: an array or tensor, a sequence of them where ``forward``
            takes several, or a mapping from the names of its arguments. Of a spiking module, the
            graph is compared with it over all steps of the example, at least 8: what ``forward``
            does otherwise after those steps, such as a branch on the time, is not seen.
        time_axis: Axis of time of what ``forward`` takes, where it takes a sequence; the example
            then is (N, T, \*input). Refused for a network without spiking neurons.
        steps: Steps, where ``forward`` takes one static input and loops by itself.
        dt: Duration of a step, such as ``"1ms"``, for what is later made of the graph.
        output: Which of several outputs to keep, by position or name; all by default.
        float_type: Type of the module's parameters.

    Raises:
        ConversionError: everything that is not handled, all at once; or the graph does not
            compute what the module does.
        DataError: the example is no batch of finite floats.
        GraphError: all parameters that hold NaN or infinity.
        UsageError: an argument that does not go with the module.
    """
    torch = _torch()
    from neurodeploy.converters.torch.capture import capture, plain_module
    from neurodeploy.converters.torch.example import example_inputs
    from neurodeploy.converters.torch.leaf import find_leaves
    from neurodeploy.converters.torch.program import exported
    from neurodeploy.converters.torch.screen import screen
    from neurodeploy.converters.torch.select import choose
    from neurodeploy.converters.torch.verify import verify
    from neurodeploy.converters.torch.walk import Walk

    plain = plain_module(module)
    leaves = find_leaves(plain)
    if leaves:
        return spiking_model(
            plain,
            example,
            leaves,
            time_axis=time_axis,
            steps=steps,
            dt=dt,
            output=output,
            float_type=float_type,
        ).graph
    _refuse_time(time_axis, steps)
    screen(plain, float_type)
    captured = capture(plain, example_inputs(plain, example, float_type))
    program = exported(captured.program)
    walk = Walk(program, dt=dt, float_type=float_type, owner=type(plain).__name__)
    walk.run()
    chosen = choose(captured.names, output)
    for position in chosen:
        walk.output(position, captured.names[position] if len(captured.names) > 1 else "out")
    graph = walk.build(
        {
            "framework": "torch",
            "framework_version": str(torch.__version__),
            "model": type(plain).__name__,
        }
    )
    verify(graph, walk, captured, chosen)
    return graph


def spiking_model(
    module: nn.Module,
    example: object,
    leaves: Mapping[str, Leaf] | None = None,
    *,
    time_axis: int | None = None,
    steps: int | None = None,
    dt: str | Fraction | None = None,
    output: int | str | None = None,
    float_type: Float = F32,
) -> SpikingModel:
    r"""Read a spiking module; give it together with its graph.

    Args:
        module: The module.
        example: Samples, batch first; (N, T, \*input) for a module that takes a sequence.
        leaves: Its stateful layers, where they are known.
        time_axis: See `load_torch`.
        steps: See `load_torch`.
        dt: Duration of a step.
        output: Which of several outputs to keep.
        float_type: Type of the module's parameters.

    Raises:
        ConversionError: everything that is not handled, or the two differ.
    """
    from neurodeploy.converters.torch.example import example_inputs
    from neurodeploy.converters.torch.forms import form_of
    from neurodeploy.converters.torch.leaf import find_leaves
    from neurodeploy.converters.torch.load_spiking import read_spiking
    from neurodeploy.converters.torch.screen import screen

    found = find_leaves(module) if leaves is None else leaves
    form = form_of(time_axis, steps)
    screen(module, float_type)
    given = example_inputs(module, example, float_type)
    return read_spiking(module, found, given, form, dt=dt, output=output, float_type=float_type)


def _torch() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError(
            f"reading a PyTorch module needs torch: {error}",
            hint="pip install 'neurodeploy[torch]'",
        ) from error
    return torch


def _refuse_time(time_axis: int | None, steps: int | None) -> None:
    given = {"time_axis": time_axis, "steps": steps}
    found = [
        Finding(
            f"{name}={value}, but a network without spiking neurons has no time",
            node=name,
            hint="leave it out; turn the network into a spiking one afterwards",
        )
        for name, value in given.items()
        if value is not None
    ]
    if found:
        raise ConversionError(found)
