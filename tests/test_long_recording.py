"""Recordings on disk hold what a run in memory gives, step for step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy.cli import main
from neurodeploy.engine import Engine
from neurodeploy.errors import DataError, UsageError
from neurodeploy.ir import BOOL
from neurodeploy.reference import all_outputs, simulate
from neurodeploy.testing.random_graphs import random_graph
from oracles import Ledger
from tiers import sample_count

h5py = pytest.importorskip("h5py", reason="long recordings are HDF5 files")


def network() -> nd.Graph:
    rng = np.random.default_rng(0)
    b = nd.GraphBuilder("1ms")
    x = b.input("x", (30,), type=BOOL)
    a = b.cell("a/b %2F", "lif", b.dense("d", x, rng.normal(0.05, 0.3, (20, 30))))
    return b.output("y", b.cell("z", "lif", b.dense("e", a, rng.normal(0.1, 0.4, (8, 20))))).build()


def spikes(samples: int, steps: int) -> np.ndarray:
    return np.random.default_rng(1).random((samples, steps, 30)) < 0.2


@pytest.mark.parametrize("steps", [1, 7, 1000])
def test_random_networks(steps: int, tmp_path: Path, oracle: Ledger) -> None:
    for seed in range(500, 500 + sample_count(30, 3)):
        case = random_graph(np.random.default_rng(seed))
        want = simulate(case.graph, case.inputs, case.timesteps, record=all_outputs(case.graph))
        path = tmp_path / f"{seed}.h5"
        with nd.record(
            case.graph,
            case.inputs,
            path,
            timesteps=case.timesteps,
            record="states",
            steps=steps,
        ) as made:
            nodes = {n.name for n in (*case.graph.cells, *case.graph.outputs)}
            assert {*made.spiking, *made.whole} == {k for k in want if k[0] in nodes}
            for key in made.spiking:
                for sample in range(made.samples):
                    found = made.spikes(*key, sample=sample).raster()[0]
                    assert found.tobytes() == want[key][sample].astype(bool).tobytes()
                    assert made.count(*key, sample=sample) == want[key][sample].sum()
            for key in made.whole:
                for sample in range(made.samples):
                    assert made.signal(*key, sample=sample).tobytes() == want[key][sample].tobytes()
        oracle("cc").record(spiking=any(v.any() for v in want.values()))


def test_parts_of_a_recording(tmp_path: Path) -> None:
    graph, x = network(), spikes(2, 50)
    made = nd.record(graph, x, tmp_path / "a.h5", record="states", steps=8)
    whole = nd.run(graph, x, record="all", on="engine")
    states = nd.run(graph, x, record="states", on="engine").states
    assert made.spiking == (("a/b %2F", "out"), ("y", "out"), ("z", "out"))
    assert (made.samples, made.timesteps, made.seed) == (2, 50, 0)
    assert made.graph == graph.digest
    for begin, end in ((0, 50), (0, 0), (3, 21), (8, 16), (49, 50), (50, None)):
        part = made.spikes("a/b %2F", sample=1, begin=begin, end=end)
        assert (part.raster()[0] == whole.spikes["a/b %2F"][1, begin:end]).all()
        values = made.signal("z", "v", sample=1, begin=begin, end=end)
        assert (values == states["z"]["v"][1, begin:end]).all()
    assert whole.spikes["a/b %2F"].any()
    made.close()


def test_names_that_hdf5_keeps_for_itself(tmp_path: Path) -> None:
    b = nd.GraphBuilder()
    x = b.input("x", (3,))
    for name in (".", "..", "/", "%2E", "a/./b"):
        x = b.cell(name, "lif", x if name == "." else b.cell(f"to {name}", "spike_scale", x))
    graph = b.output("y", x).build()
    given = np.random.default_rng(0).random((1, 9, 3)).astype(np.float32) * 2
    whole = nd.run(graph, given, record="all")
    with nd.record(graph, given, tmp_path / "a.h5") as made:
        assert {node for node, _ in made.spiking} >= {".", "..", "/", "%2E", "a/./b", "y"}
        for node in (".", "..", "/", "%2E", "a/./b"):
            assert (made.spikes(node).raster() == whole.spikes[node]).all()
            assert whole.spikes[node].any()


def test_memory_holds_some_steps_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    allocate = Engine._allocate

    def noted(self: Engine, record: object, samples: int, timesteps: int, workers: int) -> object:
        seen.append(timesteps)
        return allocate(self, record, samples, timesteps, workers)  # type: ignore[arg-type]

    monkeypatch.setattr(Engine, "_allocate", noted)
    told: list[tuple[int, int]] = []
    nd.record(
        network(),
        spikes(1, 50),
        tmp_path / "a.h5",
        steps=20,
        progress=lambda done, of: told.append((done, of)),
    ).close()
    assert seen == [20, 20, 10]
    assert told == [(20, 50), (40, 50), (50, 50)]


def test_refused(tmp_path: Path) -> None:
    graph, path = network(), tmp_path / "a.h5"
    with pytest.raises(UsageError, match="no such node to record"):
        nd.record(graph, spikes(1, 5), path, record="nobody")
    with pytest.raises(UsageError, match="chunks of 0 steps"):
        nd.record(graph, spikes(1, 5), path, steps=0)
    with pytest.raises(UsageError, match="cannot be written"):
        nd.record(graph, spikes(1, 5), tmp_path / "no" / "a.h5")
    with pytest.raises(DataError, match="samples of several lengths"):
        nd.record(graph, {"x": spikes(2, 5), "lengths": [3, 5]}, path)
    assert list(tmp_path.iterdir()) == []
    with nd.record(graph, spikes(1, 5), path, record=None) as made:
        for call in (
            lambda: made.spikes("z"),
            lambda: made.spikes("y", sample=1),
            lambda: made.signal("y"),
        ):
            with pytest.raises(UsageError, match=r"samples 0 to 0; recorded: y\.out"):
                call()
        with pytest.raises(UsageError, match="steps from 3 to 2"):
            made.spikes("y", begin=3, end=2)


def _changed(name: str, file: Any) -> None:
    """Do one kind of harm to a recording."""
    group = file["samples/0/spikes/y/out"]
    if name == "no format":
        del file.attrs["format"]
    elif name == "seed":
        file.attrs["seed"] = "x"
    elif name == "timesteps":
        file.attrs["timesteps"] = 2**40
    elif name == "no samples":
        del file["samples/0"]
    elif name == "linked":
        del file["samples/0"]
        file["samples/0"] = h5py.ExternalLink("/etc/hostname", "/")
    elif name == "soft":
        del group["ends"]
        group["ends"] = h5py.SoftLink("/samples/0/spikes/y/out/neurons")
    elif name == "ends":
        group["ends"][2] = 10**9
    elif name == "falling":
        group["ends"][:] = group["ends"][:][::-1]
    elif name == "neuron":
        group["neurons"][0] = 8
    elif name == "shape":
        del group.attrs["shape"]
    elif name == "floats":
        del group["neurons"]
        group["neurons"] = np.zeros(5)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("no format", "no long recording"),
        ("seed", "its seed is 'x'"),
        ("timesteps", "1099511627776 rows are due"),
        ("no samples", "no sample"),
        ("linked", "link to another place"),
        ("soft", "link to another place"),
        ("ends", "do not rise"),
        ("falling", "do not rise"),
        ("neuron", r"outside of \[8\]"),
        ("shape", "cannot be read"),
        ("floats", "is float64 of shape"),
    ],
)
def test_a_damaged_file(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    nd.record(network(), spikes(1, 30), path, record=None).close()
    with h5py.File(path, "r+") as file:
        _changed(name, file)
    with pytest.raises(DataError, match=text):
        nd.LongRecording(path).spikes("y")


def test_cut_files(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    nd.record(network(), spikes(1, 30), path).close()
    content = path.read_bytes()
    for share in (0.0, 0.1, 0.5, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(DataError, match="cannot be read"):
            nd.LongRecording(path)


def test_a_run_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.h5"
    nd.record(network(), spikes(1, 5), path).close()
    before = path.read_bytes()

    def broken(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("neurodeploy.long_recording._append", broken)
    with pytest.raises(UsageError, match="no space left"):
        nd.record(network(), spikes(1, 9), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def code(command: list[str]) -> object:
    with pytest.raises(SystemExit) as stop:
        main(command)
    return stop.value.code


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nd.save(network(), tmp_path / "net.nd")
    np.savez(tmp_path / "x.npz", x=spikes(2, 40))
    command = ["run", str(tmp_path / "net.nd"), "--input", str(tmp_path / "x.npz")]
    command += ["-o", str(tmp_path / "rec.h5")]
    assert code([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    whole = nd.run(network(), spikes(2, 40), record="all", on="engine")
    assert told["spikes"]["z"] == int(whole.counts["z"].sum()) > 0
    assert (told["samples"], told["timesteps"]) == (2, 40)
    with nd.LongRecording(tmp_path / "rec.h5") as made:
        assert (made.spikes("z", sample=1).raster()[0] == whole.spikes["z"][1]).all()
    assert code([*command, "--on", "reference"]) == 2
    assert "the engine writes an .h5 file" in capsys.readouterr().err
