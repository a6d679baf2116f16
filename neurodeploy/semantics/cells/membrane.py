"""How a membrane decays and takes its input: the forms that frameworks write down.

``v`` is the membrane before the step, ``x`` what arrives in the step, ``d = v - rest`` with the
option ``rest``, else ``d = v``. All factors are per step; ``tau`` is in steps.

| ``decay`` | ``decay_input`` | membrane after charging |
| -- | -- | -- |
| ``none`` | no | ``v + x`` |
| ``factor`` | no | ``beta * d + x``, with rest ``(rest + beta * d) + x`` |
| ``factor`` | yes | the same with ``gain * x`` |
| ``tau`` | no | ``(v - d / tau) + x`` |
| ``tau`` | yes | ``v + (x - d) / tau`` |
| ``rate`` | no | ``(v - d * rate) + x`` |
| ``rate`` | yes | ``v + (x - d) * rate`` |

The forms are equal on paper (``beta = 1 - rate``, ``rate = 1 / tau``) and differ in the last bit,
so each source keeps its own: ``factor`` is snnTorch's, SpikingJelly's CUBALIFNode's and that of
exponential integration; ``tau`` is SpikingJelly's LIFNode; ``rate`` its ParametricLIFNode and the
Euler step of NIR and norse.
"""

from __future__ import annotations

from dataclasses import dataclass

from neurodeploy.errors import Finding, SemanticsError, raise_findings
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.cells.options import not_bool
from neurodeploy.semantics.language import Sym

__all__ = ["DECAYS", "MEMBRANE", "MEMBRANE_PARAMS", "Membrane"]

DECAYS = ("none", "factor", "tau", "rate")

# gain belongs to beta (often 1 - beta), so that no default could be right
MEMBRANE_PARAMS: dict[str, float | int | None] = {
    "beta": 0.9,
    "gain": None,
    "tau": 2.0,
    "rate": 0.5,
    "rest": 0.0,
}


@dataclass(frozen=True, kw_only=True)
class Membrane:
    """The options of a membrane, and what they say.

    Attributes:
        decay: ``none``, ``factor``, ``tau`` or ``rate``.
        decay_input: The decay weighs the input as well.
        rest: The membrane decays to the parameter ``rest`` instead of 0.
    """

    decay: str = "factor"
    decay_input: bool = False
    rest: bool = False

    def __post_init__(self) -> None:
        found = []
        if self.decay not in DECAYS:
            found.append(Finding(f"decay {self.decay!r} is unknown", hint=f"one of {DECAYS}"))
        found += not_bool(decay_input=self.decay_input, rest=self.rest)
        found += [
            Finding(f"{name}=True needs a decay", hint=f"one of {DECAYS[1:]}")
            for name, value in (("decay_input", self.decay_input), ("rest", self.rest))
            if value is True and self.decay == "none"
        ]
        raise_findings(SemanticsError, found)

    def charge(self, p: Leaves, v: Sym, x: Sym) -> Sym:
        """Give the membrane after decay and input, before any spike."""
        if self.decay == "none":
            return v + x
        above = v - p.rest if self.rest else v
        if self.decay == "factor":
            kept = p.rest + p.beta * above if self.rest else p.beta * above
            return kept + (p.gain * x if self.decay_input else x)
        moved = x - above if self.decay_input else above
        part = moved / p.tau if self.decay == "tau" else moved * p.rate
        return v + part if self.decay_input else (v - part) + x


MEMBRANE = Membrane()
