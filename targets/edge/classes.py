"""Classes in C: their names, which of them the scores say, and what a score is in real numbers."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from math import prod

from neurodeploy.engine.text import indented
from neurodeploy.errors import Finding
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.types import QType
from neurodeploy.semantics.c_eval import c_float
from neurodeploy.targets.edge.memory import StaticPlan

__all__ = [
    "class_declarations",
    "class_definitions",
    "label_findings",
    "labels_of",
    "scale_declarations",
    "scale_definitions",
    "table_bytes",
]

LONGEST = 200  # characters of a label
POINTER = 8  # bytes, at most
PER_LINE = 8


def labels_of(text: str) -> tuple[str, ...]:
    """Split the option ``labels``.

    >>> labels_of("cat, dog"), labels_of("")
    (('cat', 'dog'), ())
    """
    return tuple(part.strip() for part in text.split(",")) if text else ()


def label_findings(graph: Graph, labels: tuple[str, ...]) -> Iterator[Finding]:
    """Give what is wrong with labels for the classes of a graph."""
    if not labels:
        return
    if not _classifies(graph):
        yield Finding("this network has no single output that is a vector", node="labels")
    else:
        size = graph.signals[(graph.outputs[0].name, "out")].size
        if len(labels) != size:
            yield Finding(
                f"{len(labels)} labels for {size} classes",
                node="labels",
                hint="one name for each score, in their order, with commas between",
                value=len(labels),
                limit=size,
            )
    for number, label in enumerate(labels):
        if not label or len(label) > LONGEST:
            yield Finding(f"label {number} has {len(label)} characters", node="labels")
        elif any(unicodedata.category(c).startswith("C") for c in label):
            yield Finding(f"label {number} holds a character that cannot be shown", node="labels")


def class_declarations(plan: StaticPlan, prefix: str, labels: tuple[str, ...]) -> list[str]:
    """Give the lines of the header; none where the output is no vector of scores."""
    if not _classifies(plan.graph):
        return []
    lines = [
        f"/* The class that the {prefix.upper()}_OUTPUT0_SIZE scores of an inference say: the",
        f"   {_most(plan)} of them, the first one of equals. */",
        f"int32_t {prefix}_class(const int32_t *scores);",
        "",
    ]
    if labels:
        lines += [
            "/* The names of the classes, UTF-8. */",
            f"extern const char *const {prefix}_labels[{prefix.upper()}_OUTPUT0_SIZE];",
            "",
        ]
    return lines


def class_definitions(plan: StaticPlan, prefix: str, labels: tuple[str, ...]) -> str:
    """Give the function and the table of names."""
    if not _classifies(plan.graph):
        return ""
    sign = "<" if _most(plan) == "smallest" else ">"
    body = [
        "int32_t best = 0;",
        f"for (int32_t i = 1; i < {prefix.upper()}_OUTPUT0_SIZE; i++) {{",
        f"if (scores[i] {sign} scores[best]) best = i;",
        "}",
        "return best;",
    ]
    text = f"int32_t {prefix}_class(const int32_t *scores)\n{{\n{indented(body)}\n}}\n"
    if labels:
        names = "".join(f"  {_literal(label)},\n" for label in labels)
        text += f"\nconst char *const {prefix}_labels[{len(labels)}] = {{\n{names}}};\n"
    return text


def scale_declarations(plan: StaticPlan, prefix: str) -> list[str]:
    """Give what scores are in real numbers: a number for each output, or a table by channel."""
    big, lines = prefix.upper(), []
    for number, (shape, kind) in _scales(plan).items():
        if kind.axis is None:
            lines.append("/* the real value of 1 in this output */")
            lines.append(f"#define {big}_OUTPUT{number}_STEP {kind.scale[0]!r}")
        else:
            count, inner = len(kind.scale), prod(shape[kind.axis + 1 :])
            name = f"{prefix}_output{number}_steps"
            lines += [
                f"/* the real value of 1 in this output, by position of axis {kind.axis} */",
                f"extern const double {name}[{count}];",
                f"#define {big}_OUTPUT{number}_STEP_OF(index) "
                f"({name}[(index) / {inner} % {count}])",
            ]
    return lines


def scale_definitions(plan: StaticPlan, prefix: str) -> str:
    """Give the tables."""
    parts = []
    for number, (_, kind) in _scales(plan).items():
        if kind.axis is None:
            continue
        texts = [c_float(s, 64) for s in kind.scale]
        rows = (", ".join(texts[i : i + PER_LINE]) for i in range(0, len(texts), PER_LINE))
        body = "".join(f"  {row},\n" for row in rows)
        parts.append(f"const double {prefix}_output{number}_steps[{len(texts)}] = {{\n{body}}};\n")
    return "\n".join(parts)


def table_bytes(plan: StaticPlan, labels: tuple[str, ...]) -> int:
    """Give the bytes of the names and the tables."""
    names = sum(len(label.encode()) + 1 + POINTER for label in labels)
    tables = [k.scale for _, k in _scales(plan).values() if k.axis is not None]
    return names + 8 * sum(map(len, tables))


def _classifies(graph: Graph) -> bool:
    """Say whether a run predicts classes; see `neurodeploy.Recording.predictions`."""
    return len(graph.outputs) == 1 and len(graph.signals[(graph.outputs[0].name, "out")].shape) == 1


def _most(plan: StaticPlan) -> str:
    return "smallest" if plan.graph.outputs[0].decode == "first" else "largest"


def _scales(plan: StaticPlan) -> dict[int, tuple[tuple[int, ...], QType]]:
    signals = [plan.graph.signals[(n.name, "out")] for n in plan.graph.outputs]
    return {i: (s.shape, s.type) for i, s in enumerate(signals) if isinstance(s.type, QType)}


def _literal(label: str) -> str:
    """Give a C string of any label: nothing ends it, and no trigraph is in it."""
    text = "".join(
        chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in label.encode()
    )
    return f'"{text}"'
