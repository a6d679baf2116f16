"""torch's exponential alone keeps EIFNode and ComplementaryLIFNode from being bit-equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cell_runs import drive
from oracles import Ledger
from spec_runs import assert_states, run_spec

pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")
torch = pytest.importorskip("torch", reason="torch is not installed")

from spikingjelly.activation_based import neuron  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from neurodeploy.converters.spikingjelly.table import SPECS  # noqa: E402
from neurodeploy.converters.torch.classes import class_name  # noqa: E402
from neurodeploy.semantics import math as ours  # noqa: E402
from neurodeploy.semantics.language import Sym  # noqa: E402
from neurodeploy.semantics.numpy_eval import Frame, evaluate  # noqa: E402
from neurodeploy.semantics.trace import CellDefinition, trace  # noqa: E402
from neurodeploy.semantics.types import F32  # noqa: E402

Array = npt.NDArray[Any]
STEPS, BATCH, NEURONS = 200, 4, 12


def elementary(function: Callable[[Sym], Sym], x: Array) -> Array:
    """Evaluate one of our functions."""
    made = trace(CellDefinition("function", lambda p, s, x: function(x)), inputs={"x": F32})
    return evaluate(made.program, Frame({"x": x}, {}, {}))[dict(made.program.outputs)["out"]]


class OurExponential(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Puts our exp and sigmoid in place of torch's, and counts the calls."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        aten = torch.ops.aten
        function = {aten.exp.default: ours.exp, aten.sigmoid.default: ours.sigmoid}.get(func)
        if function is None:
            return func(*args, **(kwargs or {}))
        self.calls += 1
        return torch.from_numpy(elementary(function, args[0].numpy()))


@pytest.mark.parametrize(
    ("name", "arguments", "mean", "spread"),
    [
        ("ComplementaryLIFNode", {"tau": 2.3}, 0.6, 0.9),
        ("EIFNode", {"tau": 3.3, "delta_T": 0.7, "theta_rh": 0.9, "v_reset": 0.0}, 0.4, 1.4),
        ("EIFNode", {"tau": 3.3, "delta_T": 0.7, "theta_rh": 0.9, "v_reset": -0.1}, 0.4, 1.4),
        ("EIFNode", {"tau": 3.3, "v_threshold": 0.5, "v_reset": None}, 0.13, 0.23),
    ],
)
def test_with_one_exponential_no_bit_differs(
    oracle: Ledger, name: str, arguments: dict[str, Any], mean: float, spread: float
) -> None:
    module = getattr(neuron, name)(**arguments).eval()
    x = drive(2, STEPS * BATCH, NEURONS, mean=mean, spread=spread).reshape(STEPS, BATCH, NEURONS)
    spec = SPECS[class_name(module)](module)
    rows: dict[str, list[Array]] = {key: [] for key in ("out", *spec.states)}
    with torch.no_grad(), OurExponential() as exponential:
        for step in torch.from_numpy(x):
            rows["out"].append(module(step).numpy().copy())
            for state in spec.states:
                rows[state].append(getattr(module, state).numpy().copy())
    theirs = {key: np.stack(values) for key, values in rows.items()}
    assert exponential.calls >= STEPS
    assert_states(run_spec(spec, x), theirs)
    assert 0.03 < theirs["out"].mean() < 0.95
    oracle("spikingjelly").record(spiking=True)


def test_the_two_exponentials_are_one_ulp_apart(oracle: Ledger) -> None:
    """Where the result is a normal float32: torch flushes some of the others to zero."""
    x = np.concatenate([np.linspace(-87, 88, 400_001), np.linspace(-1, 1, 100_001)])
    x = x.astype(np.float32)
    theirs, found = torch.exp(torch.from_numpy(x)).numpy(), elementary(ours.exp, x)
    apart = np.abs(theirs - found) / np.spacing(np.minimum(theirs, found))
    assert 0 < apart.max() <= 1
    oracle("torch").record()
