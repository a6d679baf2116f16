"""Files from outside are hostile until proven otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurodeploy as nd
from neurodeploy.converters.nir import load_nir
from neurodeploy.errors import ConversionError, FileFormatError, NeurodeployError, UsageError
from nir_nets import alone, chain, fields_of

h5py = pytest.importorskip("h5py", reason="h5py is not installed")
nir = pytest.importorskip("nir", reason="nir is not installed")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.nir"
    nir.write(path, chain((2,), (3,), w=nir.Affine(np.ones((3, 2)), np.ones(3))))
    return path


def edited(path: Path, edit: Callable[[Any], object]) -> Path:
    with h5py.File(path, "r+") as f:
        edit(f)
    return path


def put(f: Any, place: str, value: Any) -> None:
    if place in f:
        del f[place]
    f[place] = value


def claim(f: Any) -> None:
    """A tensor of a tebibyte that stores nothing."""
    del f["node/nodes/w/weight"]
    f["node/nodes/w"].create_dataset("weight", (1 << 37,), "f8", chunks=(1 << 10,))


def deep(f: Any) -> None:
    group = f["node"]
    for _ in range(40):
        group = group["nodes"].create_group("inner")
        group["type"] = "NIRGraph"
        group["edges"] = np.zeros((0, 2))
        group.create_group("nodes")


def looped(f: Any) -> None:
    f["node/nodes/again"] = f["node"]


def linked(f: Any) -> None:
    del f["node/nodes/w/weight"]
    f["node/nodes/w/weight"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft(f: Any) -> None:
    f["node/nodes/other"] = h5py.SoftLink("/node")


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (claim, "claims"),
        (deep, "nested deeper"),
        (looped, "nested deeper|more than|damaged"),
        (linked, "link to another place"),
        (soft, "link to another place"),
        (lambda f: put(f, "version", "99.0.0"), "written by nir"),
        (lambda f: f.__delitem__("node"), "no NIR graph"),
        (lambda f: f.__delitem__("node/nodes/w/type"), "has no type"),
        (lambda f: put(f, "node/edges", np.zeros((2, 2))), "pair of names"),
        (lambda f: put(f, "node/edges", 3.0), "list of pairs"),
        (lambda f: put(f, "node/nodes/w/weight", h5py.Empty("f8")), "is empty"),
    ],
)
def test_hostile_files(file: Path, edit: Any, match: str) -> None:
    with pytest.raises(FileFormatError, match=match):
        load_nir(edited(file, edit))


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda f: put(f, "node/nodes/w/type", "Izhikevich"), "which NIR does not have"),
        (lambda f: put(f, "node/nodes/w/shift", 1.0), "no field 'shift'"),
        (lambda f: f.__delitem__("node/nodes/w/bias"), "lacks the field 'bias'"),
        (lambda f: put(f, "node/nodes/w/bias", np.array([1, np.nan, np.inf])), "2 of 3"),
        (lambda f: put(f, "node/nodes/w/bias", "text"), "is the text"),
        (lambda f: put(f, "node/nodes/input/shape", [0]), "the shape"),
        (lambda f: put(f, "node/nodes/input/shape", [1 << 62, 1 << 62]), "the shape"),
        (lambda f: put(f, "node/type", "Affine"), "single Affine"),
    ],
)
def test_what_is_no_nir(file: Path, edit: Any, match: str) -> None:
    with pytest.raises(ConversionError, match=match):
        load_nir(edited(file, edit))


def test_all_unknown_nodes_and_fields_are_listed(file: Path) -> None:
    def edit(f: Any) -> None:
        put(f, "node/nodes/w/type", "Izhikevich")
        put(f, "node/nodes/output/rate", 3)

    with pytest.raises(ConversionError) as caught:
        load_nir(edited(file, edit))
    assert {f.node for f in caught.value.findings} == {"w", "output"}


def test_cut_and_flipped_bytes_never_escape(file: Path) -> None:
    data = file.read_bytes()
    rng = np.random.default_rng(0)
    broken = [data[: int(n)] for n in rng.integers(1, len(data), 40)]
    for _ in range(200):
        copy = bytearray(data)
        copy[int(rng.integers(len(copy)))] ^= 1 << int(rng.integers(8))
        broken.append(bytes(copy))
    refused = []
    for text in broken:
        file.write_bytes(text)
        try:
            load_nir(file)
        except NeurodeployError:
            refused.append(text)
    assert refused[:40] == broken[:40]
    assert len(refused) > 40  # most flips hit padding, or make another weight


def test_no_file_and_no_hdf5(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load_nir(tmp_path / "none.nir")
    (tmp_path / "x.nir").write_bytes(b"PK\x03\x04")
    with pytest.raises(FileFormatError, match="no HDF5"):
        nd.load(tmp_path / "x.nir")


def test_integers_are_kept(tmp_path: Path) -> None:
    weight = np.arange(-3, 3, dtype=np.int8).reshape(3, 2)
    nir.write(tmp_path / "q.nir", chain((2,), (3,), w=nir.Linear(weight)))
    graph = load_nir(tmp_path / "q.nir")
    np.testing.assert_array_equal(graph.tensors["w.weight"].data, weight)
    assert graph.changes == ()


def test_rounded_weights_are_told() -> None:
    graph = load_nir(chain((1,), (1,), w=nir.Linear(np.array([[0.1]]))))
    (change,) = graph.changes
    assert change.node == "w"
    assert "float32" in change.what


def test_a_file_of_nir_0_2_without_v_reset(tmp_path: Path) -> None:
    path = tmp_path / "old.nir"
    nir.write(path, alone(nir.LIF(**fields_of("LIF", 2, 1e-3)), (2,)))
    with h5py.File(path, "r+") as f:
        del f["node/nodes/n/v_reset"]
        put(f, "version", "0.2.0")
    graph = load_nir(path, convention="ode", dt="1ms")
    assert graph.tensors["n.reset_value"].data == 0


ODD = (
    np.zeros(0),
    np.zeros((0, 3)),
    np.ones((2, 1, 3)),
    np.array(-1),
    np.array(1 << 40),
    np.array(1e300),
    np.array([1, 2, 3]),
    np.array(0),
    np.array(0.5),
    np.array(True),
    np.array([1e-320]),
    "same",
)


def odd_nets() -> list[Any]:
    dt = 1e-3
    conv = nir.Conv2d((5, 5), np.ones((2, 1, 3, 3)), 1, 1, 1, 1, np.ones(2))
    pool = nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    flat = nir.Flatten({"input": np.array([1, 5, 5])}, 0, -1)
    return [
        chain((1, 5, 5), (2, 5, 5), n=conv),
        chain((1, 4, 4), (1, 2, 2), n=pool),
        chain((1, 5, 5), (25,), n=flat),
        chain((2,), (3,), n=nir.Affine(np.ones((3, 2)), np.ones(3))),
        alone(nir.Delay(np.full(3, dt)), (3,)),
        alone(nir.Scale(np.ones(3)), (3,)),
        *(
            alone(getattr(nir, kind)(**fields_of(kind, 3, dt)), (3,))
            for kind in ("IF", "LIF", "CubaLIF")
        ),
    ]


@pytest.mark.parametrize("which", range(9))
@pytest.mark.parametrize("convention", ["ode", "sinabs", "rockpool", "spikingjelly", None])
def test_odd_fields_are_refused_by_a_typed_error(which: int, convention: str | None) -> None:
    refused = 0
    names = [k for k in vars(odd_nets()[which].nodes["n"]) if k not in ("metadata", "output_type")]
    for name in names:
        for value in ODD:
            net = odd_nets()[which]
            given = {"input": value} if name == "input_type" else value
            setattr(net.nodes["n"], name, given)
            try:
                load_nir(net, convention=convention, dt="1ms")
            except NeurodeployError:
                refused += 1
    assert refused
