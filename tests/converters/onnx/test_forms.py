"""Forms of the operators that PyTorch does not write, against onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from oracles import Ledger

pytest.importorskip("onnx", reason="onnx is not installed")

from onnx import numpy_helper

from neurodeploy.converters.onnx import load_onnx
from neurodeploy.reference import simulate
from onnx_files import Array, model, node, save

RNG = np.random.default_rng(0)
IMAGE, LINE, VECTOR = ("N", 2, 7, 6), ("N", 3, 10), ("N", 6)


def draw(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


W = {"w": draw(4, 2, 3, 2), "b": draw(4)}
CONV = ("x", "w", "b")
M = {"m": draw(6, 5), "c": draw(5)}
BN = {"s": draw(2), "o": draw(2), "mu": draw(2), "v": np.abs(draw(2)) + 0.1}

Case = tuple[list[Any], Sequence[Any], dict[str, Any], int]


def reshape(opset: int) -> Case:
    """A target that the file computes: (batch of x, -1)."""
    nodes = [
        node("Shape", ["x"], "shape"),
        node("Gather", ["shape", "zero"], "n", axis=0),
        node("Unsqueeze", ["n", "axis"], "n1")
        if opset >= 13
        else node("Unsqueeze", ["n"], "n1", axes=[0]),
        node("Concat", ["n1", "rest"], "target", axis=0),
        node("Reshape", ["x", "target"], "y"),
    ]
    ints = {"zero": np.array(0), "axis": np.array([0]), "rest": np.array([-1])}
    if opset < 13:
        del ints["axis"]
    return nodes, IMAGE, ints, opset


def axes(op: str, values: list[int], opset: int, since: int, **more: Any) -> Case:
    if opset < since:
        return [node(op, ["x"], "y", axes=values, **more)], IMAGE, {}, opset
    return [node(op, ["x", "a"], "y", **more)], IMAGE, {"a": np.array(values)}, opset


CASES: dict[str, Case] = {
    "SAME_UPPER": ([node("Conv", CONV, "y", auto_pad="SAME_UPPER", strides=[2, 1])], IMAGE, W, 11),
    "SAME_LOWER": ([node("Conv", CONV, "y", auto_pad="SAME_LOWER", strides=[1, 2])], IMAGE, W, 12),
    "VALID": ([node("Conv", CONV, "y", auto_pad="VALID", dilations=[2, 1])], IMAGE, W, 22),
    "asymmetric pads": ([node("Conv", CONV, "y", pads=[2, 0, 0, 1])], IMAGE, W, 23),
    "pad before conv": (
        [node("Pad", ["x", "p"], "t"), node("Conv", ["t", "w"], "y", pads=[0, 1, 1, 0])],
        IMAGE,
        {"w": W["w"], "p": np.array([0, 0, 1, 2, 0, 0, 0, 1])},
        18,
    ),
    "pad with axes": (
        [node("Pad", ["x", "p", "", "a"], "t"), node("Conv", ["t", "w"], "y")],
        IMAGE,
        {"w": W["w"], "p": np.array([1, 2]), "a": np.array([-1])},
        20,
    ),
    "pad before average": (
        [
            node("Pad", ["x", "p", "z"], "t"),
            node("AveragePool", ["t"], "y", kernel_shape=[2, 2], count_include_pad=1),
        ],
        IMAGE,
        {"p": np.array([0, 0, 1, 0, 0, 0, 0, 1]), "z": np.float32(0)},
        13,
    ),
    "average same": (
        [node("AveragePool", ["x"], "y", kernel_shape=[3, 2], auto_pad="SAME_UPPER")], IMAGE, {}, 11
    ),
    "average ceil": (
        [node("AveragePool", ["x"], "y", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)],
        IMAGE, {}, 19,
    ),
    "max ceil pads": (
        [node("MaxPool", ["x"], "y", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 0, 1],
              ceil_mode=1)],
        IMAGE, {}, 12,
    ),
    "max dilated": (
        [node("MaxPool", ["x"], "y", kernel_shape=[2, 2], dilations=[2, 3])], IMAGE, {}, 22
    ),
    "global max": ([node("GlobalMaxPool", ["x"], "y")], IMAGE, {}, 15),
    "gemm": ([node("Gemm", ["x", "m", "c"], "y", alpha=0.5, beta=2.0)], VECTOR, M, 11),
    "gemm scalar": ([node("Gemm", ["x", "m", "k"], "y")], VECTOR, {"m": M["m"], "k": draw(1)}, 13),
    "gemm square": ([node("Gemm", ["x", "m"], "y")], VECTOR, {"m": draw(6, 6)}, 13),
    "max ceil window in the padding": (
        [node("MaxPool", ["x"], "y", kernel_shape=[2], strides=[2], pads=[1, 1], ceil_mode=1)],
        ("N", 3, 5), {}, 13,
    ),
    "gemm row": ([node("Gemm", ["x", "m", "k"], "y")], VECTOR, {"m": M["m"], "k": draw(1, 5)}, 17),
    "gemm alone": ([node("Gemm", ["x", "m"], "y")], VECTOR, {"m": M["m"]}, 13),
    "matmul and add": (
        [node("MatMul", ["x", "m"], "t"), node("Add", ["c", "t"], "y")],
        ("N", 3, 6), M, 21,
    ),
    "matmul from the left": (
        [node("MatMul", ["m", "x"], "y")], ("N", 5, 4), {"m": draw(2, 5)}, 13
    ),
    "conv and two adds": (
        [node("Conv", ["x", "w"], "t"), node("Add", ["t", "p"], "u"), node("Add", ["u", "p"], "y")],
        IMAGE, {"w": W["w"], "p": draw(1, 4, 1, 1)}, 13,
    ),
    "sum read twice": (
        [node("Conv", ["x", "w"], "t"), node("Add", ["t", "p"], "u"), node("Mul", ["u", "t"], "y")],
        IMAGE, {"w": W["w"], "p": draw(4, 1, 1)}, 13,
    ),
    "batch norm": (
        [node("BatchNormalization", ["x", "s", "o", "mu", "v"], "y", epsilon=0.01)], IMAGE, BN, 11
    ),
    "batch norm of vectors": (
        [node("BatchNormalization", ["x", "s", "o", "mu", "v"], "y")], ("N", 2), BN, 15
    ),
    "unfolded batch norm": (
        [
            node("Add", ["v", "e"], "ve"), node("Sqrt", ["ve"], "sd"),
            node("Div", ["s", "sd"], "f"),
            node("Unsqueeze", ["f", "a"], "f3"), node("Unsqueeze", ["mu", "a"], "mu3"),
            node("Sub", ["x", "mu3"], "t"), node("Mul", ["f3", "t"], "y"),
        ],
        IMAGE, {**BN, "e": np.float32(1e-5), "a": np.array([1, 2])}, 17,
    ),
    "weights as constants": (
        [
            node("Constant", [], "w", value=numpy_helper.from_array(W["w"])),
            node("Conv", ["x", "w"], "y"),
        ],
        IMAGE, {}, 13,
    ),
    "clip from zero": (
        [node("Clip", ["x", "lo"], "t"), node("Clip", ["t", "lo", "hi"], "y")],
        VECTOR, {"lo": np.float32(0), "hi": np.float32(0.7)}, 12,
    ),
    "max with zero": ([node("Max", ["k", "x"], "y")], VECTOR, {"k": np.float32(0)}, 13),
    "sum of three": ([node("Sum", ["x", "x", "x"], "y")], VECTOR, {}, 13),
    "constant minus": (
        [node("Sub", ["k", "x"], "t"), node("Div", ["t", "k"], "y")], VECTOR, {"k": draw(6)}, 14
    ),
    "leaky": ([node("LeakyRelu", ["x"], "y", alpha=0.2)], VECTOR, {}, 16),
    "transposed": (
        [node("ConvTranspose", ["x", "w"], "y", strides=[2, 1], pads=[1, 0, 0, 1],
              output_padding=[1, 0])],
        IMAGE, {"w": draw(2, 3, 3, 2)}, 11,
    ),
    "flatten": ([node("Flatten", ["x"], "y", axis=-3)], IMAGE, {}, 13),
    "reshape with zero": (
        [node("Reshape", ["x", "t"], "y")], IMAGE, {"t": np.array([0, 2, -1])}, 14
    ),
    "computed reshape 11": reshape(11),
    "computed reshape 20": reshape(20),
    "squeeze 11": axes("Unsqueeze", [1, -1], 11, 13),
    "unsqueeze 13": axes("Unsqueeze", [2], 13, 13),
    "mean 11": axes("ReduceMean", [-1, 2], 11, 18, keepdims=0),
    "mean 18": axes("ReduceMean", [2, 3], 18, 18),
    "mean of channels": axes("ReduceMean", [1], 18, 18, keepdims=0),
    "sum 13": axes("ReduceSum", [3], 13, 13),
    "max 20": axes("ReduceMax", [2], 20, 18),
    "transpose": ([node("Transpose", ["x"], "y", perm=[0, 2, 3, 1])], IMAGE, {}, 13),
    "split equal": (
        [node("Split", ["x"], ["a", "y"], axis=1)], IMAGE, {}, 11
    ),
    "split 18": (
        [node("Split", ["x"], ["a", "b", "y"], axis=2, num_outputs=3)], IMAGE, {}, 18
    ),
    "split sizes": (
        [node("Split", ["x", "s"], ["y", "b"], axis=-1)], IMAGE, {"s": np.array([1, 5])}, 13
    ),
    "slice backwards": (
        [node("Slice", ["x", "s", "e", "a", "p"], "y")], IMAGE,
        {"s": np.array([-1, 1]), "e": np.array([-100, 2**62]), "a": np.array([2, -1]),
         "p": np.array([-2, 3])}, 13,
    ),
    "gather": (
        [node("Gather", ["x", "i"], "y", axis=2)], IMAGE, {"i": np.array([3, -1, 3])}, 13
    ),
    "gather one": ([node("Gather", ["x", "i"], "y", axis=-1)], IMAGE, {"i": np.array(2)}, 13),
    "concat": (
        [node("Relu", ["x"], "r"), node("Concat", ["x", "r", "x"], "y", axis=-2)], IMAGE, {}, 13
    ),
    "dropout and identity": (
        [node("Dropout", ["x"], "t"), node("Identity", ["t"], "u"), node("Cast", ["u"], "y", to=1)],
        VECTOR, {}, 13,
    ),
    "fixed batch": (
        [node("Reshape", ["x", "t"], "y")], (3, 2, 4), {"t": np.array([3, -1])}, 13
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_graph_computes_what_onnxruntime_does(name: str, oracle: Ledger) -> None:
    runtime = oracle("onnxruntime")
    nodes, shape, weights, opset = CASES[name]
    data = save(model(nodes, shape, weights, opset=opset))
    x = np.random.default_rng(1).normal(size=(3, *shape[1:])).astype(np.float32)
    [due] = runtime.module.InferenceSession(data).run(None, {"x": x})
    graph = load_onnx(data)
    value = simulate(graph, {"x": x}, 1, record=[("y", "out")])[("y", "out")][:, 0]
    assert value.shape == due.shape
    assert due.any()
    assert np.abs(value - due).max() <= 1e-5 * np.abs(due).max()
    runtime.record()
