"""One step from lists of events: the addresses of the neurons that spiked, in any order.

The addresses are checked before anything is written. They then mark an array of the context,
which the step reads as it reads any input, and which is cleared again by the same list: work
grows with the number of events, and two events of one neuron in one step are one spike.
"""

from __future__ import annotations

from neurodeploy.engine.text import indented
from neurodeploy.targets.edge.arguments import (
    dense_input,
    size_of,
    step_outputs,
    wrong_sizes,
)
from neurodeploy.targets.edge.memory import StaticPlan

__all__ = ["address_type", "event_declaration", "event_step"]

_TEXT = """\
/* Make one step from events: for each input that carries spikes, the flat indexes of the neurons
   that spiked, in any order. A neuron that is listed twice has spiked once. */
"""


def address_type(size: int) -> str:
    """Give the C type of an address among ``size`` neurons; it also holds one beyond.

    >>> address_type(65535), address_type(65536)
    ('uint16_t', 'uint32_t')
    """
    return "uint16_t" if size < 2**16 else "uint32_t"


def event_declaration(plan: StaticPlan, prefix: str) -> list[str]:
    """Give the lines of the header; none where no input carries spikes."""
    if not plan.event_places:
        return []
    return [*_TEXT.strip().split("\n"), f"{_head(plan, prefix)};", ""]


def event_step(plan: StaticPlan, prefix: str, outs: list[str]) -> str:
    """Give the function; empty where no input carries spikes."""
    if not plan.event_places:
        return ""
    big, numbers = prefix.upper(), _spiking(plan)
    dense = [i for i in range(len(plan.graph.inputs)) if i not in numbers]
    wrong = wrong_sizes(prefix, "in", dense)
    wrong += wrong_sizes(prefix, "out", list(range(len(plan.graph.outputs))))
    lines = [
        f"if ({' || '.join(wrong)}) return {big}_ERROR_SIZE;",
        f"if (c->t >= {big}_MOST_STEPS) return {big}_ERROR_STEPS;",
    ]
    for i in numbers:
        lines += _each(i, f"if (events{i}[k] >= {big}_INPUT{i}_SIZE) return {big}_ERROR_ADDRESS;")
    for i in numbers:
        place = plan.event_places[plan.graph.inputs[i].name]
        lines.append(f"uint8_t *const in{i} = {plan.at('uint8_t', place)};")
        lines += _each(i, f"in{i}[events{i}[k]] = 1;")
    ins = [f"in{i}" for i in range(len(plan.graph.inputs))]
    lines += ["c->held = 0;", f"nd_step({', '.join(['c', *ins, *outs])});"]
    for i in numbers:
        lines += _each(i, f"in{i}[events{i}[k]] = 0;")
    lines.append(f"return {big}_OK;")
    return f"{_head(plan, prefix)}\n{{\n{indented(lines)}\n}}\n"


def _spiking(plan: StaticPlan) -> list[int]:
    return [i for i, n in enumerate(plan.graph.inputs) if n.name in plan.event_places]


def _each(number: int, body: str) -> list[str]:
    return [f"for (size_t k = 0; k < events{number}_count; k++) {{", body, "}"]


def _head(plan: StaticPlan, prefix: str) -> str:
    numbers = _spiking(plan)
    parts = [f"{prefix}_context *c"]
    for i, node in enumerate(plan.graph.inputs):
        if i in numbers:
            kind = address_type(size_of(plan, node.name))
            parts += [f"const {kind} *events{i}", f"size_t events{i}_count"]
        else:
            parts += dense_input(plan, i)
    return f"int {prefix}_step_events({', '.join([*parts, *step_outputs(plan)])})"
