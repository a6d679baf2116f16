"""A captured program: what the walk translates, however it was captured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt
from torch import fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

__all__ = ["Constant", "Previous", "Program", "Rolled", "exported", "previous", "unwrapped"]


@dataclass(frozen=True)
class Constant:
    """A parameter or buffer.

    Attributes:
        name: What the module calls it.
        value: Its value.
    """

    name: str
    value: object


@dataclass(frozen=True)
class Previous:
    """A value that a stateful layer gave some steps before.

    Attributes:
        site: Path of the layer.
        output: Which of its outputs, by position.
        delay: How many steps before, at least 1.
        initial: What is read before the first value, for one sample; None for 0.
    """

    site: str
    output: int
    delay: int
    initial: npt.NDArray[Any] | None = None


@dataclass(frozen=True)
class Program:
    """One step of a module as a graph of ATen operators.

    Attributes:
        graph: The graph; static shapes, functional, a tuple of results at its end.
        constants: By the target of a placeholder, the parameter or buffer behind it.
        inputs: Targets of the other placeholders, in the order of the arguments of ``forward``.
        decodes: How each result is read over time, where the module itself says so.
    """

    graph: fx.Graph
    constants: Mapping[str, Constant]
    inputs: tuple[str, ...]
    decodes: tuple[str | None, ...] = field(default=())


@dataclass(frozen=True)
class Rolled:
    """One step of a module with state.

    Attributes:
        program: The step; inputs that only carry states are gone.
        initial: By layer and state, what the module hands in at the first step, for one sample.
        inputs: Positions of the program's inputs among the arguments of ``forward``.
        axes: Of each result, the axis of time; None where it does not hold every step.
        arguments: The program's inputs, in the order of the arguments of ``forward``.
        handed: By the name of such an input that is a state, the layer and the state.
        carried: Of each argument that only carries a state, by position, the result's position.
        lasting: Steps that there are parameters for; None where all steps have the same.
    """

    program: Program
    initial: Mapping[str, Mapping[str, npt.NDArray[Any]]]
    inputs: tuple[int, ...]
    axes: tuple[int | None, ...]
    carried: Mapping[int, int]
    arguments: tuple[str, ...]
    handed: Mapping[str, tuple[str, str]]
    lasting: int | None = None


def previous(read: Previous) -> None:
    """Stand in a step's graph for ``read``; the walk makes a delayed edge of it."""


def exported(program: ExportedProgram) -> Program:
    """Give what torch.export captured."""
    constants: dict[str, Constant] = {}
    inputs: list[str] = []
    for spec in program.graph_signature.input_specs:
        if spec.kind == InputKind.USER_INPUT:
            inputs.append(spec.arg.name)
            continue
        name = str(spec.target)
        held = program.state_dict if name in program.state_dict else program.constants
        constants[spec.arg.name] = Constant(name, held[name])
    return Program(program.graph, constants, tuple(inputs))


def unwrapped(program: Program, attribute: str, names: Sequence[str]) -> Program:
    """Give a program with the names that a module has without a wrapper around it.

    Args:
        program: The program of a wrapper; its graph is renamed in place.
        attribute: The wrapper's attribute that is the module.
        names: Names of the module's inputs.
    """
    prefix = f"{attribute}."
    renamed = dict(zip(program.inputs, names, strict=True))
    for node in program.graph.nodes:
        if node.op == "placeholder":
            node.target = renamed.get(str(node.target), node.target)
        stack = node.meta.get("nn_module_stack") or {}
        node.meta["nn_module_stack"] = {
            key: ("" if path == attribute else path.removeprefix(prefix), kind)
            for key, (path, kind) in stack.items()
            if path
        }
    constants = {
        key: Constant(c.name.removeprefix(prefix), c.value) for key, c in program.constants.items()
    }
    return Program(program.graph, constants, tuple(names))
