"""Running what was opened: by every runner, in any batch, from any thread, without a compiler."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy import runners
from neurodeploy.artifact import Artifact
from neurodeploy.compiling import compile_graph
from neurodeploy.errors import ArtifactError, DataError, MissingDependencyError, UsageError
from neurodeploy.recording import Recording
from neurodeploy.reference import all_outputs, simulate
from recurrent_chain import N, T, network, same, samples
from toy_target import ToyTarget, offer


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return compile_graph(network(), "cpu", tmp_path / "art")


@pytest.mark.parametrize("record", [None, "all", "states", "fc1", ("hidden", "out")])
@pytest.mark.parametrize("threads", [1, 2])
def test_engine_reference_and_plain_graph_agree(
    artifact: Artifact, record: Any, threads: int
) -> None:
    x, y = samples(), np.arange(N) % 3
    plain = nd.run(network(), x, y, record=record)
    assert plain.counts["hidden"].min() > 0
    for on in ("engine", "reference", None):
        got = artifact.run(x, y, record=record, on=on, threads=threads)
        same(got, plain)
        assert got.runner == (on or "engine")
        assert got.accuracy == plain.accuracy
        assert got.graph == artifact.graph.digest


def test_what_is_recorded(artifact: Artifact) -> None:
    x = samples()
    graph = artifact.graph
    trace = simulate(graph, {"x": x}, T, record=all_outputs(graph))
    rec = artifact.run(x, record="states")
    assert set(rec.states) == {"both", "hidden", "last"}
    for node, states in rec.states.items():
        assert set(states) == set(graph.node(node).outputs)
        assert all(np.array_equal(v, trace[(node, name)]) for name, v in states.items())
    assert np.array_equal(rec.outputs, trace[("out", "out")])
    assert set(rec.spikes) == {"hidden", "last"}
    for node in rec.spikes:
        assert np.array_equal(rec.spikes[node], trace[(node, "out")])
        assert np.array_equal(rec.counts[node], trace[(node, "out")].sum(axis=(1, 2)))
    assert set(artifact.run(x, record="all").states) == set()
    assert set(artifact.run(x, record=("fc1", "both")).states) == {"fc1", "both"}
    with pytest.raises(UsageError, match=r"nope(.|\n)*nada"):
        artifact.run(x, record=("nope", "nada"))


def test_time_first_data(artifact: Artifact) -> None:
    x = samples()
    same(artifact.run(np.moveaxis(x, 0, 1), layout="TN"), artifact.run(x))
    with pytest.raises(DataError, match="time-first"):
        artifact.run(np.moveaxis(x, 0, 1), np.zeros(N, int))


@pytest.mark.parametrize("on", ["engine", "reference"])
def test_samples_of_different_length(artifact: Artifact, on: str) -> None:
    x = samples()
    lengths = [3, 6, 1]
    batches = [(x[i : i + 1, :n], np.array([i])) for i, n in enumerate(lengths)]
    rec = artifact.run(batches, record="states", on=on)
    assert rec.steps.tolist() == lengths
    for i, n in enumerate(lengths):
        alone = artifact.run(x[i : i + 1, :n], record="states", on=on)
        assert np.array_equal(rec.decoded[i], alone.decoded[0])
        assert np.array_equal(rec.outputs[i, :n], alone.outputs[0])
        assert not rec.outputs[i, n:].any()
        assert rec.counts["hidden"][i] == alone.counts["hidden"][0]
        for node, states in alone.states.items():
            for name, values in states.items():
                assert np.array_equal(rec.states[node][name][i, :n], values[0])


def test_batches_do_not_matter(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    x = samples()
    whole = artifact.run(x, record="all")
    done: list[tuple[int, int]] = []
    monkeypatch.setattr("neurodeploy.execute.BATCH_BYTES", 1)
    one_by_one = artifact.run(x, record="all", progress=lambda *p: done.append(p))
    same(one_by_one, whole)
    assert done == [(i + 1, N) for i in range(N)]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"timesteps": 0}, "timesteps is 0"),
        ({"timesteps": -3}, "timesteps is -3"),
        ({"timesteps": True}, "timesteps is True"),
        ({"timesteps": T + 1}, "exceeds the 6 steps"),
        ({"layout": "XY"}, "layout 'XY'"),
        ({"on": "lava"}, "no runner 'lava'"),
        ({"threads": 0}, "threads is 0"),
        ({"on": "reference", "threads": -1}, "threads is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"on": "reference", "seed": 2**64}, "seed"),
        ({"options": {"board": "x"}}, "takes no options: board"),
        ({"on": "engine", "options": {"board": "x"}}, "takes no options: board"),
        ({"y": np.zeros(3)}, "labels of shape"),
    ],
)
def test_bad_arguments(artifact: Artifact, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        artifact.run(samples(), **arguments)


def test_memory_that_cannot_be_had(artifact: Artifact) -> None:
    with pytest.raises(DataError, match=r"needs [0-9]+ bytes"):
        artifact.run(np.zeros((2, 2, 5), bool), timesteps=10**14)


def test_samples_without_a_step(artifact: Artifact) -> None:
    for x in (np.zeros((2, 0, 2, 5)), [np.zeros((1, 0, 2, 5)), np.zeros((1, 3, 2, 5))]):
        with pytest.raises(DataError, match="last no step"):
            artifact.run(x)


def test_two_threads_of_python_share_an_artifact(artifact: Artifact) -> None:
    inputs = [np.random.default_rng(i).random((40, 20, 2, 5)) < 0.4 for i in range(4)]
    expected = [artifact.run(x, record="states", on="reference") for x in inputs]
    fresh = nd.open(artifact.path)  # nothing built yet: both threads build
    found: dict[int, Recording] = {}
    gate = threading.Barrier(len(inputs))

    def work(i: int) -> None:
        gate.wait()
        for _ in range(5):
            found[i] = fresh.run(inputs[i], record="states", threads=1 + i % 2)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, recording in enumerate(expected):
        same(found[i], recording)


def test_pickles_and_copies_are_the_folder_opened_anew(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    artifact.run(samples())  # a runner with pointers of C is held
    monkeypatch.chdir(artifact.path.parent)
    data = pickle.dumps(nd.open("art"))
    monkeypatch.chdir(tmp_path.parent)
    for again in (pickle.loads(data), copy.deepcopy(artifact)):
        assert again.graph == artifact.graph
        same(again.run(samples()), artifact.run(samples()))
    (artifact.path / "graph.nd").unlink()
    with pytest.raises(ArtifactError):
        pickle.loads(data)


# -- runners --------------------------------------------------------------------------------------


def test_runners_of_a_target_get_their_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = ToyTarget()
    offer(monkeypatch, ("toy", toy))
    artifact = compile_graph(network(), "toy", tmp_path / "art")
    x = samples()
    rec = artifact.run(x, on="board", options={"host": "a"})
    assert rec.runner == "board"
    same(rec, artifact.run(x))
    artifact.run(x, on="board", options={"host": "a"})
    artifact.run(x, on="board")  # without: the earlier options do not stay
    assert toy.ran_with == [{"host": "a"}, {}]


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurodeploy.engine.engine.find_compiler", lambda: None)
    runners.tell_no_compiler.cache_clear()


def test_without_a_compiler_the_reference_runs_with_one_notice(
    artifact: Artifact, no_compiler: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "neurodeploy"):
        recordings = [artifact.run(samples()), nd.open(artifact.path).run(samples())]
        recordings.append(nd.run(network(), samples(), on=None))
    assert [r.runner for r in recordings] == ["reference"] * 3
    notices = [r.getMessage() for r in caplog.records]
    assert len(notices) == 1
    assert "pip install neurodeploy[toolchain]" in notices[0]


def test_an_engine_that_is_named_is_never_replaced(artifact: Artifact, no_compiler: None) -> None:
    with pytest.raises(MissingDependencyError, match="no C compiler") as caught:
        artifact.run(samples(), on="engine")
    assert caught.value.exit_code == 3


def test_the_cache_is_the_users(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURODEPLOY_CACHE", str(tmp_path / "cache"))
    before = {f: os.stat(f).st_mtime_ns for f in artifact.path.rglob("*")}
    artifact.run(samples(), on="engine")
    assert {f: os.stat(f).st_mtime_ns for f in artifact.path.rglob("*")} == before
    assert list((tmp_path / "cache").rglob("*.lib"))
