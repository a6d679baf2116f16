"""Reads what a float cell computes: how its membrane decays, what it takes, how it is reset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import Finding, QuantizationError, raise_findings
from neurodeploy.ir.nodes import Cell
from neurodeploy.ir.types import Tensor
from neurodeploy.passes.recognise import named_options
from neurodeploy.targets.grid import FloatNeuron

__all__ = ["READABLE", "float_neuron"]

Array = npt.NDArray[Any]
READABLE = ("if", "lif", "cuba_lif", "li")

# what must be so, and what to do where it is not
_PLAIN: dict[str, tuple[object, str]] = {
    "refractory": (0, "no refractory steps"),
    "floor": (False, "no floor of the membrane"),
    "spikes": (1, "one spike in a step"),
    "payload": ("spike", "spikes without a payload"),
    "rest": (False, "a membrane that decays to 0"),
}


def float_neuron(node: Cell, tensors: Mapping[str, Tensor]) -> FloatNeuron:
    """Give what a cell computes as the equation of a leaky membrane.

    ``i = alpha i + gain x``, ``v = beta v + i - taken s`` with the spike s of the last step, and a
    spike where v passes ``threshold``. A reset by subtraction in the step of the spike is the same
    with ``taken = beta threshold``: what is subtracted decays in the next step.

    Raises:
        QuantizationError: it is another cell, or has options that this equation does not hold.
    """
    options = named_options(node) if node.definition in READABLE else None
    if options is None:
        raise QuantizationError(
            f"cell {node.definition or 'without a name'!r} is no leaky membrane",
            hint=f"known: {', '.join(READABLE)}",
        )
    raise_findings(QuantizationError, _unusual(node, options))
    values = {p.name: tensors[p.tensor].data.astype(np.float64) for p in node.params}
    beta, gain = _decay(options, values)
    alpha = values.get("alpha", np.zeros(()))
    if options.get("input_gain"):
        gain = gain * values["input_gain"]
    start = _initial(node, tensors)
    if start.any() and alpha.any():
        raise QuantizationError(
            "a membrane that does not start at 0, with a current", hint="neurons that start at rest"
        )
    if node.definition == "li":
        return FloatNeuron(alpha, beta, gain, "none", np.zeros(()), np.zeros(()), False, start)
    threshold, reset = values["threshold"], str(options["reset"])
    strict = bool(options["strict"])
    raise_findings(QuantizationError, _unlike(options, values, start))
    if reset == "none":
        return FloatNeuron(alpha, beta, gain, "unreset", threshold, np.zeros(()), strict, start)
    if reset == "value":
        return FloatNeuron(alpha, beta, gain, "zero", threshold, threshold, strict, start)
    early = options["timing"] in ("same", "next_before")
    taken = threshold * beta if early else threshold
    return FloatNeuron(alpha, beta, gain, "subtract", threshold, taken, strict, start)


def _unusual(node: Cell, options: Mapping[str, object]) -> list[Finding]:
    found = [
        Finding(f"{name} is {options[name]!r}", hint=f"possible: {hint}", value=str(options[name]))
        for name, (plain, hint) in _PLAIN.items()
        if options.get(name, plain) != plain
    ]
    timing, reset = str(options.get("timing", "same")), options.get("reset")
    if timing.startswith("corrected"):
        found.append(Finding(f"timing is {timing!r}", hint="same, next_before or next_after"))
    if reset == "value" and timing == "next_after":
        found.append(
            Finding(
                "a reset to a value that also loses the input of the next step",
                hint="timing next_before, or same",
            )
        )
    if node.start:
        found.append(Finding(f"it starts at step {node.start}", hint="cells that start at once"))
    if any(p.timed for p in node.params):
        found.append(Finding("a parameter changes over time", hint="constant parameters"))
    return found


def _unlike(
    options: Mapping[str, object], values: Mapping[str, Array], start: Array
) -> list[Finding]:
    """Give what the values of parameters and states say that the equation does not hold."""
    found = []
    given = values.get("reset_value", np.zeros(()))
    if options["reset"] == "value" and given.any():
        hint = "a reset to 0"
        found.append(Finding(f"a reset to {float(given.reshape(-1)[0]):g}", hint=hint))
    if options["timing"] != "same" and (start >= values["threshold"]).any():
        hint = "an initial membrane below the threshold"
        found.append(
            Finding("it starts at its threshold, and is reset in the first step", hint=hint)
        )
    return found


def _initial(node: Cell, tensors: Mapping[str, Tensor]) -> Array:
    """Give the membrane before the first step.

    Raises:
        QuantizationError: a current starts elsewhere than at 0.
    """
    start: Array = np.zeros(())
    for state in node.states:
        values = tensors[state.initial].data.astype(np.float64)
        if state.name == "v":
            start = values
        elif values.any():
            raise QuantizationError(
                f"state {state.name!r} does not start at 0", hint="currents that start at rest"
            )
    return start


def _decay(options: Mapping[str, object], values: Mapping[str, Array]) -> tuple[Array, Array]:
    """Give the factor of the membrane and that of the input."""
    one = np.ones(())
    kind, weighs = options.get("decay", "none"), bool(options.get("decay_input"))
    if kind == "factor":
        return values["beta"], values["gain"] if weighs else one
    if kind == "tau":
        return 1 - 1 / values["tau"], 1 / values["tau"] if weighs else one
    if kind == "rate":
        return 1 - values["rate"], values["rate"] if weighs else one
    return one, one
