"""The dummy chip with one promise broken each; installed beside it by the tests.

The name of a target says what is wrong with it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from neurodeploy_dummy_chip import chip
from neurodeploy_dummy_chip.chip import SIXBIT, SixBit

from neurodeploy.errors import CapabilityError, Finding
from neurodeploy.ir import Cell, Graph, tensor
from neurodeploy.targets.base import (
    Capabilities,
    CellRule,
    Lowered,
    OptionValue,
    Placement,
    Resource,
    Run,
    RunnerFactory,
)
from neurodeploy.targets.rewrite import lowered_cell

Options = Mapping[str, OptionValue]


class Bug(SixBit):
    """Variants change one method, or the profile."""

    can: ClassVar[Capabilities] = SIXBIT

    def __init_subclass__(cls) -> None:
        cls.name = re.sub("(?<!^)(?=[A-Z])", "-", cls.__name__).lower()
        cls.profiles = (replace(cls.can, name=cls.name),)

    def changed(self, lowered: Lowered) -> Lowered:
        return lowered

    def lower(self, graph: Graph, capabilities: Capabilities, options: Options) -> Lowered:
        return self.changed(super().lower(graph, capabilities, options))


class MutatesInput(Bug):
    def lower(self, graph: Graph, capabilities: Capabilities, options: Options) -> Lowered:
        for name, t in graph.tensors.items():
            if name.endswith("weight"):
                t.data.setflags(write=True)
                t.data.flat[0] = 0
                t.data.setflags(write=False)
        return super().lower(graph, capabilities, options)


class MutatesOptions(Bug):
    """What it sets is set from the first graph on."""

    def lower(self, graph: Graph, capabilities: Capabilities, options: Options) -> Lowered:
        if isinstance(options, dict):
            options["core-size"] = 32
        return super().lower(graph, capabilities, options)


class MutatesWhatItRefuses(Bug):
    def lower(self, graph: Graph, capabilities: Capabilities, options: Options) -> Lowered:
        if len(graph.nodes) > 6:
            MutatesInput().lower(graph, capabilities, options)
            raise CapabilityError(Finding("too many nodes", graph.nodes[0].name, hint="fewer"))
        return super().lower(graph, capabilities, options)


class MutatesWhatItPlaces(Bug):
    def place(self, lowered: Lowered, capabilities: Capabilities, options: Options) -> Placement:
        for node in lowered.graph.cells:
            for ref in node.params:
                if ref.name == "threshold":
                    data = lowered.graph.tensors[ref.tensor].data
                    data.setflags(write=True)
                    data += 1
                    data.setflags(write=False)
        return super().place(lowered, capabilities, options)


class LeavesArraysWritable(Bug):
    def changed(self, lowered: Lowered) -> Lowered:
        for t in lowered.graph.tensors.values():
            t.data.setflags(write=True)
        return lowered


class DropsSources(Bug):
    def changed(self, lowered: Lowered) -> Lowered:
        return replace(lowered, graph=lowered.graph.map_nodes(lambda n: replace(n, source=())))


class InventsSources(Bug):
    def changed(self, lowered: Lowered) -> Lowered:
        graph = lowered.graph.map_nodes(lambda n: replace(n, source=(*n.source, "core 3")))
        return replace(lowered, graph=graph)


class ForgetsChanges(Bug):
    def changed(self, lowered: Lowered) -> Lowered:
        return replace(lowered, graph=replace(lowered.graph, changes=()))


class ClaimsNoLatency(Bug):
    def changed(self, lowered: Lowered) -> Lowered:
        return replace(lowered, latency_steps=0)


class ClaimsMoreLatency(Bug):
    def changed(self, lowered: Lowered) -> Lowered:
        return replace(lowered, latency_steps=2)


class LowersThresholds(Bug):
    """Its integer threshold is one too low."""

    def changed(self, lowered: Lowered) -> Lowered:
        graph = lowered.graph
        tensors = dict(graph.tensors)
        for node in graph.cells:
            if node.definition == "sixbit_neuron":
                name = next(p.tensor for p in node.params if p.name == "threshold")
                tensors[name] = tensor(tensors[name].data - 1, tensors[name].type)
        return replace(lowered, graph=replace(graph, tensors=tensors))


class ConfusesStrictness(Bug):
    """It fires at the threshold where it should fire above it."""

    def lower(self, graph: Graph, capabilities: Capabilities, options: Options) -> Lowered:
        def loose(node: Any) -> Any:
            if isinstance(node, Cell) and node.definition == "lif":
                shown = {**dict(node.options), "strict": "False"}
                return replace(node, options=tuple(sorted(shown.items())))
            return node

        return super().lower(graph.map_nodes(loose), capabilities, options)


def _ignoring(name: str, *values: OptionValue) -> Capabilities:
    """Give the profile that also takes a value that the lowering knows nothing of."""
    rules = []
    for rule in SIXBIT.cells or ():
        options = tuple((n, (*v, *values) if n == name else v) for n, v in rule.options)
        rules.append(CellRule(rule.definition, options))
    return replace(SIXBIT, cells=tuple(rules))


def _retraced(graph: Graph, **changed: str | int | bool) -> Graph:
    """Give the graph with other options of every LIF."""
    nodes, tensors = [], dict(graph.tensors)
    for node in graph.nodes:
        timed = isinstance(node, Cell) and any(p.timed for p in node.params)
        if isinstance(node, Cell) and node.definition == "lif" and not timed:
            options = {n: OPTION_VALUES.get(v, v) for n, v in node.options} | changed
            params = {"reset_value": 0.0} | {p.name: tensors.pop(p.tensor) for p in node.params}
            initial = {n.name: tensors.pop(n.initial) for n in node.states}
            arrived = [graph.signal(e) for e in graph.edges_into[node.name]]
            made = lowered_cell(node, "lif", arrived, params, {"v": initial["v"]}, options)
            tensors |= made.tensors
            node = made.node
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes), tensors=tensors)


OPTION_VALUES = {"True": True, "False": False, "0": 0, "1": 1, "3": 3}


class IgnoresSoftReset(Bug):
    can = _ignoring("reset", "subtract")

    def lower(self, graph: Graph, capabilities: Capabilities, options: Options) -> Lowered:
        return super().lower(_retraced(graph, reset="value"), capabilities, options)


class IgnoresRefractory(Bug):
    can = _ignoring("refractory", 3)

    def lower(self, graph: Graph, capabilities: Capabilities, options: Options) -> Lowered:
        return super().lower(_retraced(graph, refractory=0), capabilities, options)


class TakesSevenBits(Bug):
    can = replace(SIXBIT, weight_bits=7)


class TakesTooLittle(Bug):
    def lower(self, graph: Graph, capabilities: Capabilities, options: Options) -> Lowered:
        if len(graph.nodes) > 6:
            raise CapabilityError(Finding("too many nodes", graph.nodes[0].name, hint="fewer"))
        return super().lower(graph, capabilities, options)


class RefusesUntyped(Bug):
    def lower(self, graph: Graph, capabilities: Capabilities, options: Options) -> Lowered:
        if len(graph.nodes) > 6:
            raise KeyError(graph.nodes[0].name)
        return super().lower(graph, capabilities, options)


class LosesAnAddress(Bug):
    def place(self, lowered: Lowered, capabilities: Capabilities, options: Options) -> Placement:
        placed = super().place(lowered, capabilities, options)
        return replace(placed, addresses={k: v[1:] for k, v in placed.addresses.items()})


class SharesAnAddress(Bug):
    def place(self, lowered: Lowered, capabilities: Capabilities, options: Options) -> Placement:
        placed = super().place(lowered, capabilities, options)
        same = {
            k: tuple({**row, "core": 0, "neuron": 0} for row in v)
            for k, v in placed.addresses.items()
        }
        return replace(placed, addresses=same)


class Overuses(Bug):
    def place(self, lowered: Lowered, capabilities: Capabilities, options: Options) -> Placement:
        placed = super().place(lowered, capabilities, options)
        more = Resource("router entries", "", 1025, 1024, "entries", "data sheet, section 2")
        return replace(placed, resources=(*placed.resources, more))


class HidesItsUse(Bug):
    def place(self, lowered: Lowered, capabilities: Capabilities, options: Options) -> Placement:
        return replace(super().place(lowered, capabilities, options), resources=())


class Writes(Bug):
    """Adds a note to what it emits."""

    def note(self, lowered: Lowered, out: Path) -> str:
        return ""

    def emit(
        self, lowered: Lowered, placement: Placement, can: Capabilities, options: Options, out: Path
    ) -> None:
        super().emit(lowered, placement, can, options, out)
        (out / "note.txt").write_text(self.note(lowered, out), encoding="utf-8")


class WritesACounter(Writes):
    count = 0

    def note(self, lowered: Lowered, out: Path) -> str:
        type(self).count += 1
        return str(self.count)


class WritesInHashOrder(Writes):
    def note(self, lowered: Lowered, out: Path) -> str:
        return " ".join({n.name for n in lowered.graph.nodes} | set("abcdefgh"))


class WritesItsPath(Writes):
    def note(self, lowered: Lowered, out: Path) -> str:
        return str(out.parent)


class WritesTheDate(Writes):
    def note(self, lowered: Lowered, out: Path) -> str:
        return datetime.datetime.now(tz=datetime.UTC).date().isoformat()


class Runs(Bug):
    """Its runner is given another graph than the one that was compiled."""

    def other(self, graph: Graph) -> Graph:
        return graph

    def runners(self) -> Mapping[str, RunnerFactory]:
        def wrong(graph: Graph, folder: Path | None, options: Options) -> Run:
            return chip.chip_model(self.other(graph), folder, options)

        return {"chip-model": wrong}


class RunsOtherThresholds(Runs):
    """Its model has thresholds that are one too low."""

    def other(self, graph: Graph) -> Graph:
        return LowersThresholds().changed(Lowered(graph)).graph


class RunsWithUnsignedWeights(Bug):
    def runners(self) -> Mapping[str, RunnerFactory]:
        def wrong(graph: Graph, folder: Path | None, options: Options) -> Run:
            tensors = {
                n: tensor(np.abs(t.data), t.type) if n.endswith("weight") else t
                for n, t in graph.tensors.items()
            }
            return chip.chip_model(replace(graph, tensors=tensors), None, options)

        return {"chip-model": wrong}


class NamesNoSource(Bug):
    can = replace(SIXBIT, limits=tuple(replace(n, source="") for n in SIXBIT.limits))


# what is broken: the promises that must be found broken, and no others
EXPECTED: dict[type[Bug], set[str]] = {
    MutatesInput: {"never_mutates"},
    MutatesOptions: {"never_mutates"},
    MutatesWhatItRefuses: {"never_mutates", "accepts_what_it_claims"},
    MutatesWhatItPlaces: {"never_mutates", "says_what_it_changed"},
    LeavesArraysWritable: {"never_mutates"},
    DropsSources: {"sources_lead_back"},
    InventsSources: {"sources_lead_back"},
    ForgetsChanges: {"says_what_it_changed"},
    ClaimsNoLatency: {"says_what_it_changed"},
    ClaimsMoreLatency: {"says_what_it_changed"},
    LowersThresholds: {"says_what_it_changed"},
    ConfusesStrictness: {"says_what_it_changed"},
    IgnoresSoftReset: {"says_what_it_changed"},
    IgnoresRefractory: {"says_what_it_changed"},
    TakesSevenBits: {"runners_equal_the_reference"},
    TakesTooLittle: {"accepts_what_it_claims"},
    RefusesUntyped: {"accepts_what_it_claims"},
    LosesAnAddress: {"addresses_are_complete"},
    SharesAnAddress: {"addresses_are_complete"},
    Overuses: {"resources_are_within_limits"},
    HidesItsUse: {"resources_are_within_limits"},
    WritesACounter: {"bytes_are_deterministic"},
    WritesInHashOrder: {"bytes_are_deterministic"},
    WritesItsPath: {"files_name_no_place_or_date"},
    WritesTheDate: {"files_name_no_place_or_date"},
    RunsOtherThresholds: {"runners_equal_the_reference"},
    RunsWithUnsignedWeights: {"runners_equal_the_reference"},
    NamesNoSource: {"profile_is_well_formed", "resources_are_within_limits"},
}
# found by every check that lowers a graph
EVERYWHERE = frozenset({RefusesUntyped})
TARGETS = {bug.__name__.lower(): bug() for bug in EXPECTED}
globals().update(TARGETS)
