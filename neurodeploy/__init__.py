"""neurodeploy: a trained network becomes a spiking program that is checked and billed.

The chain, each arrow a pure function::

    load -> convert -> compile -> run / profile / compare

Nothing changes silently: each step proves that the network still computes the same, or says what
changed, by how much and why (``graph.changes``), or refuses with all reasons.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from neurodeploy.api import compare, compile, convert, load, open, profile, run, save
    from neurodeploy.artifact import Artifact
    from neurodeploy.deployment import deploy
    from neurodeploy.differences import Comparison
    from neurodeploy.errors import Finding, NeurodeployError
    from neurodeploy.ir.builder import GraphBuilder
    from neurodeploy.ir.graph import Change, Graph
    from neurodeploy.long_recording import record
    from neurodeploy.long_recording_file import LongRecording
    from neurodeploy.quantizing import quantization_report, quantize
    from neurodeploy.recording import Recording
    from neurodeploy.semantics.language import fire, where
    from neurodeploy.semantics.trace import State, cell
    from neurodeploy.session import Session, open_session
    from neurodeploy.training import to_torch

# name: module that holds it; loaded when first asked for, so that the import stays light
_WHERE = {
    "Artifact": "neurodeploy.artifact",
    "Change": "neurodeploy.ir.graph",
    "Comparison": "neurodeploy.differences",
    "Finding": "neurodeploy.errors",
    "Graph": "neurodeploy.ir.graph",
    "GraphBuilder": "neurodeploy.ir.builder",
    "LongRecording": "neurodeploy.long_recording_file",
    "NeurodeployError": "neurodeploy.errors",
    "Recording": "neurodeploy.recording",
    "Session": "neurodeploy.session",
    "State": "neurodeploy.semantics.trace",
    "cell": "neurodeploy.semantics.trace",
    "compare": "neurodeploy.api",
    "compile": "neurodeploy.api",
    "convert": "neurodeploy.api",
    "deploy": "neurodeploy.deployment",
    "fire": "neurodeploy.semantics.language",
    "load": "neurodeploy.api",
    "open": "neurodeploy.api",
    "open_session": "neurodeploy.session",
    "profile": "neurodeploy.api",
    "quantization_report": "neurodeploy.quantizing",
    "quantize": "neurodeploy.quantizing",
    "record": "neurodeploy.long_recording",
    "run": "neurodeploy.api",
    "save": "neurodeploy.api",
    "to_torch": "neurodeploy.training",
    "where": "neurodeploy.semantics.language",
}

__all__ = [
    "Artifact",
    "Change",
    "Comparison",
    "Finding",
    "Graph",
    "GraphBuilder",
    "LongRecording",
    "NeurodeployError",
    "Recording",
    "Session",
    "State",
    "__version__",
    "cell",
    "compare",
    "compile",
    "convert",
    "deploy",
    "fire",
    "load",
    "open",
    "open_session",
    "profile",
    "quantization_report",
    "quantize",
    "record",
    "run",
    "save",
    "to_torch",
    "where",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        message = f"module 'neurodeploy' has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(importlib.import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
