"""The table of front ends, and how one is found."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from distribution import ROOT
from neurodeploy import converters, extensions
from neurodeploy.converters import converter_names, find_converter, get_converter
from neurodeploy.converters.base import FrontEnd, Handlers
from neurodeploy.errors import ConversionError, InternalError, UsageError
from neurodeploy.ir import Graph, GraphBuilder


def load_toy(model: object, *, size: int, scale: float = 1.0) -> Graph:
    b = GraphBuilder()
    return b.output("out", b.dense("fc", b.input("x", (size,)), [[scale] * size])).build()


TOY = FrontEnd("toy", load_toy, "toys", suffixes=(".toy", ".onnx"), classes=("builtins.set",))


def plugin(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    point = EntryPoint(name, value, converters.ENTRY_POINT_GROUP)
    monkeypatch.setattr(extensions, "entry_points", lambda *, group: [point])


def test_ours_are_there_and_load_no_framework() -> None:
    code = """
import sys
from neurodeploy.converters import converter_names, find_converter, get_converter
for name in converter_names():
    get_converter(name)
find_converter("net.onnx")
print(sorted({"torch", "onnx", "snntorch"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert {"onnx", "torch"} <= set(converter_names())


def test_front_end_of_a_plugin_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(monkeypatch, "toy", "toys:TOY")
    monkeypatch.setitem(sys.modules, "toys", sys.modules[__name__])
    assert get_converter("toy") is TOY
    assert find_converter(Path("a/b.TOY")) is TOY
    assert find_converter({1}) is TOY
    assert TOY.read({1}, size=3).inputs[0].shape == (3,)


def test_two_readers_of_one_model_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(monkeypatch, "toy", "toys:TOY")
    monkeypatch.setitem(sys.modules, "toys", sys.modules[__name__])
    with pytest.raises(UsageError, match=r"several front ends read 'net\.onnx': onnx, toy"):
        find_converter("net.onnx")


def test_two_plugins_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(monkeypatch, "onnx", "other:FRONT_END")
    with pytest.raises(ConversionError, match="two packages offer a front end named 'onnx'"):
        converter_names()


@pytest.mark.parametrize("place", ["nowhere:X", "os:nothing", "os:path"])
def test_broken_plugin_is_told(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    plugin(monkeypatch, "broken", place)
    with pytest.raises(ConversionError, match=place):
        get_converter("broken")


def test_what_nothing_reads_is_refused_with_a_list() -> None:
    with pytest.raises(UsageError, match=r"no front end reads 'net.tflite'") as caught:
        find_converter("net.tflite")
    assert ".onnx" in str(caught.value)
    with pytest.raises(UsageError, match="no front end reads a dict"):
        find_converter({})
    with pytest.raises(UsageError, match="no front end 'keras'"):
        get_converter("keras")


def test_options_are_checked_before_the_call() -> None:
    with pytest.raises(UsageError) as caught:
        TOY.read({1}, scale=2.0, steps=4)
    assert [f.node for f in caught.value.findings] == ["steps", "size"]


def test_two_handlers_of_one_operator_are_a_bug() -> None:
    table: Handlers[str, object] = Handlers("toy")  # type: ignore[type-var]
    table.handles("a", "b")(print)
    with pytest.raises(InternalError, match="two toy handlers for 'b'"):
        table.handles("b")(print)
