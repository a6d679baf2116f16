"""Stateful layers that are captured whole: what a framework's neuron is to the capture.

``torch.export`` follows the code inside a neuron and freezes its state at the first step. So a
stateful layer is a *leaf*: while a module is captured, its ``forward`` is one opaque operator
(`neurodeploy.converters.torch.opaque`) with the layer's inputs, the states that the user's code
hands in, and as outputs ``out`` and every state after the step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from inspect import isfunction
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from neurodeploy.errors import ConversionError, Finding, raise_findings
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.types import NumType

if TYPE_CHECKING:
    import numpy.typing as npt

    from neurodeploy.converters.torch.walk import Walk

__all__ = [
    "Arrived",
    "Leaf",
    "OneInputLeaf",
    "find_leaves",
    "find_rewrites",
    "set_sizes",
    "spiking_package",
]

# package: where its make_leaf(path, module) is; it gives None for a layer without a state
_PACKAGES = {
    "DCLS": "neurodeploy.converters.dcls.leaves",
    "norse": "neurodeploy.converters.norse.leaves",
    "sinabs": "neurodeploy.converters.sinabs.leaves",
    "snntorch": "neurodeploy.converters.snntorch.leaves",
    "spikingjelly": "neurodeploy.converters.spikingjelly.leaves",
}
# packages whose modules keep a state that torch.export drops without a word, or run over time
SPIKING_PACKAGES = (
    "DCLS", "lava", "norse", "rockpool", "sinabs", "slayer", "snntorch", "spikingjelly"
)  # fmt: skip


@dataclass(frozen=True)
class Arrived:
    """What one call of a leaf is given.

    Attributes:
        inputs: Signals.
        states: States that the caller hands in, by name; empty where the layer keeps its own.
    """

    inputs: tuple[torch.Tensor, ...]
    states: Mapping[str, torch.Tensor] = field(default_factory=dict)


class Leaf(ABC):
    """One stateful layer of a module.

    Args:
        path: Path of the layer in the module.
        module: The layer.
    """

    def __init__(self, path: str, module: nn.Module) -> None:
        self.path = path
        self.module: Any = module

    # -- what it looks like from outside ------------------------------------------------------

    @property
    @abstractmethod
    def states(self) -> tuple[str, ...]:
        """Names of the states, as the framework calls them, in the order of its arguments."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs of the opaque operator: ``out``, then the states."""
        return ("out", *self.states)

    @property
    def over_time(self) -> bool:
        """Say whether one call takes a whole sequence."""
        return False

    @property
    def time_dim(self) -> int:
        """Axis of time in what a layer takes and gives that runs over a sequence."""
        return 0

    @property
    def folded(self) -> bool:
        """Say whether time and batch are one axis there, the batch first where `time_dim` is 1."""
        return False

    @property
    def keeps_state(self) -> bool:
        """Say whether the layer itself has its state from one call to the next."""
        return True

    @property
    def history(self) -> int:
        """Steps of zeros in front of the sequence that the layer takes and shortens it by."""
        return 0

    @abstractmethod
    def arrived(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arrived:
        """Sort the arguments of a call of ``forward``."""

    @abstractmethod
    def result(self, outputs: Mapping[str, torch.Tensor]) -> object:
        """Give what ``forward`` returns."""

    def shapes(self, inputs: Sequence[torch.Tensor]) -> tuple[tuple[int, ...], ...]:
        """Give the shapes of the outputs, batch included; by default that of the first input."""
        return (tuple(inputs[0].shape),) * len(self.outputs)

    def stubs(self) -> Mapping[str, Callable[..., object]]:
        """Give methods that are replaced during capture: those that touch the state."""
        return {}

    # -- in eager mode ------------------------------------------------------------------------

    @abstractmethod
    def reset(self) -> None:
        """Return the layer's own state to its initial value."""

    @abstractmethod
    def observed(self, result: object) -> dict[str, torch.Tensor]:
        """Give outputs by name after a call that returned ``result``; those that can be seen.

        Where the layer runs over time, the values have time on axis 0.
        """

    @property
    def comparable(self) -> tuple[str, ...]:
        """Names of the outputs that `observed` gives after every call."""
        return self.outputs

    # -- in the graph -------------------------------------------------------------------------

    @abstractmethod
    def kind(self, output: str) -> NumType:
        """Give the numeric type of an output in the graph."""

    @abstractmethod
    def emit(
        self, walk: Walk, inputs: Sequence[Ref], initial: Mapping[str, npt.NDArray[Any]]
    ) -> Mapping[str, Ref]:
        """Write the layer into the graph and give its outputs by name.

        Args:
            walk: The walk that writes the graph.
            inputs: Its inputs.
            initial: For one sample, initial values of states that the caller handed in.
        """


class OneInputLeaf(Leaf):
    """A layer that takes one tensor and returns one: it keeps its state itself."""

    def arrived(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arrived:
        """Take one tensor."""
        if len(args) != 1 or kwargs or not isinstance(args[0], torch.Tensor):
            raise ConversionError(f"is called with {len(args)} arguments, not with one tensor")
        return Arrived((args[0],))

    def result(self, outputs: Mapping[str, torch.Tensor]) -> object:
        """Give the output alone."""
        return outputs["out"]


def spiking_package(module: nn.Module) -> str:
    """Give the spiking package that a module, or a class that it derives from, belongs to."""
    for cls in type(module).__mro__:
        package = cls.__module__.partition(".")[0]
        if package in SPIKING_PACKAGES:
            return package
    return ""


def find_leaves(module: nn.Module) -> dict[str, Leaf]:
    """Give the stateful layers of a module by path; what is inside of one belongs to it.

    Raises:
        ConversionError: every spiking layer that is not handled, or is used under two paths.
    """
    found: dict[str, Leaf] = {}
    findings: list[Finding] = []
    for path, layer in _outermost(module):
        try:
            leaf = _make(path, layer)
        except ConversionError as error:
            findings += [
                Finding(f.message, node=path, source=(path,), value=f.value, hint=f.hint)
                for f in error.findings
            ]
            continue
        if leaf is not None:
            found[path] = leaf
    raise_findings(ConversionError, findings)
    return found


def find_rewrites(module: nn.Module) -> list[tuple[nn.Module, Callable[..., object]]]:
    """Give the layers whose ``forward`` is replaced during capture, and by what.

    Their state then is a variable that capture follows from step to step.
    """
    found = []
    for layer in module.modules():
        where = _PACKAGES.get(spiking_package(layer))
        rewritten = getattr(import_module(where), "rewritten", None) if where else None
        forward = rewritten(layer) if rewritten is not None else None
        if forward is not None:
            found.append((layer, forward))
    return found


def set_sizes(module: nn.Module, samples: int, steps: int) -> None:
    """Tell the layers that hold the sizes of batch and time as attributes what these are.

    The caller restores the attributes (`neurodeploy.converters.torch.capture.untouched`).
    """
    for layer in module.modules():
        where = _PACKAGES.get(spiking_package(layer))
        sized = getattr(import_module(where), "sized", None) if where else None
        if sized is not None:
            sized(layer, samples, steps)


def _outermost(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Give modules of spiking packages that are in no other such module but containers."""
    stack = [("", module)]
    seen: set[int] = set()
    while stack:
        path, layer = stack.pop()
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        if spiking_package(layer) and not _transparent(layer):
            yield path, layer
            continue
        children = [(f"{path}.{n}" if path else n, c) for n, c in layer.named_children()]
        stack.extend(reversed(children))


def _transparent(layer: nn.Module) -> bool:
    """Say whether capture looks inside: the layer itself keeps no state."""
    package = spiking_package(layer)
    where = _PACKAGES.get(package)
    return where is not None and bool(import_module(where).transparent(layer))


def _make(path: str, layer: nn.Module) -> Leaf | None:
    package = spiking_package(layer)
    if package not in _PACKAGES:
        raise ConversionError(
            f"a {type(layer).__name__} of {package} keeps a state from step to step; layers of "
            f"{package} are not handled by this front end",
            hint=f"handled are {', '.join(sorted(_PACKAGES))}; or export the network to NIR",
        )
    # the class would be read, and not what this instance computes
    for name in vars(layer):
        if isfunction(getattr(type(layer), name, None)):
            raise ConversionError(
                f"{type(layer).__name__}: its {name} is replaced on this instance",
                hint="write what it does as layers in front of the neuron and behind it",
            )
    made: Leaf | None = import_module(_PACKAGES[package]).make_leaf(path, layer)
    return made
