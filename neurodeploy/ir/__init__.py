"""The intermediate representation: the Graph and what belongs to it."""

from neurodeploy.ir.builder import GraphBuilder
from neurodeploy.ir.graph import OPSET, Change, Graph
from neurodeploy.ir.nodes import (
    Cell,
    Edge,
    Input,
    Map,
    Node,
    Output,
    ParamRef,
    Product,
    Reduce,
    StateRef,
)
from neurodeploy.ir.types import BOOL, F32, F64, NumType, QType, Signal, Tensor, tensor

__all__ = [
    "BOOL",
    "F32",
    "F64",
    "OPSET",
    "Cell",
    "Change",
    "Edge",
    "Graph",
    "GraphBuilder",
    "Input",
    "Map",
    "Node",
    "NumType",
    "Output",
    "ParamRef",
    "Product",
    "QType",
    "Reduce",
    "Signal",
    "StateRef",
    "Tensor",
    "tensor",
]
