"""What a neuron of a NIR file computes, by the framework that wrote it: one table of data.

NIR states differential equations and stores neither dt, nor scheme, nor reset, nor the order of
both. Each row says how one framework reads its own parameters:

- ``tau``: unit of time constants: ``seconds``, ``steps``, or ``seconds*dt``, which is what
  norse 1.1.0 writes (norse issue 411).
- ``dt``: seconds per step; ``None``: must be given; ``r``: follows from the resistances.
- ``resistance``, ``resistance_if``, ``synaptic``: which values of ``r`` (of LI, LIF and the
  membrane of a current-based cell; of I and IF) and of ``w_in`` the framework writes, and the
  input gain per step that goes with each: ``ode`` (``r * (1 - beta)``; ``r * dt`` without leak),
  ``unit`` (1) or ``beta`` (the decay factor).

NIR names no initial value: membranes begin at 0, those of SpikingJelly at v_reset and those of
norse at v_leak, as the frameworks let them.

Rules for values: ``any``; ``one`` (1); ``tau/dt``; ``1/dt``; ``beta`` (the decay factor);
``charge`` (``tau * exp(-dt / tau) / dt``).

| convention | source |
| -- | -- |
| ode | NIR ``docs/primitives.md`` by forward Euler, the current's new value driving the membrane |
| ode-exponential | the same by the exact solution for an input held over the step |
| snntorch | ``snntorch.import_nir`` 1.0.0: reset to zero in the same step |
| snntorch-subtract | ``snntorch.Leaky``, ``Synaptic``, default reset: subtract, next step |
| snntorch-zero | the same with ``reset_mechanism="zero"``: before input, else after |
| spikingjelly | ``spikingjelly.activation_based.nir_exchange`` 2.0.0 |
| norse | ``norse.torch.from_nir`` 1.1.0 |
| norse-1.1.0 | what ``norse.torch.to_nir`` 1.1.0 was given: time constants times dt |
| sinabs | ``sinabs.from_nir`` 3.1.3: several spikes a step, ``norm_input=False``, floor of IF |
| rockpool | ``rockpool.nn.modules.torch.LIFTorch``, ``to_nir`` |
| spyx | ``spyx.nn`` 1.0.0, ``to_nir``: a spike leaves in the step after its membrane crossed |
| lava | ``paper/nir_to_lava.py`` of NIR with lava-nc's floating-point ``LIF`` |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType

from neurodeploy.errors import UsageError

__all__ = ["CONVENTIONS", "Convention", "find_convention"]

ALL = ("I", "IF", "LI", "LIF", "CubaLI", "CubaLIF")
Rules = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Convention:
    """How one framework reads the neurons of a file.

    Attributes:
        name: Name for ``convention=``.
        summary: What it is, in a line of an error.
        primitives: Neurons that the framework writes.
        tau: Unit of time constants.
        dt: Seconds per step, None, or ``r``.
        scheme: ``euler`` or ``exponential``.
        form: Form of the membrane, as the cell's ``decay``: ``rate``, ``factor`` or ``tau``.
        strict: A spike needs ``v > threshold``, else ``v >= threshold``.
        reset: ``subtract`` or ``value``.
        timing: When LIF and IF reset, as the cell's ``timing``.
        timing_cuba: The same for CubaLIF.
        timing_loop: The same for a LIF on a loop; empty for no difference (RLeaky of snnTorch).
        spikes: Largest number of spikes in a step.
        floor_if: IF holds its membrane above minus the threshold.
        resistance: Values of r of leaky membranes, and the gain that goes with each.
        resistance_if: The same without leak.
        resistance_cuba: The same of current-based cells.
        synaptic: Values of w_in, and the gain that goes with each.
        leak: Values of v_leak: ``any``, ``zero``, or ``reset`` (equal to v_reset).
        leak_cuba: The same of current-based cells; empty for the same.
        reset_value: ``any`` or ``zero``.
        initial: Membrane before the first step: ``zero``, ``reset`` (v_reset), ``leak`` (v_leak).
        late: A spike leaves one step after its membrane crossed the threshold.
        misroutes: Its writer leads a recurrent layer's input through the recurrent weights.
        detected: Whether parameters alone may lead to it.
        lagging: A current-based membrane is driven by the current of the step before.
    """

    name: str
    summary: str
    primitives: tuple[str, ...] = ALL
    tau: str = "seconds"
    dt: Fraction | str | None = None
    scheme: str = "euler"
    form: str = "factor"
    strict: bool = True
    reset: str = "value"
    timing: str = "same"
    timing_cuba: str = "same"
    timing_loop: str = ""
    spikes: int = 1
    floor_if: bool = False
    resistance: Rules = field(default_factory=lambda: {"any": "ode"})
    resistance_if: Rules = field(default_factory=lambda: {"any": "ode"})
    resistance_cuba: Rules = field(default_factory=lambda: {"any": "ode"})
    synaptic: Rules = field(default_factory=lambda: {"any": "ode"})
    leak: str = "any"
    leak_cuba: str = ""
    reset_value: str = "any"
    initial: str = "zero"
    late: bool = False
    misroutes: bool = False
    detected: bool = True
    lagging: bool = False


_TENTH = Fraction(1, 10_000)
_MILLI = Fraction(1, 1000)
_TAU_DT = {"tau/dt": "unit"}
_ONE = {"one": "unit"}
_SEVERAL = 65535  # sinabs has no limit, rockpool 2**16: no membrane of a working network gets near


def _snntorch(name: str, summary: str, reset: str, timing: str, cuba: str) -> Convention:
    return Convention(
        name=name,
        summary=summary,
        primitives=("LIF", "CubaLIF"),
        dt=_TENTH,
        reset=reset,
        timing=timing,
        timing_cuba=cuba,
        timing_loop=cuba,
        resistance=_TAU_DT,
        resistance_cuba=_TAU_DT,
        synaptic=_TAU_DT,
        leak="zero",
        reset_value="zero",
    )


_NORSE = Convention(
    name="norse",
    summary="norse.torch.from_nir: dt 1 ms, reset to 0 in the same step, v > threshold",
    primitives=("IF", "LI", "LIF", "CubaLIF"),
    dt=_MILLI,
    initial="leak",
    form="rate",
    resistance={"one": "ode"},
    resistance_if=_ONE,
    leak_cuba="zero",
    reset_value="zero",
)

_ALL = (
    Convention(name="ode", summary="NIR's equations by forward Euler, dt given", form="rate"),
    Convention(
        name="ode-exponential",
        summary="NIR's equations, solved exactly for inputs held over a step, dt given",
        scheme="exponential",
        detected=False,
    ),
    _snntorch(
        "snntorch",
        "as snntorch.import_from_nir reads it: reset to zero in the same step, v > threshold",
        "value",
        "same",
        "same",
    ),
    _snntorch(
        "snntorch-subtract",
        "the model that snnTorch trained, default reset: subtract, in the next step",
        "subtract",
        "next_after",
        "next_after",
    ),
    _snntorch(
        "snntorch-zero",
        'the model that snnTorch trained with reset_mechanism="zero": in the next step',
        "value",
        "next_before",
        "next_after",
    ),
    Convention(
        name="spikingjelly",
        summary="SpikingJelly: v >= threshold, reset to v_reset in the same step",
        primitives=("IF", "LIF", "CubaLIF"),
        dt=_TENTH,
        form="tau",
        strict=False,
        resistance={"one": "ode", "tau/dt": "unit"},
        resistance_if={"1/dt": "unit"},
        resistance_cuba=_TAU_DT,
        synaptic=_TAU_DT,
        initial="reset",
        leak="reset",
        leak_cuba="zero",
    ),
    _NORSE,
    replace(
        _NORSE,
        name="norse-1.1.0",
        summary="the model that norse 1.1.0 exported: time constants in the file are times dt",
        tau="seconds*dt",
        resistance_cuba={"one": "ode"},
        synaptic=_ONE,
        leak_cuba="",
        lagging=True,
    ),
    Convention(
        name="sinabs",
        summary="sinabs: tau in steps, exponential, several spikes a step, reset by subtraction",
        primitives=("IF", "LI", "LIF"),
        tau="steps",
        scheme="exponential",
        strict=False,
        reset="subtract",
        spikes=_SEVERAL,
        floor_if=True,
        resistance=_ONE,
        resistance_if=_ONE,
        leak="zero",
        reset_value="zero",
    ),
    Convention(
        name="rockpool",
        summary="rockpool: exponential, several spikes a step, reset by subtraction",
        primitives=("LI", "CubaLIF"),
        dt="r",
        scheme="exponential",
        strict=False,
        reset="subtract",
        spikes=_SEVERAL,
        resistance={"charge": "beta"},
        resistance_cuba={"charge": "unit"},
        synaptic={"one": "beta"},
        leak="zero",
        reset_value="zero",
    ),
    Convention(
        name="spyx",
        summary="spyx: reset by subtraction, a spike leaves one step after the crossing",
        primitives=("IF", "LI", "LIF", "CubaLIF"),
        dt="r",
        reset="subtract",
        timing="next_after",
        timing_cuba="next_before",
        resistance={"beta": "unit"},
        resistance_if=_ONE,
        resistance_cuba={"beta": "unit"},
        synaptic=_ONE,
        leak="zero",
        reset_value="zero",
        late=True,
        misroutes=True,
    ),
    Convention(
        name="lava",
        summary="Lava's floating-point LIF: dt 0.1 ms, reset to 0 in the same step, v > threshold",
        primitives=("IF", "LIF", "CubaLIF"),
        dt=_TENTH,
        resistance={"one": "ode"},
        resistance_if=_ONE,
        resistance_cuba=_TAU_DT,
        synaptic={"tau/dt": "unit", "any": "ode"},
        leak="zero",
        reset_value="zero",
    ),
)

CONVENTIONS: Mapping[str, Convention] = MappingProxyType({c.name: c for c in _ALL})


def find_convention(name: str) -> Convention:
    """Give the convention ``name``.

    >>> find_convention("sinabs").tau
    'steps'

    Raises:
        UsageError: there is none of that name.
    """
    if name not in CONVENTIONS:
        known = ", ".join(CONVENTIONS)
        raise UsageError(f"there is no convention {name!r}", hint=f"conventions: {known}")
    return CONVENTIONS[name]
