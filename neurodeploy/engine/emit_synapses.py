"""Single synapses in C, each with its own weight and delay.

Spikes are listed (`engine.heard`), and each adds its own synapses alone. Where synapses have
delays, a spike adds its weights to sums of later steps, which lie in a ring: a step's sum meets its
terms by the time at which they were sent, then by source, which is the order of the reference.
Other signals are kept in a history, and every source is looked at in each step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.plan import ALIGNMENT, DTYPES, LIST_MORE
from neurodeploy.engine.sums import finish, sum_of
from neurodeploy.engine.text import loop, strides_of
from neurodeploy.engine.writer import NodeWriter
from neurodeploy.ir.ops import Synapses
from neurodeploy.ir.order import smallest_delay
from neurodeploy.ir.synapse_rows import sources_of
from neurodeploy.ir.types import QType, Tensor

__all__ = ["emit_synapses"]

Array = npt.NDArray[Any]
TOGETHER = 8  # spikes whose rows are fetched together
FETCHED = 128  # synapses of each; the processor itself sees where a row goes on


def emit_synapses(w: NodeWriter, op: Synapses) -> None:
    """Write single synapses."""
    if w.plan.lists_spikes(w.node.name):
        _spikes(w, op)
    else:
        _scanned(w, op)


def _spikes(w: NodeWriter, op: Synapses) -> None:
    """Write the synapses of listed spikes."""
    tensors = w.plan.graph.tensors
    out = w.out_signal()
    total = sum_of(w.plan, w.signal(0), tensors[op.weight], out)
    t = total.kind
    if w.node.name in w.plan.cleared:
        _cleared_by_spikes(w, op, t)
    elif op.delay is None:
        w.result("y")
        w.lines.append(f"memset(y, 0, {out.size} * sizeof *y);")
        _listed(w)
        _add_rows(w, op, t, "y[to[k]] += w[k];")
    else:
        # where all are late, what arrives may be made after this node in the step
        sender = w if smallest_delay(w.node, tensors) == 0 else w.sending()
        _send(sender, op, t)
        depth = _ring(w) if sender is not w else _ring_slots(w)
        w.result("y")
        if sender is not w:
            w.step()
        w.lines += [
            f"{t} *now = ring + (t & {depth - 1}) * {out.size};",
            f"memcpy(y, now, {out.size} * sizeof *y);",
            f"memset(now, 0, {out.size} * sizeof *now);",
        ]
    w.lines += finish(w, total, op.bias, len(out.shape) - 1, ("y", strides_of(out.shape)))


def _send(w: NodeWriter, op: Synapses, kind: str) -> None:
    """Write the sums of this and later steps that meet the spikes of this one."""
    size, depth = w.out_signal().size, _ring(w)
    w.step()
    _listed(w)
    _add_rows(w, op, kind, f"ring[((t + late[k]) & {depth - 1}) * {size} + to[k]] += w[k];")


def _cleared_by_spikes(w: NodeWriter, op: Synapses, kind: str) -> None:
    """Write sums that the spikes of a step clear again at its end, where they are few."""
    targets = w.out_signal().size
    place, own = w.plan.cleared[w.node.name], w.plan.hears(w.node.name) is None
    few = w.plan.at("int32_t", place)  # their number; -1 where they were many
    w.result("y")
    w.step()
    w.value("int32_t *restrict", "few", few)
    w.lines.append(f"if (t == 0) memset(y, 0, {targets} * sizeof *y);")
    _listed(w, f"{few} + 1" if own else "")
    w.lines.append("nd_int all = 0;")
    _add_rows(w, op, kind, "y[to[k]] += w[k];", ["all += end - start[idx[e]];"])
    w.lines.append(f"*few = all < {max(1, targets // 8)} ? (int32_t)n : -1;")
    end = w.sending()
    clear = ["y[{}] = 0;"]
    if w.node.name in w.plan.added:
        cell, state = w.plan.added[w.node.name]
        end.state(state, "g", cell)
        clear = ["g[{0}] += y[{0}];", *clear]
    end.result("y")
    needed = (" few", " start", " to", " idx")
    end.parameters += [_read_only(p) for p in w.parameters if p[0].endswith(needed)]
    hit = [line.format("to[k]") for line in clear]  # of two hits the second adds 0
    each = loop("k", "start[idx[e] + 1]", hit, start="start[idx[e]]")
    end.lines.append("if (*few < 0) {")
    end.lines += [*loop("j", targets, [line.format("j") for line in clear]), "}"]
    end.lines += loop("e", "*few", each)


def _read_only(parameter: tuple[str, str]) -> tuple[str, str]:
    declared, value = parameter
    return (declared if declared.startswith("const ") else f"const {declared}", value)


def _listed(w: NodeWriter, own: str = "") -> None:
    """Write what gives the list ``idx`` of the ``n`` spikes that arrived.

    Args:
        w: The writer.
        own: Place of a list that the node makes; scratch memory where it is empty.
    """
    size, heard = w.signal(0).size, w.plan.hears(w.node.name)
    if heard is not None:
        place = w.plan.at("int32_t", w.plan.heard_at[heard])
        w.value("const int32_t *restrict", "idx", place)
        w.lines.append(f"const nd_int n = idx[{size + LIST_MORE - 1}];")
        return
    w.arrived(0, "x")
    if own:
        w.value("int32_t *restrict", "idx", own)
    else:
        w.scratch("idx", "int32_t", size + LIST_MORE)
    w.lines.append(f"const nd_int n = nd_find(idx, x, {size});")


def _add_rows(w: NodeWriter, op: Synapses, kind: str, add: str, first: Sequence[str] = ()) -> None:
    """Write the loops over spikes, ``first`` of each, and over the synapses ``k`` of each.

    The rows of a network do not stay in the nearest caches: those of some spikes are fetched
    together, so that one wait is for all.
    """
    tensors = w.plan.graph.tensors
    rows = {"to": w.held("to", op.target)}
    w.held("start", op.starts)
    if isinstance(tensors[op.weight].type, QType):
        rows["w"] = w.held("w", op.weight)  # C widens what it adds up
    else:
        w.data("w", kind, lambda: tensors[op.weight].data, op.weight)
        rows["w"] = kind
    if op.delay is not None:
        rows["late"] = w.held("late", op.delay)
    begin, end = "start[idx[e]]", "const nd_int end = start[idx[e] + 1];"
    fetch = [f"const nd_int from = {begin};", end]
    fetch.append(f"const nd_int near = end - from < {FETCHED} ? end : from + {FETCHED};")
    for name, held in rows.items():
        line = ALIGNMENT // DTYPES[held].itemsize
        fetch += loop("k", "near", [f"ND_FETCH({name} + k);"], start="from", step=line)
    each = [end, *first, *loop("k", "end", [add], start=begin)]
    together = [f"const nd_int stop = n - b < {TOGETHER} ? n : b + {TOGETHER};"]
    together += loop("e", "stop", fetch, start="b") + loop("e", "stop", each, start="b")
    w.lines += loop("b", "n", together, step=TOGETHER)


def _ring(w: NodeWriter) -> int:
    """Take the sums of later steps as the parameter ``ring``; give their number of steps."""
    w.state("ring", "ring")
    return _ring_slots(w)


def _ring_slots(w: NodeWriter) -> int:
    slots = {(s.owner, s.name): s for s in w.plan.states}
    return slots[(w.node.name, "ring")].shape[0]  # a power of two


def _scanned(w: NodeWriter, op: Synapses) -> None:
    """Write rows of one delay and one source, the oldest delay first; each source is looked at."""
    tensors = w.plan.graph.tensors
    out, size = w.out_signal(), w.signal(0).size
    total = sum_of(w.plan, w.signal(0), tensors[op.weight], out)
    t = total.kind
    arrived = w.arrived(0, "x")
    w.result("y")
    acc = "y" if total.in_place else "acc"
    if not total.in_place:
        w.scratch("acc", t, out.size)
    rows = _rows(op, tensors)
    w.data("head", "int64_t", lambda: rows()[0], f"{op.starts}: number of rows, their starts")
    w.data("from", "int32_t", lambda: rows()[1], f"{op.starts}: source of each row")
    w.data("to", "int32_t", lambda: rows()[2], f"{op.starts}: target of each synapse")
    w.weights("w", t, lambda: tensors[op.weight].data[rows()[4]], op.weight)
    value = f"const {arrived} v = x[from[r]];"
    if op.delay is not None:
        depth = int(tensors[op.delay].data.max(initial=0)) + 1
        w.data("late", "int32_t", lambda: rows()[3], f"{op.starts}: delay of each row")
        w.state("history", "h")
        w.step()
        past = f"h[(t + {depth} - late[r]) % {depth} * {size} + from[r]]"
        value = f"const {arrived} v = late[r] == 0 ? x[from[r]] : {past};"
    add = [f"const {t} p = w[k] * ({t})v;", f"{acc}[to[k]] += p;"]
    row = [
        value,
        "if (v == 0) continue;",
        *loop("k", "head[r + 2]", add, start="head[r + 1]"),
    ]
    w.lines += loop("j", out.size, [f"{acc}[j] = 0;"])
    w.lines += loop("r", "head[0]", row)
    w.lines += finish(w, total, op.bias, len(out.shape) - 1, (acc, strides_of(out.shape)))


def _rows(op: Synapses, tensors: Mapping[str, Tensor]) -> Callable[[], tuple[Array, ...]]:
    """Give what sorts the synapses: head, source, target, delay, order."""

    @cache
    def rows() -> tuple[Array, ...]:
        source = sources_of(tensors[op.starts].data)
        target = tensors[op.target].data.astype(np.int64)
        delay = tensors[op.delay].data.astype(np.int64) if op.delay else np.zeros_like(source)
        order = np.lexsort((np.arange(source.size), source, -delay))
        source, target, delay = source[order], target[order], delay[order]
        new = np.ones(source.size, bool)
        new[1:] = (source[1:] != source[:-1]) | (delay[1:] != delay[:-1])
        first = np.flatnonzero(new)
        head = np.concatenate([[first.size], first, [source.size]])
        return head, source[first], target, delay[first], order

    return rows
