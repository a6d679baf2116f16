"""Finds the parameters that each step of an unrolled program has of its own.

A batch norm through time (Kim and Panda 2021, "Revisiting Batch Normalization for Training
Low-Latency Deep Spiking Neural Networks From Scratch") has other weights at each step. Step t
then differs from the last one only in constants: the two are walked side by side, and where both
have a constant, the constants of all steps are one column of values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from torch import fx

from neurodeploy.converters.per_step import PerStep
from neurodeploy.converters.torch.descent import Key, evaluated, leaf_call, operation
from neurodeploy.converters.torch.opaque import LEAF
from neurodeploy.converters.torch.program import Constant
from neurodeploy.converters.torch.unroll import step_of

__all__ = ["Columns", "find_columns"]


@dataclass(frozen=True)
class Columns:
    """Constants that differ from step to step.

    Attributes:
        rows: By the constant of the last step, those of all steps.
        heads: By a constant and the step that uses it, the constant of the last step.
    """

    rows: Mapping[fx.Node, tuple[fx.Node, ...]]
    heads: Mapping[tuple[fx.Node, int], fx.Node]

    def placeholder(
        self, head: fx.Node, graph: fx.Graph, constants: dict[str, Constant]
    ) -> fx.Node:
        """Put a placeholder for a column into a step's graph, and its values to the constants."""
        rows = [
            evaluated(n, constants, "a parameter of each step").detach().cpu().numpy()
            for n in self.rows[head]
        ]
        made = graph.placeholder(f"each_step_{head.name}")
        made.meta = dict(head.meta)
        constants[str(made.target)] = Constant(head.name, PerStep(np.stack(rows)))
        return made

    def rename(self, node: fx.Node, made: fx.Node, constants: Mapping[str, Constant]) -> None:
        """Name an operator of the last step's own layer, ``norms.9``, after that of all: ``norms``.

        Args:
            node: The operator in the unrolled program.
            made: The same in the step's graph.
            constants: The program's parameters.
        """
        for head in node.all_input_nodes:
            names = [constants[str(n.target)].name for n in self.rows.get(head, ())
                     if str(n.target) in constants]  # fmt: skip
            levels = zip(*(n.split(".") for n in names), strict=False)
            owner = [level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels)]
            if len(set(names)) > 1 and owner:
                stack = made.meta.get("nn_module_stack") or {}
                path = ".".join(owner)
                made.meta["nn_module_stack"] = {
                    key: (path if place.startswith(f"{path}.") else place, kind)
                    for key, (place, kind) in stack.items()
                }


def find_columns(
    values: Iterable[Sequence[fx.Node]],
    constants: Mapping[str, Constant],
    key: Callable[[fx.Node, int], Key],
) -> Columns:
    """Walk values over all steps side by side.

    Args:
        values: The same value at each step; all of one length.
        constants: The program's parameters.
        key: Describes a value relative to a step; equal keys compute the same.
    """
    search = _Search(constants)
    last = 0
    for nodes in values:
        last = len(nodes) - 1
        for t, node in enumerate(nodes[:-1]):
            search.align(nodes[-1], node, t)
    rows: dict[fx.Node, tuple[fx.Node, ...]] = {}
    heads: dict[tuple[fx.Node, int], fx.Node] = {}
    for head, found in search.found.items():
        whole = head not in search.unclear and len(found) == last
        if whole and any(key(n, t) != key(head, last) for t, n in found.items()):
            rows[head] = (*(found[t] for t in range(last)), head)
            heads |= {(n, t): head for t, n in enumerate(rows[head])}
    return Columns(rows, heads)


class _Search:
    def __init__(self, constants: Mapping[str, Constant]) -> None:
        self.constants = constants
        self.found: dict[fx.Node, dict[int, fx.Node]] = {}
        self.unclear: set[fx.Node] = set()
        self._seen: set[tuple[fx.Node, fx.Node, int]] = set()
        self._heads: dict[tuple[fx.Node, int], fx.Node] = {}
        self._fixed: dict[fx.Node, bool] = {}

    def align(self, last: fx.Node, node: fx.Node, step: int) -> None:
        """Pair the constants of the last step with those of another."""
        todo = [(last, node)]
        while todo:
            a, b = todo.pop()
            if (a, b, step) in self._seen:
                continue
            self._seen.add((a, b, step))
            if self._is_constant(a) and self._is_constant(b):
                self._pair(a, b, step)
            elif not (_ends(a) or _ends(b)) and operation(a) == operation(b):
                todo += zip(a.all_input_nodes, b.all_input_nodes, strict=True)

    def _pair(self, a: fx.Node, b: fx.Node, step: int) -> None:
        mine, theirs = a.meta["val"], b.meta["val"]
        known = self.found.setdefault(a, {}).setdefault(step, b)
        head = self._heads.setdefault((b, step), a)
        alike = (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        if known is not b or head is not a or not alike:
            self.unclear |= {a, head}

    def _is_constant(self, node: fx.Node) -> bool:
        """Say whether a value depends on parameters alone."""
        if node not in self._fixed:
            if node.op == "placeholder":
                self._fixed[node] = str(node.target) in self.constants
            else:
                own = node.op == "call_function" and node.target not in (LEAF, step_of)
                self._fixed[node] = own and all(map(self._is_constant, node.all_input_nodes))
        return self._fixed[node]


def _ends(node: fx.Node) -> bool:
    """Say whether a value is what a stateful layer gave, or a step of the input."""
    return node.target is step_of or leaf_call(node) is not None
