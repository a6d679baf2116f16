"""NIR graphs for tests, and an integration of every neuron that shares nothing with our cells."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import nir
import numpy as np
import numpy.typing as npt

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.types import F64
from neurodeploy.reference import all_outputs, simulate

__all__ = ["FIELDS", "NEURONS", "alone", "chain", "fields_of", "integrate", "net", "traced"]

Array = npt.NDArray[Any]
NEURONS = ("I", "IF", "LI", "LIF", "CubaLI", "CubaLIF")
FIELDS = {
    "I": ("r",),
    "IF": ("r", "v_threshold", "v_reset"),
    "LI": ("tau", "r", "v_leak"),
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "CubaLI": ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "w_in", "v_threshold", "v_reset"),
}


def net(nodes: Mapping[str, Any], edges: list[tuple[str, str]], **more: Any) -> Any:
    return nir.NIRGraph(dict(nodes), edges, type_check=False, **more)


def chain(shape: tuple[int, ...], out: tuple[int, ...], **nodes: Any) -> Any:
    names = ["input", *nodes, "output"]
    ends = {"input": nir.Input(np.array(shape)), "output": nir.Output(np.array(out))}
    return net({**ends, **nodes}, list(pairwise(names)))


def alone(node: Any, shape: tuple[int, ...]) -> Any:
    return chain(shape, shape, n=node)


def fields_of(kind: str, n: int, dt: float, **changed: Array) -> dict[str, Array]:
    """Give parameters that fire at moderate rates for inputs near 1."""
    base = {
        "tau": 10 * dt,
        "tau_mem": 10 * dt,
        "tau_syn": 5 * dt,
        "r": 0.3 / dt if kind in ("I", "IF") else 2.0,
        "v_leak": 0.0,
        "v_threshold": 0.7,
        "v_reset": 0.0,
        "w_in": 1.5,
    }
    return {k: changed.get(k, np.full(n, base[k])) for k in FIELDS[kind]}


def traced(graph: Graph, x: Array) -> dict[tuple[str, str], Array]:
    """Run x (T, n) through the reference and give every output and state, (T, n)."""
    name = graph.inputs[0].name
    kind = np.float64 if graph.inputs[0].type == F64 else np.float32
    keys = [k for k in all_outputs(graph) if not k[0].startswith("output")]
    found = simulate(graph, {name: x[None].astype(kind)}, len(x), record=keys)
    return {k: v[0] for k, v in found.items()}


def integrate(how: str, kind: str, p: Mapping[str, Array], x: Array, dt: float) -> dict[str, Array]:
    """Integrate one population step by step, as the framework's own source does."""
    begin = {"spikingjelly": "v_reset", "norse": "v_leak", "norse-1.1.0": "v_leak"}.get(how, "")
    v = np.zeros(x.shape[1:]) + p.get(begin, 0.0)
    i = np.zeros(x.shape[1:])
    z = np.zeros(x.shape[1:])
    rows: dict[str, list[Array]] = {"v": [], "i": [], "z": []}
    for now in x:
        v, i, z = _STEPS[how](kind, p, v, i, z, now, dt)
        for key, value in (("v", v), ("i", i), ("z", z)):
            rows[key].append(value)
    return {k: np.array(value) for k, value in rows.items()}


def _fire(kind: str, p: Mapping[str, Array], v: Array, strict: bool) -> tuple[Array, Array]:
    if "v_threshold" not in p:
        return v, v
    z = v > p["v_threshold"] if strict else v >= p["v_threshold"]
    return np.where(z, p["v_reset"], v), z.astype(float)


def _ode(kind: str, p: Any, v: Array, i: Array, z: Array, x: Array, dt: float) -> Any:
    """Forward Euler of the equations in NIR's documentation."""
    if kind.startswith("Cuba"):
        i = i + dt / p["tau_syn"] * (-i + p["w_in"] * x)
        v = v + dt / p["tau_mem"] * ((p["v_leak"] - v) + p["r"] * i)
    elif kind in ("LI", "LIF"):
        v = v + dt / p["tau"] * ((p["v_leak"] - v) + p["r"] * x)
    else:
        v = v + dt * p["r"] * x
    v, z = _fire(kind, p, v, True)
    return v, i, z


def _exact(kind: str, p: Any, v: Array, i: Array, z: Array, x: Array, dt: float) -> Any:
    """The exact solution of each equation for an input that is held over the step."""
    if kind.startswith("Cuba"):
        i = p["w_in"] * x + (i - p["w_in"] * x) * np.exp(-dt / p["tau_syn"])
    if kind in ("I", "IF"):
        v = v + dt * p["r"] * x
    else:
        tau, drive = (p["tau_mem"], i) if kind.startswith("Cuba") else (p["tau"], x)
        rest = p["v_leak"] + p["r"] * drive
        v = rest + (v - rest) * np.exp(-dt / tau)
    v, z = _fire(kind, p, v, True)
    return v, i, z


def _snntorch(reset: str) -> Any:
    def step(kind: str, p: Any, v: Array, i: Array, z: Array, x: Array, dt: float) -> Any:
        cuba = kind == "CubaLIF"
        beta = 1 - dt / p["tau_mem" if cuba else "tau"]
        thr = p["v_threshold"]
        due = v > thr
        if cuba:
            i = (1 - dt / p["tau_syn"]) * i + x
        drive = i if cuba else x
        if reset == "same":  # reset_delay=False, zero
            v = beta * v + drive
            z = v > thr
            return np.where(z, 0.0, v), i, z.astype(float)
        if reset == "subtract":
            v = beta * v + drive - due * thr
        elif cuba:
            v = np.where(due, 0.0, beta * v + drive)
        else:
            v = beta * np.where(due, 0.0, v) + drive
        return v, i, (v > thr).astype(float)

    return step


def _spikingjelly(kind: str, p: Any, v: Array, i: Array, z: Array, x: Array, dt: float) -> Any:
    if kind == "CubaLIF":
        i = (1 - dt / p["tau_syn"]) * i + x
        v = (1 - dt / p["tau_mem"]) * v + i
    elif kind == "LIF":
        tau = p["tau"] / dt
        inside = np.allclose(p["r"], 1)
        v = v + (x - (v - p["v_reset"])) / tau if inside else v - (v - p["v_reset"]) / tau + x
    else:
        v = v + x
    v, z = _fire(kind, p, v, False)
    return v, i, z


def _norse(kind: str, p: Any, v: Array, i: Array, z: Array, x: Array, dt: float) -> Any:
    if kind == "CubaLIF":  # from_nir: LIBox with w_in before, r behind, then LIFBox
        i = i + dt / p["tau_syn"] * (p["w_in"] * x - i)
        v = v + dt / p["tau_mem"] * ((p["v_leak"] - v) + p["r"] * i)
    elif kind == "IF":
        v = v + x
    else:
        v = v + dt / p["tau"] * ((p["v_leak"] - v) + x)
    v, z = _fire(kind, p, v, True)
    return v, i, z


def _norse_export(kind: str, p: Any, v: Array, i: Array, z: Array, x: Array, dt: float) -> Any:
    def inverse(name: str) -> Array:
        return dt / p[name]  # the file holds dt / tau_inv

    if kind == "CubaLIF":  # LIFCell: the membrane sees the current of the last step
        v = v + dt * inverse("tau_mem") * ((p["v_leak"] - v) + i)
        v, z = _fire(kind, p, v, True)
        return v, i - dt * inverse("tau_syn") * i + x, z
    v = v + (x if kind == "IF" else dt * inverse("tau") * ((p["v_leak"] - v) + x))
    v, z = _fire(kind, p, v, True)
    return v, i, z


def _several(v: Array, threshold: Array) -> tuple[Array, Array]:
    count = (v > 0) * np.trunc(v / threshold)
    return v - count * threshold, count


def _sinabs(kind: str, p: Any, v: Array, i: Array, z: Array, x: Array, dt: float) -> Any:
    v = v + x if kind == "IF" else np.exp(-1 / p["tau"]) * v + x
    if kind == "LI":
        return v, i, v
    v, z = _several(v, p["v_threshold"])
    if kind == "IF":
        v = np.maximum(v + p["v_threshold"], 0) - p["v_threshold"]
    return v, i, z


def _rockpool(kind: str, p: Any, v: Array, i: Array, z: Array, x: Array, dt: float) -> Any:
    if kind == "LI":
        v = np.exp(-dt / p["tau"]) * (v + x)
        return v, i, v
    i = np.exp(-dt / p["tau_syn"]) * (i + x)
    v = np.exp(-dt / p["tau_mem"]) * v + i
    v, z = _several(v, p["v_threshold"])
    return v, i, z


def _spyx(kind: str, p: Any, v: Array, i: Array, z: Array, x: Array, dt: float) -> Any:
    if kind == "LI":
        v = (1 - dt / p["tau"]) * v + x
        return v, i, v
    thr = p["v_threshold"]
    z = (v > thr).astype(float)
    if kind == "CubaLIF":
        v = v - z * thr
        i = (1 - dt / p["tau_syn"]) * i + x
        return (1 - dt / p["tau_mem"]) * v + i, i, z
    beta = 1.0 if kind == "IF" else 1 - dt / p["tau"]
    return beta * v + x - z * thr, i, z


def _lava(kind: str, p: Any, v: Array, i: Array, z: Array, x: Array, dt: float) -> Any:
    """lava.proc.lif in floats: u = u * (1 - du) + a; v = v * (1 - dv) + u; reset to 0."""
    if kind == "IF":
        v = v + x
    elif kind == "LIF":
        v = v * (1 - dt / p["tau"]) + dt / p["tau"] * x
    else:
        i = i * (1 - dt / p["tau_syn"]) + p["w_in"] * dt / p["tau_syn"] * x
        v = v * (1 - dt / p["tau_mem"]) + i
    z = v > p["v_threshold"]
    return np.where(z, 0.0, v), i, z.astype(float)


_STEPS = {
    "ode": _ode,
    "ode-exponential": _exact,
    "snntorch": _snntorch("same"),
    "snntorch-subtract": _snntorch("subtract"),
    "snntorch-zero": _snntorch("zero"),
    "spikingjelly": _spikingjelly,
    "norse": _norse,
    "norse-1.1.0": _norse_export,
    "sinabs": _sinabs,
    "rockpool": _rockpool,
    "spyx": _spyx,
    "lava": _lava,
}
