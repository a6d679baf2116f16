"""The C99 of a network for a device: a header, a source, constants in flash.

The functions of the nodes come from the same writers as the engine's (`neurodeploy.engine`);
around them stand a context that holds all memory, one step, and a whole inference. Nothing is
allocated, and of the C library only memcpy and memset are called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from neurodeploy.engine.grid import GRID_HELPERS
from neurodeploy.engine.plan import DTYPES
from neurodeploy.engine.source import delay_statements, emit_node
from neurodeploy.engine.text import comment, loop
from neurodeploy.engine.writer import NodeWriter, signal_pointer
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Input
from neurodeploy.semantics.c_helpers import needed_helpers
from neurodeploy.targets.base import OptionValue
from neurodeploy.targets.edge.classes import (
    class_definitions,
    labels_of,
    scale_definitions,
    table_bytes,
)
from neurodeploy.targets.edge.interface import header, outer_functions
from neurodeploy.targets.edge.memory import StaticPlan
from neurodeploy.targets.edge.quantise_input import definitions
from neurodeploy.targets.edge.stack import stack_bytes

__all__ = ["EdgeUnit", "edge_unit", "requested_unit"]

HEAD = """\
#include "{prefix}.h"

#include <string.h>

/* Indexes and counts; every array of this network is far below 2**31 elements. */
typedef int32_t nd_int;
"""
PER_LINE = 20

ADD_QUADS = """
#if defined(__ARM_FEATURE_SIMD32) && !defined(__ARM_BIG_ENDIAN)
#include <arm_acle.h>
#endif

/* to[] += from[], four at a time; the middle two of each four weights are swapped. Every partial
   sum fits into 16 bits. */
static inline void nd_add_quads(int16_t *restrict to, const int8_t *restrict from, nd_int n)
{
  for (nd_int r = 0; r < n; r += 4) {
#if defined(__ARM_FEATURE_SIMD32) && !defined(__ARM_BIG_ENDIAN)
    int32_t w, low, high;
    memcpy(&w, from + r, 4);
    memcpy(&low, to + r, 4);
    memcpy(&high, to + r + 2, 4);
    low = __sxtab16(low, w); /* bytes 0 and 2, sign-extended, onto the two halves */
    high = __sxtab16(high, (int32_t)(((uint32_t)w >> 8) | ((uint32_t)w << 24)));
    memcpy(to + r, &low, 4);
    memcpy(to + r + 2, &high, 4);
#else
    to[r] = (int16_t)(to[r] + from[r]);
    to[r + 1] = (int16_t)(to[r + 1] + from[r + 2]);
    to[r + 2] = (int16_t)(to[r + 2] + from[r + 1]);
    to[r + 3] = (int16_t)(to[r + 3] + from[r + 3]);
#endif
  }
}
"""

ADD_NIBBLES = """
/* to[] += from[] * f; two weights of -8 to 7 in each byte, the first one low. */
static inline void nd_add_nibbles_@KIND@(@KIND@ *restrict to, const uint8_t *restrict from,
    @KIND@ f, nd_int n)
{
  for (nd_int r = 0; r < n; r += 2) {
    const int32_t both = from[r / 2];
    to[r] = (@KIND@)(to[r] + (@KIND@)(((both & 15) ^ 8) - 8) * f);
    to[r + 1] = (@KIND@)(to[r + 1] + (@KIND@)(((both >> 4) ^ 8) - 8) * f);
  }
}
"""


@dataclass(frozen=True)
class EdgeUnit:
    """The files of a network and the plan behind them.

    Attributes:
        header: Text of ``PREFIX.h``.
        source: Text of ``PREFIX.c``.
        plan: The memory plan.
        flash: Bytes of constants, by node.
        reset_bytes: Bytes of initial values.
        table_bytes: Bytes of the names of classes and of tables of scales.
        stack_bytes: Bytes of stack, computed.
    """

    header: str
    source: str
    plan: StaticPlan
    flash: dict[str, int]
    reset_bytes: int
    table_bytes: int
    stack_bytes: int


def requested_unit(graph: Graph, options: Mapping[str, OptionValue]) -> EdgeUnit:
    """Give the C99 of an integer graph as the options of the target ask for it."""
    return edge_unit(
        graph,
        str(options["prefix"]),
        reuse=bool(options["reuse"]),
        pack=bool(options["pack"]),
        events=bool(options["events"]),
        labels=labels_of(str(options["labels"])),
    )


def edge_unit(
    graph: Graph,
    prefix: str,
    *,
    reuse: bool = True,
    pack: bool = True,
    events: bool = True,
    labels: tuple[str, ...] = (),
) -> EdgeUnit:
    """Give the C99 of an integer graph.

    Args:
        graph: The graph.
        prefix: What every name of the interface begins with.
        reuse: Let signals share memory.
        pack: Let two weights of up to four bits share a byte.
        events: Take lists of events, too, where an input carries spikes.
        labels: Names of the classes.
    """
    plan = StaticPlan(graph, reuse=reuse, pack=pack, events=events)
    writers: list[NodeWriter] = []
    flash: dict[str, int] = {}
    for number, node in enumerate(graph.nodes):
        key = (node.name, node.outputs[0])
        if isinstance(node, Input) or key in plan.aliases:
            continue
        before = len(plan.data)
        w = NodeWriter(plan, node, number)
        emit_node(w, node)
        writers.append(w)
        flash[node.name] = sum(_array(plan, k).nbytes for k in range(before, len(plan.data)))
    nodes = [w.function() for w in writers]
    functions = "\n".join(nodes)
    before = len(plan.data)
    resets = _resets(plan)
    reset_bytes = sum(_array(plan, k).nbytes for k in range(before, len(plan.data)))
    steps = [*(w.call() for w in writers), *_sent(plan), *delay_statements(plan)]
    body = functions + "\n".join(steps)
    text = "\n".join(
        part.strip("\n") + "\n"
        for part in (
            comment("Generated by neurodeploy; integers alone, no heap, no library but memcpy"),
            HEAD.format(prefix=prefix),
            needed_helpers(body),
            ADD_QUADS if "nd_add_quads(" in body else "",
            *(
                ADD_NIBBLES.replace("@KIND@", kind)
                for kind in ("int16_t", "int32_t", "int64_t", "uint32_t", "uint64_t")
                if f"nd_add_nibbles_{kind}(" in body
            ),
            GRID_HELPERS if "nd_first(" in body else "",
            _constants(plan),
            functions,
            outer_functions(plan, prefix, resets, steps),
            class_definitions(plan, prefix, labels),
            scale_definitions(plan, prefix),
            definitions(plan, prefix),
        )
        if part.strip()
    )
    return EdgeUnit(
        header=header(plan, prefix, labels),
        source=text,
        plan=plan,
        flash=flash,
        reset_bytes=reset_bytes,
        table_bytes=table_bytes(plan, labels),
        stack_bytes=stack_bytes(plan, nodes),
    )


def _array(plan: StaticPlan, number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    return np.ascontiguousarray(plan.data[number]()).reshape(-1)


def _constants(plan: StaticPlan) -> str:
    """Write the arrays that the nodes read, as constants: the linker puts them into flash."""
    names = {dtype: kind for kind, dtype in DTYPES.items()}
    lines: list[str] = []
    for number, what in enumerate(plan.comments):
        values = _array(plan, number)
        if not values.size:
            values = np.zeros(1, values.dtype)  # C has no empty arrays
        kind = names[values.dtype]
        lines.append(comment(what))
        lines.append(f"static const {kind} nd_data_{number}[{values.size}] = {{")
        texts = [_number(int(v), kind) for v in values]
        rows = (texts[i : i + PER_LINE] for i in range(0, len(texts), PER_LINE))
        lines += [f"  {', '.join(row)}," for row in rows]
        lines.append("};")
    return "\n".join(lines)


def _number(value: int, kind: str) -> str:
    if kind == "int64_t":
        return "INT64_MIN" if value == -(2**63) else f"INT64_C({value})"
    if kind == "uint64_t":
        return f"UINT64_C({value})"
    return "INT32_MIN" if value == -(2**31) else str(value)


def _resets(plan: StaticPlan) -> list[str]:
    """Write every state's initial value; what is 0 was cleared before."""
    lines: list[str] = []
    for slot in plan.states:
        kind = plan.stored_slot(slot)
        values = plan.initial(slot)
        if values is None or not values.any():
            continue
        at = plan.at(kind, plan.slots[(slot.owner, slot.name)])
        whole = values.reshape(-1)
        lines.append(comment(f"{slot.owner}.{slot.name}"))
        if (whole == whole[0]).all():
            lines += loop("i", slot.size, [f"({at})[i] = {int(whole[0])};"])
            continue
        run = _run_length(whole)
        packed = whole[::run]
        number = plan.add_data(
            lambda packed=packed, kind=kind: packed.astype(DTYPES[kind]),  # type: ignore[misc]
            f"{slot.owner}.{slot.name}: initial values",
        )
        index = "i" if run == 1 else f"i / {run}"
        lines += loop("i", slot.size, [f"({at})[i] = nd_data_{number}[{index}];"])
    return lines


def _run_length(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> int:
    """Give the longest run n such that each n neighbours are equal: the size of a channel."""
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    return int(np.gcd.reduce([*changes.tolist(), values.size]))


def _sent(plan: StaticPlan) -> list[str]:
    """Copy the outputs to the caller."""
    lines = []
    for number, node in enumerate(plan.graph.outputs):
        signal = plan.graph.signals[(node.name, "out")]
        source = signal_pointer(plan, (node.name, "out"))
        lines.append(f"memcpy(out{number}, {source}, {signal.size} * sizeof *out{number});")
    return lines
