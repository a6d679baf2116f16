"""What an ONNX file may not be or hold: typed errors that name everything at once."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed")

import onnx
from onnx import TensorProto, helper, numpy_helper

from neurodeploy.converters.onnx import load_onnx
from neurodeploy.errors import (
    ConversionError,
    FileFormatError,
    GraphError,
    NeurodeployError,
    UsageError,
)
from onnx_files import Array, model, node, save
from tiers import sample_count

RNG = np.random.default_rng(0)
W = RNG.normal(size=(4, 2, 3, 3)).astype(np.float32)
IMAGE = ("N", 2, 7, 6)


def small(**options: Any) -> bytes:
    nodes = [node("Conv", ["x", "w"], "t"), node("Relu", ["t"], "y")]
    return save(model(nodes, IMAGE, {"w": W}, **options))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04" + bytes(50), "zip archive"),
        (pickle.dumps([1]), "pickle"),
        (b"\x93NUMPY" + bytes(50), "npy"),
        (b"hello, I am no model at all", "no ONNX model"),
        (bytes(100), "no ONNX model"),
        (onnx.ModelProto(ir_version=8).SerializeToString(), "holds no graph"),
    ],
)
def test_file_of_another_kind(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        load_onnx(path)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 2


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load_onnx(tmp_path / "none.onnx")


def test_every_truncation_is_refused() -> None:
    data = small()
    for length in range(0, len(data), 7):
        with pytest.raises(NeurodeployError):
            load_onnx(data[:length])


def test_random_bytes_are_refused() -> None:
    for seed in range(200):
        data = np.random.default_rng(seed).bytes(seed + 1)
        with pytest.raises(FileFormatError):
            load_onnx(data)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_give_typed_errors_or_a_graph(seed: int) -> None:
    """A flipped bit may leave a valid model; nothing but our own errors may come out."""
    rng = np.random.default_rng(seed)
    ints = {"t": np.array([0, -1]), "p": np.array([0, 0, 1, 1, 0, 0, 0, 0]), "i": np.array([1, 0])}
    nodes = [
        node("Pad", ["x", "p"], "a"),
        node("Conv", ["a", "w"], "b", strides=[2, 1], pads=[1, 1, 1, 1], dilations=[1, 1]),
        node("Gather", ["b", "i"], "c", axis=1),
        node("MaxPool", ["c"], "d", kernel_shape=[2, 2], ceil_mode=1),
        node("ReduceMean", ["d"], "e", axes=[3], keepdims=0),
        node("Reshape", ["e", "t"], "f"),
        node("Unsqueeze", ["f", "u"], "g"),
        node("Squeeze", ["g", "u"], "y"),
    ]
    ints["u"] = np.array([1])
    data = save(model(nodes, IMAGE, {"w": W, **ints}))
    outcomes = set()
    for _ in range(sample_count(1500, 150)):
        broken = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            broken[rng.integers(len(broken))] = rng.integers(256)
        try:
            load_onnx(bytes(broken))
            outcomes.add("graph")
        except NeurodeployError as error:
            outcomes.add(type(error).__name__)
    assert {"graph", "FileFormatError", "ConversionError"} <= outcomes
    assert "InternalError" not in outcomes


def test_all_unknown_operators_are_named() -> None:
    nodes = [
        node("Multinomial", ["x"], "a", name="first"),
        node("Fancy", ["a"], "b", name="second", domain="com.acme"),
        node("Relu", ["b"], "c", name="third"),
        node("Det", ["c"], "y", name="fourth"),
    ]
    with pytest.raises(ConversionError) as caught:
        load_onnx(save(model(nodes, IMAGE, domains=["com.acme"])))
    found = [(f.node, f.message) for f in caught.value.findings]
    assert found == [
        ("first", "the operator Multinomial is not handled"),
        ("second", "the operator com.acme::Fancy is not handled"),
        ("fourth", "the operator Det is not handled"),
    ]
    assert all(f.hint for f in caught.value.findings)


def test_an_unknown_operator_that_no_output_needs_is_let_be() -> None:
    nodes = [node("Relu", ["x"], "y"), node("Det", ["x"], "unused")]
    assert [n.name for n in load_onnx(save(model(nodes, IMAGE))).nodes] == ["x", "relu_y", "y"]


def test_all_weights_with_nan_are_named() -> None:
    bad, worse = W.copy(), W.copy()
    bad[0, 0, 0, 0] = np.nan
    worse[:] = np.nan
    nodes = [node("Conv", ["x", "w1"], "a"), node("Conv", ["x", "w2"], "b"),
             node("Add", ["a", "b"], "y")]  # fmt: skip
    with pytest.raises(GraphError) as caught:
        load_onnx(save(model(nodes, IMAGE, {"w1": bad, "w2": worse})))
    assert [(f.node, f.message) for f in caught.value.findings] == [
        ("w1", "1 of 72 values are NaN"),
        ("w2", "72 of 72 values are NaN"),
    ]


@pytest.mark.parametrize("opset", [10, 24])
def test_operator_set_outside_those_read(opset: int) -> None:
    with pytest.raises(ConversionError, match=f"opset {opset}"):
        load_onnx(small(opset=opset))


def external(location: str, length: int = W.nbytes) -> onnx.ModelProto:
    made = onnx.load_model_from_string(small())
    [tensor] = made.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return made


@pytest.mark.parametrize(
    ("location", "length", "message"),
    [
        ("net.data", W.nbytes, "not there"),
        ("../secret", W.nbytes, "outside the model's folder"),
        ("/etc/hostname", W.nbytes, "outside the model's folder"),
        ("short.data", W.nbytes, "does not hold"),
        ("short.data", 2**50, "does not hold"),
    ],
)
def test_weights_in_another_file(location: str, length: int, message: str, tmp_path: Path) -> None:
    (tmp_path / "short.data").write_bytes(bytes(10))
    path = tmp_path / "net.onnx"
    path.write_bytes(save(external(location, length)))
    with pytest.raises(FileFormatError, match=message) as caught:
        load_onnx(path)
    assert caught.value.findings[0].node == "w"


def test_weights_beside_the_model_are_read(tmp_path: Path) -> None:
    (tmp_path / "net.data").write_bytes(W.tobytes())
    path = tmp_path / "net.onnx"
    path.write_bytes(save(external("net.data")))
    assert np.array_equal(load_onnx(path).tensors["w"].data, W)
    with pytest.raises(FileFormatError, match="did not come from a file"):
        load_onnx(path.read_bytes())


def test_tensor_that_claims_a_huge_size_is_refused_before_it_is_made() -> None:
    made = onnx.load_model_from_string(small())
    made.graph.initializer[0].dims[0] = 2**40
    with pytest.raises(FileFormatError, match="bytes"):
        load_onnx(save(made))
    listed = onnx.load_model_from_string(small())
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0])
    tensor.dims[0] = 2**40
    listed.graph.initializer[0].CopyFrom(tensor)
    with pytest.raises(FileFormatError, match="holds 2 values"):
        load_onnx(save(listed))


def refused(nodes: Sequence[Any], weights: dict[str, Array] | None = None, **options: Any) -> str:
    shape = options.pop("shape", IMAGE)
    with pytest.raises(ConversionError) as caught:
        load_onnx(save(model(nodes, shape, weights, **options)))
    assert all(f.node for f in caught.value.findings)
    return str(caught.value)


def test_samples_may_not_mix() -> None:
    assert "batch axis" in refused([node("Concat", ["x", "x"], "y", axis=0)])
    assert "batch" in refused([node("ReduceMean", ["x"], "y", axes=[0])])
    assert "batch" in refused([node("ReduceMean", ["x"], "y")])
    assert "batch folded" in refused([node("Flatten", ["x"], "y", axis=2)])
    conv = [node("Transpose", ["x"], "t", perm=[1, 0, 2, 3]), node("Conv", ["t", "w"], "y")]
    assert "batch axis" in refused(conv, {"w": W})
    turned = [node("Transpose", ["x"], "t", perm=[1, 0, 2, 3]), node("Add", ["x", "t"], "y")]
    assert "different axes" in refused(turned, shape=("N", 2, 2, 2))
    assert "batch" in refused([node("Reshape", ["x", "t"], "y")], {"t": np.array([4, -1])})
    assert "sample to sample" in refused(
        [node("Add", ["x", "c"], "y")], {"c": np.ones((5, 2, 7, 6), np.float32)}
    )


def test_arguments_that_are_not_handled() -> None:
    conv = [node("Conv", ["x", "x2"], "y")]
    assert "reads 'x2'" in _format_error(conv)
    pool = node("MaxPool", ["x"], ["y", "i"], kernel_shape=[2, 2])
    assert "indices" in refused([pool])
    reflect = node("Pad", ["x", "p"], "y", mode="reflect")
    assert "reflect" in refused([reflect], {"p": np.array([0, 0, 7, 0, 0, 0, 0, 0])})
    assert "batch axis" in refused([reflect], {"p": np.array([1, 0, 0, 0, 0, 0, 0, 0])})
    assert "training" in refused(
        [node("BatchNormalization", ["x", "s", "s", "s", "s"], ["y", "m", "v"], training_mode=1)],
        {"s": np.ones(2, np.float32)},
    )
    assert "a product of samples" in refused([node("MatMul", ["x", "x"], "y")], shape=("N", 6, 5))
    assert "exponent is a signal" in refused([node("Pow", ["x", "x"], "y")])
    average = node(
        "AveragePool", ["x"], "y", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0],
        ceil_mode=1, count_include_pad=1,
    )  # fmt: skip
    assert "rounds its size up" in refused([average])


def _format_error(nodes: Sequence[Any]) -> str:
    with pytest.raises(FileFormatError) as caught:
        load_onnx(save(model(nodes, IMAGE)))
    return str(caught.value)


def test_node_that_breaks_its_definition() -> None:
    assert "Conv" in _format_error([node("Conv", ["x"], "y")])
    assert "Relu" in _format_error([node("Relu", ["x"], "y", alpha=1.0)])


def test_types_other_than_float32() -> None:
    assert "float16" in refused([node("Relu", ["x"], "y")], kind=TensorProto.FLOAT16)
    assert "bool" in refused([node("Identity", ["x"], "y")], kind=TensorProto.BOOL)
    half = {"w": W.astype(np.float16)}
    assert "w: is of float16" in refused([node("Conv", ["x", "w"], "y")], half)


def test_open_shapes_need_the_shape_of_a_sample() -> None:
    data = save(model([node("Relu", ["x"], "y")], ("N", 2, "h", "w")))
    with pytest.raises(UsageError, match=r"axes \[2, 3\] are open") as caught:
        load_onnx(data)
    assert "--input-shape" in str(caught.value)
    assert load_onnx(data, input_shape=(2, 5, 4)).inputs[0].shape == (2, 5, 4)
    assert load_onnx(data, example=np.zeros((9, 2, 5, 4))).inputs[0].shape == (2, 5, 4)
    with pytest.raises(UsageError, match="does not fit"):
        load_onnx(data, input_shape=(3, 5, 4))
    with pytest.raises(UsageError, match="no input"):
        load_onnx(data, input_shape={"z": (2, 5, 4)})


def test_outputs_are_chosen_by_name_or_position() -> None:
    nodes = [node("Relu", ["x"], "a"), node("Neg", ["x"], "b")]
    data = save(model(nodes, IMAGE, outputs=["a", "b"]))
    assert [o.name for o in load_onnx(data).outputs] == ["a", "b"]
    assert [o.name for o in load_onnx(data, output="b").outputs] == ["b"]
    assert [o.name for o in load_onnx(data, output=0).outputs] == ["a"]
    with pytest.raises(UsageError, match="no output 'c'"):
        load_onnx(data, output="c")


def test_names_sources_and_shared_weights() -> None:
    nodes = [
        node("Gemm", ["x", "fc.weight", "fc.bias"], "a", name="/fc/Gemm", transB=1),
        node("Gemm", ["a", "fc.weight"], "b", name="/fc_1/Gemm", transB=1),
        node("MatMul", ["b", "onnx::MatMul_7"], "c", name="/head/MatMul"),
        node("Add", ["c", "head.bias"], "y", name="/head/Add"),
    ]
    weights = {
        "fc.weight": RNG.normal(size=(4, 4)),
        "fc.bias": RNG.normal(size=4),
        "onnx::MatMul_7": RNG.normal(size=(4, 3)),
        "head.bias": RNG.normal(size=3),
    }
    graph = load_onnx(save(model(nodes, ("N", 4), weights)), dt="2ms")
    assert [(n.name, n.source) for n in graph.nodes] == [
        ("x", ("x",)),
        ("fc/Gemm", ("/fc/Gemm",)),
        ("fc_1/Gemm", ("/fc_1/Gemm",)),
        ("head/MatMul", ("/head/MatMul", "/head/Add")),
        ("y", ("y",)),
    ]
    assert sorted(graph.tensors) == [
        "fc.bias", "fc.weight", "head/MatMul.bias", "head/MatMul.weight"
    ]  # fmt: skip
    assert graph.dt is not None
    assert graph.dt * 500 == 1
    assert dict(graph.metadata)["framework"] == "onnx"
    assert graph.outputs[0].decode == "mean"


def test_parsed_model_is_taken_and_left_alone() -> None:
    made = onnx.load_model(io.BytesIO(small()))
    before = save(made)
    assert load_onnx(made) == load_onnx(before)
    assert save(made) == before


def test_constant_of_huge_size_is_refused() -> None:
    nodes = [
        node("ConstantOfShape", ["s"], "c", value=numpy_helper.from_array(np.ones(1, np.float32))),
        node("Add", ["x", "c"], "y"),
    ]
    assert "too large" in refused(nodes, {"s": np.array([2**20, 2**20])})
