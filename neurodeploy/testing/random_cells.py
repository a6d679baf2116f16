"""Random cells to run: programs of the whole expression language, and what they read.

The values are those at which arithmetics differ: subnormals, signed zeros, halves, the largest
numbers, and the ends of every integer range.

>>> import numpy as np
>>> case = random_cell(np.random.default_rng(1))
>>> [node.name for node in case.graph.cells]
['drawn']

`frames` is a hypothesis strategy (extra ``test``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from neurodeploy.ir.builder import GraphBuilder, Ref
from neurodeploy.ir.make_cell import cell_signals
from neurodeploy.ir.nodes import Cell, Edge, ParamRef, StateRef
from neurodeploy.ir.types import stored_type, tensor
from neurodeploy.semantics.numpy_eval import Frame
from neurodeploy.semantics.program import Program
from neurodeploy.semantics.types import Float, Int, Type
from neurodeploy.testing.drawing import Array, RandomCase
from neurodeploy.testing.programs import EXTREMES, FLOATS, TABLE_SIZE, random_program

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["frames", "random_cell", "random_values"]


def random_cell(
    rng: np.random.Generator, *, operations: int | None = None, samples: int = 5, timesteps: int = 4
) -> RandomCase:
    """Draw a graph of one cell, whose program is `random_program`, and something to run it on.

    The cell may overflow, divide by zero and give NaN. In half of the cases every value that it
    computes is an output of the node, else what nothing else reads.

    Args:
        rng: Where chance comes from; the same generator state gives the same case.
        operations: Number of operations that are tried; by default drawn, 1 to 25.
        samples: Batch.
        timesteps: Steps.
    """
    program = random_program(rng, operations=operations, all_outputs=bool(rng.integers(2)))
    shape = (int(rng.integers(1, 5)), int(rng.integers(1, 8)))
    params = _params(rng, program, shape)
    b = GraphBuilder()
    timed = {p.name for p in program.params if rng.random() < 0.15}
    for port in program.params:
        values = params[port.name]
        if port.name in timed:
            values = random_values(rng, port.type, (timesteps, *values.shape))
        b.tensors[f"drawn.{port.name}"] = tensor(values, stored_type(port.type))
    for port in program.states:
        start = random_values(rng, port.type, shape if rng.random() < 0.5 else ())
        b.tensors[f"drawn.{port.name}.initial"] = tensor(start, stored_type(port.type))
    cell = Cell(
        name="drawn",
        program=program,
        shape=shape,
        params=tuple(ParamRef(p.name, f"drawn.{p.name}", p.name in timed) for p in program.params),
        states=tuple(
            StateRef(p.name, stored_type(p.type), f"drawn.{p.name}.initial") for p in program.states
        ),
        stream=int(rng.integers(0, 100)),
    )
    inputs: dict[str, Array] = {}
    for port in program.inputs:
        x = b.input(port.name, _smaller(rng, shape), type=stored_type(port.type))
        inputs[port.name] = random_values(rng, port.type, (samples, timesteps, *x.shape))
        b.edges.append(Edge(port.name, "out", cell.name, port.name))
    b.nodes.append(cell)
    output = program.outputs[0][0]
    b.output("out", Ref(cell.name, output, cell_signals(cell)[output]))
    return RandomCase(b.build(), inputs, timesteps, "mixed")


def frames(
    program: Program, *, samples: int = 3, shape: tuple[int, ...] = (2, 4)
) -> SearchStrategy[Frame]:
    """Give a strategy of what ``program`` reads at one step.

    Inputs and parameters are of shapes that broadcast; parameters have no sample axis.

    Args:
        program: The program.
        samples: Number of samples.
        shape: Shape of the cell.

    Raises:
        ImportError: hypothesis is not installed.
    """
    from hypothesis import strategies as st

    def frame(chance: int, step: int, seed: int, stream: int) -> Frame:
        rng = np.random.default_rng(chance)
        return Frame(
            inputs={
                p.name: random_values(rng, p.type, (samples, *_smaller(rng, shape)))
                for p in program.inputs
            },
            params=_params(rng, program, shape),
            states={p.name: random_values(rng, p.type, (samples, *shape)) for p in program.states},
            step=step,
            index=np.arange(int(np.prod(shape))).reshape(shape),
            sample=np.arange(7, 7 + samples).reshape(-1, *[1] * len(shape)),
            seed=seed,
            stream=stream,
        )

    return st.builds(
        frame,
        st.integers(0, 2**32 - 1),
        st.sampled_from((0, 1, 1000, 2**31 - 1)),
        st.sampled_from((0, 1, 2**63 + 5)),
        st.sampled_from((0, 3, 2**40)),
    )


def random_values(rng: np.random.Generator, kind: Type, shape: Sequence[int]) -> Array:
    """Draw finite values of a type, half of them from where arithmetics differ."""
    size = tuple(shape)
    if isinstance(kind, Float):
        edges = np.array(FLOATS + EXTREMES[kind.bits])
        common = rng.normal(size=size) * 2.0 ** rng.integers(-10, 27, size=size)
        common = np.where(rng.random(size) < 0.2, np.rint(common) + 0.5, common)
        return np.where(rng.random(size) < 0.5, rng.choice(edges, size), common).astype(kind.dtype)
    if isinstance(kind, Int):
        middle = min(max(0, kind.lo), kind.hi)
        edges = np.array(
            [kind.lo, kind.hi, middle, max(kind.lo, middle - 1), min(kind.hi, middle + 1)],
            dtype=np.int64,
        )
        common = rng.integers(kind.lo, kind.hi, size=size, dtype=np.int64, endpoint=True)
        return np.where(rng.random(size) < 0.5, rng.choice(edges, size), common)
    return rng.random(size) < 0.5


def _smaller(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Draw a shape of the same rank that broadcasts to ``shape``."""
    able = (shape, shape, (1, *shape[1:]), (*shape[:-1], 1))
    return able[int(rng.integers(len(able)))]


def _params(rng: np.random.Generator, program: Program, shape: tuple[int, ...]) -> dict[str, Array]:
    """Draw values of a program's parameters, of shapes that broadcast to ``shape``."""
    thin = (shape, (shape[-1],), ())
    return {
        p.name: random_values(
            rng, p.type, (TABLE_SIZE,) if p.name == "table" else thin[int(rng.integers(3))]
        )
        for p in program.params
    }
