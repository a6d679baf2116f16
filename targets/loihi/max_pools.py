"""Writes max pools of spikes as Loihi's neurons.

A pool of single steps spikes where any neuron of its window did. A pool of sums over the steps
sends the increments of the largest count: for two neurons of the counts S and R, a spike s counts
where ``S(t) - R(t-1) >= 1``, one of the other likewise, and any of the two makes one increment.
That is a neuron for each of the two: its current counts the difference and never forgets more than
one part of 4096, and a spike s lifts it above a threshold that the difference alone does not reach,
for one step. Larger windows are trees of such pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import CapabilityError, Finding
from neurodeploy.ir.nodes import Reduce
from neurodeploy.ir.ops import Conv, MaxPool
from neurodeploy.ir.types import QType
from neurodeploy.passes.rewire import Key
from neurodeploy.targets.loihi.as_synapses import Rows, rows_of_map
from neurodeploy.targets.loihi.cells import DECAY, UNITY
from neurodeploy.targets.loihi.parts import Parts

__all__ = ["counted_steps", "levels", "write_pool"]

Array = npt.NDArray[Any]
COUNTED = 62  # spikes by which two counts may differ
ONE = 512  # units of a spike that is counted
LIFT = COUNTED * ONE
ANY = {"du": DECAY.hi, "dv": DECAY.hi, "threshold": 0}
COUNTS = {"du": 0, "dv": DECAY.hi, "threshold": LIFT + ONE // 2}


def counted_steps(pace: int) -> int:
    """Give the steps of the network over which counts are told apart.

    A difference of D counts, held for n steps, loses ``D n pace / 4096`` of a count; D spikes take
    D steps. Less than half a count may be lost, of which a fifth is left for rounding.

    >>> counted_steps(1), counted_steps(3)
    (62, 46)
    """
    return min(COUNTED, math.isqrt(int(4 * 0.4 * UNITY / pace)))


def levels(op: MaxPool) -> int:
    """Give the pairs, one behind the other, that a pool of sums takes.

    >>> from neurodeploy.ir.ops import Window
    >>> levels(MaxPool(Window((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)), "cumulative"))
    2
    """
    return max(1, math.ceil(math.log2(math.prod(op.window.kernel))))


@dataclass(frozen=True, eq=False)
class _Stage:
    """One population of a tree.

    Attributes:
        key: What it sends.
        late: Steps from there to what reads it.
        members: Neurons of it that each output still has to pool.
    """

    key: Key
    late: int
    members: list[Array]


def write_pool(
    parts: Parts,
    node: Reduce,
    op: MaxPool,
    sent: Key,
    read: tuple[int, ...],
    late: int,
    start: int,
) -> None:
    """Put neurons in the place of a max pool.

    Args:
        parts: The graph in the making.
        node: The pool.
        op: Its operation.
        sent: The spikes that it reads.
        read: The shape in which it reads them.
        late: Steps from there to the first neurons.
        start: First step of the neurons that send the result.
    """
    draft = parts.draft
    shape = draft.signal((node.name, "out")).shape
    name = draft.fresh(f"{node.name}.window")
    weight = draft.store(
        f"{name}.weight", np.ones((read[0], 1, *op.window.kernel)), QType(0, 1), owner=name
    )
    rows = rows_of_map(Conv(weight, op.window, groups=read[0]), draft, read, shape)
    if op.mode == "frame":
        key = parts.synapses(name, sent, rows, shape, late, node.source)
        parts.lif(node, shape, key, ANY, start)
        return
    size = math.prod(shape)
    order = np.argsort(rows.target, kind="stable")
    ends = np.cumsum(np.bincount(rows.target, minlength=size))[:-1]
    stage = _Stage(sent, late, np.split(rows.source[order], ends))
    count = levels(op)
    for level in range(count):
        stage = _level(parts, node, stage, start - 2 * (count - level - 1), last=level == count - 1)


def _paired(members: list[Array]) -> tuple[Array, Array, list[Array]]:
    """Pair the members of each output: neurons, the place of what each two or one become.

    >>> pairs, singles, left = _paired([np.array([4, 5, 6]), np.array([7])])
    >>> pairs.tolist(), singles.tolist(), [m.tolist() for m in left]
    ([[4, 5, 0]], [[6, 1], [7, 2]], [[0, 1], [2]])
    """
    pairs: list[tuple[int, int, int]] = []
    singles: list[tuple[int, int]] = []
    left: list[Array] = []
    count = 0
    for each in members:
        whole = len(each) // 2
        for k in range(whole):
            pairs.append((each[2 * k], each[2 * k + 1], count + k))
        if len(each) % 2:
            singles.append((each[-1], count + whole))
        left.append(np.arange(count, count + (len(each) + 1) // 2))
        count += (len(each) + 1) // 2
    return (
        np.array(pairs, np.int64).reshape(-1, 3),
        np.array(singles, np.int64).reshape(-1, 2),
        left,
    )


def _level(parts: Parts, node: Reduce, stage: _Stage, start: int, *, last: bool) -> _Stage:
    """Pool each two members; ``start`` is that of the neurons that send what is pooled."""
    pairs, singles, members = _paired(stage.members)
    size = sum(len(m) for m in members)
    shape = parts.draft.signal((node.name, "out")).shape if last else (size,)
    if last and math.prod(shape) != size:
        text = "a window of it holds nothing but padding"
        raise CapabilityError(Finding(text, node.name, node.source))
    terms = []
    if len(pairs):
        key = _compared(parts, node, stage, pairs, start - 1)
        place = np.concatenate([pairs[:, 2], pairs[:, 2]])
        rows = Rows(np.arange(len(place)), place, np.ones_like(place), None)
        name = parts.draft.fresh(f"{node.name}.any")
        terms.append(parts.synapses(name, key, rows, shape, 1, node.source))
    if len(singles):
        rows = Rows(singles[:, 0], singles[:, 1], np.ones(len(singles), np.int64), None)
        name = parts.draft.fresh(f"{node.name}.passed")
        late = stage.late + 1
        terms.append(parts.synapses(name, stage.key, rows, shape, late, node.source))
    made = node if last else parts.seat(f"{node.name}.pooled", size)
    parts.lif(made, shape, parts.added(f"{node.name}.sum", terms, shape), ANY, start)
    return _Stage((made.name, "out"), 1, members)


def _compared(parts: Parts, node: Reduce, stage: _Stage, pairs: Array, start: int) -> Key:
    """Add two neurons for each pair: each spikes where its spike raises the larger count."""
    first = np.concatenate([pairs[:, 0], pairs[:, 1]])
    second = np.concatenate([pairs[:, 1], pairs[:, 0]])
    size = len(first)
    neurons, full = np.arange(size), np.ones(size, np.int64)
    seat = parts.seat(f"{node.name}.compared", size)
    both = np.concatenate([first, second]), np.concatenate([neurons, neurons])
    fallen = np.concatenate([-LIFT * full, -ONE * full])
    fed = (
        ("counted", first, neurons, (LIFT + ONE) * full, 7, stage.late),
        ("fallen", *both, fallen, 7, stage.late + 1),
        # of what lifted a neuron, one part of 4096 is gone when the rest is taken
        ("kept", first, neurons, round(LIFT / UNITY) * full, 0, stage.late + 1),
    )
    terms = []
    for what, source, target, weight, exponent, late in fed:
        name = parts.draft.fresh(f"{node.name}.{what}")
        rows = Rows(source, target, weight >> exponent, None)
        key = parts.synapses(name, stage.key, rows, (size,), late, node.source)
        terms.append(parts.shifted(name, key, exponent, node.source))
    total = parts.added(f"{node.name}.sum", terms, (size,))
    parts.lif(seat, (size,), total, COUNTS, start)
    return seat.name, "out"
