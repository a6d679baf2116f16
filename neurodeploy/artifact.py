"""A compiled network on disk: data only, checked when opened, rebuilt where it runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neurodeploy import __version__
from neurodeploy.data import Data, as_samples, timesteps_of
from neurodeploy.errors import ArtifactError, Finding, raise_findings
from neurodeploy.execute import Progress, execute
from neurodeploy.ir.file import load_graph
from neurodeploy.ir.graph import Graph
from neurodeploy.recording import Recording
from neurodeploy.runners import make_runner
from neurodeploy.targets.base import Capabilities, OptionValue, Run, Target
from neurodeploy.targets.registry import resolve_target

__all__ = ["FORMAT", "Artifact", "open_artifact", "write_manifest"]

FORMAT = "neurodeploy.artifact/1"
MANIFEST = "manifest.json"
GRAPH = "graph.nd"


@dataclass(frozen=True)
class Artifact:
    """A compiled network.

    Attributes:
        path: The folder.
        graph: The lowered graph: what the target computes.
        target: The target.
        capabilities: The profile that it was compiled for.
        latency_steps: Steps by which the target's outputs come later than the source graph's.
        options: The options that it was compiled with.
        manifest: The manifest as read.
    """

    path: Path
    graph: Graph
    target: Target
    capabilities: Capabilities
    latency_steps: int
    options: Mapping[str, OptionValue]
    manifest: Mapping[str, Any]
    _runs: dict[tuple[str | None, int], tuple[str, Run]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def runner(
        self,
        on: str | None = None,
        options: Mapping[str, OptionValue] | None = None,
        threads: int = 1,
    ) -> tuple[str, Run]:
        """Give a runner of the artifact and its name; built once per name."""
        key = (on, threads)
        if options or key not in self._runs:
            self._runs[key] = make_runner(
                self.graph,
                on,
                target=self.target,
                path=self.path,
                options=options,
                threads=threads,
            )
        return self._runs[key]

    def run(
        self,
        x: Data,
        y: object = None,
        *,
        timesteps: int | None = None,
        record: str | tuple[str, ...] | None = None,
        on: str | None = None,
        options: Mapping[str, OptionValue] | None = None,
        layout: str = "NT",
        seed: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> Recording:
        """Run samples on the artifact.

        Args:
            x: Samples (`neurodeploy.data`).
            y: Labels, (N,).
            timesteps: T; by default that of the data, else the one stored at conversion.
            record: None, ``all``, ``states``, or names of nodes.
            on: Runner; by default the engine.
            options: Options of the runner.
            layout: ``NT`` or ``TN``.
            seed: Seed of the random bits.
            threads: Threads of the engine.
            progress: Called with (samples done, samples in all).
        """
        samples = as_samples(self.graph, x, y, layout=layout)
        steps = timesteps_of(self.graph, samples, timesteps)
        name, run = self.runner(on, options, threads)
        return execute(
            self.graph,
            run,
            samples,
            steps,
            record=record,
            seed=seed,
            runner=name,
            progress=progress,
        )

    def to_json(self) -> dict[str, object]:
        """Give the manifest with the keys of the JSON contract of ``compile``."""
        return {
            "target": self.capabilities.name,
            "fits": True,
            "resources": self.manifest["resources"],
            "files": self.manifest["files"],
            "latency_steps": self.latency_steps,
            "graph": self.graph.digest,
        }


def write_manifest(
    folder: Path,
    capabilities: Capabilities,
    options: Mapping[str, OptionValue],
    latency_steps: int,
    resources: list[dict[str, object]],
    source_graph: str,
) -> None:
    """List every file of ``folder`` with its digest; written last."""
    files = [
        {"path": str(file.relative_to(folder)), "sha256": _sha256(file)}
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    ]
    manifest = {
        "format": FORMAT,
        "version": __version__,
        "target": capabilities.name,
        "options": dict(options),
        "latency_steps": latency_steps,
        "resources": resources,
        "source_graph": source_graph,
        "files": files,
    }
    manifest["digest"] = _digest(manifest)
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8", newline="\n")


def _digest(manifest: Mapping[str, Any]) -> str:
    """Give the digest of everything in the manifest but the digest itself."""
    rest = {key: value for key, value in manifest.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def open_artifact(path: str | os.PathLike[str]) -> Artifact:
    """Open a compiled folder after checking every file against the manifest.

    Raises:
        ArtifactError: the folder is missing, damaged, foreign, or from a newer version; all
            findings at once.
        UsageError: its target is not installed.
    """
    folder = Path(path)
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(f"{str(path)!r} holds no {MANIFEST}", hint="neurodeploy compile -o DIR")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise ArtifactError(f"{MANIFEST} is damaged: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ArtifactError(f"{MANIFEST} is not of format {FORMAT}")
    if manifest.get("digest") != _digest(manifest):
        raise ArtifactError(f"{MANIFEST} is not the one that was written", hint="compile again")
    raise_findings(ArtifactError, _file_findings(folder, manifest))
    for key, kind in (("target", str), ("options", dict), ("latency_steps", int)):
        if not isinstance(manifest.get(key), kind):
            raise ArtifactError(f"{MANIFEST} has no usable {key!r}")
    if not isinstance(manifest.get("resources"), list):
        raise ArtifactError(f"{MANIFEST} has no usable 'resources'")
    target, capabilities = resolve_target(manifest["target"])
    return Artifact(
        path=folder,
        graph=load_graph(folder / GRAPH),
        target=target,
        capabilities=capabilities,
        latency_steps=manifest["latency_steps"],
        options=manifest["options"],
        manifest=manifest,
    )


def _file_findings(folder: Path, manifest: Mapping[str, Any]) -> list[Finding]:
    listed = manifest.get("files")
    if not isinstance(listed, list):
        return [Finding("the manifest lists no files", node=MANIFEST)]
    found: list[Finding] = []
    names: set[str] = set()
    for entry in listed:
        name = entry.get("path") if isinstance(entry, dict) else None
        if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
            found.append(Finding(f"the manifest names {name!r}", node=MANIFEST))
            continue
        names.add(name)
        file = folder / name
        if not file.is_file() or file.is_symlink():
            found.append(Finding("the file is missing", node=name))
        elif _sha256(file) != entry.get("sha256"):
            found.append(Finding("the file is not the one that was compiled", node=name))
    if GRAPH not in names:
        found.append(Finding(f"the manifest lists no {GRAPH}", node=MANIFEST))
    return found
