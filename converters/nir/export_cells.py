"""The NIR neuron nearest to a cell of ours, and what of the cell NIR has no word for.

NIR's equations by forward Euler over one step of dt give ``beta = 1 - dt / tau`` and an input
gain of ``r * dt / tau``; solved for what is stored, ``tau = dt / (1 - beta)`` and
``r = gain / (1 - beta)``, and without leak ``r = gain / dt``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurodeploy.converters.nir.primitives import Array, NirNode
from neurodeploy.errors import ConversionError, Finding, SemanticsError
from neurodeploy.ir.nodes import Cell
from neurodeploy.ir.types import Tensor, expression_type
from neurodeploy.semantics.trace import cell_definition, trace
from neurodeploy.semantics.types import F32, Float

__all__ = ["EXPORTED", "cell_node", "cell_params", "known_cell"]

EXPORTED = ("cuba_li", "cuba_lif", "if", "li", "lif", "scale", "spike_scale", "threshold")
Options = Mapping[str, str | int | bool]

# option: value that NIR means, and what another one is
_SAID: tuple[tuple[str, object, str], ...] = (
    ("reset", "value", "NIR resets to v_reset"),
    ("timing", "same", "NIR resets in the step of the spike"),
    ("strict", True, "NIR fires at v > v_threshold"),
    ("refractory", 0, "NIR has no refractory time"),
    ("floor", False, "NIR has no lower bound of the membrane"),
    ("spikes", 1, "NIR has one spike in a step"),
    ("payload", "spike", "NIR's spike is 1"),
    ("lower", False, "NIR has no negative spikes"),
)
_DEFAULTS: Options = {
    "reset": "subtract",
    "timing": "same",
    "strict": False,
    "refractory": 0,
    "floor": False,
    "spikes": 1,
    "payload": "spike",
    "lower": False,
}


def known_cell(cell: Cell) -> Options:
    """Give the options of a cell whose program is that of its definition.

    Raises:
        ConversionError: it is none that NIR comes near to, or another program under its name.
    """
    if cell.definition not in EXPORTED:
        what = cell.definition or "a cell without a name"
        raise ConversionError(f"NIR has no node for {what}", hint=f"it has {', '.join(EXPORTED)}")
    options = {key: _parsed(text) for key, text in cell.options}
    floats = [p.type for p in cell.program.params if isinstance(p.type, Float)]
    try:
        program = trace(
            cell_definition(cell.definition),
            inputs={p.name: p.type for p in cell.program.inputs},
            params={p.name: p.type for p in cell.program.params},
            states={s.name: expression_type(s.type) for s in cell.states},
            options=options,
            float_type=floats[0] if floats else F32,
        ).program
    except SemanticsError as error:
        text = f"its options are none of {cell.definition}: {error.findings[0].message}"
        raise ConversionError(text) from error
    if program != cell.program:
        raise ConversionError(f"its program is not that of {cell.definition}")
    return options


def _parsed(text: str) -> str | int | bool:
    if text in ("True", "False"):
        return text == "True"
    return int(text) if text.lstrip("-").isdigit() else text


def cell_params(cell: Cell, tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    """Give the parameters as numbers of 64 bits, in the shape of the cell as NIR needs it.

    Raises:
        ConversionError: one changes with time, or is an integer.
    """
    found = [
        Finding(f"the parameter {p.name!r} changes with time, and NIR's are constant")
        for p in cell.params
        if p.timed
    ]
    found += [
        Finding(f"the parameter {p.name!r} is an integer, and NIR has no quantisation")
        for p in cell.params
        if tensors[p.tensor].data.dtype.kind != "f"
    ]
    if found:
        raise ConversionError(found)
    return {
        p.name: np.broadcast_to(np.asarray(tensors[p.tensor].data, np.float64), cell.shape)
        for p in cell.params
    }


def cell_node(
    cell: Cell, options: Options, params: Mapping[str, Array], dt: float, lost: list[Finding]
) -> NirNode:
    """Give the node; what it leaves out goes to ``lost``."""
    kind = cell.definition
    if kind in ("scale", "spike_scale"):
        return NirNode("Scale", {"scale": params["scale" if kind == "scale" else "amplitude"]})
    if kind in ("if", "lif", "cuba_lif", "threshold"):
        _losses(cell, options, params, lost)
    if kind == "threshold":
        return NirNode("Threshold", {"threshold": params["threshold"]})
    fields = _membrane(kind, options, params, dt)
    if kind.startswith("cuba"):
        fields["tau_syn"], gain = _constant("alpha", params["alpha"], dt)
        given = params["input_gain"] if options.get("input_gain") else np.ones(cell.shape)
        fields["w_in"] = given * gain
        if "tau" not in fields:
            text = "decay 'none' of a current-based membrane: its time constant would be infinite"
            raise ConversionError(text)
        fields["tau_mem"] = fields.pop("tau")
    if kind in ("if", "lif", "cuba_lif"):
        fields["v_threshold"] = params["threshold"]
        fields["v_reset"] = params.get("reset_value", np.zeros(cell.shape))
    name = {"if": "IF", "cuba_li": "CubaLI", "cuba_lif": "CubaLIF"}.get(kind)
    leaky = "tau" in fields
    if name is None:
        name = {"li": ("I", "LI"), "lif": ("IF", "LIF")}[kind][leaky]
    full = {k: np.broadcast_to(v, cell.shape) for k, v in fields.items()}
    return NirNode(name, full)


def _membrane(
    kind: str, options: Options, params: Mapping[str, Array], dt: float
) -> dict[str, Array]:
    """Give r, and where there is a leak tau and v_leak."""
    decay = "none" if kind == "if" else options.get("decay", "factor")
    if decay == "none":
        return {"r": np.asarray(1 / dt)}
    if decay == "factor":
        beta = params["beta"]
        gain = params["gain"] if options.get("decay_input") else np.ones(())
        if (beta == 1).all() and not options.get("rest"):
            return {"r": np.asarray(gain / dt)}
        tau, inverse = _constant("beta", beta, dt)
    else:
        steps = params["tau"] if decay == "tau" else 1 / params["rate"]
        if not (np.isfinite(steps).all() and (steps >= 1).all()):
            raise ConversionError(f"{decay} is no leak of a time constant of at least one step")
        tau, inverse = steps * dt, steps
        gain = 1 / steps if options.get("decay_input") else np.ones(())
    return {"tau": tau, "r": gain * inverse, "v_leak": params.get("rest", np.zeros(()))}


def _constant(name: str, factor: Array, dt: float) -> tuple[Array, Array]:
    """Give the time constant of a factor, and ``1 / (1 - factor)``."""
    if not ((factor >= 0) & (factor < 1)).all():
        low, high = float(factor.min()), float(factor.max())
        text = f"{name} is {low:g} to {high:g}: no time constant gives a factor outside [0, 1)"
        raise ConversionError(text)
    inverse = 1 / (1 - factor)
    return dt * inverse, inverse


def _losses(cell: Cell, options: Options, params: Mapping[str, Array], lost: list[Finding]) -> None:
    for key, meant, text in _SAID:
        if cell.definition == "threshold" and key in ("reset", "timing", "refractory", "floor"):
            continue
        value = options.get(key, _DEFAULTS[key])
        if key == "payload" and value == "graded" and (params["amplitude"] == 1).all():
            continue
        if value != meant:
            lost.append(Finding(f"{key} is {value!r}: {text}", node=cell.name, source=cell.source))
