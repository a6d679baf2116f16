"""Names of classes, the class of the scores, and scales by channel, in C."""

from __future__ import annotations

import ctypes
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import neurodeploy as nd
from demo_digits import demo_ann, demo_digits
from edge_runs import WARNINGS, EdgeProgram
from neurodeploy.data import as_samples
from neurodeploy.errors import CapabilityError
from neurodeploy.ir import BOOL, Graph, GraphBuilder, QType
from neurodeploy.recording import Decode
from neurodeploy.targets.edge.source import edge_unit
from oracles import Ledger

Array = npt.NDArray[Any]
NAMES = ('say "hi"', "back\\slash", "what??/ now", "*/ #error", "Katze 1", "\u00e9\u00e91", "%s")
CONTROL = "be\x07ll"


def pointer(array: Array) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


def passed_on(size: int, decode: Decode) -> Graph:
    b = GraphBuilder("1ms")
    return b.output("out", b.input("x", (size,), type=BOOL), decode=decode).build()


@pytest.mark.parametrize("decode", ["count", "max", "first"])
def test_the_first_of_equals(decode: Decode, tmp_path: Path, oracle: Ledger) -> None:
    """As predictions break ties, on scores with many of them."""
    graph = passed_on(5, decode)
    program = EdgeProgram(edge_unit(graph, "net"), "net", tmp_path)
    x = np.random.default_rng(3).random((200, 4, 5)) < 0.3
    due = nd.run(graph, x).predictions
    for sample, best in zip(x, due, strict=True):
        given, scores = np.ascontiguousarray(sample, np.uint8), np.zeros(5, np.int32)
        code = program.code.net_infer(
            pointer(program.context), pointer(given), ctypes.c_size_t(given.size),
            ctypes.c_int32(4), pointer(scores), ctypes.c_size_t(5),
        )  # fmt: skip
        assert code == 0
        assert program.code.net_class(pointer(scores)) == best
    assert len(set(due.tolist())) == 5
    oracle("gcc").record(spiking=True)


def test_predictions_of_a_trained_network(tmp_path: Path, oracle: Ledger) -> None:
    digits = demo_digits()
    graph = nd.quantize(demo_ann(), data=digits["xtr"][:64])
    program = EdgeProgram(edge_unit(graph, "net"), "net", tmp_path)
    held = as_samples(graph, digits["xte"][:50]).inputs["input"].astype(np.uint8)
    due = nd.run(graph, digits["xte"][:50]).predictions
    scores = np.zeros(10, np.int32)
    for x, best in zip(held, due, strict=True):
        program.code.net_infer(
            pointer(program.context), pointer(x), ctypes.c_size_t(x.size), ctypes.c_int32(1),
            pointer(scores), ctypes.c_size_t(10),
        )  # fmt: skip
        assert program.code.net_class(pointer(scores)) == best
    oracle("gcc").record()


def test_any_name_reaches_c(tmp_path: Path, oracle: Ledger) -> None:
    """Quotes, trigraphs, ends of comments, letters beyond ASCII with a digit behind."""
    unit = edge_unit(passed_on(len(NAMES), "count"), "net", labels=NAMES)
    code = EdgeProgram(unit, "net", tmp_path).code
    table = (ctypes.c_char_p * len(NAMES)).in_dll(code, "net_labels")
    assert [entry.decode() for entry in table if entry is not None] == list(NAMES)
    oracle("gcc").record()


def test_labels_of_a_folder(tmp_path: Path) -> None:
    """In the header, in io.json, and in the bytes of constants."""
    graph = passed_on(3, "count")
    options: dict[str, Any] = {"prefix": "pets", "labels": "cat, dog,bird"}
    nd.compile(graph, "cortex-m4", out=tmp_path / "fw", options=options)
    header = (tmp_path / "fw/pets.h").read_text(encoding="ascii")
    assert "extern const char *const pets_labels[PETS_OUTPUT0_SIZE];" in header
    described = json.loads((tmp_path / "fw/io.json").read_text(encoding="utf-8"))
    assert '"label": "dog"' in json.dumps(described)
    used = sum(len(n) + 1 + 8 for n in ("cat", "dog", "bird"))
    assert f"constants in flash | {used} |" in (tmp_path / "fw/README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("labels", "said"),
    [("cat,dog", "2 labels for 3 classes"), ("cat,,dog", "label 1 has 0 characters"),
     (f"cat,{CONTROL},dog", "label 1 holds a character that cannot be shown")],
)  # fmt: skip
def test_wrong_labels_are_refused(labels: str, said: str, tmp_path: Path) -> None:
    """With everything else that is wrong, before anything is written."""
    options: dict[str, Any] = {"labels": labels, "prefix": "No"}
    with pytest.raises(CapabilityError) as caught:
        nd.compile(passed_on(3, "count"), "host", out=tmp_path / "fw", options=options)
    assert said in str(caught.value)
    assert "prefix 'No'" in str(caught.value)
    assert not (tmp_path / "fw").exists()


def test_labels_need_a_vector(tmp_path: Path) -> None:
    b = GraphBuilder("1ms")
    graph = b.output("out", b.input("x", (2, 2), type=BOOL)).build()
    assert "net_class" not in edge_unit(graph, "net").header
    with pytest.raises(CapabilityError, match="no single output that is a vector"):
        nd.compile(graph, "host", out=tmp_path / "fw", options={"labels": "a,b,c,d"})


def test_scales_by_channel(tmp_path: Path, oracle: Ledger) -> None:
    """A table, and the entry that belongs to each score."""
    gcc = oracle("gcc")
    b = GraphBuilder("1ms")
    kind = QType(-5, 5, (0.5, 0.1, 3.7e-9), axis=1)
    graph = b.output("out", b.input("x", (2, 3, 4), type=kind)).build()
    unit = edge_unit(graph, "net")
    assert "define NET_OUTPUT0_STEP " not in unit.header
    due = ", ".join(float.hex(s) for _ in range(2) for s in kind.scale for _ in range(4))
    main = f"""
#include "net.h"
static const double due[NET_OUTPUT0_SIZE] = {{{due}}};
int main(void) {{
  for (int i = 0; i < NET_OUTPUT0_SIZE; i++) if (NET_OUTPUT0_STEP_OF(i) != due[i]) return 1;
  return 0;
}}
"""
    for name, text in (("net.h", unit.header), ("net.c", unit.source), ("main.c", main)):
        (tmp_path / name).write_text(text, encoding="ascii")
    call = ["gcc", *WARNINGS, "-o", "main", "net.c", "main.c"]
    subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
    assert subprocess.run([tmp_path / "main"], check=False).returncode == 0
    gcc.record()
