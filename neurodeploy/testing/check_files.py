"""What a target writes: addresses, resources, the same bytes each time, nothing private."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from neurodeploy.artifact import open_artifact
from neurodeploy.compiling import compile_graph
from neurodeploy.errors import NeurodeployError
from neurodeploy.ir.file import load_graph, save_graph
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.testing.check_results import compare_traces
from neurodeploy.testing.subject import Subject

__all__ = [
    "addresses_are_complete",
    "artifact_survives_and_refuses_damage",
    "bytes_are_deterministic",
    "files_name_no_place_or_date",
    "resources_are_within_limits",
]

FEW = 4
AGAIN = """
import sys
from neurodeploy.testing.check_files import compile_again
compile_again(*sys.argv[1:])
"""


def addresses_are_complete(subject: Subject) -> str | None:
    """Each index of each input and output has one address of its own, also in io.json."""
    for case, lowered, placement in subject.accepted:
        ends = (*lowered.graph.inputs, *lowered.graph.outputs)
        assert set(placement.addresses) == {n.name for n in ends}, (
            f"addresses of {sorted(placement.addresses)}, but the graph ends in "
            f"{sorted(n.name for n in ends)}"
        )
        for node in ends:
            rows = placement.addresses[node.name]
            size = lowered.graph.signals[(node.name, "out")].size
            indices = [row.get("index") for row in rows]
            assert sorted(indices, key=str) == sorted(range(size), key=str), (
                f"{node.name!r} has {size} elements, the addresses name {indices[:8]}..."
            )
            places = {tuple(sorted((k, v) for k, v in row.items() if k != "index")) for row in rows}
            assert len(places) == size, f"two elements of {node.name!r} share an address"
        assert set(case.inputs) == {n.name for n in lowered.graph.inputs}
    for folder, _ in _compiled(subject, FEW):
        written = json.loads((folder / "io.json").read_text(encoding="utf-8"))
        graph = open_artifact(folder).graph
        sizes = {n.name: graph.signals[(n.name, "out")].size for n in graph.inputs + graph.outputs}
        assert {k: len(v) for k, v in written.items()} == sizes, "io.json is incomplete"
    return None


def resources_are_within_limits(subject: Subject) -> str | None:
    """What is used is reported, named, and within its limit."""
    for _, lowered, placement in subject.accepted:
        for r in placement.resources:
            assert r.name, "a resource without a name"
            assert r.unit, f"resource {r.name!r} has no unit"
            assert r.source, f"resource {r.name!r} names no source of its limit"
            known = not r.node or r.node in lowered.graph
            assert known, f"resource {r.name!r} is of {r.node!r}, which is no node"
            assert r.used >= 0, f"resource {r.name!r}: {r.used} used"
            fits = r.limit is None or r.used <= r.limit
            assert fits, f"resource {r.name!r} of {r.node!r}: {r.used} used of {r.limit}"
        told = {r.name.replace(" ", "_") for r in placement.resources}
        silent = {n.name for n in subject.can.limits if n.name not in told and n.per == "graph"}
        assert not silent, f"the use of {sorted(silent)}, which are limited, is not reported"
    return None


def bytes_are_deterministic(subject: Subject) -> str | None:
    """The same graph gives the same files: twice, elsewhere, in another process and hash seed."""
    folders = _compiled(subject, FEW)
    for number, (folder, graph) in enumerate(folders):
        first = _tree(folder)
        other = subject.folder("again") / "another-name"
        compile_graph(load_graph(graph), subject.name, other, subject.options)
        _same_tree(first, _tree(other), "compiled twice")
        if number < 2:
            for seed in ("1", "2"):
                again = subject.folder("process") / "out"
                _in_another_process(subject, graph, again, seed)
                _same_tree(first, _tree(again), f"compiled under PYTHONHASHSEED={seed}")
    return None


def files_name_no_place_or_date(subject: Subject) -> str | None:
    """No file names a folder of this machine, the machine, or today."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    private = {
        "the folder it was written to": str(subject.work),
        "the current folder": os.getcwd(),
        "the home folder": str(Path.home()),
        "the name of the machine": platform.node(),
        "today's date": today.isoformat(),
        "today's date, written together": today.strftime("%Y%m%d"),
    }
    for folder, _ in _compiled(subject, FEW):
        for name, data in _tree(folder).items():
            for what, text in private.items():
                hidden = len(text) < 5 or text.encode() not in data
                assert hidden, f"{name} names {what}, {text!r}"
    return None


def artifact_survives_and_refuses_damage(subject: Subject) -> str | None:
    """Opened again it gives the same; with a changed or missing file it is refused."""
    for (folder, _), (case, lowered, _) in zip(
        _compiled(subject, 2), subject.accepted, strict=False
    ):
        artifact = open_artifact(folder)
        assert artifact.graph == lowered.graph, "the artifact holds another graph"
        keys = all_outputs(lowered.graph)
        expected = simulate(lowered.graph, case.inputs, case.timesteps, record=keys)
        _, run = artifact.runner("reference")
        found = run(case.inputs, case.timesteps, record=keys)
        compare_traces(expected, found, "the artifact opened again")
        for name, data in _tree(folder).items():
            at = len(data) // 2
            flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if data else b"x"
            for what, bad in (("one changed bit", flipped), ("no content", b"" if data else b"x")):
                (folder / name).write_bytes(bad)
                _refused(folder, f"{name} with {what}")
            (folder / name).unlink()
            _refused(folder, f"a missing {name}")
            (folder / name).write_bytes(data)
        open_artifact(folder)
    return None


def compile_again(graph: str, name: str, out: str, *options: str) -> None:
    """Compile a stored graph in a process of its own."""
    given = dict(o.split("=", 1) for o in options)
    compile_graph(load_graph(graph), name, out, given)


def _compiled(subject: Subject, count: int) -> list[tuple[Path, Path]]:
    """Compile the first accepted graphs; give each folder and the file of its source graph."""
    found = []
    for case, _, _ in subject.accepted[:count]:
        place = subject.folder("compiled")
        save_graph(case.graph, place / "source.nd")
        compile_graph(case.graph, subject.name, place / "out", subject.options)
        found.append((place / "out", place / "source.nd"))
    return found


def _in_another_process(subject: Subject, graph: Path, out: Path, seed: str) -> None:
    options = [f"{k}={v}" for k, v in subject.options.items()]
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, str(graph), subject.name, str(out), *options],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"compiling in another process failed: {done.stderr[-2000:]}"


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _same_tree(a: dict[str, bytes], b: dict[str, bytes], how: str) -> None:
    assert set(a) == set(b), f"{how}: files {sorted(set(a) ^ set(b))} are not in both"
    different = [name for name in a if a[name] != b[name]]
    assert not different, f"{how}: other bytes in {different}"


def _refused(folder: Path, what: str) -> None:
    try:
        open_artifact(folder)
    except NeurodeployError:
        return
    raise AssertionError(f"an artifact with {what} is opened")
