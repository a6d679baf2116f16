"""The parts that a lowering puts into a graph: synapses, LIFs, the clock and the first spike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import CapabilityError, Finding, InternalError
from neurodeploy.ir.make_cell import traced_cell
from neurodeploy.ir.nodes import Cell, Edge, Input, Map, Node
from neurodeploy.ir.ops import Synapses
from neurodeploy.ir.types import BOOL, F32, QType, Tensor, tensor
from neurodeploy.passes.rewire import Draft, Key
from neurodeploy.targets.loihi.as_synapses import Rows
from neurodeploy.targets.loihi.cells import DECAY, FINER, STATE, UNITY
from neurodeploy.targets.loihi.weights import sign_mode, weight_step

__all__ = ["LARGEST_EXPONENT", "Parts", "halves", "mantissas"]

Array = npt.NDArray[Any]
LARGEST_EXPONENT = 7


def whole(values: npt.ArrayLike) -> Tensor:
    """Give integers of the narrowest range."""
    found = np.asarray(values, np.int64)
    return tensor(found, QType(int(found.min()), int(found.max())))


def mantissas(values: Array) -> tuple[Array, int] | None:
    """Give values as mantissas of synapses with one exponent, exactly; None if there is none.

    >>> mantissas(np.array([512, 0, 96]))
    (array([128,   0,  24]), 2)
    """
    mode = sign_mode(values)
    lo, hi = mode.value
    for exponent in range(LARGEST_EXPONENT + 1):
        found = values >> exponent
        inside = lo <= found.min() and found.max() <= hi
        if inside and not (values % (weight_step(mode) << exponent)).any():
            return found, exponent
    return None


def halves(values: Array) -> list[tuple[Array, int]]:
    """Give constants as mantissas with an exponent, where need be a coarse and a fine part.

    >>> [(m.tolist(), e) for m, e in halves(np.array([1002, -2, 0]))]
    [([250, 0, 0], 2), ([2, -2, 0], 0)]

    Raises:
        CapabilityError: two parts do not hold them.
    """
    whole_of = mantissas(values)
    if whole_of is not None:
        return [whole_of]
    for exponent in range(LARGEST_EXPONENT + 1):
        step = 2 ** (exponent + 1)
        coarse = np.sign(values) * (np.abs(values) // step * step)
        parts = mantissas(coarse), mantissas(values - coarse)
        if parts[0] is not None and parts[1] is not None:
            return [parts[0], parts[1]]
    text = f"constants of {values.min()} to {values.max()} are no sum of two synapses"
    raise CapabilityError(Finding(text, limit=254 << LARGEST_EXPONENT))


class Parts:
    """Puts parts into a draft.

    Args:
        draft: The graph in the making.
        pace: Steps of the chip to a step of the network.
    """

    def __init__(self, draft: Draft, pace: int) -> None:
        self.draft = draft
        self.pace = pace
        self._clock: Key | None = None
        self._once: Key | None = None

    def synapses(
        self,
        name: str,
        read: Key,
        rows: Rows,
        shape: tuple[int, ...],
        late: int,
        source: tuple[str, ...] = (),
        accumulator: QType | None = None,
    ) -> Key:
        """Add single synapses that arrive ``late`` steps after what they read, at least one."""
        sources = self.draft.signal(read).size
        delay = rows.delay
        if late > 1 or delay is not None:
            delay = (np.zeros_like(rows.weight) if delay is None else delay) + (late - 1)
        held = {"weight": rows.weight, "starts": rows.starts(sources), "target": rows.target}
        if delay is not None:
            held["delay"] = delay
        stored = {
            key: self.draft.store(
                f"{name}.{key}", v, whole(v).type if v.size else QType(0, 1), owner=name
            )
            for key, v in held.items()
        }
        self.draft.nodes[name] = Map(
            name=name,
            op=Synapses(
                shape,
                stored["weight"],
                stored["starts"],
                stored["target"],
                stored.get("delay"),
                accumulator=accumulator,
            ),
            source=source,
        )
        self.draft.edges[(name, "in")] = Edge(*read, name, "in", delay=1)
        return name, "out"

    def shifted(self, name: str, read: Key, exponent: int, source: tuple[str, ...] = ()) -> Key:
        """Add the exponent of a weighted sum."""
        if not exponent:
            return read
        return self.draft.cell(
            self.draft.fresh(f"{name}.exponent"),
            "loihi_synapse",
            [read],
            shape=self.draft.signal(read).shape,
            params={},
            options={"exponent": exponent},
            source=source,
        )

    def constants(
        self, name: str, read: Key, values: Array, shape: tuple[int, ...], late: int
    ) -> list[Key]:
        """Add synapses from one neuron to all, which bring ``values`` with each of its spikes."""
        found = []
        for weight, exponent in halves(np.broadcast_to(values, shape).reshape(-1)):
            target = np.flatnonzero(weight)
            rows = Rows(np.zeros_like(target), target, weight[target], None)
            made = self.draft.fresh(name)
            found.append(self.shifted(made, self.synapses(made, read, rows, shape, late), exponent))
        return found

    def inhibition(self, cell: Cell, taken: Array) -> Key:
        """Add the synapse of each neuron onto itself that takes from it after a spike."""
        spread = -np.broadcast_to(taken, cell.shape).reshape(-1).astype(np.int64)
        held = mantissas(spread)
        if held is None:
            text = f"what a spike takes, {-spread.max()} to {-spread.min()}, has no common exponent"
            raise CapabilityError(Finding(text, cell.name, cell.source))
        weight, exponent = held
        at = np.flatnonzero(weight)
        name = self.draft.fresh(f"{cell.name}.reset")
        rows = Rows(at, at, weight[at], None)
        made = self.synapses(name, (cell.name, "out"), rows, cell.shape, self.pace, cell.source)
        return self.shifted(name, made, exponent, cell.source)

    def lif(
        self,
        old: Node,
        shape: tuple[int, ...],
        read: Key,
        params: Mapping[str, npt.ArrayLike],
        start: int,
        initial: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Put a LIF of Loihi in the place of a node; states keep their real units."""
        made = traced_cell(
            old.name,
            "loihi_lif",
            [self.draft.signal(read)],
            shape=shape,
            params={name: whole(v) for name, v in {"bias": 0, **params}.items()},
            initial=initial or {},
            options={},
            state_types={s.name: s.type for s in old.states if s.name in ("u", "v")}
            if isinstance(old, Cell)
            else {},
            timed=frozenset(),
            float_type=F32,
        )
        stored = {
            name: self.draft.store(name, t.data, t.type, owner=old.name)
            for name, t in made.tensors.items()
        }
        self.draft.nodes[old.name] = replace(
            made.node,
            source=old.source,
            provenance=old.provenance,
            start=start,
            params=tuple(replace(p, tensor=stored[p.tensor]) for p in made.node.params),
            states=tuple(replace(s, initial=stored[s.initial]) for s in made.node.states),
        )
        for port in old.ports:
            self.draft.edges.pop((old.name, port), None)
        (port,) = made.node.ports
        self.draft.edges[(old.name, port)] = Edge(*read, old.name, port)

    def seat(self, wanted: str, size: int) -> Input:
        """Add what a population that is still to be made sends, so that synapses can read it."""
        made = Input(name=self.draft.fresh(wanted), shape=(size,), type=BOOL, kind="spike")
        self.draft.nodes[made.name] = made
        return made

    def added(self, wanted: str, terms: Sequence[Key], shape: tuple[int, ...]) -> Key:
        """Add up what arrives at a population.

        Raises:
            InternalError: nothing arrives.
        """
        if not terms:
            raise InternalError(f"nothing arrives for {wanted!r}")
        total = terms[0]
        for term in terms[1:]:
            name = self.draft.fresh(wanted)
            total = self.draft.cell(name, "add", [total, term], shape=shape, params={})
        return total

    def clock(self) -> Key:
        """Give the neuron that spikes in the first of each ``pace`` steps: its spike returns."""
        if self._clock is None:
            self._clock = self._lone("clock", None, self.pace, 1, 2**FINER, 0)
        return self._clock

    def once(self) -> Key:
        """Give the neuron that spikes in the first step, and is inhibited ever after."""
        if self._once is None:
            self._once = self._lone("first_step", self.clock(), 1, -1, 2**FINER * UNITY, DECAY.hi)
        return self._once

    def _lone(
        self, wanted: str, read: Key | None, late: int, weight: int, first: int, forgets: int
    ) -> Key:
        """Add one neuron that spikes at step 0 by its first membrane."""
        seat = self.seat(wanted, 1)
        zero = np.zeros(1, np.int64)
        rows = Rows(zero, zero, np.array([weight]), None)
        fed = self.draft.fresh(f"{seat.name}.synapse")
        key = self.synapses(fed, read or (seat.name, "out"), rows, (1,), late)
        initial = {"v": tensor(np.array([first]), QType(STATE.lo, STATE.hi))}
        params = {"du": DECAY.hi, "dv": forgets, "threshold": 0}
        self.lif(seat, (1,), key, params, 0, initial)
        return seat.name, "out"
