"""Operators of analog networks, in the forms of the file, against onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from oracles import Ledger

pytest.importorskip("onnx", reason="onnx is not installed")

from onnx import TensorProto, helper

from neurodeploy.converters.onnx import load_onnx
from neurodeploy.errors import ConversionError, UsageError
from neurodeploy.reference import simulate
from onnx_files import Array, model, node, save

RNG = np.random.default_rng(0)
IMAGE, LINE, VECTOR, PAIR = ("N", 4, 6, 5), ("N", 3, 10), ("N", 6), ("N", 2, 3, 4)


def draw(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


Case = tuple[list[Any], Sequence[Any], dict[str, Any], int]


def one(op: str, opset: int = 20, shape: Sequence[Any] = IMAGE, **attributes: Any) -> Case:
    return [node(op, ["x"], "y", **attributes)], shape, {}, opset


def two(op: str, *names: str, opset: int = 17, shape: Sequence[Any] = IMAGE, **more: Any) -> Case:
    """An operator on x and its sine-like neighbour z, or on constants."""
    weights = {"c": draw(4, 1, 5), "k": np.float32(0.4), **more}
    nodes = [node("Tanh", ["x"], "z"), node(op, names, "y")]
    used = {n: v for n, v in weights.items() if n in names}
    return nodes if "z" in names else nodes[1:], shape, used, opset


def positive(op: str, *rest: str, opset: int = 17, **weights: Any) -> Case:
    return [node("Exp", ["x"], "p"), node(op, ["p", *rest], "y")], IMAGE, weights, opset


def as_float(op: str, *names: str) -> Case:
    """A comparison of rounded values, chosen by which the larger one is."""
    nodes = [
        node("Round", ["x"], "r"), node("Tanh", ["x"], "t"), node("Round", ["t"], "z"),
        node(op, names, "b"), node("Cast", ["b"], "f", to=1), node("Add", ["f", "r"], "y"),
    ]  # fmt: skip
    return nodes, IMAGE, {"c": np.float32(1)} if "c" in names else {}, 17


def resize(
    scales: list[float] | None, sizes: list[int] | None, opset: int = 19, **more: Any
) -> Case:
    weights: dict[str, Any] = {}
    names = ["x", "", ""]
    if scales is not None:
        names[2], weights["s"] = "s", np.array(scales, np.float32)
    else:
        names.append("z")
        weights["z"] = np.array([2, *sizes] if sizes else [])
    return [node("Resize", names, "y", **more)], (2, 4, 6, 5), weights, opset


def pad(mode: str, widths: list[int], value: float | None = None) -> Case:
    names, weights = ["x", "w"], {"w": np.array(widths)}
    if value is not None:
        names, weights = [*names, "v"], {**weights, "v": np.float32(value)}
    return [node("Pad", names, "y", mode=mode)], IMAGE, weights, 18


def attention(heads: int) -> Case:
    """Self-attention in the layout (time, batch * heads, width), as torch exports it."""
    width = 8 // heads
    nodes = [
        node("Transpose", ["x"], "t", perm=[1, 0, 2]),
        *(node("MatMul", ["t", f"w{i}"], f"p{i}") for i in "qkv"),
        node("Shape", ["t"], "shape"), node("Gather", ["shape", "one"], "n", axis=0),
        node("Mul", ["n", "heads"], "nh"), node("Unsqueeze", ["nh", "zeros"], "nh1"),
        node("Concat", ["time", "nh1", "width"], "folded", axis=0),
        *(node("Reshape", [f"p{i}", "folded"], f"f{i}") for i in "qkv"),
        node("Transpose", ["fq"], "q", perm=[1, 0, 2]),
        node("Transpose", ["fk"], "k", perm=[1, 2, 0]),
        node("Transpose", ["fv"], "v", perm=[1, 0, 2]),
        node("MatMul", ["q", "k"], "scores"), node("Softmax", ["scores"], "a", axis=-1),
        node("MatMul", ["a", "v"], "o"), node("Transpose", ["o"], "o1", perm=[1, 0, 2]),
        node("Reshape", ["o1", "back"], "r"), node("Add", ["r", "t"], "sum"),
        node("LayerNormalization", ["sum", "scale", "shift"], "norm"),
        node("Transpose", ["norm"], "y", perm=[1, 0, 2]),
    ]  # fmt: skip
    weights = {
        **{f"w{i}": draw(8, 8) for i in "qkv"}, "one": np.array(1), "heads": np.array(heads),
        "zeros": np.array([0]), "time": np.array([5]), "width": np.array([width]),
        "back": np.array([5, -1, 8]), "scale": draw(8), "shift": draw(8),
    }  # fmt: skip
    return nodes, ("N", 5, 8), weights, 17


def recurrent(op: str, output: str, shape: Sequence[Any] = ("N", 5, 3), **more: Any) -> Case:
    count = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    ways = 2 if more.get("direction") == "bidirectional" else 1
    given = more.pop("initial", False)
    names = ["s", "w", "r", "b"] + (["", "h"] if given else [])
    weights = {
        "w": draw(ways, count * 4, 3), "r": draw(ways, count * 4, 4),
        "b": draw(ways, count * 8),
    }  # fmt: skip
    if given:
        weights["h"] = np.repeat(draw(ways, 1, 4), 3, axis=1)
    outputs = {"Y": ["t", "u"], "Y_h": ["u", "t"], "Y_c": ["u", "v", "t"]}[output]
    nodes = [
        node("Transpose", ["x"], "s", perm=[1, 0, 2]),
        node(op, names, outputs, hidden_size=4, **more),
        node("Transpose", ["t"], "y", perm=[2, 0, 1, 3] if output == "Y" else [1, 0, 2]),
    ]
    return nodes, (3, *shape[1:]) if given else shape, weights, 14


CASES: dict[str, Case] = {
    **{op: one(op) for op in (
        "Sigmoid", "Tanh", "Erf", "Softplus", "Softsign", "HardSwish", "Mish", "Abs", "Exp",
        "Floor", "Ceil", "Round", "Gelu", "Selu", "HardSigmoid", "Elu", "Celu",
    )},
    "Gelu tanh": one("Gelu", approximate="tanh"),
    "Elu 11": one("Elu", 11, alpha=0.3),
    "Celu 2": one("Celu", 12, alpha=2.0),
    "HardSigmoid slope": one("HardSigmoid", 11, alpha=0.4, beta=0.3),
    "PRelu": ([node("PRelu", ["x", "s"], "y")], IMAGE, {"s": np.abs(draw(4, 1, 1))}, 16),
    "Sqrt": positive("Sqrt"), "Log": positive("Log"), "Reciprocal": positive("Reciprocal"),
    "Pow whole": positive("Pow", "n", n=np.float32(3)),
    "Pow half": positive("Pow", "n", n=np.float32(0.5)),
    "Pow real": positive("Pow", "n", n=np.float32(-1.3)),
    "Pow of integer": positive("Pow", "n", n=np.array(2)),
    "Clip": two("Clip", "x", "k", "h", h=np.float32(0.8)),
    "Clip above": two("Clip", "x", "", "k"),
    "Clip from 0 to 0.4": two("Clip", "x", "o", "k", o=np.float32(0)),
    "Max": two("Max", "x", "z", "c"), "Min": two("Min", "x", "c"),
    "Max with -inf": two("Max", "x", "i", i=np.float32(-np.inf)),
    "Div": two("Div", "z", "d", d=draw(4, 1, 1)),
    "Div of signals": ([node("Exp", ["x"], "p"), node("Div", ["x", "p"], "y")], IMAGE, {}, 14),
    "Div of a constant": (
        [node("Exp", ["x"], "p"), node("Div", ["c", "p"], "y")], IMAGE, {"c": draw(5)}, 14
    ),
    "Sub": two("Sub", "x", "z"),
    "Equal": as_float("Equal", "r", "z"), "Greater": as_float("Greater", "r", "z"),
    "Less": as_float("Less", "r", "c"), "LessOrEqual": as_float("LessOrEqual", "r", "z"),
    "GreaterOrEqual": as_float("GreaterOrEqual", "r", "c"),
    "Where": (
        [node("Greater", ["x", "k"], "b"), node("Not", ["b"], "n"), node("Or", ["n", "b"], "o"),
         node("And", ["o", "n"], "a"), node("Where", ["a", "x", "c"], "y")],
        IMAGE, {"k": np.float32(0.2), "c": draw(5)}, 17,
    ),
    "Cast to whole": (
        [node("Cast", ["x"], "i", to=7), node("Cast", ["i"], "f", to=1),
         node("Sub", ["x", "f"], "y")], IMAGE, {}, 13,
    ),
    "Softmax 11": one("Softmax", 11, axis=2),
    "Softmax 13": one("Softmax", 13), "Softmax channels": one("Softmax", 13, axis=1),
    "LogSoftmax": one("LogSoftmax", 13, axis=-2),
    "LayerNormalization": (
        [node("LayerNormalization", ["x", "s", "b"], "y", axis=-2, epsilon=1e-3)],
        IMAGE, {"s": draw(6, 5), "b": draw(6, 5)}, 17,
    ),
    "LayerNormalization without shift": (
        [node("LayerNormalization", ["x", "s"], "y")], LINE, {"s": draw(10)}, 17,
    ),
    "InstanceNormalization": (
        [node("InstanceNormalization", ["x", "s", "b"], "y")], IMAGE,
        {"s": draw(4), "b": draw(4)}, 16,
    ),
    "GroupNormalization": (
        [node("GroupNormalization", ["x", "s", "b"], "y", num_groups=2)], IMAGE,
        {"s": draw(4), "b": draw(4)}, 21,
    ),
    "ReduceMin": one("ReduceMin", 11, axes=[2], keepdims=0),
    "ReduceL2": one("ReduceL2", 11, axes=[-1, 1]),
    "ReduceSumSquare": one("ReduceSumSquare", 11, axes=[1], keepdims=0),
    "Resize nearest": resize([1, 1, 2, 2], None, mode="nearest",
                             coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    "Resize half pixel": resize([1, 1, 1.5, 0.6], None, mode="nearest"),
    "Resize prefer ceil": resize([1, 1, 2, 3], None, nearest_mode="round_prefer_ceil"),
    "Resize linear": resize(None, [4, 9, 11], mode="linear"),
    "Resize corners": resize(None, [4, 9, 11], 13, mode="linear",
                             coordinate_transformation_mode="align_corners"),
    "Resize 11": ([node("Resize", ["x", "r", "s"], "y", mode="linear",
                        coordinate_transformation_mode="pytorch_half_pixel")],
                  (2, 4, 6, 5), {"r": np.zeros(0, np.float32),
                                 "s": np.array([1, 1, 2, 1.7], np.float32)}, 11),
    "Resize cubic": resize([1, 1, 2, 2], None, mode="cubic"),
    "DepthToSpace": one("DepthToSpace", 13, blocksize=2),
    "DepthToSpace CRD": one("DepthToSpace", 13, blocksize=2, mode="CRD"),
    "SpaceToDepth": one("SpaceToDepth", 13, ("N", 2, 6, 4), blocksize=2),
    "Pad constant": pad("constant", [0, 0, 1, 2, 0, 0, 0, 1], -0.7),
    "Pad zeros alone": pad("constant", [0, 1, 1, 2, 0, 0, 0, 1]),
    "Pad reflect": pad("reflect", [0, 0, 3, 1, 0, 0, 2, 4]),
    "Pad edge": pad("edge", [0, 2, 3, 1, 0, 0, 2, 4]),
    "Pad then max pool": (
        [node("Pad", ["x", "p"], "t"), node("MaxPool", ["t"], "y", kernel_shape=[2, 2])],
        IMAGE, {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}, 13,
    ),
    "Expand": (
        [node("ReduceMean", ["x"], "m", axes=[2, 3]), node("Expand", ["m", "s"], "y")], IMAGE,
        {"s": np.array([1, 1, 6, 5])}, 13,
    ),
    "Tile": ([node("Tile", ["x", "n"], "y")], LINE, {"n": np.array([1, 2, 3])}, 13),
    "Concat with a constant": (
        [node("Concat", ["c", "x"], "y", axis=1)], (1, 4, 6), {"c": draw(1, 1, 6)}, 13
    ),
    "MatMul of signals": (
        [node("Transpose", ["x"], "t", perm=[0, 1, 3, 2]), node("MatMul", ["x", "t"], "y")],
        PAIR, {}, 13,
    ),
    "MatMul of a stack": ([node("MatMul", ["x", "w"], "y")], PAIR, {"w": draw(2, 4, 5)}, 13),
    "MatMul broadcast": (
        [node("ReduceMean", ["x"], "m", axes=[1]),
         node("Transpose", ["m"], "t", perm=[0, 1, 3, 2]), node("MatMul", ["x", "t"], "y")],
        PAIR, {}, 13,
    ),
    "attention": attention(1), "attention with heads": attention(2),
    "LSTM": recurrent("LSTM", "Y"), "LSTM memory": recurrent("LSTM", "Y_c"),
    "LSTM both ways": recurrent("LSTM", "Y", direction="bidirectional"),
    "LSTM initial": recurrent("LSTM", "Y_h", initial=True),
    "GRU": recurrent("GRU", "Y", linear_before_reset=1),
    "GRU reset before": recurrent("GRU", "Y_h"),
    "GRU backwards": recurrent("GRU", "Y", direction="reverse", linear_before_reset=1),
    "RNN": recurrent("RNN", "Y_h"), "RNN relu": recurrent("RNN", "Y", activations=["Relu"]),
    "batch in the middle": (
        [node("Transpose", ["x"], "t", perm=[1, 0, 2]), node("ReduceMax", ["t"], "m", axes=[2],
              keepdims=0), node("Sigmoid", ["m"], "s"), node("Gather", ["s", "i"], "g", axis=0),
         node("Unsqueeze", ["g", "a"], "y")],
        LINE, {"i": np.array(1), "a": np.array([1])}, 13,
    ),
    "convolution of a stack": (
        [node("Reshape", ["x", "t"], "s"), node("Conv", ["s", "w", "b"], "c", strides=[2]),
         node("Reshape", ["c", "u"], "y")],
        (1, 3, 10), {"t": np.array([3, 1, 10]), "u": np.array([1, -1]), "w": draw(2, 1, 3),
                     "b": draw(2)}, 13,
    ),
}  # fmt: skip


def due(data: bytes, x: Array, oracle: Ledger) -> Any:
    runtime = oracle("onnxruntime")
    options = runtime.module.SessionOptions()
    options.log_severity_level = 3
    return runtime.module.InferenceSession(data, options).run(None, {"x": x})[0]


@pytest.mark.parametrize("name", CASES)
def test_graph_computes_what_onnxruntime_does(name: str, oracle: Ledger) -> None:
    nodes, shape, weights, opset = CASES[name]
    data = save(model(nodes, shape, weights, opset=opset))
    count = 3 if isinstance(shape[0], str) else shape[0]
    x = np.random.default_rng(1).normal(size=(count, *shape[1:])).astype(np.float32)
    wanted = due(data, x, oracle)
    graph = load_onnx(data)
    value = simulate(graph, {"x": x}, 1, record=[("y", "out")])[("y", "out")][:, 0]
    assert value.shape == wanted.shape
    assert wanted.any()
    assert np.abs(value - wanted).max() <= 1e-5 * max(1, np.abs(wanted).max())
    oracle("onnxruntime").record()


def branches(condition: str) -> bytes:
    """An If whose branches read a signal of the outer graph."""
    parts = [
        helper.make_graph(
            [node(op, ["x"], f"{op}_out")],
            op,
            [],
            [helper.make_tensor_value_info(f"{op}_out", 1, None)],
        )
        for op in ("Sigmoid", "Tanh")
    ]
    nodes = [
        node("Shape", ["x"], "shape"), node("Gather", ["shape", "one"], "n", axis=0),
        node("Equal", ["n", "size"], "known"), node("ReduceMax", ["x"], "m"),
        node("Greater", ["m", "k"], "open"),
        node("If", [condition], "y", then_branch=parts[0], else_branch=parts[1]),
    ]  # fmt: skip
    weights = {"one": np.array(1), "size": np.array(6), "k": np.float32(0)}
    return save(model(nodes, (1, 6), weights, opset=17))


def test_branch_with_a_known_condition_is_taken(oracle: Ledger) -> None:
    x = RNG.normal(size=(1, 6)).astype(np.float32)
    graph = load_onnx(branches("known"))
    value = simulate(graph, {"x": x}, 1, record=[("y", "out")])[("y", "out")][:, 0]
    assert np.abs(value - due(branches("known"), x, oracle)).max() < 1e-6
    oracle("onnxruntime").record()


def test_branch_that_depends_on_data_is_refused() -> None:
    with pytest.raises(ConversionError, match="If: its condition depends on the network's input"):
        load_onnx(branches("open"))


def test_integers_are_carried_as_floats(oracle: Ledger) -> None:
    """Whole numbers come in, are divided as such, compared and chosen by."""
    nodes = [
        node("Div", ["x", "three"], "d"), node("Equal", ["d", "two"], "b"),
        node("Cast", ["b"], "f", to=1), node("Cast", ["d"], "g", to=1),
        node("Add", ["f", "g"], "y"),
    ]  # fmt: skip
    weights = {"three": np.array(3, np.int32), "two": np.array(2, np.int32)}
    made = model(nodes, ("N", 9), weights)
    made.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
    x = np.arange(-9, 9, dtype=np.int32).reshape(2, 9)
    graph = load_onnx(save(made))
    inputs = {"x": x.astype(np.float32)}
    value = simulate(graph, inputs, 1, record=[("y", "out")])[("y", "out")][:, 0]
    assert np.array_equal(value, due(save(made), x, oracle))
    assert any("floats" in c.what for c in graph.changes)
    oracle("onnxruntime").record()


def test_settings_among_the_inputs_are_given_as_constants(oracle: Ledger) -> None:
    runtime = oracle("onnxruntime")
    made = model([node("Mul", ["x", "rate"], "y")], ("N", 3))
    made.graph.input.append(helper.make_tensor_value_info("rate", 1, []))
    x = RNG.normal(size=(2, 3)).astype(np.float32)
    with pytest.raises(UsageError, match="rate"):
        load_onnx(save(made))
    graph = load_onnx(save(made), constants={"rate": 0.3})
    value = simulate(graph, {"x": x}, 1, record=[("y", "out")])[("y", "out")][:, 0]
    session = runtime.module.InferenceSession(save(made))
    assert np.array_equal(value, session.run(None, {"x": x, "rate": np.array(0.3, np.float32)})[0])
    with pytest.raises(UsageError, match="no input 'speed'"):
        load_onnx(save(made), constants={"speed": 1})
    runtime.record()


def test_file_without_a_batch_is_told_by_the_shape(oracle: Ledger) -> None:
    """All axes of the file given: the first one is no batch, and values may mix along it."""
    data = save(model([node("ReduceMean", ["x"], "y", axes=[0])], ("time", 4)))
    x = RNG.normal(size=(7, 4)).astype(np.float32)
    graph = load_onnx(data, input_shape=(7, 4))
    value = simulate(graph, {"x": x[None]}, 1, record=[("y", "out")])[("y", "out")][0, 0]
    assert np.abs(value - due(data, x, oracle)[0]).max() < 1e-6
    with pytest.raises(ConversionError, match="batch axis"):
        load_onnx(data)
    oracle("onnxruntime").record()
