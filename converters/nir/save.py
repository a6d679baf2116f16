"""Writes a graph as a ``.nir`` file: nearest nodes, exact record, and a report of the loss."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from neurodeploy.converters.nir.export import export_graph
from neurodeploy.converters.nir.record import record_metadata
from neurodeploy.converters.nir.write import nir_bytes
from neurodeploy.errors import Finding
from neurodeploy.ir.file import write_atomically
from neurodeploy.ir.graph import Graph

__all__ = ["NirLoss", "save_nir"]


@dataclass(frozen=True)
class NirLoss:
    """What the NIR nodes of a file leave out; our own reader gets it back from the record.

    Attributes:
        findings: One for each thing that NIR cannot say, with node and field.
    """

    findings: tuple[Finding, ...]

    def __bool__(self) -> bool:
        """Say whether anything is lost for other readers."""
        return bool(self.findings)

    def __str__(self) -> str:
        """Give one line for each loss."""
        if not self.findings:
            return "NIR says all of it"
        return "\n".join(["NIR cannot say:", *(f"  {f}" for f in self.findings)])

    def to_json(self) -> list[dict[str, object]]:
        """Give the findings with the keys of the JSON contract."""
        return [f.to_json() for f in self.findings]


def save_nir(graph: Graph, path: str | os.PathLike[str]) -> NirLoss:
    """Write a graph to a ``.nir`` file, whole or not at all; the same graph gives the same bytes.

    Args:
        graph: The graph.
        path: The file.

    Raises:
        ConversionError: every node for which NIR has none; nothing is written.
        UsageError: the file cannot be written.
        MissingDependencyError: h5py is not installed.
    """
    exported = export_graph(graph)
    tree = replace(exported.tree, metadata=record_metadata(graph, exported.tree))
    write_atomically(path, nir_bytes(tree))
    return NirLoss(exported.lost)
