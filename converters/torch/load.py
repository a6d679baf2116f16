"""Reads a plain PyTorch module: screen, capture, translate, compare with eager mode."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from neurodeploy.errors import ConversionError, Finding, MissingDependencyError, UsageError
from neurodeploy.ir.graph import Graph
from neurodeploy.semantics.types import F32, Float

if TYPE_CHECKING:
    from torch import nn

    from neurodeploy.converters.torch.capture import Capture

__all__ = ["load_torch"]


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
    """Read a network without spiking neurons into a graph of one step.

    The module is run in evaluation mode, without gradients, and is left as it was: modes,
    buffers and attributes. The graph is run by the reference on up to eight samples of the
    example and must give what the module gives, within 1e-5 of the largest output or 4 times the
    reference's own rounding error.

    Args:
        module: The module.
        example: Samples, batch first: an array or tensor, a sequence of them where ``forward``
            takes several, or a mapping from the names of its arguments.
        time_axis: Refused: a network without spiking neurons has no time.
        steps: Refused likewise.
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
    _refuse_time(time_axis, steps)
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError(
            f"reading a PyTorch module needs torch: {error}",
            hint="pip install 'neurodeploy[torch]'",
        ) from error
    from neurodeploy.converters.torch.capture import capture, plain_module
    from neurodeploy.converters.torch.example import example_inputs
    from neurodeploy.converters.torch.screen import screen
    from neurodeploy.converters.torch.verify import verify
    from neurodeploy.converters.torch.walk import Walk

    plain = plain_module(module)
    screen(plain, float_type)
    captured = capture(plain, example_inputs(plain, example, float_type))
    walk = Walk(captured.program, dt=dt, float_type=float_type, owner=type(plain).__name__)
    walk.run()
    chosen = _choose(captured, output)
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


def _choose(captured: Capture, output: int | str | None) -> Sequence[int]:
    """Give the positions of the outputs to keep.

    Raises:
        UsageError: there is no such output.
    """
    names = captured.names
    if output is None:
        return range(len(names))
    if isinstance(output, str) and output in names:
        return [names.index(output)]
    if isinstance(output, str) and output.lstrip("-").isdigit():
        output = int(output)
    if isinstance(output, int) and -len(names) <= output < len(names):
        return [output % len(names)]
    raise UsageError(
        Finding(
            f"there is no output {output!r}",
            node="output",
            hint=f"outputs by position: {', '.join(f'{i} {n}' for i, n in enumerate(names))}",
        )
    )
