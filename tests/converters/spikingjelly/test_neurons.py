"""SpikingJelly's neurons against the cells that they are: every state at every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cell_runs import drive
from oracles import Ledger
from spec_runs import assert_states, run_spec

pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")
torch = pytest.importorskip("torch", reason="torch is not installed")

from spikingjelly.activation_based import neuron, surrogate  # noqa: E402

from neurodeploy.converters.base import full_name  # noqa: E402
from neurodeploy.converters.spikingjelly.normalised import mpbn_lif_node  # noqa: E402
from neurodeploy.converters.spikingjelly.table import (  # noqa: E402
    REFUSED,
    SPECS,
    refusal,
)
from neurodeploy.converters.spikingjelly.taps import (  # noqa: E402
    add_masked_psn,
    add_sliding_psn,
)
from neurodeploy.converters.torch.cell_spec import CellSpec  # noqa: E402
from neurodeploy.converters.torch.classes import class_name  # noqa: E402
from neurodeploy.errors import ConversionError  # noqa: E402
from neurodeploy.ir import GraphBuilder  # noqa: E402
from neurodeploy.reference import simulate  # noqa: E402

Array = npt.NDArray[Any]
STEPS, BATCH, NEURONS = 200, 4, 12
# v_reset: None is a reset by subtraction
RESETS = (None, 0.0, -0.3)
# the largest difference of a state, in units in the last place of 1 or of itself: in one step from
# the framework's own state before it, and over all steps, as far as the neuron lets errors grow
ROUNDED = {
    "EIFNode": (1, 8),  # their exp is one unit off ours: test_exponential
    "ComplementaryLIFNode": (2, 4),  # and the sigmoid around it up to three
    "MPBNLIFNode": (2, 32),  # one of a fused norm, which is two after a subtraction halves v
    "SimpleLIFNode": (0, 1),  # its first step alone is in double precision
}
# name of the class: its arguments with a reset at v_reset; mean and spread of the input
Case = tuple[str, Callable[[float | None], dict[str, Any]], float, float]


def reset(**more: Any) -> Callable[[float | None], dict[str, Any]]:
    return lambda v_reset: {"v_reset": v_reset, **more}


STEPPED: list[Case] = [
    ("IFNode", reset(v_threshold=0.9), 0.3, 0.6),
    ("SimpleIFNode", reset(v_threshold=0.9), 0.3, 0.6),
    ("LIFNode", reset(tau=2.3, v_threshold=0.9, detach_reset=True), 1.6, 2.0),
    ("LIFNode", reset(tau=2.3, decay_input=False), 0.5, 0.8),
    ("ParametricLIFNode", reset(init_tau=2.7), 1.8, 2.0),
    ("ParametricLIFNode", reset(init_tau=2.7, decay_input=False), 0.5, 0.8),
    ("CUBALIFNode", reset(c_decay=0.45, v_decay=0.7), 0.1, 0.5),
    ("TernaryIFNode", reset(v_threshold=0.9), 0.0, 0.8),
    ("TernaryLIFNode", reset(tau=1.9, v_threshold=0.9), 0.0, 2.5),
    ("TernaryLIFNode", reset(tau=1.9, decay_input=False), 0.0, 1.0),
    ("QIFNode", reset(tau=3.1, v_c=0.7, a0=0.9), 0.9, 1.2),
    ("EIFNode", reset(tau=3.3, delta_T=0.7, theta_rh=0.9, v_rest=0.05), 0.4, 1.4),
    ("IzhikevichNode", reset(tau=2.9, v_c=0.7, a=0.3, b=0.4, tau_w=4.1, w_rest=0.1), 1.4, 1.4),
    ("RAFNode", reset(b=-0.3, omega=1.1, dt=0.7, v_threshold=0.6), 0.3, 0.9),
    ("KLIFNode", reset(tau=2.3), 1.3, 2.0),
    ("KLIFNode", reset(tau=2.3, decay_input=False, scale_reset=True), 0.4, 0.8),
    ("KLIFNode", reset(tau=1.7, scale_reset=True), 1.3, 2.0),
    ("OTTTLIFNode", reset(tau=2.3), 0.5, 0.8),
    ("SLTTLIFNode", reset(tau=2.3), 1.6, 2.0),
    ("MPBNLIFNode", reset(tau=2.3, out_features=NEURONS), 0.2, 0.8),
    ("MPBNLIFNode", reset(tau=2.3, out_features=NEURONS, learnable_vth=True), 0.2, 0.8),
    ("MPBNLIFNode", reset(tau=2.3, out_features=NEURONS, mpbn=False), 0.5, 0.8),
    (
        "ActivationAwareIFNode",
        reset(v_threshold=torch.linspace(0.6, 1.4, NEURONS), v_offset=torch.tensor(0.17)),
        0.3,
        0.6,
    ),
    ("LIAFNode", reset(act=torch.relu, threshold_related=False, tau=2.3), 1.6, 2.0),
    ("LIAFNode", reset(act=torch.nn.LeakyReLU(0.2), threshold_related=True, tau=2.3), 1.6, 2.0),
]
SOFT: list[tuple[str, dict[str, Any], float, float]] = [
    ("HalfThresholdIFNode", {"v_threshold": 0.9}, 0.3, 0.6),
    ("ComplementaryLIFNode", {"tau": 2.3}, 0.6, 0.9),
    ("ILIFNode", {"tau": 1.9, "v_threshold": 0.7}, 0.8, 0.9),
    ("STBIFNode", {"q_threshold": 0.37, "level": 16, "sym": True}, 0.05, 0.8),
    ("STBIFNode", {"q_threshold": 0.37, "level": 8}, 0.05, 0.8),
    ("LIAFNode", {"act": torch.nn.Identity(), "threshold_related": True}, 1.6, 2.0),
]
SEQUENCES: list[tuple[str, dict[str, Any], float, float]] = [
    ("DSRIFNode", {"v_threshold": 1.3, "alpha": 0.4}, 0.4, 0.6),
    ("DSRLIFNode", {"v_threshold": 0.3, "alpha": 0.4}, 4.0, 4.0),
    ("ILIFNode", {"tau": 1.9, "v_threshold": 0.7, "step_mode": "m"}, 0.8, 0.9),
]


def node(name: str, arguments: dict[str, Any]) -> Any:
    """Make a neuron in evaluation, with parameters away from their first values."""
    module = getattr(neuron, name)(**arguments)
    generator = torch.Generator().manual_seed(7)

    def about(value: torch.Tensor, low: float, high: float) -> None:
        with torch.no_grad():
            value.copy_(low + (high - low) * torch.rand(value.shape, generator=generator))

    if name == "KLIFNode":
        about(module.k, 0.8, 1.6)
    if name == "MPBNLIFNode" and arguments.get("mpbn", True):
        about(module.vbn.running_mean, -0.2, 0.4)
        about(module.vbn.running_var, 0.4, 1.5)
        about(module.vbn.weight, 0.7, 1.3)
        about(module.vbn.bias, -0.1, 0.4)
    if arguments.get("learnable_vth"):
        about(module.a, -0.3, 0.3)
    return module.eval()


def draw(seed: int, mean: float, spread: float, shape: tuple[int, ...] = (NEURONS,)) -> Array:
    size = int(np.prod(shape))
    x = drive(seed, STEPS * BATCH, size, mean=mean, spread=spread)
    return x.reshape(STEPS, BATCH, *shape)


def stepped(module: Any, x: Array, states: tuple[str, ...]) -> dict[str, Array]:
    """Run a node in single steps; give output and memories after each."""
    rows: dict[str, list[Array]] = {name: [] for name in ("out", *states)}
    with torch.no_grad():
        for step in torch.from_numpy(x):
            rows["out"].append(module(step).numpy().copy())
            for name in states:
                rows[name].append(getattr(module, name).numpy().copy())
    return {name: np.stack(values) for name, values in rows.items()}


def assert_single_steps(spec: CellSpec, x: Array, theirs: dict[str, Array], ulp: int) -> None:
    """Compare each step from the framework's own state before it: no difference can add up.

    Steps and samples become an axis in front of the layer, under which its parameters broadcast.
    """
    layer = (-1, *x.shape[2:])
    before = {ours: theirs[name][:-1].reshape(layer) for name, ours in spec.states.items()}
    after = {name: v[1:].reshape(1, 1, *layer) for name, v in theirs.items()}
    found = run_spec(replace(spec, initial=before), x[1:].reshape(1, 1, *layer))
    assert_states(found, after, ulp)


def check(oracle: Ledger, module: Any, x: Array) -> dict[str, Array]:
    jelly = oracle("spikingjelly")
    spec = SPECS[class_name(module)](module)
    theirs = stepped(module, x, tuple(spec.states))
    single, whole = ROUNDED.get(type(module).__name__, (0, 0))
    if isinstance(getattr(module, "vbn", None), torch.nn.Identity):
        single = whole = 0
    assert_states(run_spec(spec, x), theirs, whole)
    if single < whole:
        assert_single_steps(spec, x, theirs, single)
    jelly.record(spiking=True)
    rate = np.count_nonzero(theirs["out"]) / theirs["out"].size
    assert type(module).__name__ == "LIAFNode" or 0.03 < rate < 0.95, rate
    return theirs


@pytest.mark.parametrize("v_reset", RESETS)
@pytest.mark.parametrize("case", [pytest.param(c, id=f"{i}-{c[0]}") for i, c in enumerate(STEPPED)])
def test_neuron(oracle: Ledger, case: Case, v_reset: float | None) -> None:
    name, arguments, mean, spread = case
    given = arguments(v_reset)
    if v_reset is None and name in ("QIFNode", "EIFNode", "IzhikevichNode"):
        # a drive that grows with the membrane, which no reset bounds
        mean, spread = mean / 3, spread / 6
        given["v_threshold"] = 0.5
    if v_reset == -0.3 and name in ("QIFNode", "EIFNode"):
        given["v_rest"] = -0.1
    check(oracle, node(name, given), draw(1, mean, spread))


@pytest.mark.parametrize("case", [pytest.param(c, id=f"{i}-{c[0]}") for i, c in enumerate(SOFT)])
def test_neuron_with_one_reset(
    oracle: Ledger, case: tuple[str, dict[str, Any], float, float]
) -> None:
    name, arguments, mean, spread = case
    theirs = check(oracle, node(name, arguments), draw(2, mean, spread))
    if name == "STBIFNode":
        assert (theirs["out"] < 0).any()
    if name == "ILIFNode":
        assert theirs["out"].max() == 4


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() == "DEFAULT", reason="torch does not fuse without AVX2"
)
@pytest.mark.parametrize("affine", [True, False])
def test_norm_of_torch_is_one_fused_operation(oracle: Ledger, affine: bool) -> None:
    """Of ``v * scale + shift``, rounded once, so that both numbers are torch's in every bit."""
    module = node("MPBNLIFNode", {"tau": 2.3, "out_features": NEURONS})
    if not affine:
        module.vbn.affine, module.vbn.weight, module.vbn.bias = False, None, None
    params = mpbn_lif_node(module).params
    scale, shift = (torch.as_tensor(params[k]).double() for k in ("scale", "shift"))
    v = torch.from_numpy(draw(14, 0.3, 1.5)).reshape(-1, NEURONS)
    with torch.no_grad():
        assert torch.equal(module.vbn(v), (v.double() * scale + shift).float())
    oracle("torch").record()


@pytest.mark.parametrize("v_reset", RESETS[1:])
@pytest.mark.parametrize("decay_input", [True, False])
def test_simple_lif(oracle: Ledger, v_reset: float, decay_input: bool) -> None:
    module = neuron.SimpleLIFNode(2.3, decay_input, v_threshold=0.9, v_reset=v_reset)
    check(oracle, module, draw(3, 1.6 if decay_input else 0.5, 2.0 if decay_input else 0.8))


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=f"{i}-{c[0]}") for i, c in enumerate(SEQUENCES)]
)
def test_sequence(oracle: Ledger, case: tuple[str, dict[str, Any], float, float]) -> None:
    name, arguments, mean, spread = case
    if name.startswith("DSR"):
        arguments = {**arguments, "T": STEPS}
    module = node(name, arguments)
    x = draw(4, mean, spread)
    spec = SPECS[class_name(module)](module)
    with torch.no_grad():
        spikes = module(torch.from_numpy(x)).numpy()
    ours = run_spec(spec, x)
    assert_states({"out": ours["out"]}, {"out": spikes})
    if "v" in spec.states:
        assert_states({"v": ours["v"][-1]}, {"v": module.v.numpy()})
    oracle("spikingjelly").record(spiking=bool(spikes.any()))
    assert 0.03 < np.count_nonzero(spikes) / spikes.size < 0.95


def test_a_grid_of_channels(oracle: Ledger) -> None:
    """Parameters per channel of (N, C, H, W): GatedLIF, and batch norm of two axes."""
    shape = (3, 2, 4)
    torch.manual_seed(0)
    np.random.seed(0)
    gated = neuron.GatedLIFNode(STEPS, inplane=3)
    with torch.no_grad():
        for value in gated.parameters():
            value.add_(torch.randn(value.shape) * 0.7)
    x = draw(5, 0.7, 0.9, shape)
    spec = SPECS[class_name(gated)](gated)
    with torch.no_grad():
        spikes = gated(torch.from_numpy(x)).numpy()
    ours = run_spec(spec, x)
    assert_states({"out": ours["out"]}, {"out": spikes})
    assert_states(
        {n: ours[n][-1] for n in "uv"}, {n: getattr(gated, n).detach().numpy() for n in "uv"}
    )
    assert 0.05 < spikes.mean() < 0.95
    oracle("spikingjelly").record(spiking=True)
    normalised = node("MPBNLIFNode", {"tau": 2.3, "out_channels": 3})
    check(oracle, normalised, draw(6, 0.3, 0.8, shape))
    aware = neuron.ActivationAwareIFNode(torch.tensor([0.7, 1.0, 1.3]), channel_dim=-3)
    check(oracle, aware, draw(7, 0.3, 0.6, shape))


@pytest.mark.parametrize("v_reset", RESETS)
@pytest.mark.parametrize("residual", [True, False])
def test_norm_folded_into_the_threshold(
    oracle: Ledger, v_reset: float | None, residual: bool
) -> None:
    module = node("MPBNLIFNode", {"v_reset": v_reset, "tau": 2.3, "out_features": NEURONS})
    module.re_parameterize_v_threshold(normalize_residual=residual)
    x = draw(13, 0.2, 0.8)
    theirs = stepped(module, x, ("v",))
    assert_states(run_spec(mpbn_lif_node(module, rank=1), x), theirs)
    assert 0.03 < theirs["out"].mean() < 0.95
    oracle("spikingjelly").record(spiking=True)


def test_without_noise(oracle: Ledger) -> None:
    module = neuron.NoisyCUBALIFNode(NEURONS, is_training=False, T=STEPS, v_reset=-0.2)
    x = draw(8, 0.1, 0.5)
    spec = SPECS[class_name(module)](module)
    with torch.no_grad():
        spikes = module(torch.from_numpy(x)).numpy()
    ours = run_spec(spec, x)
    assert_states({"out": ours["out"]}, {"out": spikes})
    assert_states({n: ours[n][-1] for n in "vc"}, {n: getattr(module, n).numpy() for n in "vc"})
    reader = neuron.NoisyNonSpikingIFNode(NEURONS, is_training=False, T=STEPS)
    with torch.no_grad():
        values = torch.stack(reader(torch.from_numpy(x))).numpy()
    assert_states(run_spec(SPECS[class_name(reader)](reader), x), {"out": values, "v": values})
    oracle("spikingjelly").record(2, spiking=1)


@pytest.mark.parametrize("name", ["NonSpikingIFNode", "NonSpikingLIFNode"])
def test_integrator(oracle: Ledger, name: str) -> None:
    module, x = getattr(neuron, name)(), draw(9, 0.2, 0.6)
    with torch.no_grad():
        values = torch.stack(module(torch.from_numpy(x))).numpy()
    assert_states(run_spec(SPECS[class_name(module)](module), x), {"out": values, "v": values})
    oracle("spikingjelly").record()


@pytest.mark.parametrize("name", ["SlidingPSN", "MaskedPSN"])
def test_taps_of_a_delay_line(oracle: Ledger, name: str) -> None:
    """On a binary grid, where every sum is exact in any order."""
    steps, taps = 20, 5
    torch.manual_seed(3)
    if name == "SlidingPSN":
        module = neuron.SlidingPSN(taps, exp_init=False)
    else:
        module = neuron.MaskedPSN(taps, steps, lambda_init=1.0)
    with torch.no_grad():
        for value in module.parameters():
            value.copy_(torch.round(torch.randn(value.shape) * 32) / 64)
    x = (np.round(draw(11, 0.3, 0.8)[:steps] * 16) / 16).astype(np.float32)
    theirs = stepped(module, x, ())
    b = GraphBuilder()
    add = add_sliding_psn if name == "SlidingPSN" else add_masked_psn
    b.output("y", add(b, "psn", module, b.input("x", (NEURONS,))))
    found = simulate(b.build(), {"x": np.moveaxis(x, 0, 1)}, steps, record=[("psn", "out")])
    ours = np.moveaxis(found["psn", "out"], 1, 0).astype(np.float32)
    assert_states({"out": ours}, theirs)
    assert 0.05 < ours.mean() < 0.95
    oracle("spikingjelly").record(spiking=True)


def refused(module: Any) -> str:
    with pytest.raises(ConversionError) as caught:
        SPECS[class_name(module)](module)
    return str(caught.value)


def test_what_cannot_be_translated_is_refused() -> None:
    assert "no step" in refused(neuron.LIFNode(surrogate_function=surrogate.ATan(spiking=False)))
    assert "no step" in refused(neuron.IFNode(surrogate_function=torch.sigmoid))
    assert "act is sin" in refused(neuron.LIAFNode(torch.sin, False))
    assert "adds noise" in refused(neuron.NoisyCUBALIFNode(3))
    assert ".eval()" in refused(neuron.OTTTLIFNode())
    assert ".eval()" in refused(neuron.MPBNLIFNode(out_features=3))
    assert "v_reset is None" in refused(neuron.SimpleLIFNode(2.0, True, v_reset=None))
    offsets = neuron.ActivationAwareIFNode(torch.ones(3), channel_dim=1)
    assert "from the batch axis" in refused(offsets)
    folded = neuron.MPBNLIFNode(out_features=3).eval()
    folded.re_parameterize_v_threshold()
    assert "depends on the input" in refused(folded)
    several = neuron.LIFNode()
    several.v_threshold, several.tau = torch.ones(3), "fast"
    assert "v_threshold" in refused(several)
    assert "tau" in refused(several)
    with pytest.raises(ConversionError, match="lambda_"):
        add_masked_psn(GraphBuilder(), "psn", neuron.MaskedPSN(2, 3), None)


def test_every_neuron_is_a_cell_or_told_why_not() -> None:
    """Of all classes that SpikingJelly exports, and with a message of their own."""
    names = {
        full_name(c)
        for c in vars(neuron).values()
        if isinstance(c, type) and issubclass(c, torch.nn.Module)
    }
    known = {*SPECS.entries, *REFUSED}
    # bases of neurons, which nobody makes
    bases = {n for n in names if n.endswith("BaseNode")}
    assert names - bases == known - bases
    assert not {*SPECS.entries} & {*REFUSED}
    assert "to come as well" in str(refusal(neuron.PSN(4)))
    assert "not handled" in str(refusal(torch.nn.ReLU()))
