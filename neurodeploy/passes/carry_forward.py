"""Moves scalings along the graph, from where they stand into later weights.

The engine of `fold_affine_forward` and `fold_spike_scale`. A scaling cell is passed by; what
runs behind it carries the *raw* signal, together with the scaling that makes it true. A Map with
weights takes the scaling in. Where neither is possible, a cell makes the signal true again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Edge, Map, Node, Reduce
from neurodeploy.ir.ops import Concat, Pool, ReduceAxes
from neurodeploy.ir.types import BOOL
from neurodeploy.passes.rewire import Draft, Key, united
from neurodeploy.passes.scaling import Scaling, carried, compact, identity
from neurodeploy.passes.weights import Weighted, input_scaled, store_weights
from neurodeploy.semantics.types import Float

__all__ = ["carry_forward", "scaling_of"]


@dataclass(frozen=True, eq=False)
class _Form:
    """A signal in the old graph is ``scaling`` of the raw signal in the new one."""

    raw: Key
    scaling: Scaling
    origin: tuple[str, ...]


def scaling_of(graph: Graph, cell: Cell, scale: str, shift: str = "") -> Scaling:
    """Read the scaling that a cell applies off its parameters, in the shape of the cell."""
    values: dict[str, npt.NDArray[Any]] = {
        p.name: graph.tensors[p.tensor].data.astype(np.float64) for p in cell.params
    }
    shifted = values[shift] if shift else np.zeros(())
    return Scaling(np.broadcast_to(values[scale], cell.shape), np.broadcast_to(shifted, cell.shape))


def carry_forward(
    graph: Graph, cells: Mapping[str, Scaling], *, step: str, whole: bool, why: str
) -> Graph:
    """Carry the scalings of ``cells`` forward as far as they go.

    Args:
        graph: The graph.
        cells: By name, cells with one input that do nothing but scale it.
        step: Name of the pass.
        whole: Move a scaling only if all that reads it can take it into weights.
        why: The reason, for the record of changes.
    """
    moving = dict(cells)
    while True:
        sweep = _Sweep(graph, moving, step, why)
        sweep.run()
        stuck = set(sweep.stuck) & set(moving)
        if not whole or not stuck:
            return sweep.draft.finish()
        moving = {name: s for name, s in moving.items() if name not in stuck}


class _Sweep:
    def __init__(self, graph: Graph, cells: Mapping[str, Scaling], step: str, why: str) -> None:
        self.graph, self.cells, self.why = graph, cells, why
        self.draft = Draft(graph, step)
        self.forms: dict[Key, _Form] = {}
        self.made: dict[Key, Key] = {}
        self.sources = set(united(*(n.source for n in graph.nodes if n.name not in cells)))
        self.kept: set[str] = set()
        self.stuck: list[str] = []

    def run(self) -> None:
        """Visit each node after those that it reads; then settle the edges that are left."""
        late: list[Edge] = []
        visited: set[str] = set()
        for node in self.graph.nodes:
            edges = self.graph.edges_into[node.name]
            ready = all(e.delay == 0 and e.source in visited for e in edges)
            visited.add(node.name)
            if ready and edges:
                self._visit(node, edges)
            else:
                late += edges
        for edge in late:
            self._make_true(edge)
        for name in reversed(list(self.cells)):
            if name not in self.kept:
                self.draft.note(name, "moved into what reads it", "exact", self.why)
                self.draft.remove(name)

    def _visit(self, node: Node, edges: tuple[Edge, ...]) -> None:
        if node.name in self.cells:
            self._start(node.name, edges[0])
            return
        forms = [self.forms.get((e.source, e.output)) for e in edges]
        if not any(forms):
            return
        if isinstance(node, Map) and isinstance(node.op, Weighted) and self._absorb(node, forms[0]):
            return
        if self._carry(node, edges, forms):
            return
        for edge in edges:
            self._make_true(edge)

    def _start(self, name: str, edge: Edge) -> None:
        """Pass a scaling cell by: who reads it will see what it reads."""
        key = (edge.source, edge.output)
        before = self.forms.get(key)
        own = self.cells[name]
        if before is None:
            form = _Form(key, own, (name,))
        else:
            scale = own.scale * before.scaling.scale
            shift = own.scale * before.scaling.shift + own.shift
            form = _Form(before.raw, Scaling(scale, shift), (*before.origin, name))
        self.forms[(name, self.graph.node(name).outputs[0])] = form

    def _absorb(self, node: Map, form: _Form | None) -> bool:
        if form is None or not isinstance(node.op, Weighted):
            return False
        out = self.graph.signals[(node.name, "out")]
        new = input_scaled(node.op, form.scaling, out, self.graph.tensors)
        if new is None:
            return False
        op, margin = store_weights(self.draft, node.name, node.op, new)
        sources = united(node.source, self._orphans(form))
        self.draft.nodes[node.name] = replace(node, op=op, source=sources)
        self.draft.read(self._current(self.graph.edges_into[node.name][0]), form.raw)
        where = "weight and bias" if form.scaling.shifts else "weight"
        self.draft.note(
            node.name,
            f"{', '.join(form.origin)} folded into {where}",
            f"bounded: weights rounded by at most {margin:.1e} relative",
            self.why,
        )
        return True

    def _orphans(self, form: _Form) -> tuple[str, ...]:
        """Give the layers that no node but the scaling cells themselves came from."""
        named = united(*(self.graph.node(n).source for n in form.origin))
        return tuple(name for name in named if name not in self.sources)

    def _carry(self, node: Node, edges: tuple[Edge, ...], forms: list[_Form | None]) -> bool:
        """Let a node work on raw signals, if the scaling can follow behind it."""
        raws = [f.raw if f else (e.source, e.output) for f, e in zip(forms, edges, strict=True)]
        if isinstance(node, Map) and isinstance(node.op, Concat):
            if len({str(self.draft.signal(raw).type) for raw in raws}) > 1:
                return False
        elif len(edges) > 1:
            return False
        out = self.graph.signals[(node.name, node.outputs[0])]
        scalings = [
            f.scaling if f else identity(self.graph.signal(e).shape)
            for f, e in zip(forms, edges, strict=True)
        ]
        scaling = carried(node, scalings, out, self.graph.tensors)
        if scaling is None:
            return False
        origin = united(*(f.origin for f in forms if f))
        for edge, raw in zip(edges, raws, strict=True):
            self.draft.read(self._current(edge), raw)
        key = (node.name, node.outputs[0])
        if self.draft.signal(key).type == BOOL and scaling.shifts:
            for edge in edges:
                self.draft.read(self._current(edge), (edge.source, edge.output))
            return False
        self.forms[key] = _Form(key, scaling, origin)
        self.draft.note(
            node.name,
            f"computed before {', '.join(origin)}, which scales its result",
            _amount(node),
            self.why,
        )
        return True

    def _current(self, edge: Edge) -> Edge:
        return self.draft.edges[(edge.target, edge.port)]

    def _make_true(self, edge: Edge) -> None:
        """Let a port read the true signal again, through one cell for all that need it."""
        key = (edge.source, edge.output)
        form = self.forms.get(key)
        if form is None:
            return
        self.stuck += form.origin
        if key not in self.made:
            self.made[key] = self._materialise(key, form)
        self.draft.read(self._current(edge), self.made[key])

    def _materialise(self, key: Key, form: _Form) -> Key:
        node = self.graph.node(key[0])
        if form.origin == (node.name,):
            self.kept.add(node.name)
            return key
        raw = self.draft.signal(form.raw)
        scale, shift = compact(form.scaling.scale), compact(form.scaling.shift)
        params = {"amplitude" if raw.type == BOOL else "scale": scale}
        if form.scaling.shifts:
            params["shift"] = shift
        kind = "spike_scale" if raw.type == BOOL else "affine" if form.scaling.shifts else "scale"
        if node.name in self.cells:
            self.kept.add(node.name)
            name = node.name
        else:
            name = self.draft.fresh(f"{node.name}.{kind}")
        sources = united(*(self.graph.node(n).source for n in form.origin))
        made = self.draft.cell(
            name,
            kind,
            [form.raw],
            shape=form.scaling.scale.shape,
            params=params,
            source=sources,
            float_type=raw.type if isinstance(raw.type, Float) else _float(self.graph, node),
        )
        self.draft.note(
            name,
            f"scales what {node.name} sends" if name != node.name else "scales the raw signal",
            "bounded: each value is rounded once",
            "what reads it has no weights that could take the scale in",
        )
        return made


def _amount(node: Node) -> str:
    """Say what scaling behind a node, instead of before it, changes."""
    if isinstance(node, Map) and isinstance(node.op, Pool):
        terms = int(np.prod(node.op.window.kernel))
        return f"bounded: the order of at most {terms + 2} roundings"
    if isinstance(node, Reduce) and isinstance(node.op, ReduceAxes) and node.op.function != "max":
        return "bounded: the order of the sum's roundings and of the scaling's"
    return "exact"


def _float(graph: Graph, node: Node) -> Float:
    found = graph.signals[(node.name, node.outputs[0])].type
    return found if isinstance(found, Float) else Float(32)
