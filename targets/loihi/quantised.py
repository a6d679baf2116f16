"""Loihi's integers as data for `quantize`, and the cells that float neurons become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import CapabilityError, Finding
from neurodeploy.ir.make_cell import MadeCell
from neurodeploy.ir.nodes import Cell
from neurodeploy.ir.types import QType, Signal, Tensor, tensor
from neurodeploy.targets.grid import ChipGrid, IntegerNeuron
from neurodeploy.targets.loihi.cells import (
    DECAY,
    FINER,
    HALF,
    SUM,
    THRESHOLD,
    UNITY,
)
from neurodeploy.targets.loihi.gates import gate
from neurodeploy.targets.rewrite import lowered_cell

__all__ = ["LAVA_GRID", "integer_cell"]

Array = npt.NDArray[Any]

LAVA_GRID = ChipGrid(
    mantissa=255,
    mixed_step=2,
    exponents={"Dense": (-8, 7), "Synapses": (-8, 7)},  # Lava's Conv has none
    sum=SUM.hi,
    state=HALF >> FINER,
    threshold=THRESHOLD.hi,
    taken=255,
    taken_exponent=7,
    drive=254 << 7,
    drive_step=2,
    message_bits=8,
    shift_cell="loihi_synapse",
)


def integer_cell(
    node: Cell, arrived: Sequence[Signal], made: IntegerNeuron
) -> tuple[MadeCell, str]:
    """Give the `loihi_step_lif` that computes a float neuron, and where its value is.

    The membrane of a neuron with a reset by subtraction is the current; that of one that is set
    to 0, or never spikes, is the membrane. What is read of a neuron without memory is the current.

    Raises:
        CapabilityError: Loihi's LIF has no such neuron.
    """
    model = made.neuron
    current = bool(model.alpha.any())
    if model.beta.min() < 0 or model.beta.max() > 1:
        _refuse(node, f"a decay factor of {model.beta.min():g} to {model.beta.max():g}", "0 to 1")
    if model.alpha.min() < 0 or model.alpha.max() > 1:
        _refuse(
            node, f"a current's factor of {model.alpha.min():g} to {model.alpha.max():g}", "0 to 1"
        )
    if current and made.pace > 1:
        hint = "fewer layers in the loop, or longer delays"
        _refuse(node, f"a current with memory in a loop of {made.pace} hops a step", hint)
    kept = np.rint(model.beta ** (1 / made.pace) * UNITY)
    if model.reset in ("subtract", "unreset"):
        if current:
            hint = "a reset to zero: what is subtracted is taken from the current, which decays"
            _refuse(node, "a current with memory and a reset by subtraction", hint)
        # a current keeps 4095 parts of 4096 at most
        du, dv = np.clip(UNITY - 1 - kept, 0, None), np.asarray(DECAY.hi)
    else:
        du = np.clip(np.rint(UNITY - 1 - model.alpha * UNITY), 0, None)
        dv = np.clip(UNITY - kept, 0, DECAY.hi)
    output, threshold = "out", made.threshold
    if threshold is None:
        bare = not kept.any() and not current
        output = "u" if bare else "v"
        # the membrane of what is read at every step adds it up, to be read once
        dv = np.asarray(0) if bare else dv
        threshold = np.asarray(THRESHOLD.hi)
    gated = made.pace > 1 and model.reset in ("subtract", "unreset")
    params: dict[str, npt.ArrayLike | Tensor] = {}
    if gated:
        held = gate(UNITY - 1 - du, made.peak, made.pace)
        threshold = np.maximum(threshold - held.lowered, 0)
        params |= {"closing": _whole(held.closing), "opening": _whole(held.opening)}
    params |= {"du": _whole(du), "dv": _whole(dv), "threshold": _whole(threshold)}
    options: dict[str, str | int | bool] = {
        "subtract": bool(made.taken.any()),
        "driven": bool(made.drive.any()),
        "kicked": bool(made.kick.any()),
        "gated": gated,
        "pace": made.pace,
    }
    if options["subtract"]:
        params["taken"] = _whole(made.taken)
    if options["driven"]:
        params["drive"] = _whole(made.drive)
    if options["kicked"]:
        params["kick"] = _whole(made.kick)
    cell = lowered_cell(node, "loihi_step_lif", arrived, params, options=options)
    if output == "out":
        return cell, output
    return _in_real_units(cell, output, float(made.unit) / 2**FINER), output


def _in_real_units(made: MadeCell, name: str, unit: float) -> MadeCell:
    """Say what 1 of a state that is read stands for."""
    states, tensors = [], dict(made.tensors)
    for state in made.node.states:
        if state.name == name and isinstance(state.type, QType):
            kind = replace(state.type, scale=(unit,))
            tensors[state.initial] = tensor(tensors[state.initial].data, kind)
            state = replace(state, type=kind)
        states.append(state)
    return replace(made, node=replace(made.node, states=tuple(states)), tensors=tensors)


def _refuse(node: Cell, text: str, hint: str) -> None:
    raise CapabilityError(Finding(f"{text} is no neuron of Loihi", node.name, node.source, hint))


def _whole(values: Array) -> Tensor:
    """Give integers of the narrowest range: what a sum may reach is proven from it."""
    whole = np.asarray(values).astype(np.int64)
    return tensor(whole, QType(int(whole.min()), int(whole.max())))
