"""What a target says about itself, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np

from neurodeploy.compiling import compile_graph
from neurodeploy.errors import (
    CapabilityError,
    Finding,
    GraphError,
    NeurodeployError,
    UsageError,
)
from neurodeploy.ir.builder import GraphBuilder, Ref
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.ops import ArgMax, MapOp, ReduceAxes, ReduceOp
from neurodeploy.ir.types import BOOL, F32, NumType, QType, tensor
from neurodeploy.semantics.language import where
from neurodeploy.semantics.trace import CellDefinition, cell_definition, trace
from neurodeploy.targets.base import Capabilities, Limit, OptionValue
from neurodeploy.targets.check import capability_findings, limit_usage
from neurodeploy.targets.options import parse_options
from neurodeploy.testing.draw_cells import OPTIONS
from neurodeploy.testing.subject import Subject

__all__ = ["options_are_checked", "profile_is_well_formed", "refuses_by_finding"]

MAPS = frozenset(t.__name__ for t in get_args(MapOp))
REDUCES = frozenset(t.__name__ for t in get_args(ReduceOp))


def profile_is_well_formed(subject: Subject) -> str | None:
    """Names, options, limits, operations and cells of the profile mean something."""
    can = subject.found[1]
    assert can.name == subject.name, f"profile {can.name!r} is found as {subject.name!r}"
    assert can in subject.target.profiles, "the profile is none of the target's"
    assert subject.target.name, "the target has no name"
    assert can.description.strip(), "the profile has no description"
    unknown = (can.maps or frozenset()) - MAPS | (can.reduces or frozenset()) - REDUCES
    assert not unknown, f"there are no operations {sorted(unknown)}"
    assert can.weight_bits is None or 1 <= can.weight_bits <= 64, f"weights of {can.weight_bits}"
    for rule in can.cells or ():
        options = cell_definition(rule.definition).options
        strange = [n for n, _ in rule.options if n not in options]
        assert not strange, f"cell {rule.definition!r} has no options {strange}"
        empty = [n for n, values in rule.options if not values]
        assert not empty, f"cell {rule.definition!r} allows no value of {empty}"
    names = [o.name for o in can.options] + [n.name.replace("_", "-") for n in can.limits]
    assert len(set(names)) == len(names), f"names of options and limits occur twice: {names}"
    for option in can.options:
        assert "_" not in option.name, f"option {option.name!r} is written with hyphens"
        assert option.meaning.strip(), f"option {option.name!r} has no meaning"
        good = not option.choices or option.default in option.choices
        assert good, f"option {option.name!r}: {option.default!r} is none of {option.choices}"
    known = get_args(get_type_hints(Limit)["name"])
    for limit in can.limits:
        assert limit.name in known, f"there is no limit {limit.name!r}"
        assert limit.value > 0, f"limit {limit.name!r} is {limit.value}"
        assert limit.unit.strip(), f"limit {limit.name!r} has no unit"
        assert limit.source.strip(), f"limit {limit.name!r} names no source"
    assert subject.target.costs(can) is not None, "the target has no cost model"
    return None


def options_are_checked(subject: Subject) -> str | None:
    """Unknown and unusable options are refused, all at once, naming each."""
    can = subject.found[1]
    bad: dict[str, OptionValue] = {"no-such-option": 1, "nor-this": "x"}
    for option in can.options:
        if option.choices:
            bad[option.name] = "none of the choices"
    for limit in can.limits:
        bad[limit.name.replace("_", "-")] = "many"
    out = subject.folder("options") / "out"
    graph = subject.draw(0).graph
    found = _refusal(graph, subject.name, out, bad, UsageError)
    missing = sorted(set(bad) - {f.node for f in found})
    assert not missing, f"options {missing} were not refused"
    for limit in can.limits:
        _, values = parse_options(can, {limit.name.replace("_", "-"): limit.value})
        assert set(values) == {o.name for o in can.options}
    return None


def refuses_by_finding(subject: Subject) -> str | None:
    """What the profile does not hold is refused: every node named, all at once, with a hint."""
    count = 0
    for what, graph, nodes in _outside(subject.can):
        if not capability_findings(graph, subject.can):
            raise AssertionError(f"{what}: the profile does not refuse what it does not name")
        out = subject.folder("refused") / "out"
        found = _refusal(graph, subject.name, out, subject.options, CapabilityError)
        for name in nodes:
            own = [f for f in found if f.node == name]
            assert own, f"{what}: no finding names {name!r}"
            assert all(f.message and f.hint for f in own), f"{what}: a finding without a hint"
            source = graph.node(name).source
            assert all(f.source == source for f in own), f"{what}: a finding without the sources"
        count += 1
    for limit in subject.can.limits:
        count += _refuses_a_tight_limit(subject, limit)
    return None if count else "the profile takes every graph"


def _refusal(
    graph: Graph,
    name: str,
    out: Path,
    options: Mapping[str, OptionValue],
    error: type[NeurodeployError],
) -> tuple[Finding, ...]:
    """Compile and give the findings of the refusal."""
    try:
        compile_graph(graph, name, out, options)
    except error as refused:
        assert not out.exists(), "a refusal leaves a folder behind"
        return refused.findings
    raise AssertionError(f"{name!r} does not refuse: {error.__name__} is due")


def _refuses_a_tight_limit(subject: Subject, limit: Limit) -> bool:
    """Compile under a limit that is one too low; False where no graph uses any of it."""
    # a delay or a fan-in of the whole graph is that of its worst node
    whole = limit.per == "graph" and limit.name not in ("delay", "fan_in")
    for seed in range(16):
        graph = subject.draw(seed).graph
        used = limit_usage(graph, limit.name)
        largest = sum(used.values()) if whole else max(used.values(), default=0)
        if largest > 1:
            break
    else:
        return False
    options = {**subject.options, limit.name.replace("_", "-"): largest - 1}
    out = subject.folder("limit") / "out"
    found = _refusal(graph, subject.name, out, options, CapabilityError)
    right = [f for f in found if f.value == largest and f.limit == largest - 1]
    assert right, f"{limit.name}: no finding gives the value {largest} and the limit"
    return True


def _outside(can: Capabilities) -> Iterator[tuple[str, Graph, tuple[str, ...]]]:
    """Give graphs with two nodes each that the profile does not hold."""
    if can.weight_bits is not None:
        yield "float weights", *_two(lambda b, n, x: b.dense(n, x, np.ones((3, x.shape[-1]))))
        most = 2**can.weight_bits
        wide = tensor(np.full((3, 4), most - 1), QType(-most, most - 1))
        yield (
            f"weights of {can.weight_bits + 1} bits",
            *_two(lambda b, n, x: b.dense(n, x, wide)),
        )
    maps = MAPS if can.maps is None else can.maps
    for name in sorted(MAPS - maps):
        yield name, *_two(MAP_EXAMPLES[name], rank=3)
    reduces = REDUCES if can.reduces is None else can.reduces
    for name in sorted(REDUCES - reduces):
        yield name, *_two(REDUCE_EXAMPLES[name], rank=3)
    if not can.products:
        yield "Product", *_two(lambda b, n, x: b.product(n, "i,i->i", x, x), rank=1)
    for rule in can.cells or ():
        for option, allowed in rule.options:
            for value in OPTIONS.get(option, ()):
                found = None if value in allowed else _with_option(rule.definition, option, value)
                if found is not None:
                    yield f"{rule.definition} with {option}={value}", *found
    if can.cells is not None:
        own = CellDefinition("no_such_cell", lambda p, s, x: where(x, x, x))
        yield "a cell of its own", *_two(lambda b, n, x: b.cell(n, own, x, source=(f"layer.{n}",)))


Adder = Callable[[GraphBuilder, str, Ref], Ref]


def _two(add: Adder, rank: int = 1, kind: NumType = BOOL) -> tuple[Graph, tuple[str, ...]]:
    b = GraphBuilder("1ms")
    x = b.input("x", (2, 4, 4)[-rank:] if rank > 1 else (4,), type=kind)
    for name in ("bad1", "bad2"):
        b.output(f"{name}.out", add(b, name, x), source=(f"{name}.out",))
    return b.build(), ("bad1", "bad2")


def _with_option(
    definition: str, option: str, value: str | int | bool
) -> tuple[Graph, tuple[str, ...]] | None:
    """Give a graph with a cell that has one option set otherwise; None if that is no cell."""
    given = {n: 1.0 for n, default in cell_definition(definition).params.items() if default is None}

    def add(b: GraphBuilder, name: str, x: Ref) -> Ref:
        options: dict[str, str | int | bool] = {option: value}
        if value != "none" and option == "timing":
            options["reset"] = "subtract"
        found = cell_definition(definition)
        program = trace(found, inputs=dict.fromkeys(found.inputs, F32), options=options).program
        used = {p.name for p in program.params}
        return b.cell(
            name,
            definition,
            x,
            params={n: v for n, v in given.items() if n in used},
            options=options,
            source=(f"layer.{name}",),
        )

    try:
        return _two(add, kind=F32)
    except GraphError:
        return None


def _source(name: str) -> tuple[str, ...]:
    return (f"layer.{name}",)


_ONE = np.ones((2, 2, 1, 1))
MAP_EXAMPLES: dict[str, Adder] = {
    "Dense": lambda b, n, x: b.dense(n, x, np.ones((3, 4)), source=_source(n)),
    "Conv": lambda b, n, x: b.conv(n, x, _ONE, source=_source(n)),
    "ConvTranspose": lambda b, n, x: b.conv_transpose(n, x, _ONE, source=_source(n)),
    "Synapses": lambda b, n, x: b.synapses(n, x, (2,), [1.0, 1.0], [0, 1], [1, 0]),
    "Pool": lambda b, n, x: b.pool(n, x, 2, source=_source(n)),
    "Reshape": lambda b, n, x: b.flatten(n, x, source=_source(n)),
    "Permute": lambda b, n, x: b.permute(n, x, (2, 0, 1), source=_source(n)),
    "Concat": lambda b, n, x: b.concat(n, x, x, source=_source(n)),
    "Gather": lambda b, n, x: b.gather(n, x, [0], source=_source(n)),
}
REDUCE_EXAMPLES: dict[str, Adder] = {
    "MaxPool": lambda b, n, x: b.max_pool(n, x, 2, source=_source(n)),
    "ReduceAxes": lambda b, n, x: b.reduce(n, ReduceAxes("sum", (0,)), x, source=_source(n)),
    "ArgMax": lambda b, n, x: b.reduce(n, ArgMax(0), x, source=_source(n)),
}
