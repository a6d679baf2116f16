"""Run one cell over a sequence, or one expression, with the numpy evaluator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.semantics.numpy_eval import Frame, evaluate
from neurodeploy.semantics.program import Program
from neurodeploy.semantics.trace import CellDefinition, cell_definition, trace
from neurodeploy.semantics.types import BOOL, F32, Int, Type

__all__ = ["CellRun", "assert_same", "drive", "f32", "program_of", "run_cell", "value_of"]

Array = npt.NDArray[Any]


def f32(value: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Round to float32."""
    return np.asarray(value, dtype=np.float32)


def drive(
    seed: int, steps: int = 50, neurons: int = 12, *, mean: float = 0.35, spread: float = 0.6
) -> npt.NDArray[np.float32]:
    """Draw inputs (steps, neurons) that make a neuron of threshold 1 fire now and then.

    A few steps are silent, and a few inputs are large enough for several thresholds.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(mean, spread, (steps, neurons))
    x[rng.random(x.shape) < 0.1] *= 4.0
    x[rng.random(x.shape) < 0.1] = 0.0
    return x.astype(np.float32)


@dataclass(frozen=True)
class CellRun:
    """Every output and every state after each step; time is the first axis."""

    program: Program
    outputs: dict[str, Array]
    states: dict[str, Array]

    @property
    def out(self) -> Array:
        """The main output."""
        return self.outputs["out"]


def run_cell(
    cell: str | CellDefinition,
    x: npt.ArrayLike | Mapping[str, Array],
    *,
    params: Mapping[str, npt.ArrayLike] | None = None,
    options: Mapping[str, str | int | bool] | None = None,
    initial: Mapping[str, npt.ArrayLike] | None = None,
) -> CellRun:
    """Trace a cell and run it; parameters that are not given keep their defaults."""
    definition = cell_definition(cell) if isinstance(cell, str) else cell
    named = x if isinstance(x, Mapping) else {definition.inputs[0]: np.asarray(x)}
    kinds = {name: _type_of(value) for name, value in named.items()}
    program = trace(definition, inputs=kinds, options=options).program
    given = {**definition.params, **(params or {})}
    values = {port.name: f32(given[port.name]) for port in program.params}
    first = next(iter(named.values()))
    start = {**definition.states, **(initial or {})}
    states = {
        port.name: np.broadcast_to(np.asarray(start[port.name], port.type.dtype), first.shape[1:])
        for port in program.states
    }
    outputs: dict[str, list[Array]] = {name: [] for name, _ in program.outputs}
    after: dict[str, list[Array]] = {name: [] for name in states}
    for step in range(len(first)):
        frame = Frame({n: v[step] for n, v in named.items()}, values, states, step=step)
        computed = evaluate(program, frame)
        for name, at in program.outputs:
            outputs[name].append(np.broadcast_to(computed[at], first.shape[1:]))
        states = {
            name: np.broadcast_to(computed[at], first.shape[1:]) for name, at in program.updates
        }
        for name, value in states.items():
            after[name].append(value)
    return CellRun(
        program,
        {name: np.stack(rows) for name, rows in outputs.items()},
        {name: np.stack(rows) for name, rows in after.items()},
    )


def assert_same(name: str, ours: Array, theirs: npt.ArrayLike) -> None:
    """Compare bit for bit, -0 and 0 being equal, and show the first difference."""
    other = np.asarray(theirs)
    assert ours.shape == other.shape, f"{name}: shape {ours.shape} against {other.shape}"
    assert ours.dtype == other.dtype, f"{name}: {ours.dtype} against {other.dtype}"
    assert np.isfinite(other).all(), f"{name}: the oracle left the finite numbers"
    wrong = np.argwhere(ours != other)
    if len(wrong):
        at = tuple(wrong[0])
        raise AssertionError(
            f"{name}: {len(wrong)} of {ours.size} differ, first at {at}: "
            f"{ours[at]!r} against {other[at]!r}"
        )


def _type_of(value: Array) -> Type:
    if value.dtype == np.bool_:
        return BOOL
    if value.dtype.kind == "i":
        return Int(int(value.min()), int(value.max()))
    return {np.dtype(np.float32): F32}[value.dtype]


def program_of(function: Callable[..., object], *kinds: Type) -> Program:
    """Trace an expression of one to three inputs."""
    names = "xyz"[: len(kinds)]
    # the inputs of a cell are the names of its function's arguments
    bodies: dict[int, Callable[..., object]] = {
        1: lambda p, s, x: function(x),
        2: lambda p, s, x, y: function(x, y),
        3: lambda p, s, x, y, z: function(x, y, z),
    }
    definition = CellDefinition("tested", bodies[len(kinds)])
    return trace(definition, inputs=dict(zip(names, kinds, strict=True))).program


def value_of(program: Program, *values: object) -> Any:
    """Evaluate such an expression at one point."""
    arrays = {
        port.name: np.asarray(value, port.type.dtype)
        for port, value in zip(program.inputs, values, strict=True)
    }
    return evaluate(program, Frame(arrays, {}, {}))[dict(program.outputs)["out"]].item()
