"""One neuron of NIR under one convention, as a cell of ours with its options and parameters.

No dynamics are written here: every case is an option of `neurodeploy.semantics.cells`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from neurodeploy.converters.nir.conventions import Convention, Rules
from neurodeploy.converters.nir.decay import decay_findings, decay_provenance, tau_to_decay
from neurodeploy.converters.nir.primitives import SPIKING, Array, NirNode
from neurodeploy.errors import ConversionError, Finding
from neurodeploy.ir.nodes import Provenance

__all__ = ["MARKS", "CellSpec", "cell_spec", "charge_step", "narrow"]

# values of r that no other reading explains
MARKS = frozenset({"tau/dt", "1/dt", "beta", "charge"})
CLOSE = 1e-5


@dataclass(frozen=True)
class CellSpec:
    """A cell before it has a place in a graph.

    Attributes:
        cell: Registered name.
        shape: Shape of the parameters, as far as the file tells it.
        options: Options of the cell.
        params: Parameters, narrowed to the axes along which they differ.
        initial: Initial values of states that do not begin at 0.
        provenance: Time constants beside the factors that came from them.
        marked: The file holds a value that only this convention explains.
        late: Its spikes leave one step later.
        lagging: What arrives acts one step later.
    """

    cell: str
    shape: tuple[int, ...]
    options: Mapping[str, str | int | bool]
    params: Mapping[str, Array]
    initial: Mapping[str, Array] = field(default_factory=dict)
    provenance: Provenance = ()
    marked: bool = False
    late: bool = False
    lagging: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """Give what two readings must share to be the same."""
        numbers = tuple(
            (k, v.shape, np.asarray(v, np.float32).tobytes())
            for k, v in (*sorted(self.params.items()), *sorted(self.initial.items()))
        )
        return (
            self.cell,
            self.shape,
            tuple(sorted(self.options.items())),
            numbers,
            self.late,
            self.lagging,
        )


def narrow(array: Array) -> Array:
    """Keep of an array only the axes along which it differs: NIR repeats what is one number.

    >>> narrow(np.ones((3, 4, 4))).shape, narrow(np.arange(3)[:, None] + np.zeros((3, 2))).shape
    ((), (3, 1))
    """
    out = array
    for axis in range(array.ndim):
        first = np.take(out, [0], axis=axis) if out.shape[axis] else out
        if (out == first).all():
            out = first
    return out.reshape(()) if out.size == 1 else out


def charge_step(tau: Array, r: Array) -> Array:
    """Give the dt of ``r = tau * exp(-dt / tau) / dt``, by Newton's method on u = dt / tau.

    With ``u * exp(u) = 1 / r``, u is Lambert's W of ``1 / r``.
    """
    target = 1 / np.asarray(r, np.float64)
    u = np.log1p(target)
    for _ in range(40):
        e = np.exp(u)
        u = u - (u * e - target) / (e * (1 + u))
    return np.asarray(u * tau)


@dataclass
class _Reading:
    """One node that is being read: what was found, what was decided."""

    node: NirNode
    how: Convention
    dt: float | None
    looped: bool = False
    reasons: list[str] = field(default_factory=list)
    params: dict[str, Array] = field(default_factory=dict)
    options: dict[str, str | int | bool] = field(default_factory=dict)
    provenance: Provenance = ()
    marked: bool = False

    def value(self, name: str, default: float = 0.0) -> Array:
        """Give a field, floating; the default where the file leaves it out."""
        found = self.node.fields.get(name)
        array = np.asarray(default if found is None else found)
        return array if array.dtype.kind == "f" else array.astype(np.float64)

    def step(self) -> float:
        """Give the length of a step in the unit of the file's time constants."""
        if self.how.tau == "steps":
            return 1.0
        if self.dt is None:
            raise ConversionError("it needs the length of a step")
        return self.dt * self.dt if self.how.tau == "seconds*dt" else self.dt

    def decay(self, name: str, tau: Array) -> Array:
        """Give the factor of a time constant, and keep where it came from."""
        step = self.step()
        self.reasons += decay_findings(name, tau, step, self.how.scheme)
        self.provenance += decay_provenance(name, tau, step, self.how.scheme)
        return tau_to_decay(tau, step, self.how.scheme)

    def gain(self, what: str, value: Array, rules: Rules, tau: Array | None, beta: Array) -> str:
        """Give the kind of input gain that the first fitting rule names."""
        for rule, kind in rules.items():
            expected = self._expected(rule, tau, beta)
            if expected is None or np.allclose(value, expected, rtol=CLOSE, atol=0):
                self.marked = self.marked or rule in MARKS
                return kind
        self.reasons.append(f"{what} is {_range(value)}, not {' or '.join(rules)}")
        return "unit"

    def _expected(self, rule: str, tau: Array | None, beta: Array) -> Array | None:
        if rule == "any":
            return None
        if rule == "one":
            return np.ones(())
        if rule == "beta":
            return beta
        step = self.step()
        if rule == "1/dt" or tau is None:
            return np.asarray(1 / step)
        return np.asarray(tau / step * (np.exp(-step / tau) if rule == "charge" else 1))

    def membrane(self, tau: Array | None, rules: Rules, form: str) -> None:
        """Decide decay and input gain of the membrane."""
        r = self.value("r", 1.0)
        if tau is None:
            self._integrator(r, rules)
            return
        beta = self.decay("tau" if "tau" in self.node.fields else "tau_mem", tau)
        kind = self.gain("r", r, rules, tau, beta)
        leak = self.value("v_leak")
        if (leak != 0).any():
            self.options["rest"] = True
            self.params["rest"] = leak
        whole = kind == "ode" and bool((r == 1).all())
        if form == "tau":
            self.options |= {"decay": "tau", "decay_input": kind == "ode"}
            self.params["tau"] = np.asarray(tau / self.step())
        elif form == "rate" and whole:
            self.options |= {"decay": "rate", "decay_input": True}
            self.params["rate"] = np.asarray(self.step() / tau)
        else:
            gain = {"ode": r * (1 - beta), "beta": beta, "unit": np.ones(())}[kind]
            self._factor(beta, np.asarray(gain))

    def _integrator(self, r: Array, rules: Rules) -> None:
        kind = self.gain("r", r, rules, None, np.ones(()))
        gain = np.asarray(r * self.step()) if kind == "ode" else np.ones(())
        if _is_one(gain):
            self.options["decay"] = "none"
        else:
            # v + gain * x is the leaky form with a factor of 1
            self._factor(np.ones(()), gain)

    def _factor(self, beta: Array, gain: Array) -> None:
        self.options["decay"] = "factor"
        self.params["beta"] = beta
        if not _is_one(gain):
            self.options["decay_input"] = True
            self.params["gain"] = gain

    def synapse(self) -> None:
        """Decide decay and input gain of the synaptic current."""
        tau, w_in = self.value("tau_syn"), self.value("w_in", 1.0)
        alpha = self.decay("tau_syn", tau)
        kind = self.gain("w_in", w_in, self.how.synaptic, tau, alpha)
        gain = {"ode": w_in * (1 - alpha), "beta": alpha, "unit": np.ones(())}[kind]
        self.params["alpha"] = alpha
        if not _is_one(gain):
            self.options["input_gain"] = True
            self.params["input_gain"] = np.asarray(gain)

    def firing(self) -> None:
        """Decide threshold, reset and spike."""
        how, threshold, v_reset = self.how, self.value("v_threshold"), self.value("v_reset")
        self.options |= {
            "reset": how.reset,
            "timing": self._timing(),
            "strict": how.strict,
        }
        self.params["threshold"] = threshold
        if how.reset == "value":
            self.params["reset_value"] = v_reset
        if how.spikes > 1:
            self.options |= {"spikes": how.spikes, "payload": "graded"}
            self.params["amplitude"] = np.ones(())
            if not (threshold > 0).all():
                self.reasons.append("several spikes in a step need a positive v_threshold")
        if how.floor_if and self.node.type == "IF":
            self.options["floor"] = True
            self.params["floor"] = -threshold

    def _timing(self) -> str:
        if self.node.type == "CubaLIF":
            return self.how.timing_cuba
        return self.how.timing_loop if self.looped and self.how.timing_loop else self.how.timing

    def initial(self) -> dict[str, Array]:
        """Give the membrane before the first step, where it is not 0."""
        name = {"reset": "v_reset", "leak": "v_leak"}.get(self.how.initial)
        start = np.zeros(()) if name is None else self.value(name)
        return {"v": narrow(start)} if start.any() else {}

    def restrictions(self) -> None:
        """Find values that the framework ignores, so that its network computed something else."""
        how, v_reset, leak = self.how, self.value("v_reset"), self.value("v_leak")
        if how.reset_value == "zero" and (v_reset != 0).any():
            self.reasons.append(f"v_reset is {_range(v_reset)}, not 0")
        rule = (how.leak_cuba or how.leak) if self.node.type.startswith("Cuba") else how.leak
        if rule == "zero" and (leak != 0).any():
            self.reasons.append(f"v_leak is {_range(leak)}, not 0")
        same = leak.size == 1 or v_reset.size == 1 or leak.shape == v_reset.shape
        if rule == "reset" and "v_leak" in self.node.fields and same and (leak != v_reset).any():
            self.reasons.append("v_leak differs from v_reset")


def _is_one(gain: Array) -> bool:
    """Say whether a quotient that was stored and multiplied again is 1, but for its rounding."""
    tolerance = 8 * float(np.finfo(gain.dtype).eps)
    return bool((np.abs(gain - 1) <= tolerance).all())


def _range(value: Array) -> str:
    low, high = float(value.min()), float(value.max())
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def cell_spec(
    node: NirNode, how: Convention, dt: float | None, *, looped: bool = False
) -> CellSpec:
    """Translate a neuron; ``looped`` where it lies on a cycle.

    Raises:
        ConversionError: all reasons why the framework would not have written this node.
    """
    if node.type not in how.primitives:
        raise ConversionError(f"it has no {node.type}")
    shapes = [np.shape(v) for v in node.fields.values()]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise ConversionError(f"its fields have the shapes {sorted(set(shapes))}") from None
    reading = _Reading(node, how, dt, looped)
    if node.type.startswith("Cuba"):
        reading.synapse()
        form = "factor" if how.form == "tau" else how.form
        reading.membrane(reading.value("tau_mem"), how.resistance_cuba, form)
    elif node.type in ("LI", "LIF"):
        reading.membrane(reading.value("tau"), how.resistance, how.form)
    else:
        reading.membrane(None, how.resistance_if, how.form)
    if node.type in SPIKING:
        reading.firing()
    reading.restrictions()
    reading.reasons += [
        f"{key} overflows" for key, v in reading.params.items() if not np.isfinite(v).all()
    ]
    if reading.reasons:
        raise ConversionError([Finding(reason) for reason in reading.reasons])
    cell = {"I": "li", "LI": "li", "CubaLI": "cuba_li", "CubaLIF": "cuba_lif"}.get(node.type, "lif")
    if node.type == "IF" and reading.options.get("decay") == "none":
        cell = "if"
        del reading.options["decay"]
    return CellSpec(
        cell,
        shape,
        reading.options,
        {k: narrow(v) for k, v in reading.params.items()},
        reading.initial(),
        reading.provenance,
        reading.marked,
        how.late and node.type in SPIKING,
        how.lagging and node.type.startswith("Cuba"),
    )
