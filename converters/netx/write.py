"""Writes a graph of Loihi's LIFs as a netx file: a chain of dense, recurrent and conv layers."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.converters.netx.weights import weights_in_lava
from neurodeploy.errors import ConversionError, Finding, raise_findings
from neurodeploy.hdf5 import import_h5py
from neurodeploy.ir.file import write_atomically
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Input
from neurodeploy.ir.ops import Conv, Dense, Synapses
from neurodeploy.passes.rewire import Draft
from neurodeploy.targets.loihi.as_synapses import rows_of_map
from neurodeploy.targets.loihi.processes import Connection, Network, network_of

__all__ = ["save_netx"]

Array = npt.NDArray[Any]
Values = dict[str, Any]
LARGEST_DELAY = 62
BIAS_SCALE = 64


@dataclass
class _Chain:
    """The layers in the making, and what has no place in one."""

    graph: Graph
    layers: list[Values] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)

    def refuse(self, name: str, text: str, hint: str = "") -> None:
        self.found.append(Finding(text, name, self.graph.node(name).source, hint))


def save_netx(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write a graph of Loihi's LIFs, in the time of Lava, as a netx file; whole or not at all.

    Args:
        graph: The graph, as `neurodeploy.converters.netx.load_netx` or ``compile`` gives it.
        path: The file.

    Raises:
        ConversionError: everything that has no place in a chain of netx layers; nothing is written.
        CapabilityError: what is no network of Loihi's neurons.
        UsageError: the file cannot be written.
        MissingDependencyError: h5py is not installed.
    """
    network = network_of(graph)
    chain = _Chain(graph)
    _input(chain, network)
    before: str = network.inputs[0].name if network.inputs else ""
    for cell in _ordered(chain, network):
        _layer(chain, network, cell, before)
        before = cell.name
    for node in graph.outputs:
        (edge,) = graph.edges_into[node.name]
        if (edge.source, edge.output) != (before, "out") or edge.delay:
            chain.refuse(node.name, "reads another layer than the last one, or later")
    raise_findings(ConversionError, chain.found)
    write_atomically(path, _bytes(chain.layers))


def _input(chain: _Chain, network: Network) -> None:
    if len(network.inputs) != 1:
        raise ConversionError(f"{len(network.inputs)} inputs, a netx file has one")
    (node,) = network.inputs
    shape = node.shape if len(node.shape) == 3 else (int(np.prod(node.shape)),)
    chain.layers.append({"type": "input", "shape": np.array(shape)})


def _ordered(chain: _Chain, network: Network) -> list[Cell]:
    """Give the populations along the chain."""
    feeds: dict[str, list[str]] = {}
    for joined in network.connections:
        if joined.source != joined.target:
            feeds.setdefault(joined.source, []).append(joined.target)
    cells = {c.name: c for c in network.populations}
    found: list[Cell] = []
    at = network.inputs[0].name
    while at in feeds:
        following = sorted(set(feeds[at]))
        if len(following) > 1:
            chain.refuse(at, f"feeds {', '.join(following)}, a layer feeds the next one alone")
            break
        (at,) = following
        if cells[at] in found:
            chain.refuse(at, "closes a loop over several layers")
            break
        found.append(cells[at])
    for name in cells.keys() - {c.name for c in found}:
        chain.refuse(name, "stands beside the chain of layers")
    return found


def _layer(chain: _Chain, network: Network, cell: Cell, before: str) -> None:
    """Add the layer of a population."""
    joined = [c for c in network.connections if c.target == cell.name]
    forward = [c for c in joined if c.source == before]
    own = [c for c in joined if c.source == cell.name]
    if len(forward) != 1 or len(own) > 1 or len(forward) + len(own) != len(joined):
        chain.refuse(cell.name, f"{len(joined)} connections, a layer has one, and one to itself")
        return
    sender = chain.graph.node(before)
    graded = sender.type if isinstance(sender, Input) else None
    if forward[0].graded:
        chain.refuse(before, f"sends numbers ({graded}), a netx layer of LIFs takes spikes")
        return
    op = forward[0].map.op
    made: Values = {}
    if isinstance(op, Conv) and not own and not forward[0].exponent:
        made = _conv(chain, cell, op)
    else:
        if len(chain.graph.signals[(before, "out")].shape) > 1:
            chain.layers.append({"type": "flatten", "shape": np.array([_size(chain, before)])})
        made = _dense(chain, cell, forward[0], own[0] if own else None)
    neuron = _neuron(chain, cell, made)
    if made and neuron:
        chain.layers.append({**made, "neuron": neuron})


def _size(chain: _Chain, name: str) -> int:
    return chain.graph.signals[(name, "out")].size


def _conv(chain: _Chain, cell: Cell, op: Conv) -> Values:
    if len(op.window.kernel) != 2 or any(lo != hi for lo, hi in op.window.padding):
        chain.refuse(cell.name, "a netx convolution has two axes, padded alike on both sides")
        return {}
    weight = chain.graph.tensors[op.weight].data.astype(np.float32)
    return {
        "type": "conv",
        "shape": np.array(cell.shape),
        "inChannels": weight.shape[1] * op.groups,
        "outChannels": weight.shape[0],
        "kernelSize": np.array(op.window.kernel),
        "stride": np.array(op.window.stride),
        "padding": np.array([lo for lo, _ in op.window.padding]),
        "dilation": np.array(op.window.dilation),
        "groups": op.groups,
        "weight": weight,
    }


def _dense(chain: _Chain, cell: Cell, forward: Connection, own: Connection | None) -> Values:
    weight, delay = _matrix(chain, cell, forward)
    made: Values = {
        "type": "dense" if own is None else "dense_rec",
        "shape": np.array([len(weight)]),
        "inFeatures": weight.shape[1],
        "outFeatures": len(weight),
        "weight": weight.astype(np.float32),
    }
    every = [weight]
    if own is not None:
        back, late = _matrix(chain, cell, own)
        every.append(back)
        made["weight_rec"] = back.astype(np.float32)
        if delay is not None or late is not None:
            chain.refuse(cell.name, "a recurrent layer with delays", "lava-dl shares them")
    _check_weights(chain, cell, np.hstack(every))
    if delay is not None and delay.max() > LARGEST_DELAY:
        text = f"a delay of {delay.max()}, lava-dl cuts it to {LARGEST_DELAY}"
        chain.refuse(cell.name, text)
    if delay is not None:
        made["delay"] = delay.astype(np.float32)
    return made


def _check_weights(chain: _Chain, cell: Cell, weights: Array) -> None:
    """Refuse weights that lava-dl or Lava would make others of."""
    text = f"weights from {weights.min()} to {weights.max()} with their exponent"
    try:
        kept, exponent = weights_in_lava(weights, cell.name)
    except ConversionError as error:
        chain.refuse(cell.name, text, "; ".join(f.message for f in error.findings))
        return
    mixed = weights.min() < 0 <= weights.max()  # for lava-dl where a weight is 0, too
    if exponent or not np.array_equal(kept, weights) or (mixed and (weights % 2).any()):
        hint = "netx has no exponents: even numbers where signs are mixed, else magnitudes to 255"
        chain.refuse(cell.name, f"{text}, of which lava-dl makes others", hint)


def _matrix(chain: _Chain, cell: Cell, joined: Connection) -> tuple[Array, Array | None]:
    """Give a connection as a matrix with its exponent taken in, and its delays."""
    graph, op = chain.graph, joined.map.op
    shape = (int(np.prod(cell.shape)), _size(chain, joined.source))
    made = graph.signals[(joined.map.name, "out")].shape
    (edge,) = graph.edges_into[joined.map.name]
    weight = np.zeros(shape, np.int64)
    if not isinstance(op, Dense | Conv | Synapses) or joined.exponent < 0:
        text = f"a weight exponent of {joined.exponent}"
        chain.refuse(cell.name, text, "netx has none: a negative one cuts sums")
        return weight, None
    rows = rows_of_map(op, Draft(graph, "netx"), graph.signal(edge).shape, made)
    if len(np.unique(rows.target * shape[1] + rows.source)) < len(rows.target):
        chain.refuse(cell.name, "several synapses of a pair, a netx layer has one")
        return weight, None
    weight[rows.target, rows.source] = rows.weight << joined.exponent
    if rows.delay is None or not rows.delay.any():
        return weight, None
    delay = np.zeros(shape, np.int64)
    delay[rows.target, rows.source] = rows.delay
    return weight, delay


def _neuron(chain: _Chain, cell: Cell, made: Values) -> Values:
    if cell.definition != "loihi_lif":
        chain.refuse(cell.name, f"{cell.definition!r}, a netx file of ours has LIFs alone")
        return {}
    if cell.start:
        # a chain without biases rests until something arrives
        for state in cell.states:
            if chain.graph.tensors[state.initial].data.any():
                chain.refuse(cell.name, f"starts at step {cell.start} with a state")
    values = {p.name: chain.graph.tensors[p.tensor].data for p in cell.params}
    for name in ("du", "dv", "threshold"):
        if np.unique(values[name]).size > 1:
            chain.refuse(cell.name, f"{name}s of single neurons, a netx layer has one")
    bias = values["bias"]
    if bias.any():
        if (bias % BIAS_SCALE).any() or cell.start:
            chain.refuse(cell.name, "a bias that is no 13-bit number times 64, or starts late")
        full = np.broadcast_to(bias, cell.shape) // BIAS_SCALE
        if np.abs(full).max() >= 2**12:
            chain.refuse(cell.name, f"a bias of {np.abs(full).max()} times 64, 13 bits are held")
        channels = len(cell.shape) == 3 and (full == full[:, :1, :1]).all()
        # lava-dl has axes of neurons in the order (x, y, channels)
        made["bias"] = np.asarray(full[:, 0, 0] if channels else full.transpose(), np.float32)
    if any(chain.graph.tensors[s.initial].data.any() for s in cell.states):
        chain.refuse(cell.name, "a state that does not start at 0")
    return {
        "type": "CUBA",
        "iDecay": int(values["du"].reshape(-1)[0]) + 1,
        "vDecay": int(values["dv"].reshape(-1)[0]),
        "vThMant": int(values["threshold"].reshape(-1)[0]),
        "refDelay": 1,
        "gradedSpike": False,
    }


def _bytes(layers: list[Values]) -> bytes:
    """Write the layers; the same layers, the same bytes."""
    h5py = import_h5py("a netx file")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("earliest", "v110"), track_order=False) as file:
        group = file.create_group("layer")
        for number, layer in enumerate(layers):
            _fill(group.create_group(str(number)), layer)
    return buffer.getvalue()


def _fill(group: Any, values: Values) -> None:
    for name, value in sorted(values.items()):
        if isinstance(value, dict):
            _fill(group.create_group(name), value)
        else:
            data = np.bytes_(value) if isinstance(value, str) else value
            group.create_dataset(name, data=data, track_times=False)
