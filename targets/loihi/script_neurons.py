"""Writes populations as Lava's processes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.ir.nodes import Cell
from neurodeploy.targets.loihi.cells import BIAS_EXPONENTS, BIAS_MANTISSA
from neurodeploy.targets.loihi.processes import NEURONS, options_of
from neurodeploy.targets.loihi.script import Script, lava_shape

__all__ = ["write_population"]

Array = npt.NDArray[Any]
LIFS = ("loihi_lif", "loihi_lif_reset", "loihi_ternary_lif")
NAMES = {
    "threshold": "vth",
    "upper": "vth_hi",
    "lower": "vth_lo",
    "sine": "sin_decay",
    "cosine": "cos_decay",
}


def write_population(script: Script, cell: Cell) -> None:
    """Write the neurons of a cell, with their parameters and first states."""
    if any(p.timed for p in cell.params):
        script.refuse(cell, "has parameters of each step, Lava has none")
        return
    if cell.start and not _rests(script, cell):
        script.refuse(cell, f"starts at step {cell.start}, and would not rest before it in Lava")
        return
    own, (process, _, other) = script.names[cell.name], NEURONS[cell.definition]
    given = {"shape": str(lava_shape(cell.shape))}
    values = {p.name: script.values(cell, p.tensor) for p in cell.params}
    if cell.definition in LIFS:
        later: dict[str, str] = {}
        mantissa, exponent = _bias(script, cell, values.pop("bias"))
        given["bias_mant"] = script.keep(f"{own}.bias_mant", mantissa)
        given["bias_exp"] = script.keep(f"{own}.bias_exp", exponent)
        for name, value in values.items():
            given[NAMES.get(name, name)] = script.keep(f"{own}.{name}", value)
    else:
        # these stand at the states' scale; Lava would shift what its process is given
        later = {
            NAMES.get(name, name): script.keep(f"{own}.{name}", value)
            for name, value in values.items()
        }
    # LIF and LIFReset take an array, the others have one number of each kind
    alone = {"upper", "lower"} if cell.definition in LIFS else {"threshold"}
    if any(values[name].size > 1 for name in alone & values.keys()):
        script.refuse(cell, "has thresholds of several neurons, Lava holds one for all")
    _options(cell, given, later)
    for state in cell.states:
        start = script.values(cell, state.initial)
        if start.any():
            name = other.get(state.name, state.name)
            later[name] = script.keep(f"{own}.{state.name}", start)
    script.comment(cell.name)
    script.call(own, process, given)
    script.lines += [f"    set_first({own}.{name}, {value})" for name, value in later.items()]


def _rests(script: Script, cell: Cell) -> bool:
    """Say whether a LIF to which nothing comes stays as it is: Lava knows no later start."""
    if cell.definition != "loihi_lif":
        return False
    tensors = script.graph.tensors
    bias = next(p.tensor for p in cell.params if p.name == "bias")
    return not tensors[bias].data.any() and not any(
        tensors[s.initial].data.any() for s in cell.states
    )


def _options(cell: Cell, given: dict[str, str], later: dict[str, str]) -> None:
    """Enter the options of a cell, as whole numbers and names of ours."""
    options = options_of(cell)
    if cell.definition == "loihi_lif_reset":
        given["reset_interval"] = str(int(options["interval"]))
        given["reset_offset"] = str(int(options["offset"]))
    elif cell.definition in ("loihi_resonator", "loihi_resonator_reset"):
        given |= {"period": "4", "alpha": "0"}  # replaced by sine and cosine
        for name in ("state_exp", "decay_bits"):
            later[name] = f"[{int(options[name])}]"
    elif cell.definition in ("loihi_delta", "loihi_sigma_delta"):
        given |= {"vth": "0", "cum_error": str(options["cumulative"] == "True")}
        for name in ("state_exp", "spike_exp"):
            later[name] = f"[{int(options.get(name, '0'))}]"
    if cell.definition == "loihi_sigma_delta":
        mode = "RELU" if options["activation"] == "relu" else "UNIT"
        given["act_mode"] = f"ActivationMode.{mode}"


def _bias(script: Script, cell: Cell, bias: Array) -> tuple[Array, Array]:
    """Divide a bias into mantissa and exponent, the smallest that holds it."""
    exponent = np.zeros(bias.shape, np.int64)
    for _ in range(BIAS_EXPONENTS.hi):
        shifted = bias >> exponent
        exponent += (shifted < BIAS_MANTISSA.lo) | (shifted > BIAS_MANTISSA.hi)
    mantissa = bias >> exponent
    lost = np.flatnonzero((mantissa << exponent).reshape(-1) != bias.reshape(-1))
    if lost.size:
        worst = int(bias.reshape(-1)[lost[0]])
        text = f"has a bias of {worst}, which is no 13-bit number times 2**0 to 2**7"
        script.refuse(cell, text)
    return mantissa, exponent
