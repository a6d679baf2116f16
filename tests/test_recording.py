"""Decoding against plain Python, and the file of a recording."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurodeploy as nd
from neurodeploy.errors import DataError, UsageError
from neurodeploy.ir import BOOL, GraphBuilder, QType
from neurodeploy.npz import load_npz, save_npz
from neurodeploy.recording import Recording, decode

MODES = ("count", "mean", "membrane", "max", "first")
TYPES = (np.bool_, np.int64, np.float32, np.float64)


def plain(values: np.ndarray, how: str, end: int) -> Any:
    """Decode one element of one sample the way that the documentation tells it."""
    shown = list(values)[:end]
    zero = values.dtype.type(0) if values.dtype.kind == "f" else 0
    total = zero
    for value in shown:
        total = total + (value if values.dtype.kind == "f" else int(value))
    if how == "count":
        return total
    if how == "mean":
        return total / type(total)(end) if values.dtype.kind == "f" else int(total) / end
    if how == "membrane":
        return shown[-1]
    if how == "max":
        return max(shown)
    return next((t for t, value in enumerate(shown) if value != 0), len(values))


@given(
    seed=st.integers(0, 2**32 - 1),
    how=st.sampled_from(MODES),
    dtype=st.sampled_from(TYPES),
    steps=st.integers(1, 6),
    shape=st.sampled_from([(), (3,), (2, 2)]),
    ragged=st.booleans(),
)
def test_decode_is_the_plain_loop(
    seed: int, how: Any, dtype: Any, steps: int, shape: tuple[int, ...], ragged: bool
) -> None:
    rng = np.random.default_rng(seed)
    values = (
        rng.normal(size=(4, steps, *shape)) * 3 * (rng.random((4, steps, *shape)) < 0.6)
    ).astype(dtype)
    kept = values.copy()
    lengths = rng.integers(1, steps + 1, 4) if ragged else None
    found = decode(values, how, lengths)
    assert found.shape == (4, *shape)
    assert np.array_equal(values, kept)
    for sample, *at in np.ndindex(*found.shape):
        end = steps if lengths is None else int(lengths[sample])
        wanted = plain(values[(sample, slice(None), *at)], how, end)
        assert found[(sample, *at)] == wanted, (sample, at)
    if how == "first" or (how == "count" and dtype is np.bool_):
        assert found.dtype == np.int64


def test_a_count_is_added_step_after_step() -> None:
    values = np.full((1, 1000, 1), 0.1, np.float32)
    total = np.float32(0)
    for _ in range(1000):
        total += np.float32(0.1)
    assert decode(values, "count")[0, 0] == total != values.sum(dtype=np.float32)


def net(kind: str, how: Any) -> nd.Graph:
    b = GraphBuilder()
    x = b.input("x", (3,), type=BOOL) if kind == "spike" else b.input("x", (3,))
    return b.output("out", x, decode=how).build()


def test_the_earliest_spike_wins() -> None:
    x = np.zeros((3, 4, 3), bool)
    x[0, 2, 0] = x[0, 1, 2] = True
    x[1, 0, 1] = x[1, 0, 2] = True  # a tie: the first index
    rec = nd.run(net("spike", "first"), x)
    assert rec.decoded.tolist() == [[2, 4, 1], [4, 0, 0], [4, 4, 4]]
    assert rec.predictions.tolist() == [2, 1, 0]
    assert nd.run(net("spike", "count"), x).predictions.tolist() == [0, 1, 0]


def test_silence_after_the_end_does_not_count() -> None:
    batches = [np.full((1, 2, 3), -1.0), np.full((1, 4, 3), -1.0)]
    for how, wanted in (("max", -1), ("membrane", -1), ("mean", -1), ("first", 0)):
        assert (nd.run(net("value", how), batches).decoded == wanted).all(), how
    assert nd.run(net("value", "count"), batches).decoded[:, 0].tolist() == [-2, -4]


def several() -> Recording:
    b = GraphBuilder()
    x = b.input("x", (4,))
    h = b.cell("layer/1", "lif", x, params={"beta": 0.5}, initial={"v": np.full(4, 0.25)})
    g = b.cell("Zelle ü", "lif", b.dense("fc", h, np.eye(4)), params={"beta": 0.5})
    b.output("a/b", g)
    b.output("v", b.state(h, "v"), decode="membrane")
    x = np.random.default_rng(0).random((5, 6, 4)).astype(np.float32)
    return nd.run(b.build(), x, record="states", seed=2**64 - 1)


def single() -> Recording:
    b = GraphBuilder()
    x = b.input("x", (4,), type=QType(-8, 7))
    graph = b.output("out", x, decode="max").build()
    return nd.run(graph, np.arange(-8, 8).reshape(2, 2, 4), [1, 3])


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict | nd.Recording) or hasattr(a, "keys"):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return bool(a == b)


@pytest.mark.parametrize("make", [single, several])
def test_a_file_holds_everything(tmp_path: Path, make: Any) -> None:
    rec = make()
    path = tmp_path / "rec.npz"
    rec.save(path)
    again = Recording.load(path)
    for name in (
        "outputs", "decoded", "labels", "steps", "counts", "events", "shapes", "states", "seed",
        "runner", "graph", "decoding", "predictions", "accuracy",
    ):  # fmt: skip
        assert equal(getattr(rec, name), getattr(again, name)), name
    first = path.read_bytes()
    again.save(path)
    assert path.read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == ["rec.npz"]
    with np.load(path, allow_pickle=False) as raw:  # readers without this library
        assert np.array_equal(raw["steps"], rec.steps)
        if make is single:
            assert np.array_equal(raw["outputs"], rec.outputs)
            assert np.array_equal(raw["decoded"], rec.decoded)
            assert np.array_equal(raw["predictions"], rec.predictions)
        else:
            assert np.array_equal(raw["outputs/v"], rec.outputs["v"])
            assert np.array_equal(raw["states/layer/1/v"], rec.states["layer/1"]["v"])


def test_sparse_events_are_the_dense_spikes() -> None:
    rec = several()
    assert set(rec.spikes) == {"layer/1", "Zelle ü"}
    assert len(rec.spikes) == 2
    for node, dense in rec.spikes.items():
        wanted = rec.states[node]["out"]
        assert wanted.any()
        assert np.array_equal(dense, wanted)
        assert np.array_equal(rec.events[node], np.argwhere(wanted.reshape(5, 6, -1)))
        assert np.array_equal(rec.counts[node], wanted.sum(axis=(1, 2)))
    assert rec.predictions is None
    assert rec.accuracy is None


def test_the_summary() -> None:
    assert (
        repr(single())
        == "Recording(2 samples, 2 timesteps, 0 spikes, accuracy 50.0 %, on reference)"
    )
    document = several().to_json()
    assert document["accuracy"] is None
    assert document["seed"] == 2**64 - 1
    assert (document["samples"], document["timesteps"], document["steps_mean"]) == (5, 6, 6.0)


# -- files that are not what they should be -------------------------------------------------------


@pytest.mark.parametrize("make", [single, several])
def test_a_cut_or_flipped_file(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "rec.npz"
    make().save(path)
    whole = path.read_bytes()
    for end in range(0, len(whole) - 1, max(1, len(whole) // 40)):
        path.write_bytes(whole[:end])
        with pytest.raises(DataError):
            Recording.load(path)
    for at in range(0, len(whole), max(1, len(whole) // 150)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        try:
            Recording.load(path)  # some bytes, such as dates, mean nothing
        except DataError:
            continue


BAD: dict[str, Any] = {
    "steps": np.zeros(2, np.int64),
    "seed": np.array([1, 2]),
    "origin": np.array(["a", "b"]),
    "labels": np.array([0.5, 1.5]),
    "outputs": np.zeros((3, 2, 4)),
    "decoded": np.array(["a", "b"]),
    "counts/n": np.zeros(5, np.int64),
    "events/n": np.array([[0, 0, 4]]),
    "shapes/n": np.array([2, 2, 4]),
    "states/n/v": np.zeros((2, 0, 4)),
    "predictions": np.array(["a", "b"]),
}


@pytest.mark.parametrize("key", BAD)
def test_arrays_that_do_not_fit(tmp_path: Path, key: str) -> None:
    single().save(tmp_path / "rec.npz")
    arrays = load_npz(tmp_path / "rec.npz")
    save_npz(tmp_path / "bad.npz", arrays | {key: BAD[key]})
    with pytest.raises(DataError, match=r"bad\.npz"):
        Recording.load(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("events", "shape"),
    [
        ([[0, 0, 4]], [2, 2, 4]),
        ([[2, 0, 0]], [2, 2, 4]),
        ([[0, -1, 0]], [2, 2, 4]),
        ([[0.0, 0.0, 0.0]], [2, 2, 4]),
        ([[0, 0]], [2, 2, 4]),
        ([[0, 0, 0]], [2]),
        ([[0, 0, 0]], [2, 2, -4, -4]),
        ([[0, 0, 0]], [[2, 2, 4]]),
        (np.zeros((0, 3), np.int64), [2, 0]),
    ],
)
def test_events_outside_their_shape(tmp_path: Path, events: Any, shape: Any) -> None:
    single().save(tmp_path / "rec.npz")
    arrays = load_npz(tmp_path / "rec.npz")
    arrays |= {"events/n": np.array(events), "shapes/n": np.array(shape)}
    save_npz(tmp_path / "bad.npz", arrays)
    with pytest.raises(DataError, match="'n'"):
        Recording.load(tmp_path / "bad.npz")


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    single().save(tmp_path / "rec.npz")
    arrays = load_npz(tmp_path / "rec.npz")
    save_npz(tmp_path / "bad.npz", arrays | {k: v for k, v in BAD.items() if k != "steps"})
    with pytest.raises(DataError) as caught:
        Recording.load(tmp_path / "bad.npz")
    assert len(caught.value.findings) == len(BAD) - 2  # events and shapes are one


def test_other_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros(3))
    np.save(tmp_path / "x.npy", np.zeros(3))
    np.savez(tmp_path / "o.npz", steps=np.array([{}], object))
    with zipfile.ZipFile(tmp_path / "z.npz", "w") as archive:
        archive.writestr("steps.npy", b"no array")
    (tmp_path / "t.npz").write_text("text")
    for name in ("x.npz", "x.npy", "o.npz", "z.npz", "t.npz", "none.npz", "."):
        with pytest.raises(DataError):
            Recording.load(tmp_path / name)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    places = ("none/rec.npz", "folder", "file/rec.npz", "\0.npz", "ü" * 150 + ".npz")
    for place in places:
        with pytest.raises(UsageError, match="cannot be written"):
            single().save(tmp_path / place)
    assert {p.name for p in tmp_path.rglob("*")} == {"folder", "file"}


def test_the_longest_name_of_a_file_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 125 + ".npz")
    single().save(path)
    assert Recording.load(path).seed == single().seed


def test_a_name_that_no_text_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot name an array"):
        save_npz(tmp_path / "a.npz", {"\ud800": np.zeros(1)})


def test_decoded_values_that_are_none(tmp_path: Path) -> None:
    single().save(tmp_path / "rec.npz")
    arrays = load_npz(tmp_path / "rec.npz")
    save_npz(tmp_path / "bad.npz", arrays | {"decoded": np.zeros((2, 0), np.float32)})
    with pytest.raises(DataError, match="'decoded'"):
        Recording.load(tmp_path / "bad.npz")


def test_dense_spikes_that_memory_cannot_hold() -> None:
    rec = replace(
        single(), events={"n": np.zeros((0, 3), np.int64)}, shapes={"n": (2, 10**12, 10**12)}
    )
    with pytest.raises(DataError, match="dense form of the spikes of 'n' needs"):
        rec.spikes["n"]


def test_any_name_of_an_input_can_be_saved(tmp_path: Path) -> None:
    arrays = {"file": np.arange(3), "allow_pickle": np.zeros(2), "ü/ö": np.ones((2, 2), bool)}
    save_npz(tmp_path / "a.npz", arrays)
    again = load_npz(tmp_path / "a.npz")
    assert again.keys() == arrays.keys()
    assert all(np.array_equal(again[k], arrays[k]) for k in arrays)


def test_a_recording_can_be_altered_by_replace_only() -> None:
    rec = single()
    with pytest.raises(AttributeError):
        rec.seed = 3  # type: ignore[misc]
    assert replace(rec, seed=3).seed == 3
