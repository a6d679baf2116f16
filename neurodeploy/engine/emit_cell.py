"""Cells in C: nested loops over the axes of the population, one statement per operation.

Neighbouring axes along which every operand advances alike become one loop, so that a scalar, a
channel's and a neuron's parameter each have a fixed stride and no index is ever divided.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from neurodeploy.engine.text import collapsed, linear, loop, nest, strides_of
from neurodeploy.engine.writer import NodeWriter
from neurodeploy.errors import InternalError
from neurodeploy.ir.nodes import Cell
from neurodeploy.ir.types import expression_type
from neurodeploy.semantics.c_eval import Names, c_statements, tables

__all__ = ["emit_cell"]

Strides = tuple[int, ...]
NEAR_BYTES = 1 << 15  # a first-level cache


def broadcast_strides(
    shape: Sequence[int], target: Sequence[int], strides: Strides | None = None
) -> Strides:
    """Give the strides of an array of ``shape`` along the axes of ``target`` (numpy's rules).

    Its own strides are ``strides``; those of a contiguous array where they are None.
    """
    own = strides_of(shape) if strides is None else strides
    lead = len(target) - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, target[lead:], strict=True)):
        raise InternalError(f"shape {list(shape)} does not broadcast to {list(target)}")
    return (0,) * lead + tuple(0 if n == 1 else s for n, s in zip(shape, own, strict=True))


def emit_cell(w: NodeWriter, node: Cell) -> None:
    """Write the function of a cell."""
    program, looked_up = node.program, tables(node.program)
    names: dict[str, dict[str, str]] = {"input": {}, "param": {}, "state": {}, "table": {}}
    pointers: list[tuple[str, str, str, Strides]] = []
    used = {str(i.attr("name")) for i in program.instrs if i.op == "input"}
    input_types = {}
    for port, declared in enumerate(program.inputs):
        if declared.name in used and w.edge(port).source in w.plan.added:
            # it was added to the state, to which the cell still adds 0: -0 + 0 is 0
            names["input"][declared.name] = "0"
        elif declared.name in used:
            signal = w.signal(port)
            w.arrived(port, f"x{port}")
            input_types[declared.name] = expression_type(signal.type)
            walk = broadcast_strides(signal.shape, node.shape, w.strides(port))
            pointers.append(("input", declared.name, f"x{port}", walk))
    types = {p.name: p.type for p in program.params}
    for number, ref in enumerate(node.params):
        values = w.plan.graph.tensors[ref.tensor].data
        shape = values.shape[1:] if ref.timed else values.shape
        w.tensor(f"p{number}", w.plan.held(types[ref.name]), ref.tensor)
        name = f"p{number}"
        if ref.timed:
            declaration, value = w.parameters[-1]
            w.parameters[-1] = (declaration, f"{value} + t * {prod(shape)}")
        if ref.name in looked_up:
            names["table"][ref.name] = name
        else:
            pointers.append(("param", ref.name, name, broadcast_strides(shape, node.shape)))
    own = strides_of(node.shape)
    for number, state in enumerate(node.states):
        w.state(state.name, f"s{number}")
        pointers.append(("state", state.name, f"s{number}", own))
    for number, (output, _) in enumerate(program.outputs):
        w.result(f"y{number}", output)
    sizes, walks = collapsed(node.shape, [own, *(p[3] for p in pointers)])
    counters = [f"i{k}" for k in range(len(sizes))]
    before: list[str] = []
    read = {str(i.attr("name")) for i in program.instrs if i.op == "param"}
    for (leaf, name, pointer, _), walk in zip(pointers, walks[1:], strict=True):
        value = f"{pointer}[{linear(counters, sizes, walk)}]"
        fixed = not w.plan.plain and leaf == "input" and walk and walk[-1] == 0
        if fixed or (leaf == "param" and name in read and walk and walk[-1] == 0):
            # compilers read it in each pass: a store of bytes might have changed it
            kind = types[name] if leaf == "param" else input_types[name]
            before.append(f"const {w.plan.held(kind)} {pointer}_ = {value};")
            value = f"{pointer}_"
        names[leaf][name] = value
    at = linear(counters, sizes, walks[0])
    _values_at_call(w, node)
    statements, results = c_statements(
        program,
        Names(names["input"], names["param"], names["state"], names["table"], input_types),
    )
    body = [f"const nd_int o = {at};", *statements]
    kept = {
        f"y{k}": w.plan.stored(w.out_signal(out).type) for k, (out, _) in enumerate(program.outputs)
    }
    flags = [name for name, kind in kept.items() if kind == "uint8_t"]
    strip = 0 if w.plan.plain or not flags or not sizes else _strip(sizes[-1])
    # all statements stand before the first store: a state is read as it was before the step
    for name, (_, index) in zip(kept, program.outputs, strict=True):
        if strip and name in flags:
            body.append(f"{name}_[k] = {results[index]};")
        else:
            body.append(_store(name, results[index], kept[name]))
    place = {state.name: f"s{number}" for number, state in enumerate(node.states)}
    kinds = {s.name: w.plan.stored(s.type) for s in node.states}
    body += [_store(place[name], results[index], kinds[name]) for name, index in program.updates]
    if node.start > 0:
        zeros = [
            f"memset(y{k}, 0, {prod(node.shape)} * sizeof *y{k});"
            for k in range(len(program.outputs))
        ]
        w.lines += [f"if (t < {node.start}) {{", *zeros, "return;", "}"]
    if strip:
        begin = _begin(w, sizes, walks)
        strips = _in_strips(counters[-1], sizes[-1], strip, at, flags, body, begin)
        body = [*before, *strips]
    elif sizes:
        body = [*before, *loop(counters[-1], sizes[-1], body)]
    w.lines += nest(counters[:-1], sizes[:-1], body)


def _strip(count: int) -> int:
    """Give the neurons of a strip, a divisor of their count where it has one; 0 for no strips.

    >>> _strip(4000), _strip(512), _strip(1000), _strip(131), _strip(20)
    (160, 256, 200, 128, 0)
    """
    if count <= 64:
        return 0
    sizes = [*range(256, 63, -32), *range(248, 63, -8)]
    return next((n for n in sizes if count % n == 0), 128)


def _in_strips(
    name: str,
    count: int,
    strip: int,
    at: str,
    flags: Sequence[str],
    body: Sequence[str],
    begin: str,
) -> list[str]:
    """Loop in strips: flags are kept as words, and become bytes in a loop of their own.

    A loop that stores bytes and floats is compiled for as many neurons at a time as there are
    bytes in a vector; its floats then do not fit into registers. The strip at ``a`` of the loop
    is that of the neurons from ``begin`` on.
    """
    # ND_STRIP: a vector at a time, where the compiler then keeps the flags in registers
    step = f"ND_STRIP({strip})" if strip % 16 == 0 == count % strip else f"{strip}"
    stop = step
    last = f"({count} - 1) / {step} * {step}"
    head = [f"const nd_int b = {begin.format(last=last)};"]
    head += [f"int32_t {flag}_[{step}];" for flag in flags]
    if count % strip:
        head.append(f"const nd_int strip = {count} - b < {strip} ? {count} - b : {strip};")
        stop = "strip"
    first = [f"const nd_int {name} = b;", f"const nd_int o = {at};"]
    bytes_of = [f"{flag}[o + k] = (uint8_t){flag}_[k];" for flag in flags]
    return loop(
        "a",
        count,
        [
            *head,
            *loop("k", stop, [f"const nd_int {name} = b + k;", *body]),
            *first,
            *loop("k", stop, bytes_of),
        ],
        step=step,
    )


def _begin(w: NodeWriter, sizes: Sequence[int], walks: Sequence[Strides]) -> str:
    """Give, as C, where the strip at ``a`` begins: every second step goes from end to begin.

    What a step has read last is still in the first-level cache when the next one begins.
    """
    moving = sum(any(walk) for walk in walks)
    if len(sizes) > 1 or moving * sizes[0] * 4 <= NEAR_BYTES:
        return "a"
    w.step()
    return "t % 2 == 0 ? a : {last} - a"


def _store(pointer: str, value: str, kind: str) -> str:
    return f"{pointer}[o] = ({kind}){value};"


def _values_at_call(w: NodeWriter, node: Cell) -> None:
    uses = node.program.uses
    if "step" in uses or node.start > 0:
        w.step()
    if "random_bits" in uses:
        start = "nd_fold(0, c->seed)"
        for word in (f"UINT64_C({node.stream})", w.plan.sample_word, "(uint64_t)t"):
            start = f"nd_fold({start}, {word})"
        w.value("uint64_t", "key", start)
