"""snnTorch's neurons against the cells that they are: every state at every step."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cell_runs import drive
from oracles import Ledger
from spec_runs import assert_states, run_spec

pytest.importorskip("snntorch", reason="snntorch is not installed")
torch = pytest.importorskip("torch", reason="torch is not installed")

import snntorch  # noqa: E402
from snntorch.functional import quant  # noqa: E402

from neurodeploy.converters.base import full_name  # noqa: E402
from neurodeploy.converters.snntorch.inhibition import add_inhibited  # noqa: E402
from neurodeploy.converters.snntorch.table import (  # noqa: E402
    PARTS,
    REFUSED,
    SPECS,
    refusal,
)
from neurodeploy.converters.torch.classes import class_name  # noqa: E402
from neurodeploy.errors import ConversionError  # noqa: E402
from neurodeploy.ir import GraphBuilder  # noqa: E402
from neurodeploy.reference import simulate  # noqa: E402

Array = npt.NDArray[Any]
STEPS, BATCH, NEURONS = 100, 4, 12
MECHANISMS = ("subtract", "zero", "none")
NAMES = ("Leaky", "Synaptic", "RLeaky", "RSynaptic")
CASES = [
    case
    for case in itertools.product(NAMES, MECHANISMS, (True, False), ("scalar", "neuron"))
    if case[0] != "RSynaptic" or case[2]  # with reset_delay=False its forward fails
]


def values(seed: int, granularity: str, low: float, high: float) -> Any:
    generator = torch.Generator().manual_seed(seed)
    size = (1, NEURONS) if granularity == "neuron" else ()
    return low + (high - low) * torch.rand(size, generator=generator)


def draw(seed: int, mean: float, spread: float = 0.6) -> Array:
    return drive(seed, STEPS * BATCH, NEURONS, mean=mean, spread=spread).reshape(
        STEPS, BATCH, NEURONS
    )


def stepped(module: Any, x: Array, names: tuple[str, ...], extra: int = 0) -> dict[str, Array]:
    """Run a neuron that is handed its states; ``extra`` of them stand before those compared."""
    shape = x.shape[1:]
    states = [torch.zeros(shape) for _ in range(extra + len(names))]
    rows: dict[str, list[Array]] = {n: [] for n in ("out", *names)}
    with torch.no_grad():
        for step in torch.from_numpy(x):
            found = module(step, *states)
            # the spikes of a recurrent neuron do not return
            states = [torch.zeros(shape), *found[1:]] if extra else list(found[1:])
            for name, value in zip(("out", *names), found, strict=True):
                rows[name].append(value.numpy().copy())
    return {name: np.stack(kept) for name, kept in rows.items()}


def check(oracle: Ledger, module: Any, x: Array) -> dict[str, Array]:
    spec = SPECS[class_name(module)](module)
    recurrent = spec.cell.startswith("recurrent")
    theirs = stepped(module, x, tuple(spec.states), extra=int(recurrent))
    inputs = {"x": x, "feedback": np.zeros_like(x)} if recurrent else x
    assert_states(run_spec(spec, inputs), theirs)
    rate = np.count_nonzero(theirs["out"]) / theirs["out"].size
    assert 0.03 < rate < 0.95, rate
    oracle("snntorch").record(spiking=True)
    return theirs


def mean_of(mechanism: str) -> float:
    return 0.0 if mechanism == "none" else 0.3


@pytest.mark.parametrize(("name", "mechanism", "delay", "granularity"), CASES)
def test_neuron(oracle: Ledger, name: str, mechanism: str, delay: bool, granularity: str) -> None:
    options: dict[str, Any] = {"reset_mechanism": mechanism, "reset_delay": delay}
    if name == "Leaky":
        options["graded_spikes_factor"] = 2.5
    if name.endswith("Synaptic"):
        options["alpha"] = values(1, granularity, 0.2, 0.8)
    if name.startswith("R"):
        # a recurrent weight of 0, and the cell's second input 0
        options |= {"V": torch.zeros(NEURONS), "all_to_all": False}
    module = getattr(snntorch, name)(
        beta=values(2, granularity, 0.5, 1.1),  # held to 1
        threshold=values(3, granularity, 0.7, 1.3),
        **options,
    )
    check(oracle, module, draw(1, mean_of(mechanism) / (2 if name.endswith("Synaptic") else 1)))


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("granularity", ["scalar", "neuron"])
def test_alpha(oracle: Ledger, mechanism: str, granularity: str) -> None:
    module = snntorch.Alpha(
        alpha=values(4, granularity, 0.8, 0.9),
        beta=values(5, granularity, 0.4, 0.7),
        threshold=values(6, granularity, 0.4, 0.8),
        reset_mechanism=mechanism,
    )
    check(oracle, module, draw(2, mean_of(mechanism)))


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(
    "arguments",
    [
        {"beta": 0.8},
        {"R": 5.1, "C": 1.7},
        {"R": 2, "C": 3, "time_step": 1},
        {"R": 5.1, "C": 1.7, "time_step": 0.7},
        {"beta": 0.9, "R": 2.3},
        {"beta": 0.9, "C": 2.3},
    ],
    ids=lambda a: ",".join(a),
)
def test_lapicque(oracle: Ledger, mechanism: str, arguments: dict[str, Any]) -> None:
    module = snntorch.Lapicque(threshold=0.9, reset_mechanism=mechanism, **arguments)
    check(oracle, module, draw(3, 2 * mean_of(mechanism), 2.0))


QUANTISERS = {
    "uniform": quant.state_quant(num_bits=4, threshold=1.0, lower_limit=0.3),
    "fine": quant.state_quant(num_bits=8, threshold=1.0, lower_limit=0.5, upper_limit=0.7),
    "centred": quant.state_quant(num_bits=4, uniform=False, threshold=1.0, lower_limit=0.4),
    "at zero": quant.state_quant(
        num_bits=3, uniform=False, thr_centered=False, threshold=1.0, lower_limit=0.6
    ),
}


@pytest.mark.parametrize("quantiser", QUANTISERS)
@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("name", ["Leaky", "Synaptic", "Lapicque"])
def test_states_on_levels(oracle: Ledger, name: str, mechanism: str, quantiser: str) -> None:
    options = {"alpha": 0.7} if name == "Synaptic" else {}
    module = getattr(snntorch, name)(
        beta=0.85,
        threshold=0.8,
        reset_mechanism=mechanism,
        state_quant=QUANTISERS[quantiser],
        **options,
    )
    wide = name == "Lapicque"
    x = draw(4, mean_of(mechanism) * (3 if wide else 1), 4.0 if wide else 0.9)
    spec = SPECS[class_name(module)](module)
    assert spec.cell.startswith("quantised")
    check(oracle, module, x)


def test_every_value_takes_its_level(oracle: Ledger) -> None:
    """Also halfway between two levels, and one float beside it."""
    for function in QUANTISERS.values():
        module = snntorch.Leaky(beta=0.0, reset_mechanism="none", state_quant=function)
        spec = SPECS[class_name(module)](module)
        levels = np.asarray(spec.params["levels"])
        bounds = np.asarray(spec.params["bounds"])[1:]
        halves = (levels[1:] + levels[:-1]) / np.float32(2)
        near = [np.nextafter(v, np.float32(s)) for v in (halves, bounds) for s in (-9, 9)]
        x = np.concatenate([levels, bounds, halves, *near, levels * 9])[None, None]
        theirs = stepped(module, x.astype(np.float32), ("mem",))
        assert_states(run_spec(spec, x.astype(np.float32)), theirs)
    oracle("snntorch").record(len(QUANTISERS))


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_corrected_reset_on_levels(oracle: Ledger, mechanism: str) -> None:
    module = snntorch.Leaky(
        beta=0.85,
        reset_delay=False,
        reset_mechanism=mechanism,
        state_quant=quant.state_quant(num_bits=5, threshold=1.0, lower_limit=0.5),
    )
    check(oracle, module, draw(5, mean_of(mechanism), 0.9))


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("name", ["Leaky", "Synaptic", "Lapicque", "Alpha"])
@pytest.mark.filterwarnings("ignore:Inhibition is an unstable feature:UserWarning")
def test_one_winner(oracle: Ledger, name: str, mechanism: str) -> None:
    options: dict[str, Any] = {"alpha": 0.9} if name in ("Synaptic", "Alpha") else {}
    module = getattr(snntorch, name)(
        beta=0.8,
        threshold=torch.linspace(0.3, 0.6, NEURONS),
        reset_mechanism=mechanism,
        inhibition=True,
        **options,
    )
    x = draw(6, mean_of(mechanism))
    names = {"Synaptic": ("syn", "mem"), "Alpha": ("syn_exc", "syn_inh", "mem")}.get(name, ("mem",))
    theirs = stepped(module, x, names)
    b = GraphBuilder()
    b.output("y", add_inhibited(b, "lif", module, b.input("x", (NEURONS,))))
    keys = [("lif", "out"), ("lif.neuron", "v")]
    found = simulate(b.build(), {"x": np.moveaxis(x, 0, 1)}, STEPS, record=keys)
    ours = {
        "out": np.moveaxis(found["lif", "out"], 1, 0).astype(np.float32),
        "mem": np.moveaxis(found["lif.neuron", "v"], 1, 0),
    }
    assert_states(ours, {n: theirs[n] for n in ours})
    assert theirs["out"].sum(-1).max() == 1
    assert theirs["out"].mean() > 0.02
    oracle("snntorch").record(spiking=True)


def dense_gates(module: Any, x: Any, mem: Any) -> dict[str, Any]:
    """Give what an SLSTM's maps give to its gates."""
    cell = module.lstm_cell
    both = torch.nn.functional.linear(x, cell.weight_ih, cell.bias_ih) + torch.nn.functional.linear(
        mem, cell.weight_hh, cell.bias_hh
    )
    return dict(zip("ifgo", both.chunk(4, 1), strict=True))


def convolved_gates(module: Any, x: Any, mem: Any) -> dict[str, Any]:
    """Give what an SConv2dLSTM's map gives to its gates, in an order of its own."""
    parts = module.conv(torch.cat([x, mem], 1)).split(mem.shape[1], 1)
    return dict(zip("ifog", parts, strict=True))


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("convolved", [False, True])
def test_spiking_lstm(oracle: Ledger, convolved: bool, mechanism: str) -> None:
    """Its exp is not ours: spikes are equal, states within 2 units in the last place of 1."""
    torch.manual_seed(1)
    if convolved:
        module = snntorch.SConv2dLSTM(2, 3, 3, threshold=0.1, reset_mechanism=mechanism)
        x = torch.randn(STEPS, BATCH, 2, 4, 5, generator=torch.Generator().manual_seed(2))
        shape, gates = (BATCH, 3, 4, 5), convolved_gates
    else:
        module = snntorch.SLSTM(NEURONS, NEURONS, threshold=0.15, reset_mechanism=mechanism)
        x = torch.from_numpy(draw(7, 0.3, 1.5))
        shape, gates = (BATCH, NEURONS), dense_gates
    syn, mem = torch.zeros(shape), torch.zeros(shape)
    rows: dict[str, list[Array]] = {n: [] for n in ("out", "syn", "mem", *"ifgo")}
    with torch.no_grad():
        for step in x:
            drives = gates(module, step, mem)
            spikes, syn, mem = module(step, syn, mem)
            seen = {"out": spikes, "syn": syn, "mem": mem, **drives}
            for name, value in seen.items():
                rows[name].append(value.numpy().copy())
    theirs = {n: np.stack(v) for n, v in rows.items()}
    ours = run_spec(PARTS[class_name(module)](module), {f"x_{g}": theirs.pop(g) for g in "ifgo"})
    assert_states(ours, theirs, ulp=2)
    assert 0.03 < theirs["out"].mean() < 0.95
    oracle("snntorch").record(spiking=True)


def test_leaky_parallel(oracle: Ledger) -> None:
    """With an input map of the identity, and weights on a binary grid."""
    module = snntorch.LeakyParallel(NEURONS, NEURONS, beta=0.8, graded_spikes_factor=1.5)
    with torch.no_grad():
        module.rnn.weight_ih_l0.copy_(torch.eye(NEURONS))
        module.rnn.bias_ih_l0.zero_()
        module.rnn.bias_hh_l0.copy_(torch.linspace(-0.1, 0.1, NEURONS))
        module.rnn.weight_hh_l0.mul_(torch.linspace(0.5, 1.1, NEURONS))
        x = draw(8, 0.0)
        spikes = module(torch.from_numpy(x)).numpy()
    spec = PARTS[class_name(module)](module)
    assert_states({"out": run_spec(spec, x)["out"]}, {"out": spikes})
    assert 0.05 < (spikes != 0).mean() < 0.95
    oracle("snntorch").record(spiking=True)


@pytest.mark.parametrize("output", [True, False])
@pytest.mark.parametrize("channels", [1, NEURONS])
def test_state_leaky(oracle: Ledger, channels: int, output: bool) -> None:
    """The same sum in another order: membranes within 1e-5, spikes where those are not closer."""
    beta = torch.linspace(0.6, 0.9, channels) if channels > 1 else torch.tensor(0.8)
    module = (
        snntorch.StateLeaky(
            beta=beta, channels=NEURONS, threshold=0.8, output=output, graded_spikes_factor=1.5
        )
        if output
        else snntorch.StateLeaky(beta=beta, channels=NEURONS, output=False)
    )
    x = draw(9, 0.1)
    with torch.no_grad():
        found = module(torch.from_numpy(x))
    spikes, mem = (v.numpy() for v in found) if output else (None, found.numpy())
    ours = run_spec(PARTS[class_name(module)](module), x)
    assert np.abs(ours["mem"] - mem).max() < 1e-5
    if spikes is not None:
        clear = np.abs(mem - 0.8) > 1e-5
        assert (ours["out"] == spikes)[clear].all()
        assert clear.mean() > 0.999
    oracle("snntorch").record(spiking=output)


def test_delta_leaky(oracle: Ledger) -> None:
    module = snntorch.DeltaLeaky(delta_threshold=0.7, beta=values(10, "neuron", 0.5, 1.1))
    x = draw(10, 0.1)
    state: Any = (None, None)
    rows: dict[str, list[Array]] = {"out": [], "mem": []}
    with torch.no_grad():
        for step in torch.from_numpy(x):
            spikes, state = module(step, state)
            rows["out"].append(spikes.numpy())
            rows["mem"].append(state[0].numpy())
    theirs = {n: np.stack(v) for n, v in rows.items()}
    assert_states(run_spec(PARTS[class_name(module)](module), x), theirs)
    assert 0.05 < theirs["out"].mean() < 0.95
    oracle("snntorch").record(spiking=True)


def refused(module: Any) -> str:
    table = SPECS if class_name(module) in SPECS else PARTS
    with pytest.raises(ConversionError) as caught:
        table[class_name(module)](module)
    return str(caught.value)


@pytest.mark.filterwarnings("ignore:Inhibition is an unstable feature:UserWarning")
def test_what_cannot_be_translated_is_refused() -> None:
    assert "no step" in refused(snntorch.Leaky(0.9, spike_grad=torch.sigmoid))
    assert "one neuron of the layer" in refused(snntorch.Leaky(0.9, inhibition=True))
    several = refused(snntorch.Alpha(0.9, 0.8, state_quant=lambda x: x, inhibition=True))
    assert "quantises" in several
    assert "one neuron" in several
    assert "no function of" in refused(snntorch.Leaky(0.9, state_quant=torch.round))
    assert "float64" in refused(snntorch.Leaky(torch.full((3,), 0.9, dtype=torch.float64)))
    assert "divides by it" in refused(
        snntorch.Leaky(0.9, graded_spikes_factor=0.0, reset_delay=False)
    )
    assert "delays the reset" in refused(
        snntorch.RSynaptic(0.9, 0.8, linear_features=3, reset_delay=False)
    )
    assert "hidden_size 4" in refused(snntorch.SLSTM(3, 4))
    assert "pools" in refused(snntorch.SConv2dLSTM(1, 1, 3, max_pool=2))
    assert "not diagonal" in refused(snntorch.LeakyParallel(3, 3, weight_hh_enable=True))
    assert "kernel" in refused(snntorch.StateLeaky(0.9, 3, kernel_truncation_steps=4))
    with pytest.raises(ConversionError, match="takes its reset back"):
        add_inhibited(GraphBuilder(), "n", snntorch.Leaky(0.9, inhibition=True, reset_delay=False))


def test_every_neuron_is_a_cell_or_told_why_not() -> None:
    from snntorch import _neurons

    names = {
        full_name(c)
        for c in vars(_neurons).values()
        if isinstance(c, type) and issubclass(c, torch.nn.Module)
    }
    assert names == {*SPECS.entries, *REFUSED}
    assert {*PARTS.entries} < {*REFUSED}
    assert "sequences" in str(refusal(snntorch.StateLeaky(0.9, 3)))
    assert "not handled" in str(refusal(torch.nn.ReLU()))
