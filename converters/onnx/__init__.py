"""ONNX files, read by our own reader; the ``onnx`` package only parses."""

from __future__ import annotations

from neurodeploy.converters.base import FrontEnd
from neurodeploy.converters.onnx.load import load_onnx

__all__ = ["FRONT_END", "load_onnx"]

FRONT_END = FrontEnd(
    name="onnx",
    load=load_onnx,
    summary="ONNX files, opset 11 to 23",
    suffixes=(".onnx",),
    classes=("onnx.onnx_ml_pb2.ModelProto",),
    extra="onnx",
)
