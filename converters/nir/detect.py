"""Finds the convention of a file from its parameters, or refuses with the list of those that fit.

``r = tau / dt`` at 0.1 ms, ``r = 1 / dt``, ``r = beta`` or ``r = tau * exp(-dt / tau) / dt`` on
every neuron is no accident: such values mark the framework that wrote them. Without a mark, every
convention that could have written the file counts. Several that mean different things are
refused: one file gave 48.6 to 95 % accuracy, depending on who read it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from neurodeploy.converters.nir.conventions import CONVENTIONS, Convention
from neurodeploy.converters.nir.neurons import CellSpec, cell_spec, charge_step
from neurodeploy.converters.nir.primitives import NirNode
from neurodeploy.errors import ConversionError, Finding, UsageError
from neurodeploy.ir.duration import duration_text

__all__ = ["Reading", "choose", "read_as"]

DT_HINT = "--dt 1ms of `convert`, dt='1ms' of `load`"
DIGITS = 6


@dataclass(frozen=True)
class Reading:
    """All neurons of a file under one convention.

    Attributes:
        how: The convention.
        dt: Seconds per step, where known.
        specs: The cell of each neuron.
        sure: dt is a round number or follows from several time constants.
    """

    how: Convention
    dt: Fraction | None
    specs: Mapping[str, CellSpec]
    sure: bool = True

    @property
    def marked(self) -> bool:
        """A value in the file is explained by this convention alone."""
        return self.sure and any(s.marked for s in self.specs.values())

    @property
    def key(self) -> tuple[object, ...]:
        """Give what two readings must share to be the same network."""
        return self.dt, tuple((name, s.key) for name, s in self.specs.items())


def read_as(
    neurons: Mapping[str, NirNode],
    how: Convention,
    given: Fraction | None,
    looped: Collection[str] = (),
) -> Reading | list[Finding]:
    """Read all neurons under one convention, or say all that speaks against it."""
    dt, sure = given, True
    if given is None and isinstance(how.dt, Fraction):
        dt = how.dt
    if how.dt == "r":
        dt, sure = _step_from(neurons, how, given)
    needs = how.tau != "steps" and dt is None and _timed(neurons, how)
    if needs and how.dt == "r":
        text = f"{how.name} writes no such resistances: no length of a step follows from them"
        return [Finding(text, node=next(iter(neurons)))]
    if needs:
        return [Finding(f"{how.name}: the file does not say how long a step is", hint=DT_HINT)]
    specs: dict[str, CellSpec] = {}
    found: list[Finding] = []
    for name, node in neurons.items():
        try:
            specs[name] = cell_spec(
                node, how, None if dt is None else float(dt), looped=name in looped
            )
        except ConversionError as error:
            found += [
                Finding(f"{how.name} writes no such {node.type}: {f.message}", node=name)
                for f in error.findings
            ]
    if found:
        return found
    # spyx and sinabs count in steps: 1 is no second
    unknown = how.dt == "r" and given is None and dt == 1
    return Reading(how, None if unknown else dt, specs, sure)


def _timed(neurons: Mapping[str, NirNode], how: Convention) -> bool:
    leaky = any(n.type not in ("I", "IF") for n in neurons.values())
    rules = {*how.resistance_if.values(), *how.resistance_if}
    return leaky or (bool(neurons) and bool(rules & {"ode", "1/dt"}))


def _step_from(
    neurons: Mapping[str, NirNode], how: Convention, given: Fraction | None
) -> tuple[Fraction | None, bool]:
    """Give the dt that all resistances agree on, and whether that is more than a coincidence."""
    steps: list[float] = []
    taus: set[float] = set()
    for node in neurons.values():
        tau = node.fields.get("tau", node.fields.get("tau_mem"))
        if tau is None or "r" not in node.fields:
            continue
        t, r = np.asarray(tau, np.float64), np.asarray(node.array("r"), np.float64)
        if (r <= 0).any() or (t.shape != r.shape and 1 not in (t.size, r.size)):
            return given, False
        charge = "charge" in how.resistance.keys() | how.resistance_cuba.keys()
        steps += np.ravel(charge_step(t, r) if charge else t * (1 - r)).tolist()
        taus |= set(np.ravel(t).tolist())
    if not steps:
        return given, True
    middle = float(np.median(steps))
    if not 0 < middle < np.inf:
        return given, False
    exact = Fraction(f"{middle:.{DIGITS - 1}e}")
    if given is not None and abs(float(given) / middle - 1) < 1e-4:
        exact = given
    agree = bool(np.allclose(steps, middle, rtol=1e-4, atol=0))
    round_ = abs(float(f"{middle:.0e}") / middle - 1) < 1e-4
    return exact, agree and (len(taus) > 1 or round_)


def choose(
    neurons: Mapping[str, NirNode],
    name: str | None,
    given: Fraction | None,
    looped: Collection[str] = (),
) -> Reading | None:
    """Give the reading that was asked for, or the one that the parameters leave.

    Args:
        neurons: The neurons by name.
        name: The convention, where one is asked for.
        given: Seconds per step, where given.
        looped: Neurons that lie on a cycle.

    Returns None where there is nothing to read: no neurons.

    Raises:
        ConversionError: no convention fits, or several that mean different things.
        UsageError: dt differs from the one that the file's own values show.
    """
    if not neurons and name is None:
        return None
    # a hostile value may overflow on the way; `cell_spec` refuses what is not finite in the end
    with np.errstate(all="ignore"):
        return _chosen(neurons, name, given, looped)


def _chosen(
    neurons: Mapping[str, NirNode],
    name: str | None,
    given: Fraction | None,
    looped: Collection[str],
) -> Reading:
    if name is not None:
        how = CONVENTIONS[name]
        reading = read_as(neurons, how, given, looped)
        if not isinstance(reading, Reading):
            raise ConversionError(reading)
        if how.dt == "r" and given is not None and neurons and reading.dt != given:
            own, said = duration_text(reading.dt), duration_text(given)
            if reading.dt is not None and reading.dt != 1:
                raise UsageError(Finding(f"is {said}, the file's values say {own}", node="dt"))
            return Reading(how, given, reading.specs)
        return reading
    tried = {c.name: read_as(neurons, c, given, looped) for c in CONVENTIONS.values() if c.detected}
    fitting = [r for r in tried.values() if isinstance(r, Reading)]
    marked = [r for r in fitting if r.marked]
    left = marked or [r for r in fitting if r.sure and not any(s.marked for s in r.specs.values())]
    if left and len({r.key for r in left}) == 1 and (marked or left[0].how.name == "ode"):
        return left[0]
    raise ConversionError(_refusal(left, neurons, given))


def _refusal(
    left: list[Reading], neurons: Mapping[str, NirNode], given: Fraction | None
) -> Finding:
    first = next(iter(neurons))
    options = [f"{r.how.name} ({r.how.summary})" for r in left]
    hint = "--convention NAME of `convert`, convention=NAME of `load`"
    if given is None and not any(r.marked for r in left):
        options.append(f"ode (NIR's equations by forward Euler; also needs {DT_HINT})")
    return Finding(
        "NIR does not say what its neurons compute in a step, and these readings of the parameters "
        f"differ: {'; '.join(options)}",
        node=first,
        hint=hint,
    )
