"""NIR on the command line, and in the calls of the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurodeploy as nd
from command_line import Tool, refused, tool_for
from neurodeploy.converters import find_converter
from nir_nets import chain, fields_of

nir = pytest.importorskip("nir", reason="nir is not installed")


@pytest.fixture
def tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Tool:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    net = chain(
        (3,),
        (4,),
        fc=nir.Affine(rng.normal(size=(4, 3)), rng.uniform(0, 1, 4)),
        lif=nir.LIF(**fields_of("LIF", 4, 1e-3)),
    )
    nir.write("net.nir", net)
    np.savez("x.npz", x=rng.uniform(0, 2, (2, 20, 3)).astype(np.float32))
    return tool_for(capsys)


def test_convert_there_and_back(tool: Tool) -> None:
    made = tool("convert", "net.nir", "-o", "net.nd", "--dt", "1ms", "--json")
    assert made.code == 0, made
    assert any("became a factor" in c["what"] for c in made.document["changes"])
    back = tool("convert", "net.nd", "-o", "again.nir", "--json")
    assert back.code == 0, back
    assert back.document["findings"] == []
    assert nd.load("again.nir") == nd.load("net.nd")
    same = tool("compare", "net.nd", "again.nir", "--input", "x.npz", "--expect", "exact")
    assert same.code == 0, same
    assert nd.run(nd.load("again.nir"), "x.npz").counts["lif"].sum() > 0


def test_loss_is_told(tool: Tool) -> None:
    b = nd.GraphBuilder(dt="1ms")
    x = b.cell("lif", "lif", b.input("x", (3,)))
    nd.save(b.output("out", x).build(), "soft.nd")
    made = tool("convert", "soft.nd", "-o", "soft.nir", "--json")
    assert made.code == 0, made
    assert [f["node"] for f in made.document["findings"]] == ["lif", "lif"]
    assert "NIR resets to v_reset" in tool("convert", "soft.nd", "-o", "soft.nir").out


def test_refusals(tool: Tool) -> None:
    refused(tool, "convert", "net.nir", "-o", "a.nd", says=("--dt 1ms", "--convention"))
    refused(tool, "convert", "net.nir", "-o", "a.nd", "--convention", "nest", says=("sinabs",))
    Path("bad.nir").write_bytes(b"\x89HDF\r\n\x1a\nrest")
    refused(tool, "convert", "bad.nir", "-o", "a.nd", says=("damaged",))


def test_who_reads_it(tool: Tool) -> None:
    assert find_converter("net.nir").name == "nir"
    assert find_converter(nir.read("net.nir")).name == "nir"
    assert {"h5py", "nir"} <= {c["name"] for c in tool("doctor", "--json").document["checks"]}
