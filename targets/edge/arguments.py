"""The arguments that the C functions of a network share: its inputs and outputs, with sizes."""

from __future__ import annotations

from neurodeploy.targets.edge.memory import StaticPlan

__all__ = ["dense_input", "kind_of", "size_of", "step_arguments", "step_outputs", "wrong_sizes"]


def size_of(plan: StaticPlan, name: str) -> int:
    """Give the elements of an input or output at one step."""
    return plan.graph.signals[(name, "out")].size


def kind_of(plan: StaticPlan, name: str) -> str:
    """Give the C type of an input or output."""
    return plan.stored(plan.graph.signals[(name, "out")].type)


def dense_input(plan: StaticPlan, number: int) -> list[str]:
    """Declare one input as an array with its number of elements."""
    kind = kind_of(plan, plan.graph.inputs[number].name)
    return [f"const {kind} *in{number}", f"size_t in{number}_size"]


def step_outputs(plan: StaticPlan) -> list[str]:
    """Declare the outputs of one step."""
    parts = []
    for number, node in enumerate(plan.graph.outputs):
        parts += [f"{kind_of(plan, node.name)} *out{number}", f"size_t out{number}_size"]
    return parts


def step_arguments(plan: StaticPlan, prefix: str) -> str:
    """Declare what one step takes."""
    inputs = [a for i in range(len(plan.graph.inputs)) for a in dense_input(plan, i)]
    return ", ".join([f"{prefix}_context *c", *inputs, *step_outputs(plan)])


def wrong_sizes(prefix: str, what: str, numbers: list[int]) -> list[str]:
    """Give the C conditions that an array has another length than the network's.

    Args:
        prefix: What every name begins with.
        what: ``in`` or ``out``.
        numbers: Of which inputs or outputs.
    """
    long = {"in": "INPUT", "out": "OUTPUT"}[what]
    return [f"{what}{i}_size != {prefix.upper()}_{long}{i}_SIZE" for i in numbers]
