"""The folder's own Python reader: the C by ctypes, without numpy, bit for bit the reference."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import neurodeploy as nd
from demo_digits import demo_ann, demo_digits
from edge_cases import taken
from neurodeploy.data import as_samples
from neurodeploy.ir import BOOL, GraphBuilder, QType
from neurodeploy.reference import simulate
from oracles import Ledger
from tiers import sample_count

STEPS = """
import json, sys
sys.path.insert(0, sys.argv[1])
import net
assert "numpy" not in sys.modules
found = []
for number, sample in enumerate(json.load(sys.stdin)):
    network.reset() if found else None
    if hasattr(network, "seed"):
        network.seed(0, number)
    found.append([network.step(values) for values in sample])
json.dump(found, sys.stdout)
""".replace("import net\n", "import net\nnetwork = net.Network()\n")


def isolated(script: str, folder: Path, given: object) -> Any:
    """Run a script in a Python that sees no package; give its JSON."""
    call = [sys.executable, "-I", "-S", "-c", script, str(folder)]
    done = subprocess.run(
        call, input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def compiled(graph: nd.Graph, board: str, folder: Path) -> Path:
    nd.compile(graph, board, out=folder)
    subprocess.run(["make", "-s", "shared", "HOSTCC=gcc"], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize("seed", range(sample_count(20, 3)))
def test_steps(seed: int, tmp_path: Path, oracle: Ledger) -> None:
    """Every output at every step of random networks, with several inputs and outputs."""
    gcc = oracle("gcc")
    case = taken(8000 + seed)
    graph, few = case.graph, case.first(2)
    ends = [(n.name, "out") for n in graph.outputs]
    given = []
    for sample in range(2):
        rows = []
        for t in range(case.timesteps):
            values = []
            for node in graph.inputs:
                x = few.inputs[node.name]
                now = x[sample, t] if x.ndim == len(node.shape) + 2 else x[sample]
                values.append(now.reshape(-1).astype(int).tolist())
            rows.append(values if len(values) > 1 else values[0])
        given.append(rows)
    found = isolated(STEPS, compiled(graph, "cortex-m4", tmp_path / "fw"), given)
    due = simulate(graph, few.inputs, case.timesteps, record=ends)
    for sample in range(2):
        for t in range(case.timesteps):
            lists = found[sample][t] if len(ends) > 1 else [found[sample][t]]
            for key, values in zip(ends, lists, strict=True):
                assert values == due[key][sample, t].reshape(-1).astype(int).tolist(), (key, t)
    gcc.record()


def test_an_inference(tmp_path: Path, oracle: Ledger) -> None:
    digits = demo_digits()
    snn = nd.convert(demo_ann(), data=digits["xtr"][:64], timesteps=3)
    graph = nd.quantize(snn, data=digits["xtr"][:64])
    x = digits["xte"][:4]
    held = as_samples(graph, x).inputs["input"].reshape(4, -1).astype(int).tolist()
    script = STEPS.partition("found = []")[0] + (
        "json.dump([network.infer(v, 3) for v in json.load(sys.stdin)], sys.stdout)\n"
    )
    found = isolated(script, compiled(graph, "host", tmp_path / "fw"), held)
    assert found == nd.run(graph, x, timesteps=3).outputs.sum(axis=1).astype(int).tolist()
    oracle("gcc").record(spiking=True)


def test_wrong_calls(tmp_path: Path, oracle: Ledger) -> None:
    """The names of the C errors; values that the C type would have cut are refused before."""
    oracle("gcc")
    b = GraphBuilder("1ms")
    one = b.input("x", (3,), type=QType(-4, 100, (0.5,)))
    graph = b.output("out", one).output("o2", b.input("s", (2,), type=BOOL)).build()
    calls = [
        "net.step([[1, 2, 3], [0, 1]])",
        "net.step([[1, 2], [0, 1]])",
        "net.infer([[1, 2, 3], [0, 1]], 0)",
        "net.infer([[1, 2, 3], [0, 1]], 2**32 + 1)",
        "net.step([iter([1, 2, 300]), [0, 1]])",
        "net.step([[1, 2, 0.5], [0, 1]])",
        "net.step([[1, 2, 3], [0, 2]])",
        "net.step([[1, 2, 3]])",
    ]
    script = STEPS.partition("found = []")[0] + (
        "found = []\n"
        "for call in json.load(sys.stdin):\n"
        "    try:\n"
        "        found.append(eval(call, {'net': network}))\n"
        "    except Exception as error:\n"
        "        found.append(f'{type(error).__name__}: {error}')\n"
        "json.dump(found, sys.stdout)\n"
    )
    found = isolated(script, compiled(graph, "host", tmp_path / "fw"), calls)
    assert found[0] == [[1, 2, 3], [0, 1]]
    assert found[1] == "NetworkError: NET_ERROR_SIZE"
    assert found[2] == found[3] == "NetworkError: NET_ERROR_STEPS"
    assert found[4] == found[5] == "ValueError: an input takes whole numbers from -4 to 100"
    assert found[6] == "ValueError: an input takes whole numbers from 0 to 1"
    assert found[7].startswith("ValueError: zip()")


def test_the_module_is_short(tmp_path: Path) -> None:
    b = GraphBuilder("1ms")
    nd.compile(b.output("out", b.input("x", (3,), type=BOOL)).build(), "host", out=tmp_path / "fw")
    text = (tmp_path / "fw/net.py").read_text("utf-8")
    code = compile(text, "net.py", "exec")
    assert code.co_names
    lines = [line for line in text.split('"""', 2)[2].splitlines() if line.strip()]
    assert len([line for line in lines if '"""' not in line]) <= 38
    assert max(map(len, text.splitlines())) <= 100
