"""A network that runs step by step and keeps its state: for robots and sensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from neurodeploy.data import to_steps, typed_values
from neurodeploy.engine.samples import most_steps
from neurodeploy.errors import (
    DataError,
    Finding,
    MissingDependencyError,
    UsageError,
    raise_findings,
)
from neurodeploy.execute import check_seed, recorded_keys
from neurodeploy.input_range import accepted_range, range_finding
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Input
from neurodeploy.ir.types import BOOL, QType
from neurodeploy.reference import Stepper, compute_dtype
from neurodeploy.runners import tell_no_compiler
from neurodeploy.semantics.types import Float

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Session", "open_session"]

Array = npt.NDArray[Any]
Key = tuple[str, str]


class _Machine(Protocol):
    """What makes the steps; the engine's `neurodeploy.engine.engine.Stream` is one."""

    inputs: dict[str, Array]
    held: dict[Key, Array]
    most: int
    time: int

    def step(self) -> None: ...

    def reset(self) -> None: ...


@dataclass(frozen=True)
class _Gate:
    """Floats of an input that need no further check.

    Attributes:
        low: Smallest value.
        high: Largest value.
        kind: The type whose steps they are rounded to; None where they stay floats.
    """

    low: float
    high: float
    kind: QType | None


def _gate(graph: Graph, node: Input) -> _Gate | None:
    bounds = accepted_range(graph, node.name)
    rounded = isinstance(node.type, QType) and node.type.scale != (1.0,)
    if bounds is None or not (rounded or isinstance(node.type, Float)):
        return None
    widest = node.type.dtype if isinstance(node.type, Float) else np.float64
    most = float(np.finfo(widest).max)
    kind = node.type if isinstance(node.type, QType) else None
    return _Gate(max(bounds[0], -most), min(bounds[1], most), kind)


class Session:
    """One sample of a network, fed step by step.

    >>> import numpy as np, neurodeploy as nd
    >>> b = nd.GraphBuilder()
    >>> spikes = b.cell("lif", "lif", b.input("x", (2,)), params={"beta": 0.5})
    >>> with nd.open_session(b.output("y", spikes).build()) as session:
    ...     for _ in range(2):
    ...         print(session.step(np.array([0.4, 0.8]))["y"])
    [False False]
    [False  True]

    Attributes:
        graph: The graph.
        time: Steps made since the start or the last `reset`.
    """

    def __init__(self, graph: Graph, machine: _Machine, recorded: tuple[Key, ...]) -> None:
        self.graph = graph
        self._machine = machine
        self._nodes = {n.name: n for n in graph.inputs}
        self._ends = [(n.name, machine.held[(n.name, "out")]) for n in graph.outputs]
        self._gates = {n.name: gate for n in graph.inputs if (gate := _gate(graph, n)) is not None}
        self._recorded = recorded
        self._open = True

    @property
    def time(self) -> int:
        """Steps made since the start or the last `reset`."""
        return self._machine.time

    def step(self, x: npt.ArrayLike | Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
        """Make one step and give the outputs of this step, by node.

        Args:
            x: The input of this step in its own shape, without axes for batch and time; by name
                where there are several. Numbers for a quantised input are rounded to its steps.

        Raises:
            DataError: it does not fit, or the network has no further step; no step was made.
        """
        given: Mapping[str, Any] = x if isinstance(x, Mapping) else {self._only(): x}
        self._check(given.keys())
        found: list[Finding] = []
        ready = [(n, self._fitted(self._nodes[n], np.asarray(v), found)) for n, v in given.items()]
        return self._made(ready, found)

    def step_events(self, events: npt.ArrayLike | Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
        """Make one step from the indices of the neurons that spiked in it.

        Args:
            events: Flat indices into the input, in any order; two of one neuron are one spike.
                By name where there are several inputs.

        Raises:
            DataError: an index is none of the input, or an input takes numbers; no step was made.
        """
        given: Mapping[str, Any] = events if isinstance(events, Mapping) else {self._only(): events}
        self._check(given.keys())
        found: list[Finding] = []
        ready = [(n, _spikes(self._nodes[n], np.asarray(v), found)) for n, v in given.items()]
        return self._made(ready, found)

    def recorded(self) -> dict[Key, Array]:
        """Give what was asked for by ``record``, as the last step left it."""
        return {key: self._machine.held[key].copy() for key in self._recorded}

    def reset(self) -> None:
        """Bring the network to its initial state."""
        self._machine.reset()

    def close(self) -> None:
        """End the session; a further step is an error."""
        self._open = False

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -----------------------------------------------------------------------------------------

    def _only(self) -> str:
        if len(self._nodes) > 1:
            raise DataError(
                f"the network has {len(self._nodes)} inputs",
                hint=f"by name: {', '.join(self._nodes)}",
            )
        return next(iter(self._nodes))

    def _check(self, names: Any) -> None:
        found = []
        if not self._open:
            found.append(Finding("the session is closed"))
        if names != self._nodes.keys():
            wrong = sorted(names ^ self._nodes.keys())
            found.append(
                Finding(f"inputs {', '.join(self._nodes)} are due: {', '.join(wrong)} is wrong")
            )
        if self._machine.time >= self._machine.most:
            most = self._machine.most
            found.append(Finding(f"the network makes {most} steps", limit=most, hint="reset()"))
        if found:
            raise DataError(found)

    def _fitted(self, node: Input, x: Array, found: list[Finding]) -> Array:
        if x.shape != node.shape:
            message = f"data of shape {list(x.shape)} stands where {list(node.shape)} is due"
            found.append(Finding(message, node=node.name, hint="one step, without a batch"))
            return x
        if x.dtype.kind == "f" and x.size:
            gate = self._gates.get(node.name)
            # NaN is the smallest and largest of whatever holds one, and passes no comparison
            if gate is not None and gate.low <= _LEAST(x, None) and _LARGEST(x, None) <= gate.high:
                return x if gate.kind is None else to_steps(x, gate.kind)
            out = range_finding(self.graph, node.name, x)
            if out is not None:
                found.append(out)
        return typed_values(node.name, x, node.type, found)

    def _made(self, ready: list[tuple[str, Array]], found: list[Finding]) -> dict[str, Array]:
        if found:
            raise_findings(DataError, found)
        for name, values in ready:
            self._machine.inputs[name][...] = values
        self._machine.step()
        return {name: held.copy() for name, held in self._ends}


# the methods min and max of an array take microseconds to get here
_LEAST, _LARGEST = np.minimum.reduce, np.maximum.reduce


def _spikes(node: Input, at: Array, found: list[Finding]) -> Array:
    spikes = np.zeros(node.shape, np.bool_)
    flat = spikes.reshape(-1)
    if node.type != BOOL:
        found.append(Finding("takes numbers, not spikes", node=node.name, hint="step(x)"))
    elif at.size and (at.dtype.kind not in "iu" or at.ndim != 1):
        found.append(
            Finding(f"{at.dtype} of shape {list(at.shape)}, no list of indices", node.name)
        )
    elif at.size and (int(at.min()) < 0 or int(at.max()) >= flat.size):
        wrong = int(at.min()) if int(at.min()) < 0 else int(at.max())
        found.append(Finding(f"event {wrong}", node.name, value=wrong, limit=flat.size - 1))
    elif at.size:
        flat[at] = True
    return spikes


class _Interpreted:
    """The reference, step by step, where there is no compiler."""

    def __init__(self, graph: Graph, keys: tuple[Key, ...], seed: int) -> None:
        self.graph, self.seed = graph, seed
        self.most = most_steps(graph)
        ends = [(n.name, "out") for n in graph.inputs]
        self.inputs = {name: self._empty((name, out)) for name, out in ends}
        self.held = {key: self._empty(key) for key in keys}
        self.reset()

    def _empty(self, key: Key) -> Array:
        signal = self.graph.signals[key]
        return np.zeros(signal.shape, compute_dtype(signal.type))

    def reset(self) -> None:
        self.time = 0
        self.stepper = Stepper(self.graph, 1, seed=self.seed)

    def step(self) -> None:
        values = self.stepper.step({name: x[None] for name, x in self.inputs.items()})
        self.time += 1
        for key, held in self.held.items():
            held[...] = values[key][0]


def open_session(
    graph: Graph,
    *,
    record: str | tuple[str, ...] | None = None,
    on: str | None = None,
    seed: int = 0,
) -> Session:
    """Open a session: one sample that is fed step by step and keeps its state.

    Every step gives what the same step of a run gives, bit for bit.

    Args:
        graph: The graph.
        record: What `Session.recorded` gives: None, ``all``, ``states``, or names of nodes.
        on: ``engine`` or ``reference``; by default the engine where a compiler is found.
        seed: Seed of the random bits.

    Raises:
        UsageError: an unknown name.
        MissingDependencyError: the engine was named and no compiler is there.
    """
    check_seed(seed)
    if on not in (None, "engine", "reference"):
        raise UsageError(f"a session on {on!r}", hint="engine, reference")
    recorded = recorded_keys(graph, record)
    keys = tuple(dict.fromkeys([*((n.name, "out") for n in graph.outputs), *recorded]))
    if on != "reference":
        from neurodeploy.engine import build

        try:
            return Session(graph, build(graph).stream(keys, seed=seed), recorded)
        except MissingDependencyError as error:
            if on == "engine":
                raise
            tell_no_compiler(error.findings[0].hint)
    return Session(graph, _Interpreted(graph, keys, seed), recorded)
