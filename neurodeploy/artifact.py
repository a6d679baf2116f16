"""A compiled network on disk: data only, checked when opened, rebuilt where it runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurodeploy import __version__
from neurodeploy.data import Data, as_samples, timesteps_of
from neurodeploy.errors import (
    ArtifactError,
    FileFormatError,
    Finding,
    UsageError,
    raise_findings,
)
from neurodeploy.execute import Progress, execute
from neurodeploy.ir.file import load_graph
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.strict_json import parse, shown
from neurodeploy.pacing import PacedRun
from neurodeploy.recording import Recording
from neurodeploy.runners import make_runner
from neurodeploy.targets.base import Capabilities, OptionValue, Run, Target
from neurodeploy.targets.options import parse_options
from neurodeploy.targets.registry import resolve_target

if TYPE_CHECKING:
    from neurodeploy.session import Session

__all__ = ["FORMAT", "Artifact", "listed_files", "open_artifact", "write_manifest"]

FORMAT = "neurodeploy.artifact/1"
MANIFEST = "manifest.json"
GRAPH = "graph.nd"
MAX_MANIFEST = 64 << 20  # bytes

_RunnerKey = tuple[str | None, int, tuple[tuple[str, OptionValue], ...]]


@dataclass(frozen=True)
class Artifact:
    """A compiled network.

    Attributes:
        path: The folder.
        graph: The lowered graph: what the target computes.
        target: The target.
        capabilities: The profile that it was compiled for, with the limits that options set.
        latency_steps: Steps by which the target's outputs come later than the source graph's.
        pace: Steps of the target to one of the source graph.
        options: The options that it was compiled with, defaults included.
        manifest: The manifest as read.
    """

    path: Path
    graph: Graph
    target: Target
    capabilities: Capabilities
    latency_steps: int
    pace: int
    options: Mapping[str, OptionValue]
    manifest: Mapping[str, Any]
    _runs: dict[_RunnerKey, tuple[str, Run]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def __reduce__(self) -> tuple[Callable[[str], Artifact], tuple[str]]:
        """Pickle and copy as the folder, which is checked and opened anew."""
        return open_artifact, (os.path.abspath(self.path),)

    def runner(
        self,
        on: str | None = None,
        options: Mapping[str, OptionValue] | None = None,
        threads: int = 1,
    ) -> tuple[str, Run]:
        """Give a runner of the artifact and its name; built once for the same arguments."""
        key = (on, threads, tuple(sorted((options or {}).items())))
        if key not in self._runs:
            self._runs[key] = make_runner(
                self.graph,
                on,
                target=self.target,
                path=self.path,
                options=options,
                threads=threads,
            )
        return self._runs[key]

    def network_runner(
        self,
        on: str | None = None,
        options: Mapping[str, OptionValue] | None = None,
        threads: int = 1,
    ) -> tuple[str, Run]:
        """Give a runner whose steps are those of the network, without latency; and its name."""
        name, run = self.runner(on, options, threads)
        if not self.latency_steps and self.pace == 1:
            return name, run
        return name, PacedRun(self.graph, run, self.latency_steps, self.pace)

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
        samples = as_samples(self.graph, x, y, layout=layout, timesteps=timesteps)
        steps = timesteps_of(self.graph, samples, timesteps)
        name, run = self.network_runner(on, options, threads)
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

    def open_session(
        self, *, record: str | tuple[str, ...] | None = None, on: str | None = None, seed: int = 0
    ) -> Session:
        """Open a session that is fed step by step; see `neurodeploy.session.open_session`."""
        from neurodeploy.session import open_session

        if self.pace > 1:
            raise UsageError(
                f"{self.pace} steps of {self.capabilities.name!r} make one of the network",
                hint="run whole samples, or open a session on the quantised graph",
            )
        return open_session(self.graph, record=record, on=on, seed=seed)

    def to_json(self) -> dict[str, object]:
        """Give the manifest with the keys of the JSON contract of ``compile``."""
        return {
            "target": self.capabilities.name,
            "fits": True,
            "resources": self.manifest["resources"],
            "files": self.manifest["files"],
            "latency_steps": self.latency_steps,
            "pace": self.pace,
            "graph": self.graph.digest,
        }


def write_manifest(
    folder: Path,
    capabilities: Capabilities,
    options: Mapping[str, OptionValue],
    latency_steps: int,
    pace: int,
    resources: list[dict[str, object]],
    source_graph: str,
) -> None:
    """List every file of ``folder`` with its digest; written last."""
    names = sorted(f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file())
    files = [{"path": name, "sha256": _sha256(folder / name)} for name in names]
    manifest = {
        "format": FORMAT,
        "version": __version__,
        "target": capabilities.name,
        "options": dict(options),
        "latency_steps": latency_steps,
        "pace": pace,
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


def _sha256(file: str | Path) -> str:
    with open(file, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def open_artifact(path: str | os.PathLike[str]) -> Artifact:
    """Open a compiled folder after checking every file against the manifest.

    Raises:
        ArtifactError: the folder is missing, damaged, foreign, or from a newer version; all
            findings at once.
        UsageError: its target is not installed.
    """
    folder = Path(path)
    manifest = _read_manifest(folder)
    raise_findings(
        ArtifactError, [*_field_findings(manifest), *_file_findings(folder, manifest.get("files"))]
    )
    target, profile = resolve_target(manifest["target"])
    try:
        capabilities, options = parse_options(profile, manifest["options"])
    except UsageError as error:
        raise ArtifactError(error.findings) from error
    return Artifact(
        path=folder,
        graph=load_graph(folder / GRAPH),
        target=target,
        capabilities=capabilities,
        latency_steps=manifest["latency_steps"],
        pace=manifest["pace"],
        options=options,
        manifest=manifest,
    )


def listed_files(folder: Path) -> frozenset[str] | None:
    """Give the files that a compile wrote into ``folder``; None where it holds no artifact."""
    try:
        files = _parsed(folder).get("files")
    except ArtifactError:
        return None
    entries = [e for e in files if isinstance(e, dict)] if isinstance(files, list) else []
    return frozenset({MANIFEST, *(str(e.get("path")) for e in entries)})


def _parsed(folder: Path) -> dict[str, Any]:
    """Read a manifest of any version."""
    file = folder / MANIFEST
    try:
        if file.is_symlink() or not file.is_file():
            raise ArtifactError(
                f"{str(folder)!r} holds no {MANIFEST}", hint="neurodeploy compile -o DIR"
            )
        size = file.stat().st_size
        if size > MAX_MANIFEST:
            raise ArtifactError(
                Finding(f"{size} bytes", node=MANIFEST, value=size, limit=MAX_MANIFEST)
            )
        manifest = parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, FileFormatError) as error:
        raise ArtifactError(Finding(f"it cannot be read: {error}", node=MANIFEST)) from error
    kind = manifest.get("format") if isinstance(manifest, dict) else None
    if not isinstance(manifest, dict) or str(kind).partition("/")[0] != FORMAT.partition("/")[0]:
        raise ArtifactError(Finding(f"it is not of format {FORMAT}", node=MANIFEST))
    return manifest


def _read_manifest(folder: Path) -> dict[str, Any]:
    manifest = _parsed(folder)
    if manifest["format"] != FORMAT:
        raise ArtifactError(
            Finding(
                f"the artifact is of format {shown(manifest['format'])}, "
                f"this version of neurodeploy reads {FORMAT}",
                node=MANIFEST,
                hint="pip install --upgrade neurodeploy, or compile again",
            )
        )
    if manifest.get("digest") != _digest(manifest):
        raise ArtifactError(
            Finding("it is not the one that was written", node=MANIFEST, hint="compile again")
        )
    return manifest


def _field_findings(manifest: Mapping[str, Any]) -> Iterator[Finding]:
    """Check what the digest does not: it agrees with whatever somebody wrote."""
    options, latency = manifest.get("options"), manifest.get("latency_steps")
    resources, pace = manifest.get("resources"), manifest.get("pace")
    sound = {
        "target": isinstance(manifest.get("target"), str),
        "options": isinstance(options, dict)
        and all(isinstance(v, str | int | float) for v in options.values()),
        "latency_steps": type(latency) is int and latency >= 0,
        "pace": type(pace) is int and pace >= 1,
        "resources": isinstance(resources, list) and all(isinstance(r, dict) for r in resources),
    }
    for key, usable in sound.items():
        if not usable:
            yield Finding(f"it has no usable {key!r}", node=MANIFEST)


def _file_findings(folder: Path, listed: object) -> Iterator[Finding]:
    if not isinstance(listed, list):
        yield Finding("the manifest lists no files", node=MANIFEST)
        return
    root = os.path.realpath(folder)
    names: set[str] = set()
    for entry in listed:
        name = entry.get("path") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not _inside(name):
            yield Finding(f"the manifest names {shown(name)}", node=MANIFEST)
            continue
        names.add(name)
        file = os.path.join(root, *name.split("/"))
        if not os.path.isfile(file):
            yield Finding("the file is missing", node=name)
        elif os.path.realpath(file) != file:
            yield Finding("a link stands in the place of the file", node=name)
        elif (problem := _content_problem(file, entry.get("sha256"))) is not None:
            yield Finding(problem, node=name)
    if GRAPH not in names:
        yield Finding(f"the manifest lists no {GRAPH}", node=MANIFEST)


def _inside(name: str) -> bool:
    """Say whether a name is a plain path below the folder."""
    return not {"", ".", ".."} & set(name.split("/")) and "\\" not in name and "\0" not in name


def _content_problem(file: str, digest: object) -> str | None:
    try:
        same = _sha256(file) == digest
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"
    return None if same else "the file is not the one that was compiled"
