"""Samples in every accepted form, and everything that is refused."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy.data import as_samples, timesteps_of
from neurodeploy.errors import DataError
from neurodeploy.ir import BOOL, Graph, GraphBuilder, QType

F = np.float32


def graph(shape: tuple[int, ...] = (3,), *, timesteps: int | None = None) -> Graph:
    b = GraphBuilder()
    return b.output("out", b.reshape("r", b.input("x", shape), shape)).build(timesteps=timesteps)


def test_arrays_lists_mappings_files_and_batches_are_the_same(tmp_path: Path) -> None:
    g, x, y = graph(), np.arange(12.0).reshape(4, 3), np.array([0, 1, 2, 0])
    np.savez(tmp_path / "x.npz", x=x, y=y)
    batches = [(x[:3], y[:3]), (x[3:], y[3:])]
    forms = [(x, y), (x.tolist(), y), ({"x": x, "y": y}, None), (tmp_path / "x.npz", None)]
    for data, labels in [*forms, (batches, None), (iter(batches), None)]:
        samples = as_samples(g, data, labels)
        assert samples.inputs["x"].dtype == F
        assert np.array_equal(samples.inputs["x"], x)
        assert samples.labels is not None
        assert samples.labels.tolist() == y.tolist()
        assert samples.steps is None


def test_tensors_and_loaders() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x, y = torch.arange(12.0).reshape(4, 3).requires_grad_(), torch.tensor([0, 1, 2, 0])
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x.detach(), y), 3)
    for data, labels in ((x, y), (loader, None)):
        samples = as_samples(graph(), data, labels)
        assert np.array_equal(samples.inputs["x"], x.detach().numpy())
        assert samples.labels is not None


def test_a_loader_of_one_tensor_has_no_axis_of_its_own() -> None:
    x = np.arange(15.0).reshape(5, 3)
    for data in (x, np.repeat(x[:, None], 4, axis=1)):
        for batches in ([[data[:3]], [data[3:]]], iter([(data[:3],), (data[3:],)])):
            samples = as_samples(graph(), batches)
            assert np.array_equal(samples.inputs["x"], data)
            assert samples.lengths is None


def test_a_batch_of_one_sample_in_a_list_stays_a_batch() -> None:
    samples = as_samples(graph(), iter([[np.arange(3.0)], [[3.0, 4.0, 5.0]]]))
    assert samples.inputs["x"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_tensors_that_numpy_cannot_hold_are_refused() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    for tensor in (torch.ones(2, 3, dtype=torch.bfloat16), torch.ones(2, 3).to_sparse()):
        with pytest.raises(DataError, match="no regular array"):
            as_samples(graph(), tensor)


def test_names_of_inputs_come_before_those_of_the_file_format() -> None:
    b = GraphBuilder()
    x, y = b.input("x", (3,)), b.input("y", (3,))
    both = b.output("out", b.concat("c", x, y, axis=0)).build()
    samples = as_samples(both, {"x": np.zeros((2, 3)), "y": np.ones((2, 3))})
    assert samples.labels is None
    assert samples.inputs["y"].sum() == 6
    b = GraphBuilder()
    other = b.output("out", b.reshape("x", b.input("pixels", (3,)), (3,))).build()
    assert as_samples(other, {"x": np.ones((2, 3))}).inputs["pixels"].sum() == 6


def test_a_time_axis_is_recognised_and_moved() -> None:
    x = np.arange(30.0).reshape(2, 5, 3)
    assert as_samples(graph(), x).steps == 5
    moved = as_samples(graph(), np.moveaxis(x, 1, 0), layout="TN")
    assert np.array_equal(moved.inputs["x"], x)


def test_batches_of_different_length_are_padded_with_silence() -> None:
    batches = [np.ones((2, 3, 3)), np.ones((1, 5, 3))]
    samples = as_samples(graph(), batches)
    assert samples.lengths is not None
    assert samples.lengths.tolist() == [3, 3, 5]
    assert samples.inputs["x"].sum(axis=(1, 2)).tolist() == [9, 9, 15]
    recording = nd.run(graph(), batches)
    assert recording.steps.tolist() == [3, 3, 5]
    assert np.array_equal(recording.decoded, np.ones((3, 3)))  # the mean over its own steps


def test_whole_numbers_become_floats_exactly() -> None:
    samples = as_samples(graph(), np.full((2, 3), 255, np.uint8))
    assert samples.inputs["x"].dtype == F
    assert (samples.inputs["x"] == 255).all()


BAD = [
    (np.zeros((4, 2)), None, "does not fit"),
    (np.zeros(3), None, "does not fit"),
    (np.full((2, 3), np.nan), None, "holds nan at"),
    (np.full((2, 3), np.inf), None, "holds inf at"),
    (np.full((2, 3), 1e300), None, "overflows f32"),
    (np.array([["a"] * 3]), None, "is no f32"),
    (np.zeros((2, 3), complex), None, "is no f32"),
    (np.zeros((0, 3)), None, "no samples"),
    (np.zeros((4, 3)), np.zeros(5, int), "labels of shape"),
    (np.zeros((4, 3)), np.zeros((4, 2), int), "labels of shape"),
    (np.zeros((4, 3)), np.array([0.5, 1, 2, 3]), "label 0.5"),
    (np.zeros((4, 3)), np.array([-1, 1, 2, 3]), "label -1"),
    (np.zeros((6, 4, 3)), np.zeros(4, int), "time-first"),
    ({"z": np.zeros((2, 3))}, None, "no data for this input"),
    ({"x": np.zeros((2, 3)), "z": np.zeros((2, 3))}, None, "no input 'z'"),
    ([], None, "gave no batch"),
    (3.5, None, "holds no samples"),
    ("nowhere.npz", None, "no file"),
]


@pytest.mark.parametrize(("data", "labels", "message"), BAD)
def test_bad_data_is_refused_by_what_is_wrong(data: object, labels: object, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        as_samples(graph(), data, labels)
    assert caught.value.exit_code == 2


def test_spikes_and_integers_take_their_values_only() -> None:
    b = GraphBuilder()
    x = b.input("x", (3,), type=BOOL)
    spikes = b.output("out", b.reshape("r", x, (3,))).build()
    assert as_samples(spikes, np.array([[0, 1, 1]])).inputs["x"].dtype == np.bool_
    with pytest.raises(DataError, match="0 and 1 only"):
        as_samples(spikes, np.array([[0, 1, 2]]))
    b = GraphBuilder()
    x = b.input("x", (3,), type=QType(-8, 7))
    whole = b.output("out", b.reshape("r", x, (3,))).build()
    with pytest.raises(DataError, match="does not lie"):
        as_samples(whole, np.array([[0, 1, 8]]))


@pytest.mark.parametrize("given", [0, -1, True, 2.5])
def test_t_is_at_least_one(given: int) -> None:
    with pytest.raises(DataError, match="timesteps is"):
        nd.run(graph(), np.zeros((1, 3)), timesteps=given)


def test_t_comes_from_argument_data_or_conversion() -> None:
    timed = as_samples(graph(), np.zeros((1, 6, 3)))
    constant = as_samples(graph(), np.zeros((1, 3)))
    assert timesteps_of(graph(timesteps=9), timed, 4) == 4
    assert timesteps_of(graph(timesteps=9), timed, None) == 6
    assert timesteps_of(graph(timesteps=9), constant, None) == 9
    assert timesteps_of(graph(), constant, None) == 1
    with pytest.raises(DataError, match="exceeds the 6 steps"):
        timesteps_of(graph(), timed, 7)


def test_a_t_whose_memory_cannot_be_had_is_refused_by_the_bytes() -> None:
    with pytest.raises(DataError, match=r"needs \d{15,} bytes, and \d+ bytes of memory are"):
        nd.run(graph(), np.zeros((1, 3)), timesteps=10**14)


def test_damaged_files(tmp_path: Path) -> None:
    good = io.BytesIO()
    np.savez_compressed(good, x=np.random.default_rng(0).normal(size=(50, 3)))
    content = good.getvalue()
    rng = np.random.default_rng(1)
    cases = {
        "empty": b"",
        "text": b"not an archive",
        "cut": content[: len(content) // 2],
        "random": rng.bytes(500),
        "npy": b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}",
        "pickle": b"\x80\x04K\x01.",
    }
    for i in range(20):
        flipped = bytearray(content)
        flipped[rng.integers(60, len(content) - 80)] ^= 255
        cases[f"flipped{i}"] = bytes(flipped)
    for name, text in cases.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(text)
        with suppress(DataError) if name.startswith("flipped") else pytest.raises(DataError):
            as_samples(graph(), path)  # some bytes of a zip file mean nothing


HEADERS = [
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1" + "0" * 30 + ",)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (-3,)}",
    "{'descr': ('<f8',), 'fortran_order': False, 'shape': ()}",
    "(" * 5000,
    "-" * 3000 + "1",
    "'''open",
]


@pytest.mark.parametrize("header", HEADERS)
def test_hostile_headers(tmp_path: Path, header: str) -> None:
    text = header.encode() + b"\n"
    member = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", member)
    with pytest.raises(DataError, match="cannot be read"):
        as_samples(graph(), tmp_path / "x.npz")


def test_encrypted_and_damaged_members(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros(3))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[content.find(b"PK\3\4") + 6] |= 1  # the flag of an encrypted member
    content[content.find(b"PK\1\2") + 8] |= 1
    (tmp_path / "encrypted.npz").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "lzma.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.npy", bytes(range(200)))
    content = bytearray((tmp_path / "lzma.npz").read_bytes())
    for at in range(content.find(b"x.npy") + 14, content.find(b"x.npy") + 45):
        content[at] ^= 0x55
    (tmp_path / "lzma.npz").write_bytes(content)
    for name in ("encrypted.npz", "lzma.npz"):
        with pytest.raises(DataError, match="cannot be read"):
            as_samples(graph(), tmp_path / name)


def test_a_pickled_array_is_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="cannot be read"):
        as_samples(graph(), tmp_path / "x.npz")
