"""Random graphs that are alive: for tests of passes, engines and targets.

>>> import numpy as np
>>> case = random_graph(np.random.default_rng(1))
>>> case.graph.outputs != ()
True

`graphs` is the same as a hypothesis strategy (extra ``test``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neurodeploy.ir.builder import GraphBuilder, Ref
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.make_cell import cell_signals
from neurodeploy.ir.types import BOOL, QType, expression_type
from neurodeploy.semantics.trace import CellDefinition
from neurodeploy.semantics.types import BOOL as BOOL_TYPE
from neurodeploy.semantics.types import Bool, Float, Int
from neurodeploy.targets.check import capability_findings
from neurodeploy.testing.cells import FLOAT_CELLS, INTEGER_CELLS
from neurodeploy.testing.draw_cells import Plan, allowed_cells, cell_recipe, draw_plan
from neurodeploy.testing.draw_maps import draw_projection, draw_return
from neurodeploy.testing.draw_structure import draw_structure
from neurodeploy.testing.drawing import (
    Array,
    Drawing,
    RandomCase,
    RandomProfile,
    Recipe,
    Traces,
    alive,
)

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["RandomCase", "RandomProfile", "graphs", "populations", "random_graph", "spiking_share"]

SHAPES = {1: (12,), 2: (3, 8), 3: (2, 6, 6), 4: (2, 3, 4, 3)}
DECODES = ("count", "mean", "membrane", "max", "first")
RUNGS = (1.0, 0.3, 0.08, 0.02)


def random_graph(
    rng: np.random.Generator, profile: RandomProfile | None = None, *, blocks: int | None = None
) -> RandomCase:
    """Draw a graph and something to run it on.

    Args:
        rng: Where chance comes from; the same generator state gives the same case.
        profile: What the graph may hold.
        blocks: Number of building blocks; drawn where not given.
    """
    wanted = profile or RandomProfile()
    case = _draw(rng, wanted, blocks)
    for _ in range(16):
        if wanted.can is None or not capability_findings(case.graph, wanted.can):
            break
        case = _draw(rng, wanted, blocks)
    return case


def graphs(profile: RandomProfile | None = None) -> SearchStrategy[RandomCase]:
    """Give a hypothesis strategy of random cases; it shrinks to fewer blocks.

    Raises:
        ImportError: hypothesis is not installed.
    """
    from hypothesis import strategies as st

    wanted = profile or RandomProfile()

    def case(seed: int, blocks: int) -> RandomCase:
        return random_graph(np.random.default_rng(seed), wanted, blocks=blocks)

    return st.builds(case, st.integers(0, 2**32 - 1), st.integers(*wanted.blocks))


def populations(graph: Graph) -> tuple[tuple[str, str], ...]:
    """Give the main output of every cell that sends events: spikes, graded or signed."""
    found = ((n.name, n.outputs[0]) for n in graph.cells)
    return tuple(key for key in found if graph.signals[key].kind in ("spike", "graded", "signed"))


def spiking_share(trace: Mapping[tuple[str, str], Array], graph: Graph) -> float:
    """Give the share of the populations that sent at least one event; 0 where there are none.

    Args:
        trace: Recorded values; must hold `populations` of the graph.
        graph: The graph.
    """
    keys = populations(graph)
    return sum(bool(np.any(trace[k])) for k in keys) / max(1, len(keys))


def _draw(rng: np.random.Generator, profile: RandomProfile, blocks: int | None) -> RandomCase:
    numbers = profile.numbers[int(rng.integers(len(profile.numbers)))]
    timesteps = int(rng.integers(profile.timesteps[0], profile.timesteps[1] + 1))
    draw = Drawing(rng, profile, numbers, timesteps)
    for _ in range(2 if draw.chance(0.25) else 1):
        _input(draw)
    count = draw.whole(*profile.blocks) if blocks is None else blocks
    for _ in range(count):
        for _ in range(12):
            if _block(draw):
                break
    if not _has_population(draw):
        for _ in range(12):
            if _population(draw, _pick(draw)):
                break
    _outputs(draw)
    begun = {e.initial for e in draw.builder.edges}
    for name in [n for n in draw.builder.tensors if n.startswith("before") and n not in begun]:
        del draw.builder.tensors[name]  # drawn for a node that was not taken
    return RandomCase(
        draw.builder.build(timesteps=timesteps), dict(draw.inputs), timesteps, numbers
    )


def _has_population(draw: Drawing) -> bool:
    """Say whether any cell of the drawing sends events."""
    return any(
        next(iter(cell_signals(n).values())).kind in ("spike", "graded", "signed")
        for n in draw.builder.nodes
        if cell_signals(n)
    )


def _input(draw: Drawing) -> None:
    shape = _shape(draw)
    name = draw.name("input")
    size = (draw.profile.samples, draw.timesteps, *shape)
    rates = draw.rng.uniform(0.1, 0.7, shape)
    chip = draw.profile.can is not None and draw.profile.can.cells is not None
    if chip or draw.chance(0.4):
        ref = draw.builder.input(name, shape, type=BOOL, encoding="events")
        values: Array = draw.rng.random(size) < rates
    elif draw.integer_weights:
        ref = draw.builder.input(name, shape, type=QType(-2, 7, (0.125,)))
        values = draw.rng.integers(-2, 8, size)
    else:
        ref = draw.builder.input(name, shape)
        values = draw.on_grid(draw.rng.normal(0.3, 0.6, size), 2.0**-4)
        values = values.astype(draw.float_type.dtype)
    if draw.chance(0.15):
        values = values[:, 0]  # presented unchanged at every step
    draw.inputs[name] = values
    still = values.ndim == len(shape) + 1
    seen = np.repeat(values[:, None], draw.timesteps, axis=1) if still else values
    draw.traces[(name, "out")] = seen
    draw.refs.append(ref)


def _shape(draw: Drawing) -> tuple[int, ...]:
    windows = [draw.profile.allows("maps", n) for n in ("Conv", "ConvTranspose", "Pool")]
    rank = int(draw.rng.choice([1, 2, 3, 4], p=[0.2, 0.25, 0.35, 0.2])) if any(windows) else 1
    return tuple(max(2 if rank == 1 else 1, n - draw.whole(0, n // 3)) for n in SHAPES[rank])


def _pick(draw: Drawing) -> Ref:
    """Choose a signal to read, the newest most often."""
    if draw.chance(0.6):
        return draw.refs[-1]
    return draw.refs[draw.whole(0, len(draw.refs) - 1)]


def _block(draw: Drawing) -> bool:
    x = draw.late(_pick(draw), 0.12)
    what = draw.rng.random()
    if what < 0.45:
        return _population(draw, x)
    if what < 0.6:
        return _recurrence(draw, x)
    if what < 0.72:
        return _join(draw, x)
    drawn = draw_structure(draw, x)
    return drawn is not None and draw.add(drawn[0], *drawn[1]) is not None


def _projected(draw: Drawing, x: Ref) -> Ref | None:
    """Add a weighted Map, unless the signal already is what a cell can take."""
    plain = x.signal.type != BOOL and draw.chance(0.2)
    if plain:
        return x
    drawn = draw_projection(draw, x)
    return None if drawn is None else draw.add(drawn[0], x)


def _population(draw: Drawing, x: Ref) -> bool:
    current = _projected(draw, x)
    return current is not None and _cell(draw, current) is not None


@dataclass(frozen=True)
class _Return:
    """The return path of a recurrence: what it computes, and what it reads of its cell."""

    recipe: Recipe
    delay: int
    output: str
    type: Bool | Float

    def read_by(self, plan: Plan) -> bool:
        """Say whether a cell has what is read."""
        if self.output != "out":
            return any((p.name, p.type) == (self.output, self.type) for p in plan.program.states)
        return plan.program.instrs[plan.program.outputs[0][1]].type == self.type


def _cell(draw: Drawing, x: Ref, back: _Return | None = None) -> Ref | None:
    """Add a cell that fits ``x``; with ``back``, a population with a recurrence."""
    able = [d for d in allowed_cells(draw) if len(d.inputs) == 1 and d.name != "to_float"]
    own = [d for d in able if d in INTEGER_CELLS]
    if own and draw.chance(0.7):
        able = own
    analog = back is None and draw.chance(0.2)
    value = analog and draw.chance(0.5)
    direct = expression_type(x.signal.type)
    bridge = isinstance(direct, Int) and _allowed(draw, "to_float")
    kinds = [direct, *([draw.float_type] if bridge else [])]
    odds = np.array([1.0 if d in FLOAT_CELLS else 2.5 for d in able])
    for i in draw.rng.choice(len(able), len(able), replace=False, p=odds / odds.sum()):
        for kind in kinds:
            plan = draw_plan(draw, able[i], [kind], x.shape)
            if plan is None or (plan.spiking and value) or not (plan.spiking or analog):
                continue
            if back is not None and not back.read_by(plan):
                continue
            made = _tuned(draw, plan, x, bridged=kind != direct, back=back)
            if made is not None:
                return made
    return None


def _allowed(draw: Drawing, name: str) -> bool:
    return any(d.name == name for d in allowed_cells(draw))


def _tuned(draw: Drawing, plan: Plan, x: Ref, *, bridged: bool, back: _Return | None) -> Ref | None:
    """Add a planned cell with the highest threshold of a few at which it is alive."""
    level = float(np.abs(draw.trace(x).astype(np.float64)).mean())
    initial = 1 if draw.chance(draw.profile.rare) else 0
    for rung in RUNGS:
        cell = cell_recipe(draw, plan, max(level * rung * 1.5, 1e-6))

        def recipe(b: GraphBuilder, refs: tuple[Ref, ...], cell: Recipe = cell) -> Ref:
            y = refs[0]
            source = (f"layer.{plan.name}",)
            if back is not None:
                late = b.ref(
                    plan.name,
                    back.output,
                    shape=y.shape,
                    type=back.type,
                    delay=back.delay,
                    initial=initial,
                )
                late = late if back.delay else late.after(0)
                y = b.cell(f"{plan.name}.sum", "add", y, back.recipe(b, (late,)), source=source)
            if bridged:
                bits = draw.float_type.bits
                options = {"bits": bits}
                y = b.cell(f"{plan.name}.float", "to_float", y, options=options, source=source)
            return cell(b, (y,))

        tried = draw.try_out(recipe, (x,))
        if tried is None:
            return None
        made, traces = tried
        if alive(traces[(made.node, made.output)]):
            ref = draw.take(recipe, (x,), traces)
            _tap(draw, ref, traces)
            return ref
        if "threshold" not in plan.params:
            return None
    return None


def _tap(draw: Drawing, ref: Ref, traces: Traces) -> None:
    """Sometimes let later nodes read a state of the cell."""
    states = [out for node, out in traces if node == ref.node and out in ("v", "i")]
    if states and draw.chance(draw.profile.rare * 0.5):
        tapped = draw.builder.state(ref, states[0])
        if alive(traces[(ref.node, states[0])]):
            draw.refs.append(tapped)


def _recurrence(draw: Drawing, x: Ref) -> bool:
    if not (_allowed(draw, "add") and draw.profile.allows("maps", "Dense")):
        return _population(draw, x)
    current = _projected(draw, x)
    if current is None or current.signal.size > 64:
        return False
    if len(current.shape) > 1 and not draw.profile.allows("maps", "Reshape"):
        return False
    recipe, delay = draw_return(draw, current.shape)
    back = _Return(recipe, delay, "out", BOOL_TYPE)
    free = draw.profile.can is None and draw.profile.grid == "none" and not draw.integer_weights
    if free and draw.chance(draw.profile.rare):
        back = _Return(recipe, delay, "v", draw.float_type)
    return _cell(draw, current, back) is not None


def _join(draw: Drawing, x: Ref) -> bool:
    """Add or multiply two signals: a residual connection, or a gate."""
    names = [n for n in ("add", "add", "multiply") if _allowed(draw, n)]
    if not names:
        return _population(draw, x)
    able = [r for r in draw.refs if r.signal.type == x.signal.type and _joins(r.shape, x.shape)]
    if x.signal.type == BOOL:
        if not _allowed(draw, "spike_scale"):
            return False
        scaled = draw_plan(draw, _definition(draw, "spike_scale"), [BOOL_TYPE], x.shape)
        graded = None if scaled is None else draw.add(cell_recipe(draw, scaled, 1.0), x)
        if graded is None:
            return False
        x, able = graded, [graded]
    other = able[draw.whole(0, len(able) - 1)] if able else x
    kinds = [expression_type(x.signal.type), expression_type(other.signal.type)]
    definition = _definition(draw, names[draw.whole(0, len(names) - 1)])
    plan = draw_plan(draw, definition, kinds, x.shape)
    return plan is not None and draw.add(cell_recipe(draw, plan, 1.0), x, other) is not None


def _definition(draw: Drawing, name: str) -> CellDefinition:
    return next(d for d in allowed_cells(draw) if d.name == name)


def _joins(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return len(a) == len(b) and all(m == n or 1 in (m, n) for m, n in zip(a, b, strict=True))


def _outputs(draw: Drawing) -> None:
    """Put an output behind every signal that nothing reads."""
    read = {(e.source, e.output) for e in draw.builder.edges}
    chip = draw.profile.can is not None and draw.profile.can.cells is not None
    loose = [r for r in draw.refs if (r.node, r.output) not in read] or [draw.refs[-1]]
    for ref in loose:
        late = ref if chip else draw.late(ref, 0.08)
        name = draw.name("output")
        decode = DECODES[draw.whole(0, len(DECODES) - 1)] if draw.chance(0.5) else None
        draw.builder.output(name, late, decode=decode, source=(name,))  # type: ignore[arg-type]
