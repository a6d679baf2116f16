"""The C translation unit of a graph: one function per node, one step, one run."""

from __future__ import annotations

from dataclasses import dataclass

from neurodeploy.engine.emit_cell import emit_cell
from neurodeploy.engine.emit_conv import emit_conv, emit_conv_transpose
from neurodeploy.engine.emit_dense import emit_dense, emit_synapses
from neurodeploy.engine.emit_pool import emit_max_pool, emit_pool
from neurodeploy.engine.emit_shape import (
    emit_argmax,
    emit_axes,
    emit_concat,
    emit_copy,
    emit_gather,
    emit_permute,
    emit_product,
)
from neurodeploy.engine.plan import Plan
from neurodeploy.engine.prelude import CHECK, HEAD, kernels
from neurodeploy.engine.text import comment, indented, loop
from neurodeploy.engine.writer import NodeWriter, signal_pointer
from neurodeploy.errors import InternalError
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.nodes import Cell, Input, Map, Node, Output, Product, Reduce
from neurodeploy.ir.ops import (
    ArgMax,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Gather,
    MapOp,
    Permute,
    Pool,
    ReduceAxes,
    ReduceOp,
    Reshape,
    Synapses,
)
from neurodeploy.reference import all_outputs
from neurodeploy.semantics.c_helpers import needed_helpers

__all__ = ["Unit", "delay_statements", "emit_node", "source", "translate"]


@dataclass(frozen=True)
class Unit:
    """A translation unit and what it runs on.

    Attributes:
        text: The C text.
        plan: Its workspace and its data.
    """

    text: str
    plan: Plan


def source(graph: Graph) -> str:
    """Give the C translation unit that computes ``graph``.

    It depends on structure, shapes and types, not on weights: those are passed as data.
    """
    return translate(graph).text


def translate(graph: Graph) -> Unit:
    """Give the C translation unit of a graph, with its plan."""
    plan = Plan(graph)
    writers = []
    for number, node in enumerate(graph.nodes):
        key = (node.name, "out")
        if not isinstance(node, Input) and key not in plan.aliases:
            w = NodeWriter(plan, node, number)
            emit_node(w, node)
            writers.append(w)
    functions = "\n".join(w.function() for w in writers)
    step = indented([*(w.call() for w in writers), *_records(plan), *delay_statements(plan)])
    text = "\n".join(
        part.strip("\n") + "\n"
        for part in (
            _title(graph),
            HEAD,
            needed_helpers(functions + step),
            kernels(functions),
            CHECK,
            _data_comment(plan),
            functions,
            _step(plan, step),
            _run(plan),
        )
        if part.strip()
    )
    return Unit(text, plan)


def emit_node(w: NodeWriter, node: Node) -> None:
    """Write the function of a node."""
    if isinstance(node, Cell):
        emit_cell(w, node)
    elif isinstance(node, Map):
        _emit_map(w, node.op)
    elif isinstance(node, Reduce):
        _emit_reduce(w, node.op)
    elif isinstance(node, Product):
        emit_product(w, node.equation)
    elif isinstance(node, Output):
        emit_copy(w)
    else:
        raise InternalError(f"no rule writes {type(node).__name__} in C")


def _emit_map(w: NodeWriter, op: MapOp) -> None:
    match op:
        case Dense():
            emit_dense(w, op)
        case Conv():
            emit_conv(w, op)
        case ConvTranspose():
            emit_conv_transpose(w, op)
        case Synapses():
            emit_synapses(w, op)
        case Pool():
            emit_pool(w, op)
        case Reshape():
            emit_copy(w)
        case Permute():
            emit_permute(w, op)
        case Concat():
            emit_concat(w, op)
        case Gather():
            emit_gather(w, op)


def _emit_reduce(w: NodeWriter, op: ReduceOp) -> None:
    if isinstance(op, ReduceAxes):
        emit_axes(w, op)
    elif isinstance(op, ArgMax):
        emit_argmax(w, op)
    else:
        emit_max_pool(w, op)


def _records(plan: Plan) -> list[str]:
    """Copy what is recorded to its row; integers are recorded as 64 bits."""
    lines: list[str] = []
    for number, key in enumerate(all_outputs(plan.graph)):
        signal = plan.graph.signals[key]
        kind = plan.stored(signal.type)
        wide = "int64_t" if kind == "int32_t" else kind
        pointer = signal_pointer(plan, key)
        lines.append(f"if (c->records[{number}] != NULL) {{")
        lines += [
            comment(".".join(key)),
            f"{wide} *to = ({wide} *)c->records[{number}] + (row * c->steps + at) * {signal.size};",
        ]
        if wide == kind:
            lines.append(f"memcpy(to, {pointer}, {signal.size} * sizeof *to);")
        else:
            lines.append(f"const {kind} *from = {pointer};")
            lines += loop("i", signal.size, ["to[i] = from[i];"])
        lines.append("}")
    return lines


def delay_statements(plan: Plan) -> list[str]:
    """Enter what arrived into the histories, then what was sent into the delay lines."""
    lines: list[str] = []
    rings = {(str(s.role), s.owner): s for s in plan.states}
    edges = [(e, "history", e.target) for e in plan.graph.edges if ("history", e.target) in rings]
    edges += [(e, "line", e.key) for e in plan.graph.edges if e.delay]
    for edge, role, owner in edges:
        signal = plan.graph.signal(edge)
        kind = plan.stored(signal.type)
        slot = rings[(role, owner)]
        sent = signal_pointer(plan, (edge.source, edge.output))
        if role == "history" and edge.delay:
            line = plan.at(kind, plan.slots[(edge.key, "line")])
            sent = f"{line} + t % {edge.delay} * {signal.size}"
        ring = plan.at(kind, plan.slots[(owner, role)])
        at = f"{ring} + t % {slot.shape[0]} * {signal.size}"
        lines += [
            comment(f"{role} of {owner}"),
            f"memcpy({at}, {sent}, {signal.size} * sizeof({kind}));",
        ]
    return lines


def _title(graph: Graph) -> str:
    dt = "not known" if graph.dt is None else f"{graph.dt} s"
    return "\n".join(
        [
            comment("Generated by neurodeploy from the graph of these nodes; dt is " + dt),
            *(comment(f"{i}: {n.name} ({n.family})") for i, n in enumerate(graph.nodes)),
        ]
    )


def _data_comment(plan: Plan) -> str:
    lines = [comment(f"data {i}: {what}") for i, what in enumerate(plan.comments)]
    return "\n".join(lines)


def _step(plan: Plan, body: str) -> str:
    inputs = []
    for number, node in enumerate(plan.graph.inputs):
        kind = plan.stored(node.type)
        at = f"row * c->input_sample[{number}] + at * c->input_step[{number}]"
        inputs.append(f"const {kind} *in{number} = (const {kind} *)c->inputs[{number}] + {at};")
        inputs.append(f"(void)in{number};")
    return (
        "/* Sample `row`, step `t`: nodes in canonical order, records, delays. The step stands at\n"
        "   place `at` of inputs and records. */\n"
        "static void nd_step(const nd_call *c, int64_t row, int64_t at, int64_t t)\n{\n"
        "  unsigned char *const work = c->work;\n"
        "  (void)work;\n  (void)t;\n"
        f"{indented(inputs)}\n{body}\n}}\n"
    )


def _run(plan: Plan) -> str:
    lines = [
        "if (nd_check() != 0) return 1;",
        "for (int64_t row = c->first; row < c->first + c->samples; row++) {",
        f"memcpy(c->work, c->data[0], {plan.state_bytes});",
        *loop("t", "c->steps", ["nd_step(c, row, t, t);"]),
        "}",
        "return 0;",
    ]
    one = [
        "if (nd_check() != 0) return 1;",
        f"if (c->begin == 0) memcpy(c->work, c->data[0], {plan.state_bytes});",
        "nd_step(c, 0, 0, c->begin);",
        "return 0;",
    ]
    return (
        "/* Run samples one after another; 1 where floats do not behave. */\n"
        f"ND_EXPORT int nd_run(const nd_call *c)\n{{\n{indented(lines)}\n}}\n\n"
        "/* Make one more step of one sample; inputs and records hold that step alone. */\n"
        f"ND_EXPORT int nd_advance(const nd_call *c)\n{{\n{indented(one)}\n}}\n"
    )
