"""The workloads of the engine's benchmarks, as graphs, with what is presented to them.

Each is drawn from a seed, so that anyone can repeat a table. Where a folder holds the networks and
spike counts that the project is measured on (``w1.npz``, ``w3.npz``, ``w5_4000.npz``), those are
taken, and the counts are checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import neurodeploy as nd
from neurodeploy.ir import BOOL, GraphBuilder
from neurodeploy.semantics.language import step_index
from neurodeploy.semantics.types import Int

Array = npt.NDArray[Any]
REST = 50  # steps, W5
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "workloads"


@dataclass(frozen=True)
class Workload:
    """A network and its input.

    Attributes:
        name: Short name.
        graph: The network; its only input is ``x``.
        x: Spikes, (samples, steps, ...).
        weights: By name, in the layout of torch: (out, in, ...).
        counts: Spikes of each output neuron of each sample, where they are known.
    """

    name: str
    graph: nd.Graph
    x: Array
    weights: dict[str, Array] = field(default_factory=dict)
    counts: Array | None = None

    @property
    def steps(self) -> int:
        return int(self.x.shape[1])

    @property
    def population(self) -> str:
        """The last population."""
        return self.graph.cells[-1].name


@nd.cell(
    "two_currents",
    params={"alpha": 0.8, "beta": 0.95, "threshold": 1.0},
    states={"i": 0.0, "v": 0.0},
)
def two_currents(p: Any, s: Any, fed: Any, back: Any) -> Any:
    """A current-based neuron with soft reset: ``i = alpha i + a + b; v = beta v + i``."""
    i = p.alpha * s.i + fed + back
    v = p.beta * s.v + i
    z = nd.fire(v, p.threshold, strict=False)
    return z, nd.State(i=i, v=nd.where(z, v - p.threshold, v))


@nd.cell(
    "one_current",
    params={"alpha": 0.8, "beta": 0.95, "threshold": 1.0},
    states={"i": 0.0, "v": 0.0},
)
def one_current(p: Any, s: Any, fed: Any) -> Any:
    """The same with one source of current."""
    i = p.alpha * s.i + fed
    v = p.beta * s.v + i
    z = nd.fire(v, p.threshold, strict=False)
    return z, nd.State(i=i, v=nd.where(z, v - p.threshold, v))


def w1(data: Path = DATA) -> Workload:
    """Feed-forward 784-512-512-10, soft-reset LIF, 100 steps, about 5 % of all neurons spike."""
    held = _held(data / "w1.npz")
    if held:
        x, counts = held["x"], held["ref_out"]
        weights = {f"fc{k}": np.ascontiguousarray(held[f"W{k}"].T) for k in (1, 2, 3)}
    else:
        rng = np.random.default_rng(1)
        x, counts = rng.random((256, 100, 784)) < 0.05, None
        weights = {
            f"fc{k}": _drawn(rng, shape, gain)
            for k, (shape, gain) in enumerate(
                (((512, 784), 2.0), ((512, 512), 1.81), ((10, 512), 1.32)), 1
            )
        }
    b = GraphBuilder()
    h = b.input("x", (784,), type=BOOL)
    for k in (1, 2, 3):
        current = b.dense(f"fc{k}", h, weights[f"fc{k}"])
        h = b.cell(f"lif{k}", "lif", current, params=_LIF, options={"strict": False})
    return Workload("W1", b.output("y", h).build(), x, weights, counts)


def w3(data: Path = DATA) -> Workload:
    """Recurrent 700-256-20, current-based LIF, 250 steps, 1 % of the inputs spike."""
    held = _held(data / "w3.npz")
    if held:
        x, counts = held["x"], held["ref_out"]
        weights = {
            name: np.ascontiguousarray(held[key].T)
            for name, key in (("in", "Wi"), ("rec", "Wr"), ("out", "Wo"))
        }
    else:
        rng = np.random.default_rng(3)
        x, counts = rng.random((128, 250, 700)) < 0.01, None
        weights = {
            "in": _drawn(rng, (256, 700), 0.36),
            "rec": _drawn(rng, (256, 256), 0.36),
            "out": _drawn(rng, (20, 256), 0.42),
        }
    b = GraphBuilder()
    x_in = b.input("x", (700,), type=BOOL)
    back = b.dense("rec", b.ref("h", shape=(256,), delay=1), weights["rec"])
    h = b.cell("h", "two_currents", b.dense("in", x_in, weights["in"]), back)
    o = b.cell("o", "one_current", b.dense("out", h, weights["out"]))
    return Workload("W3", b.output("y", o).build(), x, weights, counts)


def w4(samples: int = 64, steps: int = 50) -> Workload:
    """Convolutional, on events of 2 x 34 x 34: two convolutions, average pools, ten classes."""
    rng = np.random.default_rng(4)
    # a moving spot of events on a background of noise, about 2 % of all pixels
    x = rng.random((samples, steps, 2, 34, 34)) < 0.012
    place = rng.integers(4, 30, (samples, 1, 2)) + np.cumsum(
        rng.integers(-1, 2, (samples, steps, 2)), axis=1
    )
    for n in range(samples):
        for t in range(steps):
            r, c = np.clip(place[n, t], 3, 30)
            x[n, t, :, r - 3 : r + 3, c - 3 : c + 3] |= rng.random((2, 6, 6)) < 0.3
    weights = {
        "conv1": _drawn(rng, (12, 2, 5, 5), 5.38),
        "conv2": _drawn(rng, (32, 12, 5, 5), 1.95),
        "fc": _drawn(rng, (10, 32 * 5 * 5), 1.03),
    }
    b = GraphBuilder()
    h = b.input("x", (2, 34, 34), type=BOOL)
    for k in (1, 2):
        h = b.pool(f"pool{k}", b.conv(f"conv{k}", h, weights[f"conv{k}"]), 2)
        h = b.cell(f"lif{k}", "lif", h, params=_LIF, options={"strict": False})
    current = b.dense("fc", b.flatten("flat", h), weights["fc"])
    h = b.cell("lif3", "lif", current, params=_LIF, options={"strict": False})
    return Workload("W4", b.output("y", h).build(), x, weights)


@nd.cell(
    "cuba_refractory",
    params={"em": 0.995, "ke": 0.005, "ki": 0.005, "ae": 0.98, "ai": 0.99,
            "threshold": -50.0, "reset": -60.0},
    states={"v": -60.0, "ge": 0.0, "gi": 0.0, "last": -REST - 1},
    state_types={"last": Int(-REST - 1, 2**31 - 1)},
)  # fmt: skip
def cuba_refractory(p: Any, s: Any, e: Any, i: Any, drive: Any) -> Any:
    """Two exponential currents, exact integration, a membrane that rests after a spike.

    ``v = em v + drive + ke ge + ki gi`` outside of the rest; ``ge = ae ge``, ``gi = ai gi``. What
    arrives acts on the currents before. As in Brian2, a neuron keeps the time of its last spike.
    """
    ge, gi = s.ge + e, s.gi + i
    now = step_index(ge)
    active = s.last < now - REST
    moved = p.em * s.v + drive + p.ke * ge + p.ki * gi
    z = nd.fire(moved, p.threshold, strict=True) & active
    return z, nd.State(
        v=nd.where(z, p.reset, nd.where(active, moved, s.v)),
        ge=p.ae * ge,
        gi=p.ai * gi,
        last=nd.where(z, now, s.last),
    )


def w5(data: Path = DATA, steps: int = 10_000) -> Workload:
    """The CUBA network: 4,000 neurons, 80 targets each, 1 s in steps of 0.1 ms, about 5.8 Hz."""
    path = data / "w5_4000.npz"
    if path.is_file():
        with np.load(path) as stored:
            targets, v0 = stored["tgt"], stored["v0"]
    else:
        rng = np.random.default_rng(5)
        targets = np.sort(rng.integers(0, 4000, (4000, 80)), axis=1).astype(np.int32)
        v0 = rng.uniform(-60, -50, 4000).astype(np.float32)
    neurons, excitatory = 4000, 3200
    tau_m, tau_e, tau_i, dt, rest = 20.0, 5.0, 10.0, 0.1, -49.0
    em, ae, ai = (float(np.exp(-dt / tau)) for tau in (tau_m, tau_e, tau_i))
    params = {
        "em": em,
        "ke": (ae - em) / tau_m / (1 / tau_m - 1 / tau_e),
        "ki": (ai - em) / tau_m / (1 / tau_m - 1 / tau_i),
        "ae": ae,
        "ai": ai,
    }
    b = GraphBuilder("0.1ms")
    x = b.input("x", (1,))  # what the membrane rests at, as a current
    source = np.repeat(np.arange(neurons), targets.shape[1])
    target = targets.reshape(-1)
    fed = []
    for name, chosen, amount in (
        ("exc", source < excitatory, 1.62),
        ("inh", source >= excitatory, -9.0),
    ):
        weight = np.full(int(chosen.sum()), amount, np.float32)
        back = b.ref("cells", shape=(neurons,), delay=1)
        fed.append(b.synapses(name, back, (neurons,), weight, source[chosen], target[chosen]))
    cells = b.cell("cells", "cuba_refractory", *fed, x, params=params, initial={"v": v0})
    graph = b.output("y", cells).build()
    drive = np.full((1, steps, 1), rest * (1 - em), np.float32)
    return Workload("W5", graph, drive, {"target": targets, "v0": v0})


_LIF = {"beta": np.float32(0.9), "threshold": 1.0}


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], gain: float) -> Array:
    fan_in = float(np.prod(shape[1:]))
    return rng.normal(0, gain / fan_in**0.5, shape).astype(np.float32)


def _held(path: Path) -> dict[str, Array]:
    """Read a stored network; its input is bit-packed, (steps, samples, inputs)."""
    if not path.is_file():
        return {}
    with np.load(path) as stored:
        held = dict(stored)
    inputs = int(held["shape"][-1])
    bits = np.unpackbits(held["x"], axis=-1)[..., :inputs]
    held["x"] = np.ascontiguousarray(np.moveaxis(bits, 0, 1)).astype(bool)
    return held
