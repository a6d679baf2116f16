"""Random networks of Loihi's neurons as graphs of ours; the weights are those that Loihi keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from loihi_nets import Network
from neurodeploy.ir import BOOL, Graph, GraphBuilder, QType
from neurodeploy.ir.types import tensor
from neurodeploy.semantics.types import Int
from neurodeploy.targets.loihi import cells, resonators, sigma_delta
from neurodeploy.targets.loihi.weights import kept_weights, sign_mode

__all__ = ["graph_of", "inputs_of"]

Array = npt.NDArray[Any]
MESSAGES = QType(-(2**23), 2**23 - 1, overflow="wrap")  # sums of graded spikes have 24 bits


def inputs_of(net: Network) -> dict[str, Array]:
    """Give the input of our graph: one sample."""
    x = net.arrays["input"].T[None]
    if net.image:
        channels, *size = net.image
        x = np.moveaxis(x.reshape(1, net.steps, *size, channels), -1, 2)
    return {"x": x.astype(bool) if net.input_type is None else x}


def graph_of(net: Network) -> Graph:
    """Make the graph: every connection costs a step, as Lava's processes do."""
    b = GraphBuilder()
    shape = net.image or (net.arrays["input"].shape[0],)
    x = b.input("x", shape, type=BOOL if net.input_type is None else net.input_type)
    names = [f"p{i}" for i in range(len(net.made["populations"]))]
    made: list[Any] = []
    for index, population in enumerate(net.made["populations"]):
        sums: dict[str, list[Any]] = {}
        for number, c in enumerate(net.made["connections"]):
            if c["to"] == index:
                sums.setdefault(c["port"], []).append(_synapses(b, net, number, c, x, made, names))
        ports = ("a_real_in", "a_imag_in") if "resonator" in population["kind"] else ("a_in",)
        fed = []
        for port in ports:
            total = _total(b, f"{names[index]}.{port}", sums.get(port, []))
            fed.append(total)
        if fed[-1] is None:  # nothing arrives at the imaginary part
            zero = np.zeros((population["shape"][0], shape[0]), np.int64)
            fed[-1] = b.dense(f"{names[index]}.none", x.after(1), tensor(zero, QType(0, 0)))
        made.append(_cell(b, net, names[index], population, fed))
    return b.output("y", made[-1]).build()


def _shape(population: dict[str, Any]) -> tuple[int, ...]:
    shape = tuple(population["shape"])
    return (shape[-1], *shape[:-1]) if len(shape) > 1 else shape


def _synapses(
    b: GraphBuilder,
    net: Network,
    number: int,
    c: dict[str, Any],
    x: Any,
    made: list[Any],
    names: list[str],
) -> Any:
    begin = c["from"]
    wide = False
    if begin < 0:
        sent = x.after(1)
    elif begin < len(made):
        sent = made[begin].after(1)
        wide = net.made["populations"][begin]["kind"] in ("delta", "sigma_delta")
    else:
        population = net.made["populations"][begin]
        kind: Any = QType(-1, 1) if population["kind"] == "ternary_lif" else BOOL
        sent = b.ref(names[begin], shape=_shape(population), type=kind, delay=1)
    weights = net.arrays[c["weights"]]
    wrapped = {"accumulator": MESSAGES} if wide else {}
    name = f"c{number}"
    if c["kind"] == "conv":
        # Lava's kernels are (out, x, y, in) and turned round
        turned = np.moveaxis(weights[:, ::-1, ::-1], -1, 1)
        given = tensor(turned, QType(int(weights.min()), int(weights.max())))
        geometry = {k: tuple(c[k]) for k in ("stride", "padding", "dilation")}
        return b.conv(name, sent, given, groups=c["groups"], **geometry)
    mode = sign_mode(weights)
    kept = kept_weights(weights, mode, c["bits"])
    lo, hi = mode.value
    held = QType(min(lo, int(kept.min())), max(hi, int(kept.max())))
    if begin >= 0 and len(_shape(net.made["populations"][begin])) > 1:
        # ours has the channels first
        old = tuple(net.made["populations"][begin]["shape"])
        order = np.moveaxis(np.arange(kept.shape[1]).reshape(old), -1, 0).reshape(-1)
        kept = kept[:, order]
        sent = b.flatten(f"{name}.flat", sent)
    if c["kind"] == "dense":
        total = b.dense(name, sent, tensor(kept, held), **wrapped)
    else:
        target, source = np.nonzero(kept)
        late = net.arrays[c["delays"]][target, source] if c["kind"] == "delay" else None
        values = tensor(kept[target, source], held)
        total = b.synapses(name, sent, (kept.shape[0],), values, source, target, late, **wrapped)
    return b.cell(f"{name}.shift", "loihi_synapse", total, options={"exponent": c["exponent"]})


def _total(b: GraphBuilder, name: str, sums: list[Any]) -> Any:
    if not sums:
        return None
    total = sums[0]
    for number, more in enumerate(sums[1:]):
        total = b.cell(f"{name}.add{number}", "add", total, more)
    return total


def _cell(
    b: GraphBuilder, net: Network, name: str, population: dict[str, Any], fed: list[Any]
) -> Any:
    kind, given = population["kind"], dict(population["params"])
    shape = _shape(population)

    def held(key: str, range_: Int, values: Any = None) -> Any:
        found = net.arrays[given[key]] if values is None else np.asarray(values)
        if found.ndim > 1:
            found = np.moveaxis(found, -1, 0)
        return tensor(found, QType(range_.lo, range_.hi))

    options: dict[str, Any] = {}
    if kind.endswith("lif") or kind == "lif_reset":
        mantissa, exponent = net.arrays[given["bias_mant"]], net.arrays[given["bias_exp"]]
        params = {
            "du": held("du", cells.DECAY),
            "dv": held("dv", cells.DECAY),
            "bias": held("", cells.BIAS, mantissa << exponent),
        }
        signed = Int(-cells.THRESHOLD.hi, cells.THRESHOLD.hi)
        if kind == "ternary_lif":
            params |= {"upper": held("vth_hi", signed), "lower": held("vth_lo", signed)}
        else:
            params["threshold"] = held("vth", cells.THRESHOLD)
        if kind == "lif_reset":
            interval = given["reset_interval"]
            options = {"interval": interval, "offset": given["reset_offset"] % interval}
    elif kind.startswith("resonator"):
        sine, cosine = resonators.resonator_decays(
            given["period"], given["alpha"], given["decay_bits"]
        )
        params = {
            "sine": held("", resonators.TURN, sine),
            "cosine": held("", resonators.TURN, cosine),
            "threshold": held("", resonators.THRESHOLDS, given["vth"] << given["state_exp"]),
        }
        options = {"decay_bits": given["decay_bits"], "state_exp": given["state_exp"]}
    else:
        params = {}
        if kind != "sigma":
            finer = given["spike_exp"] + given["state_exp"]
            params["threshold"] = held("", sigma_delta.POSITIVE, given["vth"] << finer)
            options = {"cumulative": given["cum_error"], "state_exp": given["state_exp"]}
        if kind == "delta":
            options["spike_exp"] = given["spike_exp"]
        if kind == "sigma_delta":
            params["bias"] = held("", cells.STATE, given["bias"] << given["state_exp"])
            options["activation"] = ("unit", "relu")[given["act_mode"]]
    return b.cell(name, f"loihi_{kind}", *fed, shape=shape, params=params, options=options)
