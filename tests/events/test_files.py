"""Files of events: what a file says, and files that are damaged, foreign or hostile."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from event_files import DVS, as_structured, write_shd
from neurodeploy.cli.health import checks
from neurodeploy.errors import DataError, MissingDependencyError
from neurodeploy.events import Events, events_of_samples, read_events
from neurodeploy.ir import Graph, GraphBuilder
from oracles import Ledger
from tiers import sample_count

EPOCH = 1_600_000_000_000_000  # microseconds since 1970
TIMES = [np.array([0.001, 0.0153, 0.5]), np.array([0.25, 0.125])]
UNITS = [np.array([3, 699, 0]), np.array([5, 6])]


def graph(shape: tuple[int, ...], dt: str | None = "1ms") -> Graph:
    b = GraphBuilder(dt)
    return b.output("out", b.reshape("r", b.input("x", shape), shape)).build()


def test_shd_is_read_as_tonic_reads_it(tmp_path: Path, oracle: Ledger) -> None:
    tonic = oracle("tonic")
    oracle("aedat")  # the extra is whole
    rng = np.random.default_rng(0)
    times = [np.sort(rng.random(80)) for _ in range(4)]
    units = [rng.integers(0, 700, 80) for _ in range(4)]
    folder = tmp_path / "hsd"
    folder.mkdir()
    write_shd(folder / "shd.h5", times, units, [0, 19, 3, 4])
    source = tonic.module.datasets.hsd.HSD(str(tmp_path))  # SHD itself would look for a download
    source.location_on_system, source.data_filename = str(folder), "shd.h5"
    found = read_events(folder / "shd.h5")
    assert found.labels is not None
    assert found.labels.tolist() == [0, 19, 3, 4]
    listed = [source[i] for i in range(4)]
    expected = events_of_samples(listed)
    assert np.array_equal(found.offsets, expected.offsets)
    assert np.array_equal(found.t, expected.t)
    assert np.array_equal(found.x, expected.x)
    by_file, by_set = nd.run(graph((700,)), folder / "shd.h5"), nd.run(graph((700,)), source)
    assert np.array_equal(by_file.outputs, by_set.outputs)
    assert by_file.steps.tolist() == [int(t.max() * 1000) + 1 for t, _ in _seconds(listed)]
    tonic.record(4, spiking=4)


def _seconds(listed: list[Any]) -> list[tuple[Any, Any]]:
    return [(events["t"] / 1e6, label) for events, label in listed]


def test_shd_rows_are_sorted_and_need_no_labels(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="h5py is not installed")
    write_shd(tmp_path / "a.HDF5", TIMES, UNITS)
    found = read_events(tmp_path / "a.HDF5")
    assert found.labels is None
    assert found.x.tolist() == [3, 699, 0, 6, 5]
    assert found.t[3:].tolist() == [125_000, 250_000]


def test_damaged_and_foreign_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    write_shd(tmp_path / "good.h5", TIMES, UNITS, [0, 1])
    content = (tmp_path / "good.h5").read_bytes()
    ragged = h5py.vlen_dtype(np.float32)

    def times(file: Any) -> Any:
        del file["spikes/times"]
        return file["spikes"]

    def write(name: str, change: Any) -> None:
        (tmp_path / f"{name}.h5").write_bytes(content)
        with h5py.File(tmp_path / f"{name}.h5", "r+") as file:
            change(file)

    def fill(file: Any, rows: list[Any]) -> None:
        data = times(file).create_dataset("times", (len(rows),), ragged)
        for i, row in enumerate(rows):
            data[i] = np.asarray(row, np.float32)

    def link(file: Any) -> None:
        times(file)["times"] = h5py.ExternalLink("good.h5", "/spikes/times")

    def external(file: Any) -> None:
        file["spikes"].pop("units")
        del file["labels"]
        file.create_dataset("labels", (2,), "u2", external=[("/etc/passwd", 0, 4)])
        file["spikes"]["units"] = file["labels"]

    cases: dict[str, tuple[Any, str]] = {
        "no_times": (times, "times: is missing"),
        "no_spikes": (lambda f: f.pop("spikes"), "spikes: is missing"),
        "link": (link, "link to another place"),
        "external": (external, "in another file"),
        "flat": (lambda f: times(f).create_dataset("times", data=np.zeros(2)), "ragged data set"),
        "group": (lambda f: times(f).create_group("times"), "is no dataset"),
        "nan": (lambda f: fill(f, [[0.1, np.nan, 0.5], [0, 0]]), "sample 0, event 1: t is nan"),
        "inf": (lambda f: fill(f, [[0.1, 0.2, 0.5], [0, np.inf]]), "sample 1, event 1: t is inf"),
        "negative": (lambda f: fill(f, [[-0.1, 0.2, 0.5], [0, 1]]), "sample 0, event 0: t is -0.1"),
        "rows": (lambda f: fill(f, [[0.1, 0.2, 0.5]]), "differ in length from sample 1 on"),
        "length": (lambda f: fill(f, [[0.1, 0.2, 0.5], [0]]), "differ in length from sample 1 on"),
        "labels": (lambda f: f.move("labels", "l") or f.create_group("labels"), "labels: is no"),
        "huge": (
            lambda f: times(f).create_dataset("times", (2**50,), ragged, chunks=(64,)),
            r"spikes/times needs \d+ bytes",
        ),
    }
    for name, (change, message) in cases.items():
        write(name, change)
        with pytest.raises(DataError, match=message):
            read_events(tmp_path / f"{name}.h5")
    for cut in range(0, len(content), max(1, len(content) // 40)):
        (tmp_path / "cut.h5").write_bytes(content[:cut])
        with pytest.raises(DataError, match=r"cut\.h5"):
            read_events(tmp_path / "cut.h5")
    for name in ("nowhere.h5", "no\0name.h5"):
        with pytest.raises(DataError, match="no file"):
            read_events(tmp_path / name)


def write_aedat(faery: Any, path: Path, events: Any, size: tuple[int, int]) -> None:
    listed = np.zeros(events.size, faery.EVENTS_DTYPE)
    for name in ("t", "x", "y"):
        listed[name] = events[name]
    listed["on"] = events["p"]
    stream = faery.events_stream_from_array(listed, dimensions=size)
    stream.to_file(path, on_progress=lambda progress: None)


def test_aedat4_as_another_library_wrote_it(tmp_path: Path, oracle: Ledger) -> None:
    faery = oracle("faery")
    rng = np.random.default_rng(0)
    size = 3000
    t = np.sort(rng.integers(0, 40_000, size))
    sample = as_structured(
        DVS,
        t=t,
        x=rng.integers(0, 20, size),
        y=rng.integers(0, 10, size),
        p=rng.integers(0, 2, size),
    )
    moved = sample.copy()
    moved["t"] += EPOCH
    write_aedat(faery.module, tmp_path / "a.aedat4", moved, (20, 10))
    found, expected = read_events(tmp_path / "a.aedat4"), events_of_samples([sample])
    assert found.shape == (2, 10, 20)
    assert np.array_equal(found.t, sample["t"] - sample["t"][0])
    for name in ("x", "y", "p"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    sample["t"] -= sample["t"][0]
    by_file, by_array = (nd.run(graph((2, 10, 20)), x) for x in (tmp_path / "a.aedat4", sample))
    assert by_file.outputs.sum() == size
    assert np.array_equal(by_file.outputs, by_array.outputs)
    with pytest.raises(DataError, match=r"sensor of \[2, 10, 20\] does not fit"):
        nd.run(graph((2, 20, 20)), tmp_path / "a.aedat4")
    faery.record(spiking=True)


def test_damaged_aedat4(tmp_path: Path, oracle: Ledger) -> None:
    faery = oracle("faery")
    events = as_structured(DVS, t=np.arange(500), x=np.arange(500) % 9, y=1, p=1)
    write_aedat(faery.module, tmp_path / "a.aedat4", events, (9, 2))
    content = (tmp_path / "a.aedat4").read_bytes()
    cases = {"empty": b"", "text": b"#!AES-DAT4.0\r\n", "cut": content[: len(content) // 2]}
    for name, damaged in cases.items():
        path = tmp_path / f"{name}.aedat4"
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=path.name):
            read_events(path)
    rng = np.random.default_rng(0)
    for _ in range(sample_count(200, 8)):  # some bytes mean nothing; on some the decoder aborts
        torn = bytearray(content)
        torn[rng.integers(0, 700)] ^= 255
        (tmp_path / "torn.aedat4").write_bytes(torn)
        with suppress(DataError):
            read_events(tmp_path / "torn.aedat4")


def test_an_abort_of_the_decoder_is_an_error_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, oracle: Ledger
) -> None:
    oracle("aedat")
    (tmp_path / "a.aedat4").write_bytes(b"anything")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DataError, match="the decoder ended by 1"):
        read_events(tmp_path / "a.aedat4")


def test_what_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.aedat4").write_bytes(b"anything")
    (tmp_path / "a.h5").write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setattr("neurodeploy.events.files.find_spec", lambda name: None)
    for name in ("a.aedat4", "a.h5"):
        with pytest.raises(MissingDependencyError) as caught:
            read_events(tmp_path / name)
        assert caught.value.exit_code == 3
        assert "neurodeploy[events]" in caught.value.findings[0].hint


def test_doctor_knows_the_readers() -> None:
    found = {c.name: c for c in checks()}
    assert "neurodeploy[events]" in found["aedat"].fix
    assert "events" in found["h5py"].needed_for


def test_events_show_themselves_in_a_line() -> None:
    one = Events(np.array([0, 1]), np.array([0, 1]), None, None, np.array([0, 2]), shape=(2,))
    assert repr(one) == "Events(1 samples, 2 events, t in us, sensor [2])"
