"""Random networks of Loihi's neurons, as descriptions that Lava runs (`lava_program`).

A description is JSON with the names of arrays beside it. The weights in it are those that Lava is
given, with bits that it cuts; our graph (`loihi_graphs`) has what Loihi keeps of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.ir import QType
from neurodeploy.targets.loihi import cells

__all__ = ["FAMILIES", "STATES", "THEIR_NAMES", "Network", "random_network"]

Array = npt.NDArray[Any]
Rng = np.random.Generator
LARGEST_SUM = cells.SUM.hi
STATES = {
    "lif": ("u", "v"),
    "lif_reset": ("u", "v"),
    "ternary_lif": ("u", "v"),
    "resonator": ("re", "im"),
    "resonator_reset": ("re", "im"),
    "sigma": ("sigma",),
    "delta": ("act", "residue", "error"),
    "sigma_delta": ("sigma", "act", "residue", "error"),
}
THEIR_NAMES = {"re": "real", "im": "imag"}
GRADED = {"ternary_lif", "sigma", "delta", "sigma_delta"}


@dataclass
class Network:
    """A network that both sides can run.

    Attributes:
        family: What it is made of.
        steps: Steps of a run.
        made: The description: ``input``, ``populations``, ``connections``.
        arrays: What it names.
        input_type: Range of a graded input; None for spikes.
        image: Shape (channels, x, y) of the input; empty where it is flat.
    """

    family: str
    steps: int
    made: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    input_type: QType | None = None
    image: tuple[int, ...] = ()

    def keep(self, name: str, values: npt.ArrayLike) -> str:
        self.arrays[name] = np.asarray(values)
        return name


# -- descriptions -------------------------------------------------------------------------------


def _lif_params(net: Network, draw: Rng, index: int, kind: str, n: int) -> dict[str, Any]:
    def some(name: str, lo: int, hi: int, edges: tuple[int, ...] = ()) -> str:
        count = n if draw.random() < 0.5 else 1
        values = draw.integers(lo, hi + 1, count)
        for edge in edges:
            values[draw.random(count) < 0.15] = edge
        return net.keep(f"p{index}.{name}", values)

    params = {
        "du": some("du", 0, 4095, (0, 4095)),
        "dv": some("dv", 0, 1500, (0, 4095)),
        "bias_mant": net.keep(
            f"p{index}.bias_mant",
            np.where(
                draw.random(n) < 0.1, draw.choice([-4096, 4095], n), draw.integers(-40, 60, n)
            ),
        ),
        "bias_exp": net.keep(f"p{index}.bias_exp", draw.integers(0, 8, n)),
    }
    if kind == "ternary_lif":
        # Lava holds one of each for a population
        params["vth_hi"] = net.keep(f"p{index}.vth_hi", draw.integers(1, 400, 1))
        params["vth_lo"] = net.keep(f"p{index}.vth_lo", draw.integers(-400, 0, 1))
    else:
        params["vth"] = some("vth", 1, 700, (0, 131071))
    if kind == "lif_reset":
        interval = int(draw.integers(1, 20))
        params |= {"reset_interval": interval, "reset_offset": int(draw.integers(0, interval))}
    return params


def _resonator_params(net: Network, draw: Rng, index: int) -> dict[str, Any]:
    return {
        "period": float(draw.uniform(4, 40)),
        "alpha": float(draw.choice([0.0, 0.01, 0.07, 0.4, 1.0])),
        "decay_bits": int(draw.integers(6, 13)),
        "state_exp": int(draw.integers(0, 8)),
        "vth": int(draw.integers(1, 300)),
    }


def _sigma_delta_params(draw: Rng, kind: str) -> dict[str, Any]:
    if kind == "sigma":
        return {}
    params: dict[str, Any] = {
        "vth": int(draw.integers(0, 30)),
        "cum_error": bool(draw.random() < 0.3),
        "spike_exp": int(draw.integers(0, 3)) if kind == "delta" else 0,
        "state_exp": int(draw.integers(0, 5)),
    }
    if kind == "sigma_delta":
        params |= {"bias": int(draw.integers(-20, 30)), "act_mode": int(draw.integers(0, 2))}
    return params


def _population(net: Network, draw: Rng, kind: str, shape: tuple[int, ...]) -> int:
    index = len(net.made["populations"])
    if kind in ("lif", "lif_reset", "ternary_lif"):
        params = _lif_params(net, draw, index, kind, int(np.prod(shape)))
        if len(shape) > 1:  # Lava's own order of the axes
            for value in params.values():
                if isinstance(value, str) and net.arrays[value].size > 1:
                    net.arrays[value] = net.arrays[value].reshape(shape)
    elif kind.startswith("resonator"):
        params = _resonator_params(net, draw, index)
    else:
        params = _sigma_delta_params(draw, kind)
    net.made["populations"].append({"kind": kind, "shape": list(shape), "params": params})
    return index


def _connect(net: Network, draw: Rng, begin: int, end: int, port: str, **more: Any) -> None:
    """Join two populations; ``begin`` -1 is the input."""
    populations = net.made["populations"]
    sends = net.arrays["input"].shape[0] if begin < 0 else int(np.prod(populations[begin]["shape"]))
    takes = int(np.prod(populations[end]["shape"]))
    graded = net.input_type is not None if begin < 0 else populations[begin]["kind"] in GRADED
    number = len(net.made["connections"])
    kind = more.pop("kind", "") or str(draw.choice(["dense", "sparse", "delay"]))
    signs = draw.choice(["mixed", "excitatory", "inhibitory"], p=[0.7, 0.2, 0.1])
    lo, hi = {"mixed": (-170, 200), "excitatory": (0, 180), "inhibitory": (-180, 0)}[str(signs)]
    if draw.random() < 0.15:
        lo, hi = {"mixed": (-256, 255), "excitatory": (0, 255), "inhibitory": (-255, 0)}[str(signs)]
    reach = more.pop("reach", 256)
    weights = draw.integers(lo * reach // 256, hi * reach // 256 + 1, (takes, sends))
    if kind == "sparse" or draw.random() < 0.2:
        weights[draw.random(weights.shape) < 0.5] = 0
    worst = max(1, int(np.abs(weights).sum(axis=1).max()))
    most = max(0, (LARGEST_SUM // worst).bit_length() - 1)
    exponent = int(draw.integers(0 if kind == "delay" else -3, min(7, most) + 1))
    made = {
        "from": begin, "to": end, "port": port, "kind": kind, "exponent": exponent,
        "weights": net.keep(f"c{number}.weights", weights),
        "bits": int(draw.choice([8, 8, 7, 5])), "message_bits": 8 if graded else 0,
    }  # fmt: skip
    if kind == "delay":
        latest = int(draw.choice([0, 3, 20, 62]))
        made["delays"] = net.keep(f"c{number}.delays", draw.integers(0, latest + 1, weights.shape))
    net.made["connections"].append(made)


def _spikes(net: Network, draw: Rng, sources: int) -> None:
    rate = float(draw.choice([0.05, 0.3, 1.0], p=[0.3, 0.6, 0.1]))
    values = draw.random((sources, net.steps)) < rate
    net.made["input"] = net.keep("input", values.astype(np.int64))


def _lifs(net: Network, draw: Rng) -> None:
    _spikes(net, draw, int(draw.integers(2, 14)))
    before = -1
    for _ in range(int(draw.integers(1, 4))):
        kind = str(draw.choice(["lif", "lif", "lif_reset", "ternary_lif"]))
        now = _population(net, draw, kind, (int(draw.integers(1, 12)),))
        _connect(net, draw, before, now, "a_in")
        before = now


def _recurrent(net: Network, draw: Rng) -> None:
    _lifs(net, draw)
    for index, made in enumerate(net.made["populations"]):
        if index == 0 or draw.random() < 0.4:
            to = int(draw.integers(0, index + 1))
            if made["kind"] != "ternary_lif" or draw.random() < 0.5:
                _connect(net, draw, index, to, "a_in")


def _extreme(net: Network, draw: Rng) -> None:
    """Bring currents to the very ends of their range, from both sides."""
    _spikes(net, draw, 8)
    now = _population(net, draw, "lif", (4,))
    _connect(net, draw, -1, now, "a_in", kind="dense")
    made = net.made["connections"][0]
    weights = np.full((4, 8), 128) * np.array([1, -1, 1, -1])[:, None]
    weights[2:] += 2 * draw.integers(-6, 3, (2, 8))
    net.arrays[made["weights"]] = weights
    made |= {"exponent": 7, "bits": 8}
    net.arrays["input"][:, 0] = 1
    net.arrays["p0.du"] = draw.choice([0, 4095, 17], 4)


def _resonators(net: Network, draw: Rng) -> None:
    _spikes(net, draw, int(draw.integers(2, 10)))
    kind = str(draw.choice(["resonator", "resonator_reset"]))
    now = _population(net, draw, kind, (int(draw.integers(1, 10)),))
    _connect(net, draw, -1, now, "a_real_in")
    if draw.random() < 0.5:
        _connect(net, draw, -1, now, "a_imag_in")
    if draw.random() < 0.5:
        _connect(net, draw, now, now, "a_real_in")
    last = _population(net, draw, "lif", (3,))
    _connect(net, draw, now, last, "a_in")


def _sigma_deltas(net: Network, draw: Rng) -> None:
    sources = int(draw.integers(2, 8))
    steps = draw.integers(-40, 90, (sources, net.steps))
    held = np.cumsum(np.where(draw.random(steps.shape) < 0.3, steps, 0), axis=1)
    net.input_type = QType(-4096, 4095)
    net.made["input"] = net.keep("input", np.clip(held, -4096, 4095))
    now = _population(net, draw, "delta", (sources,))
    identity = {"from": -1, "to": now, "port": "a_in", "kind": "dense", "exponent": 0, "bits": 8}
    eye = net.keep("c0.weights", np.eye(sources, dtype=np.int64))
    net.made["connections"].append({**identity, "weights": eye, "message_bits": 16})
    for _ in range(int(draw.integers(1, 3))):
        after = _population(net, draw, "sigma_delta", (int(draw.integers(1, 7)),))
        # what leaves 24 bits is for neither side to say
        _connect(net, draw, now, after, "a_in", kind="dense", reach=60)
        net.made["connections"][-1]["exponent"] = int(draw.integers(-5, 1))
        now = after
    if draw.random() < 0.3:
        last = _population(net, draw, "sigma", (2,))
        _connect(net, draw, now, last, "a_in", kind="dense", reach=60)
        net.made["connections"][-1]["exponent"] = -5


def _convolutions(net: Network, draw: Rng) -> None:
    groups = int(draw.choice([1, 1, 2]))
    channels, out = groups * int(draw.integers(1, 3)), groups * int(draw.integers(1, 4))
    x, y = (int(v) for v in draw.integers(4, 8, 2))
    kernel, stride, padding, dilation = (
        [int(v) for v in draw.integers(lo, hi, 2)] for lo, hi in ((1, 4), (1, 3), (0, 3), (1, 3))
    )
    sizes = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip((x, y), kernel, stride, padding, dilation, strict=True)
    ]
    if min(sizes) < 1:
        return _convolutions(net, draw)
    _spikes(net, draw, x * y * channels)
    net.image = (channels, x, y)
    now = _population(net, draw, "lif", (*sizes, out))
    weights = draw.integers(-300, 340, (out, *kernel, channels // groups))
    net.made["connections"].append(
        {
            "from": -1, "to": now, "port": "a_in", "kind": "conv", "exponent": 0, "bits": 8,
            "weights": net.keep("c0.weights", weights), "message_bits": 0,
            "input_shape": [x, y, channels], "stride": stride, "padding": padding,
            "dilation": dilation, "groups": groups,
        }
    )  # fmt: skip
    last = _population(net, draw, "lif", (3,))
    return _connect(net, draw, now, last, "a_in", kind="dense")


FAMILIES = {
    "lifs": _lifs,
    "recurrent": _recurrent,
    "extreme": _extreme,
    "resonators": _resonators,
    "sigma_deltas": _sigma_deltas,
    "convolutions": _convolutions,
}


def random_network(draw: Rng, family: str = "") -> Network:
    """Draw a network of a family, or of any."""
    chosen = family or str(draw.choice([*FAMILIES, "recurrent", "lifs"]))
    net = Network(chosen, int(draw.integers(20, 70)))
    net.made = {"steps": net.steps, "populations": [], "connections": []}
    FAMILIES[chosen](net, draw)
    return net
