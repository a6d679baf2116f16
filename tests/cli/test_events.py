"""Events on the command line: the same verbs, the same options, another file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurodeploy as nd
from command_line import Tool, tool_for
from event_files import DVS, as_structured, write_shd
from neurodeploy.ir import BOOL, GraphBuilder

NETS = """
import torch

def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(32, 3), torch.nn.ReLU())
"""


@pytest.fixture
def tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Tool:
    """Return the command line, called in a folder of events."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    b = GraphBuilder("10ms")
    x = b.input("x", (700,), type=BOOL)
    b.output("out", b.cell("n", "lif", b.dense("fc", x, rng.normal(size=(4, 700)))))
    nd.save(b.build(), "net.nd")
    sizes = rng.integers(20, 90, 6)
    times = [np.sort(rng.random(n)) for n in sizes]
    write_shd(Path("shd.h5"), times, [rng.integers(0, 700, n) for n in sizes], [0, 1, 2, 3, 0, 1])
    camera = as_structured(
        DVS,
        t=np.arange(600) * 50,
        x=rng.integers(0, 4, 600),
        y=rng.integers(0, 4, 600),
        p=rng.integers(0, 2, 600),
    )
    camera["t"][300:] -= camera["t"][300]
    offsets = np.array([0, 300, 600])
    np.savez("dvs.npz", events=camera, offsets=offsets, y=[0, 1], shape=[2, 4, 4])
    np.savez("bare.npz", events=camera, offsets=offsets, y=[0, 1])
    Path("nets.py").write_text(NETS)
    return tool_for(capfd)


def test_verbs_take_events_as_they_take_arrays(tool: Tool) -> None:
    ran = tool("run", "net.nd", "--input", "shd.h5", "-o", "rec.npz", "--json")
    assert ran.code == 0, ran.out
    document = ran.document
    assert document["samples"] == 6
    assert document["accuracy"] is not None
    assert 90 < document["timesteps"] <= 101
    assert document["steps_mean"] < document["timesteps"]
    cut = tool("run", "net.nd", "--input", "shd.h5", "--timesteps", "7", "--json").document
    assert cut["timesteps"] == 7
    assert tool("profile", "net.nd", "--input", "shd.h5", "--json").document["samples"] == 6
    assert tool("compile", "net.nd", "--target", "cpu", "-o", "build").code == 0
    compared = tool(
        "compare", "net.nd", "build", "--input", "shd.h5", "--expect", "exact", "--json"
    )
    assert compared.code == 0
    assert compared.document["equal"]
    deployed = tool("deploy", "net.nd", "--target", "cpu", "--data", "shd.h5", "-o", "fw", "--json")
    assert deployed.code == 0, deployed.out
    assert tool("deploy", "fw/recipe.toml", "-o", "again").code == 0
    assert Path("fw/report.json").read_bytes() == Path("again/report.json").read_bytes()


def test_a_model_is_converted_with_events(tool: Tool) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    line = ["convert", "nets.py:build", "-o", "ann.nd", "--method", "none", "--json"]
    made = tool(*line, "--example", "dvs.npz", "--dt", "1ms")
    assert made.code == 0, made.out
    assert nd.load("ann.nd").inputs[0].shape == (2, 4, 4)
    assert tool("run", "ann.nd", "--input", "dvs.npz", "--json").document["timesteps"] == 15
    shown = tool(*line, "--calibrate", "bare.npz", "--dt", "1ms", "--input-shape", "2,4,4")
    assert shown.code == 0, shown.out
    for arguments, said in (
        (["--calibrate", "bare.npz", "--dt", "1ms"], "--input-shape"),
        (["--calibrate", "dvs.npz"], "--dt 1ms"),
    ):
        refused = tool(*line, *arguments)
        assert refused.code == 2
        assert said in refused.told


def test_bad_events_on_the_command_line(tool: Tool) -> None:
    refused = tool("run", "net.nd", "--input", "dvs.npz", "--json")
    assert refused.code == 2
    assert "a sensor of [2, 4, 4] does not fit an input of [700]" in refused.told
    refused = tool("run", "net.nd", "--input", "bare.npz", "--json")
    assert refused.code == 2
    assert "y is 1, beyond 0" in refused.told
    Path("cut.h5").write_bytes(Path("shd.h5").read_bytes()[:900])
    for name, said in (("cut.h5", "cannot be read as HDF5"), ("nowhere.h5", "no file")):
        refused = tool("run", "net.nd", "--input", name, "--json")
        assert refused.code == 2
        assert said in refused.told
