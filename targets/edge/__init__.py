"""The edge target: C99 for microcontrollers and small computers."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from neurodeploy.artifact import open_artifact
from neurodeploy.errors import CapabilityError, Finding, raise_findings
from neurodeploy.ir.graph import Graph
from neurodeploy.passes.sparse_storage import sparse_storage
from neurodeploy.semantics.types import Float
from neurodeploy.targets.base import (
    Capabilities,
    Lowered,
    Option,
    OptionValue,
    Placement,
    Resource,
    Run,
    RunnerFactory,
    Target,
    plain_addresses,
)
from neurodeploy.targets.edge.boards import Board, boards
from neurodeploy.targets.edge.classes import label_findings, labels_of
from neurodeploy.targets.edge.loops import dense_findings, dense_of
from neurodeploy.targets.options import parse_options

if TYPE_CHECKING:
    from neurodeploy.profile.energy import CostModel
    from neurodeploy.targets.edge.source import EdgeUnit

__all__ = ["TARGET", "EdgeTarget"]

WEIGHT_BITS = 16
SYNAPSE_BYTES, ROW_BYTES = 5, 12  # weight and target; source and begin of a row
SHARED = "counted from the graph; signals share memory, and sums take scratch memory beside it"
LISTED = 8  # layers named where something is too large
PREFIX = re.compile(r"[a-z][a-z0-9_]{0,30}")
HINT = "neurodeploy quantize net.nd -o q.nd --calibrate data.npz"

RUNNER = Capabilities(
    name="qemu",
    description="the emitted C on a machine of QEMU",
    options=(
        Option("machine", "", "the board whose machine runs it; by default the folder's"),
        Option("count", False, "count instructions by QEMU's log where no clock does; slow"),
    ),
)


def _capabilities(board: Board) -> Capabilities:
    return Capabilities(
        name=board.name,
        description=f"C99 for {board.description}",
        weight_bits=WEIGHT_BITS,
        float_state=False,
        options=(
            Option("prefix", "net", "what every name of the C interface begins with"),
            Option("flash", board.flash or 0, "bytes of constants; 0 for no limit"),
            Option("ram", board.ram or 0, "bytes of the context; 0 for no limit"),
            Option("pack", True, "let two weights of up to 4 bits share a byte: half the flash"),
            Option(
                "events", True, "take lists of events, a byte of RAM for each neuron of the input"
            ),
            Option("labels", "", "names of the classes, in their order, with commas between"),
            Option(
                "dense",
                "",
                "projections whose loops visit every source, with commas between; "
                "neurodeploy.targets.edge.loops names those where it pays",
            ),
            Option("reuse", True, "let signals share memory; no: all can be read after a step"),
            Option("board", "", "FILE.toml or FILE.toml:NAME, a board of your own in this place"),
        ),
    )


class EdgeTarget(Target):
    """Emits an integer graph as C99 with a static memory plan."""

    name = "edge"
    profiles = tuple(_capabilities(b) for b in boards().values())

    def settle(self, options: Mapping[str, OptionValue]) -> Mapping[str, OptionValue]:
        """Put the board of a file in the place of the file's name; its sizes are the defaults."""
        if not options.get("board"):
            return options
        from neurodeploy.targets.edge.own_board import board_from_file, board_text

        board = board_from_file(str(options["board"]))
        sizes = {"flash": board.flash or 0, "ram": board.ram or 0}
        return {**sizes, **options, "board": board_text(board)}

    def lower(
        self, graph: Graph, capabilities: Capabilities, options: Mapping[str, OptionValue]
    ) -> Lowered:
        """Check that nothing is a float; store what has few weights as single synapses."""
        found = [
            Finding(
                f"sends {out!r} as floats, {capabilities.name!r} computes with integers",
                node=name,
                source=graph.node(name).source,
                hint=HINT,
            )
            for (name, out), signal in graph.signals.items()
            if isinstance(signal.type, Float)
        ]
        if not PREFIX.fullmatch(str(options["prefix"])):
            found.append(
                Finding(
                    f"prefix {options['prefix']!r}",
                    node="prefix",
                    hint="lower-case letters, digits and _, a letter first",
                )
            )
        if options["prefix"] in sys.stdlib_module_names:
            text = f"prefix {options['prefix']!r}: its reader would hide a module of Python"
            found.append(Finding(text, node="prefix", hint="another name"))
        found += label_findings(graph, labels_of(str(options["labels"])))
        found += dense_findings(graph, dense_of(str(options["dense"])))
        raise_findings(CapabilityError, found)
        return Lowered(sparse_storage(graph, _sparse_pays))

    def place(
        self, lowered: Lowered, capabilities: Capabilities, options: Mapping[str, OptionValue]
    ) -> Placement:
        """Report constants and memory, by node and whole; refuse what exceeds the board."""
        from neurodeploy.targets.edge.source import requested_unit

        unit = requested_unit(lowered.graph, options)
        board = _board(capabilities, options)
        flash, ram = int(options["flash"]), int(options["ram"])
        source = board.source or "counted from the graph"
        total = sum(unit.flash.values()) + unit.reset_bytes + unit.table_bytes
        held = unit.plan.context_bytes()
        resources = [
            Resource("constants in flash", "", total, flash or None, "byte", source),
            Resource("context in RAM", "", held, ram or None, "byte", source),
            Resource(
                "stack, computed", "", unit.stack_bytes, None, "byte", "make stack measures it"
            ),
            *(
                Resource("constants in flash", name, used, None, "byte", "counted from the graph")
                for name, used in unit.flash.items()
                if used
            ),
            *(
                Resource("states and signals in RAM", name, used, None, "byte", SHARED)
                for name, used in unit.plan.node_bytes().items()
                if used
            ),
        ]
        raise_findings(CapabilityError, _too_large(resources, unit, lowered.graph))
        addresses = _labelled(plain_addresses(lowered.graph), lowered.graph, options)
        return Placement(tuple(resources), addresses)

    def emit(
        self,
        lowered: Lowered,
        placement: Placement,
        capabilities: Capabilities,
        options: Mapping[str, OptionValue],
        out: Path,
    ) -> None:
        """Write header, source, self-test and build files."""
        from neurodeploy.targets.edge.folder import write_folder

        write_folder(lowered.graph, _board(capabilities, options), placement, options, out)

    def runners(self) -> Mapping[str, RunnerFactory]:
        """Give QEMU: the emitted C on the processor that the folder was compiled for."""

        def qemu(graph: Graph, path: Path | None, options: Mapping[str, OptionValue]) -> Run:
            from neurodeploy.targets.edge.qemu import QemuRun

            _, given = parse_options(RUNNER, options)
            count = bool(given["count"])
            if given["machine"] or path is None:
                return QemuRun(graph, str(given["machine"]) or "cortex-m4", count=count)
            artifact = open_artifact(path)
            board = _board(artifact.capabilities, artifact.options)
            return QemuRun(graph, _alike(board), board=board, count=count)

        return {"qemu": qemu}

    def costs(self, capabilities: Capabilities) -> CostModel:
        """Give the generic table of operations in 45 nm CMOS."""
        from neurodeploy.profile.energy import generic_cmos

        return generic_cmos()


def _labelled(
    addresses: dict[str, tuple[dict[str, int | str], ...]],
    graph: Graph,
    options: Mapping[str, OptionValue],
) -> dict[str, tuple[dict[str, int | str], ...]]:
    """Add the names of the classes to the addresses of the output."""
    labels = labels_of(str(options["labels"]))
    if not labels:
        return addresses
    name = graph.outputs[0].name
    rows = zip(addresses[name], labels, strict=True)
    return {**addresses, name: tuple({**row, "label": label} for row, label in rows)}


def _board(capabilities: Capabilities, options: Mapping[str, OptionValue]) -> Board:
    """Give the board of a profile, or the user's own in its place."""
    if not options["board"]:
        return boards()[capabilities.name]
    from neurodeploy.targets.edge.own_board import board_from_text

    return board_from_text(str(options["board"]))


def _alike(board: Board) -> str:
    """Give the board of ours with the same machine: its compiler and flags build the program.

    So nothing that builds and runs a program ever comes out of a folder.
    """
    alike = (b.name for b in boards().values() if b.machine and b.machine == board.machine)
    return next(alike, board.name)


def _sparse_pays(weights: int, present: int, sources: int) -> bool:
    """Say whether synapses take fewer bytes: a weight and a target each, and a row per source."""
    return present * SYNAPSE_BYTES + sources * ROW_BYTES < weights


def _too_large(resources: list[Resource], unit: EdgeUnit, graph: Graph) -> list[Finding]:
    """Name what exceeds the board, and the layers that need most of it."""
    found = []
    shares = {"constants in flash": unit.flash, "context in RAM": unit.plan.node_bytes()}
    for whole in (r for r in resources if not r.node):
        if whole.name not in shares or whole.limit is None or whole.used <= whole.limit:
            continue
        option = "flash" if "flash" in whole.name else "ram"
        spared = ", --option events=no" if option == "ram" and unit.plan.event_places else ""
        found.append(
            Finding(
                f"{whole.name}: {whole.used} bytes needed, {whole.limit} available",
                hint=f"fewer bits, pruning, a smaller network{spared}, or --option {option}=N",
                value=whole.used,
                limit=whole.limit,
            )
        )
        share = shares[whole.name]
        found += [
            Finding(f"{whole.name}: {share[n]} bytes", n, graph.node(n).source, value=share[n])
            for n in sorted(share, key=lambda n: -share[n])[:LISTED]
            if share[n]
        ]
    return found


TARGET = EdgeTarget()
