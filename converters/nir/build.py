"""Writes the nodes of a flat NIR graph into ours, in the order in which they can be computed."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import prod

import numpy as np

from neurodeploy.converters.emit import Emitter, Layer, layer_name
from neurodeploy.converters.emit_spikes import as_number
from neurodeploy.converters.nir.flat import Flat, Wire
from neurodeploy.converters.nir.neurons import CellSpec, narrow
from neurodeploy.converters.nir.primitives import Array, NirNode
from neurodeploy.converters.nir.shapes import conv_window, flat_axes, one, pool_window
from neurodeploy.errors import ConversionError, Finding, GraphError
from neurodeploy.ir.builder import Ref
from neurodeploy.ir.nodes import Decode
from neurodeploy.ir.ops import Conv, Dense, Pool
from neurodeploy.ir.types import BOOL, NumType
from neurodeploy.memory import require_bytes
from neurodeploy.semantics.types import Float

__all__ = ["Builder"]


class Builder:
    """Writes one graph.

    Args:
        flat: Nodes and wires, every cycle with a delay.
        shapes: Shape that leaves each node.
        specs: The cell of each neuron.
        delays: Delays of Delay nodes that differ from element to element, in steps.
        dt: Seconds per step.
        float_type: Type of weights and values.
    """

    def __init__(
        self,
        flat: Flat,
        shapes: Mapping[str, tuple[int, ...]],
        specs: Mapping[str, CellSpec],
        delays: Mapping[str, Array],
        dt: Fraction | None,
        float_type: Float,
    ) -> None:
        self.flat, self.shapes, self.specs, self.delays = flat, shapes, specs, delays
        self.emit = Emitter(dt, float_type=float_type)
        self.into: dict[str, list[Wire]] = {name: [] for name in flat.nodes}
        for wire in flat.wires:
            self.into[wire.target].append(wire)
        self.names = {n: self.emit.take(layer_name(n)) for n in flat.nodes}
        self.made: dict[str, Ref] = {}
        self.findings: list[Finding] = []
        self.rounded: dict[str, float] = {}

    def run(self) -> None:
        """Write all nodes.

        Raises:
            ConversionError: everything that no node of ours computes.
        """
        for name in self._order():
            node = self.flat.nodes[name]
            self.emit.layer = Layer(self.names[name], (name,))
            try:
                self._write(name, node)
            except (ConversionError, GraphError) as error:
                self.findings += [
                    Finding(f"{node.type}: {f.message}", node=name, hint=f.hint)
                    for f in error.findings
                ]
                self.made[name] = self._later(name, 0)
        if self.findings:
            raise ConversionError(self.findings)

    def _order(self) -> list[str]:
        """Give the nodes so that what is read in the same step comes first, else by name."""
        waiting = {n: sum(w.delay == 0 for w in wires) for n, wires in self.into.items()}
        order: list[str] = []
        ready = sorted((n for n, count in waiting.items() if count == 0), reverse=True)
        while ready:
            name = ready.pop()
            order.append(name)
            for wire in self.flat.wires:
                if wire.source == name and wire.delay == 0:
                    waiting[wire.target] -= 1
                    if waiting[wire.target] == 0:
                        ready.append(wire.target)
        return order

    # -- what arrives -------------------------------------------------------------------------

    def _type(self, name: str) -> NumType:
        spec = self.specs.get(name)
        spikes = self.flat.nodes[name].type == "Threshold"
        if spec is not None and spec.cell in ("if", "lif", "cuba_lif"):
            spikes = spec.options.get("payload", "spike") == "spike"
        return BOOL if spikes else self.emit.float_type

    def _later(self, name: str, delay: int) -> Ref:
        """Refer to a node that may not be written yet."""
        return self.emit.builder.ref(
            self.names[name], shape=self.shapes[name], type=self._type(name), delay=delay
        )

    def _signal(self, wire: Wire, more: int) -> Ref:
        delay = wire.delay + more
        made = self.made.get(wire.source)
        return self._later(wire.source, delay) if made is None else made.after(delay)

    def arrived(self, name: str, more: int = 0) -> Ref:
        """Give what arrives at a node: one signal, or the sum of several in the order of names."""
        refs = [self._signal(wire, more) for wire in self.into[name]]
        if not refs:
            raise ConversionError("nothing arrives at it", hint="connect it to an Input")
        if any(r.shape != refs[0].shape for r in refs):
            shapes = ", ".join(str(list(r.shape)) for r in refs)
            raise ConversionError(f"signals of different shapes arrive: {shapes}")
        total = refs[0]
        for ref in refs[1:]:
            pair = [as_number(self.emit, r) for r in (total, ref)]
            a, b = (r for r in pair if isinstance(r, Ref))
            total = self.emit.builder.cell(
                self.emit.fresh("sum"), "add", a, b, source=self.emit.source
            )
        return total

    def _number(self, ref: Ref) -> Ref:
        value = as_number(self.emit, ref)
        return value if isinstance(value, Ref) else ref

    # -- the nodes ----------------------------------------------------------------------------

    def weight(self, name: str, key: str, values: Array) -> str:
        """Store a weight; what its type rounds away is kept for the record."""
        wide = np.asarray(values, np.float64)
        away = np.abs(wide - wide.astype(self.emit.float_type.dtype)).max(initial=0)
        if away:
            self.rounded[name] = max(self.rounded.get(name, 0.0), float(away))
        return self.emit.weight(f"{self.names[name]}.{key}", values)

    def _write(self, name: str, node: NirNode) -> None:
        e, kind = self.emit, node.type
        title = self.names[name]
        if kind == "Input":
            self.made[name] = e.builder.input(title, self.shapes[name])
            if self.into[name]:
                raise ConversionError("an edge leads into an input")
            return
        spec = self.specs.get(name)
        x = self.arrived(name, 1 if spec is not None and spec.lagging else 0)
        if kind == "Output":
            if x.shape != self.shapes[name]:
                raise ConversionError(f"{list(x.shape)} arrives, not {list(self.shapes[name])}")
            decode: Decode = "count" if self._counts(x) else "mean"
            e.builder.output(title, x, decode=decode, source=(name,))
        elif spec is not None:
            self._cell(name, spec, x)
        elif kind in ("Affine", "Linear"):
            self.made[name] = self._dense(name, node, x)
        elif kind in ("Conv1d", "Conv2d"):
            groups = one(node.fields["groups"], "groups")
            w = self.weight(name, "weight", node.array("weight"))
            op = Conv(w, conv_window(node, x.shape[1:]), self._bias(name, node), groups)
            self.made[name] = e.builder.map(title, op, x, source=(name,))
        elif kind in ("SumPool2d", "AvgPool2d"):
            pool = Pool(pool_window(node), "sum" if kind == "SumPool2d" else "average")
            self.made[name] = e.builder.map(title, pool, x, source=(name,))
        elif kind == "Flatten":
            flat_axes(node, len(x.shape))
            self.made[name] = e.builder.reshape(title, x, self.shapes[name], source=(name,))
        elif kind == "Delay":
            self.made[name] = self._delay(name, x)
        else:
            self._stateless(name, node, x)

    def _counts(self, x: Ref) -> bool:
        return x.signal.kind in ("spike", "graded", "signed")

    def _cell(self, name: str, spec: CellSpec, x: Ref) -> None:
        self.made[name] = self.emit.builder.cell(
            self.names[name],
            spec.cell,
            self._number(x),
            shape=x.shape,
            params=spec.params,
            initial=spec.initial,
            options=spec.options,
            source=(name,),
            provenance=spec.provenance,
        )

    def _stateless(self, name: str, node: NirNode, x: Ref) -> None:
        scale = node.type == "Scale"
        key = "scale" if scale else "threshold"
        values = node.array(key)
        shape = values.shape if values.size > 1 else ()
        params = {key: narrow(np.asarray(values, np.float64).reshape(shape))}
        self.made[name] = self.emit.builder.cell(
            self.names[name],
            key,
            self._number(x),
            shape=x.shape,
            params=params,
            options={} if scale else {"strict": True},
            source=(name,),
        )

    def _bias(self, name: str, node: NirNode) -> str | None:
        if "bias" not in node.fields:
            return None
        bias = node.array("bias")
        out = node.array("weight").shape[0 if node.type.startswith("Conv") else -2]
        if bias.size != out and not (node.type == "Affine" and node.array("weight").ndim > 2):
            raise ConversionError(f"its bias is {list(bias.shape)} for {out} outputs")
        if node.type.startswith("Conv") and not bias.any():
            return None  # NIR has no convolution without bias: writers put zeros there
        return self.weight(name, "bias", bias.reshape(-1))

    def _dense(self, name: str, node: NirNode, x: Ref) -> Ref:
        weight, builder = node.array("weight"), self.emit.builder
        if weight.ndim == 2:
            w = self.weight(name, "weight", weight)
            op = Dense(w, self._bias(name, node))
            return builder.map(self.names[name], op, x, source=(name,))
        # weights with leading axes are blocks: a convolution of one position with one group each
        *front, out, size = weight.shape
        blocks = int(np.prod(front))
        w = self.weight(name, "weight", weight.reshape(blocks * out, size, 1))
        bias = None
        if "bias" in node.fields:
            full = np.broadcast_to(node.array("bias"), (*front, out))
            bias = self.weight(name, "bias", full.reshape(-1))
        source = (name,)
        flat = builder.reshape(self.emit.fresh("blocks"), x, (blocks * size, 1), source=source)
        y = builder.conv(self.names[name], flat, w, bias, groups=blocks, source=source)
        return builder.reshape(self.emit.fresh("shape"), y, (*front, out), source=source)

    def _delay(self, name: str, x: Ref) -> Ref:
        require_bytes(32 * prod(x.shape), f"the delay {name!r}")
        steps = np.broadcast_to(self.delays[name], x.shape).reshape(-1)
        every = np.arange(steps.size)
        ones = self.emit.weight(f"{self.names[name]}.weight", np.ones(steps.size))
        return self.emit.builder.synapses(
            self.names[name], x, x.shape, ones, every, every, steps, source=(name,)
        )
