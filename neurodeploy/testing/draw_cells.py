"""Draws cells: which one, with which options, parameters, initial values and start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from neurodeploy.errors import SemanticsError
from neurodeploy.ir.builder import GraphBuilder, Ref
from neurodeploy.ir.types import QType, Tensor, expression_type, stored_type, tensor
from neurodeploy.semantics.cells import BUILTIN
from neurodeploy.semantics.cells.firing import PAYLOADS, RESETS, TIMINGS
from neurodeploy.semantics.cells.membrane import DECAYS
from neurodeploy.semantics.kinds import output_kind
from neurodeploy.semantics.program import Program
from neurodeploy.semantics.trace import CellDefinition, cell_definition, trace
from neurodeploy.semantics.types import Int, Type
from neurodeploy.testing.cells import FLOAT_CELLS, INTEGER_CELLS
from neurodeploy.testing.drawing import Array, Drawing, Recipe

__all__ = ["Plan", "allowed_cells", "cell_recipe", "draw_plan"]

Option = str | int | bool
YES_NO: tuple[Option, ...] = (False, True)
# option: what it may be, for the built-in cells
OPTIONS: dict[str, tuple[Option, ...]] = {
    "decay": DECAYS,
    "decay_input": YES_NO,
    "rest": YES_NO,
    "reset": RESETS,
    "timing": TIMINGS,
    "strict": YES_NO,
    "refractory": (0, 1, 3),
    "floor": YES_NO,
    "spikes": (1, 2, 4),
    "payload": PAYLOADS,
    "lower": YES_NO,
    "detach_reset": YES_NO,
    "input_gain": YES_NO,
    "taken": ("adapted", "base"),
    "gate": ("exp", "sigmoid", "tanh", "sqrt"),
    "period": (2, 3),
}
INTEGER_OPTIONS: dict[str, tuple[Option, ...]] = {
    "shift": (1, 2, 4),
    "rounding": ("floor", "zero", "nearest", "even"),
    "overflow": ("saturate", "wrap"),
    "reset": RESETS,
    "timing": ("same", "next"),
    "strict": YES_NO,
    "refractory": (0, 2),
    "payload": YES_NO,
}
# parameter: smallest and largest value; those of SCALED are in units of the threshold
RANGES: dict[str, tuple[float, float]] = {
    "threshold": (0.6, 1.8),
    "reset_value": (-0.3, 0.3),
    "floor": (-1.0, 0.0),
    "lower": (-1.5, -0.5),
    "rest": (-0.2, 0.2),
    "beta": (0.5, 0.98),
    "gain": (0.4, 1.2),
    "tau": (1.2, 5.0),
    "rate": (0.1, 0.9),
    "alpha": (0.3, 0.9),
    "input_gain": (0.4, 1.2),
    "rho": (0.6, 0.95),
    "increment": (0.5, 1.0),
    "adaptation": (0.05, 0.3),
    "amplitude": (0.5, 1.5),
    "upper": (0.5, 2.0),
    "slope": (0.05, 0.3),
    "scale": (0.5, 1.5),
    "shift": (-0.2, 0.3),
    "table": (0.0, 1.0),
}
SCALED = frozenset({"threshold", "reset_value", "floor", "lower", "rest"})
TABLE = 8
PARAM_RANGE = QType(-(2**14), 2**14)


def allowed_cells(draw: Drawing) -> list[CellDefinition]:
    """Give the cells that the profile allows."""
    can = draw.profile.can
    if can is not None and can.cells is not None:
        return [cell_definition(n) for n in dict.fromkeys(r.definition for r in can.cells)]
    own = INTEGER_CELLS if draw.numbers == "integer" else FLOAT_CELLS
    return [*(cell_definition(n) for n in BUILTIN), *own]


@dataclass(frozen=True)
class Plan:
    """A cell with its options, and relative values for what it takes."""

    definition: CellDefinition
    options: Mapping[str, Option]
    program: Program
    name: str
    params: Mapping[str, Array]
    timed: frozenset[str] = frozenset()
    initial: Mapping[str, Array] = field(default_factory=dict)
    start: int = 0
    stream: int = 0

    @property
    def spiking(self) -> bool:
        """Whether its output is made of events."""
        return output_kind(self.program, self.program.outputs[0][0]) != "value"


def draw_plan(
    draw: Drawing,
    definition: CellDefinition,
    arrived: Sequence[Type],
    shape: tuple[int, ...],
) -> Plan | None:
    """Draw options that go together, and parameters; None where the types do not fit."""
    whole = {n for n, v in definition.params.items() if isinstance(v, int)}
    for _ in range(24):
        options = _options(draw, definition)
        try:
            program = trace(
                definition,
                inputs=dict(zip(definition.inputs, arrived, strict=True)),
                params={n: expression_type(PARAM_RANGE) for n in whole},
                options=options,
                float_type=draw.float_type,
            ).program
        except SemanticsError:
            if not definition.options:
                return None
            continue
        break
    else:
        return None
    rare = draw.profile.rare
    params: dict[str, Array] = {}
    timed = set()
    for port in program.params:
        given = draw.chance(0.9) or port.name in ("threshold", *whole)
        if definition.params[port.name] is not None and not given:
            continue  # the definition's own value
        size = _granularity(draw, shape)
        if port.name == "table":
            size = (TABLE,)
        elif draw.chance(rare * 0.4):
            timed.add(port.name)
            size = (draw.timesteps + 8, *size)
        lo, hi = RANGES.get(port.name, (0.5, 1.0))
        params[port.name] = draw.rng.uniform(lo, hi, size)
    initial = {
        p.name: draw.rng.normal(0.2, 0.3, _granularity(draw, shape))
        for p in program.states
        if p.name in ("v", "i", "a", "u") and draw.chance(rare)
    }
    return Plan(
        definition,
        options,
        program,
        draw.name(definition.name.removeprefix("random_")),
        params,
        frozenset(timed),
        initial,
        start=draw.whole(1, 3) if draw.chance(rare * 0.4) else 0,
        stream=draw.whole(0, 99),
    )


def _options(draw: Drawing, definition: CellDefinition) -> dict[str, Option]:
    """Draw options: a restricted one among its values, another often as the default."""
    can = draw.profile.can
    limited: dict[str, tuple[Option, ...]] = {}
    if can is not None and can.cells is not None:
        rules = [r for r in can.cells if r.definition == definition.name]
        rule = rules[draw.whole(0, len(rules) - 1)]
        limited = {n: v for n, v in rule.options if not any(isinstance(i, float) for i in v)}  # type: ignore[misc]
    integer = any(isinstance(v, int) for v in definition.params.values())
    table = INTEGER_OPTIONS if integer else OPTIONS
    drawn: dict[str, Option] = {}
    for name, default in definition.options.items():
        values = limited.get(name)
        if values is None and name == "bits":
            values = (draw.float_type.bits,)
        elif values is None and draw.chance(0.6):
            values = table.get(name)
        if values is None:
            drawn[name] = default
            continue
        choice = draw.whole(0, len(values) - 1)
        if name in limited and draw.profile.grid == "whole":
            choice = draw.habits.setdefault((definition.name, name), choice)
        drawn[name] = values[choice]
    return drawn


def _granularity(draw: Drawing, shape: tuple[int, ...]) -> tuple[int, ...]:
    if draw.chance(0.5):
        return ()
    return shape if draw.chance(0.5) else (shape[0], *[1] * (len(shape) - 1))


def cell_recipe(draw: Drawing, plan: Plan, amount: float) -> Recipe:
    """Give the recipe of a planned cell whose threshold is about ``amount``."""
    types = {p.name: p.type for p in plan.program.params}
    params = {n: _value(draw, n, v, types[n], amount) for n, v in plan.params.items()}
    states = {p.name: p.type for p in plan.program.states}
    initial = {n: _initial(draw, v, states[n], amount) for n, v in plan.initial.items()}

    def recipe(b: GraphBuilder, refs: tuple[Ref, ...]) -> Ref:
        return b.cell(
            plan.name,
            plan.definition,
            *refs,
            params=params,
            initial=initial,
            options=plan.options,
            timed=plan.timed,
            start=plan.start,
            stream=plan.stream,
            source=(f"layer.{plan.name}",),
        )

    return recipe


def _value(draw: Drawing, name: str, relative: Array, kind: Type, amount: float) -> Tensor:
    values = relative * amount if name in SCALED else relative
    if isinstance(kind, Int):
        values = np.rint(values * (1 if name in SCALED else 4))
        least = 1 if name == "threshold" else kind.lo
        return tensor(np.clip(values, least, kind.hi), PARAM_RANGE)
    step = 2.0**-4
    if draw.profile.grid == "whole":
        step = 1.0 if name in SCALED else 0.5
    values = draw.on_grid(values, step)
    if name in ("threshold", "tau", "rate", "beta"):
        values = np.maximum(values, step if draw.profile.grid != "none" else 2.0**-4)
    return tensor(values, draw.float_type)


def _initial(draw: Drawing, relative: Array, kind: Type, amount: float) -> Tensor:
    values = relative * amount
    if isinstance(kind, Int):
        return tensor(np.clip(np.rint(values), kind.lo, kind.hi), stored_type(kind))
    step = 1.0 if draw.profile.grid == "whole" else 2.0**-4
    return tensor(draw.on_grid(values, step), draw.float_type)
