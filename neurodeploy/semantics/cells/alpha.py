"""The alpha neuron: a membrane that follows two decaying currents."""

from __future__ import annotations

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics.cells.firing import FIRING_PARAMS, Firing
from neurodeploy.semantics.cells.leaves import Leaves
from neurodeploy.semantics.language import Sym, where
from neurodeploy.semantics.trace import State, cell

__all__ = ["alpha_lif"]


@cell(
    "alpha_lif",
    params={
        "alpha": 0.9,
        "beta": 0.8,
        "gain": 1.0,
        "threshold": 1.0,
        "amplitude": FIRING_PARAMS["amplitude"],
    },
    states={"excitatory": 0.0, "inhibitory": 0.0, "v": 0.0},
)
def alpha_lif(
    p: Leaves,
    s: Leaves,
    x: Sym,
    *,
    reset: str = "zero",
    strict: bool = True,
    payload: str = "spike",
) -> tuple[Sym, State]:
    """Spike response with an alpha-shaped kernel, the difference of two exponentials.

    ``e = alpha * e + x``, ``i = beta * i - x``, ``v = gain * (e + i)``. A reset is due where the
    membrane of the last step is past the threshold: ``zero`` sets all three to 0; ``subtract``
    gives ``e - threshold``, ``i = 0``, and ``v`` plus the old ``i``; ``none`` does nothing.

    Source: snnTorch 1.0.0, Alpha, with gain ``log(alpha) / (log(beta) - log(alpha)) + 1``.

    Raises:
        SemanticsError: an unknown reset or payload.
    """
    if reset not in ("zero", "subtract", "none") or payload not in ("spike", "graded"):
        raise SemanticsError(
            f"reset={reset!r}, payload={payload!r}",
            hint="reset zero, subtract or none; payload spike or graded",
        )
    firing = Firing(strict=strict, payload=payload)
    e = p.alpha * s.excitatory + x
    i = p.beta * s.inhibitory - x
    v = p.gain * (e + i)
    if reset != "none":
        due = firing.past(p, s.v, p.threshold, spiking=False).up
        if reset == "zero":
            e, i, v = (where(due, 0, value) for value in (e, i, v))
        else:
            e = where(due, e - p.threshold, e)
            v = where(due, v + s.inhibitory, v)
            i = where(due, 0, i)
    out = firing.emit(p, firing.past(p, v, p.threshold, spiking=True))
    return out, State(excitatory=e, inhibitory=i, v=v)
