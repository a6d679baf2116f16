"""The functions around those of the nodes: a tile of steps, and a run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from neurodeploy.engine.blocks import Block
from neurodeploy.engine.heard import Heard
from neurodeploy.engine.plan import LIST_MORE, Plan
from neurodeploy.engine.text import collapsed, comment, indented, linear, loop, nest, strides_of
from neurodeploy.engine.writer import NodeWriter, signal_pointer
from neurodeploy.ir.types import BOOL
from neurodeploy.reference import all_outputs

__all__ = ["delay_statements", "run_function", "tile_function"]

Key = tuple[str, str]


def tile_function(plan: Plan, writers: Mapping[str, NodeWriter]) -> str:
    """Give the C function that makes some steps of one sample, block by block.

    Args:
        plan: Where everything lives.
        writers: The nodes' functions.
    """
    inputs = []
    for number, node in enumerate(plan.graph.inputs):
        kind = plan.stored(node.type)
        at = f"row * c->input_sample[{number}] + at * c->input_step[{number}]"
        inputs.append(f"const {kind} *in{number} = (const {kind} *)c->inputs[{number}] + {at};")
        inputs.append(f"(void)in{number};")
    body: list[str] = []
    recorded: set[Key] = set()
    for block in plan.blocks:
        keys = _keys_of(plan, block.nodes)
        recorded |= set(keys)
        body += _block(plan, block, writers, keys)
    # what no function makes: inputs, and what is one unchanged
    body += _per_step(_recorded(plan, [k for k in all_outputs(plan.graph) if k not in recorded]))
    return (
        "/* Sample `row`, steps `begin` and the next ones, at most those of a tile. The first one\n"
        "   stands at place `at` of inputs and records. */\n"
        "static void nd_tile(const nd_call *c, int64_t row, int64_t at, int64_t begin,\n"
        "    nd_int steps)\n{\n"
        "  unsigned char *const work = c->work;\n"
        "  (void)work;\n"
        f"{indented(inputs)}\n{indented(body)}\n}}\n"
    )


def run_function(plan: Plan) -> str:
    """Give the C function that a caller calls."""
    tile = [
        f"const nd_int n = c->steps - t < {plan.tile} ? c->steps - t : {plan.tile};",
        "nd_tile(c, row, t, c->begin + t, n);",
    ]
    lines = [
        "if (nd_check() != 0) return 1;",
        "for (int64_t row = c->first; row < c->first + c->samples; row++) {",
        f"if (c->begin == 0) memcpy(c->work, c->data[0], {plan.state_bytes});",
        *loop("t", "c->steps", tile, step=plan.tile),
        "}",
        "return 0;",
    ]
    return (
        "/* Run samples one after another, or go on with one; 1 where floats do not behave. */\n"
        f"ND_EXPORT int nd_run(const nd_call *c)\n{{\n{indented(lines)}\n}}\n"
    )


def _block(
    plan: Plan, block: Block, writers: Mapping[str, NodeWriter], keys: Collection[Key]
) -> list[str]:
    if block.tiled:
        return [writers[block.nodes[0]].call(), *_per_step(_recorded(plan, keys))]
    here = [h for h in plan.heard if h.readers[0] in block.nodes]
    calls = _made(plan, [h for h in here if not h.late and h.signal[0] not in block.nodes])
    senders = {name: w for name in block.nodes if (w := writers[name].sender) is not None}
    for name in block.nodes:
        calls.append(writers[name].call())
        calls += _made(plan, [h for h in here if not h.late and h.signal[0] == name])
        if name in plan.added:
            # its sums are gone thereafter
            calls += [*_records(plan, [(name, "out")]), senders.pop(name).call()]
            keys = [key for key in keys if key != (name, "out")]
    sent = [sender.call() for sender in senders.values()]
    # senders clear sums, which are recorded before, by lists that are then made anew
    late = _made(plan, [h for h in here if h.late])
    end = [*late, *_logs(plan, keys, here), *delay_statements(plan, block.nodes)]
    return _per_step([*calls, *_records(plan, keys), *sent, *end])


def _made(plan: Plan, lists: Iterable[Heard]) -> list[str]:
    """Make lists of the spikes of this step."""
    lines: list[str] = []
    for made in lists:
        size = plan.graph.signals[made.signal].size
        place = plan.at("int32_t", plan.heard_at[made])
        lines += [
            comment(f"spikes of {'.'.join(made.signal)}"),
            "{",
            f"int32_t *list = {place};",
            f"list[{size + LIST_MORE - 1}] = (int32_t)nd_find("
            f"list, {signal_pointer(plan, made.signal)}, {size});",
            "}",
        ]
    return lines


def _per_step(body: list[str]) -> list[str]:
    if not body:
        return []
    return loop("s", "steps", ["const int64_t t = begin + s;", "(void)t;", *body])


def _keys_of(plan: Plan, nodes: Collection[str]) -> list[Key]:
    return [key for key in all_outputs(plan.graph) if plan.root(key)[0] in nodes]


def _recorded(plan: Plan, keys: Collection[Key]) -> list[str]:
    return [*_records(plan, keys), *_logs(plan, keys)]


def _records(plan: Plan, keys: Collection[Key]) -> list[str]:
    """Copy what is recorded to its row; integers are recorded as 64 bits."""
    number = {key: i for i, key in enumerate(all_outputs(plan.graph))}
    lines: list[str] = []
    for key in keys:
        signal = plan.graph.signals[key]
        kind = plan.stored(signal.type)
        wide = "int64_t" if kind == "int32_t" else kind
        pointer = signal_pointer(plan, key)
        place = f"(row * c->steps + at + s) * {signal.size}"
        lines.append(f"if (c->records[{number[key]}] != NULL) {{")
        lines += [
            comment(".".join(key)),
            f"{wide} *to = ({wide} *)c->records[{number[key]}] + {place};",
        ]
        strides = plan.strides(key)
        if strides != strides_of(signal.shape):
            sizes, walks = collapsed(signal.shape, [strides, strides_of(signal.shape)])
            names = [f"i{k}" for k in range(len(sizes))]
            source, target = (linear(names, sizes, walk) for walk in walks)
            lines.append(f"const {kind} *from = {pointer};")
            lines += nest(names, sizes, [f"to[{target}] = from[{source}];"])
        elif wide == kind:
            lines.append(f"memcpy(to, {pointer}, {signal.size} * sizeof *to);")
        else:
            lines.append(f"const {kind} *from = {pointer};")
            lines += loop("i", signal.size, ["to[i] = from[i];"])
        lines.append("}")
    return lines


def _logs(plan: Plan, keys: Collection[Key], lists: Iterable[Heard] = ()) -> list[str]:
    """List the spikes of those that are asked for; a list that was made is copied."""
    number = {key: i for i, key in enumerate(all_outputs(plan.graph))}
    made = {h.signal: h for h in lists}
    lines: list[str] = []
    for key in keys:
        signal = plan.graph.signals[key]
        if signal.type != BOOL:
            continue
        log, at = f"c->logs[{number[key]}]", "row * c->steps + at + s"
        place = made.get(plan.root(key))
        if place is None:
            call = f"nd_list(&{log}, {signal_pointer(plan, key)}, {signal.size}, {at});"
        else:
            found = plan.at("int32_t", plan.heard_at[place])
            end = signal.size + LIST_MORE - 1
            call = f"nd_append(&{log}, {found}, ({found})[{end}], {at});"
        lines += [f"if (c->logs != NULL && {log}.ends != NULL) {{", call, "}"]
    return lines


def delay_statements(plan: Plan, nodes: Collection[str]) -> list[str]:
    """Enter what arrived at ``nodes`` into histories, then what was sent to them into lines."""
    lines: list[str] = []
    rings = {(str(s.role), s.owner): s for s in plan.states if s.name == s.role}
    edges = [(e, "history", e.target) for e in plan.graph.edges if ("history", e.target) in rings]
    edges += [(e, "line", e.key) for e in plan.graph.edges if e.delay]
    by_list = {key for h in plan.heard for key in h.edges}
    edges = [(e, r, o) for e, r, o in edges if e.target in nodes and e.key not in by_list]
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
