"""Fills a folder with small models, weights and samples of every kind that can be read."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

import neurodeploy as nd
import onnx_files
from nd_files import join, resealed, split
from neurodeploy.ir import BOOL, Graph, GraphBuilder

__all__ = ["CODE", "damaged", "fill", "spiking_graph"]

CODE = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 4)
    )

def talkative():
    print("hello from the model's code")
    return build()

def raises():
    raise RuntimeError("the data disk is not mounted")

def gives_nothing():
    pass

def needs_more(width):
    return build()

def leaves():
    raise SystemExit(3)

def not_a_number():
    net = build()
    net[0].weight.data[0, 0, 1, 1] = float("nan")
    return net

def half():
    return build().half()

def curved():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.GELU(), nn.Linear(8, 4), nn.Sigmoid())

class Branch(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x

number = 3
"""


def spiking_graph(threshold: float = 1.0) -> Graph:
    """Make a network of two layers that spikes on random input."""
    draw = np.random.default_rng(0)
    b = GraphBuilder("1ms")
    x = b.input("x", (12,), type=BOOL)
    hidden = b.cell(
        "hidden",
        "lif",
        b.dense("fc1", x, draw.normal(size=(20, 12)), source=["net.0"]),
        params={"beta": 0.9, "threshold": threshold},
        source=["net.1"],
    )
    out = b.cell("last", "lif", b.dense("fc2", hidden, draw.normal(size=(3, 20))))
    return b.output("out", out).build(timesteps=8)


def _module() -> nn.Module:
    made: dict[str, object] = {}
    exec(CODE, made)
    module = made["build"]()  # type: ignore[operator]
    assert isinstance(module, nn.Module)
    return module.eval()


def fill(folder: Path) -> None:
    """Write the sound files."""
    draw = np.random.default_rng(1)
    nd.save(spiking_graph(), folder / "net.nd")
    nd.save(spiking_graph(1.5), folder / "other.nd")
    nd.compile(spiking_graph(), "cpu", folder / "fw")
    spikes = (draw.random((6, 10, 12)) < 0.3).astype(np.uint8)
    classes = draw.integers(0, 3, 6)
    np.savez(folder / "x.npz", x=spikes, y=classes)
    np.savez(folder / "still.npz", x=spikes[:, 0])
    images, labels = draw.random((40, 1, 8, 8), np.float32), draw.integers(0, 4, 40)
    np.savez(folder / "images.npz", x=images, y=labels)
    (folder / "nets.py").write_text(CODE)
    _write_weights(folder)
    _write_onnx(folder, draw)
    recipe = '[convert]\nmodel = "model.onnx"\ncalibrate = "images.npz"\ntimesteps = 4\n'
    recipe += '[compile]\ntarget = "cpu"\n[run]\ninput = "images.npz"\n'
    (folder / "recipe.toml").write_text(recipe)


def _write_weights(folder: Path) -> None:
    module = _module()
    state = module.state_dict()
    torch.save(state, folder / "weights.pt")
    save_file(state, folder / "weights.safetensors")
    inner = {f"module.{k}": v for k, v in state.items()}
    torch.save({"epoch": 3, "state": {"model": inner}}, folder / "nested.pt")
    other = {k: v + 1 for k, v in state.items()}
    torch.save({"best": state, "last": other}, folder / "two.pt")
    torch.save(module, folder / "objects.pt")
    torch.save(dict(list(state.items())[:2]), folder / "half.pt")
    torch.save({k: v * float("nan") for k, v in state.items()}, folder / "nan.pt")


def _write_onnx(folder: Path, draw: np.random.Generator) -> None:
    node = onnx_files.node
    flat = node("Flatten", ["x"], "f", axis=1)
    weights = {"w": draw.normal(size=(64, 4)), "b": draw.normal(size=4)}
    shape = ("N", 1, 8, 8)

    def write(name: str, nodes: list[onnx_files.NodeProto], **more: object) -> None:
        made = onnx_files.model(nodes, shape, **({"weights": weights} | more))  # type: ignore[arg-type]
        (folder / name).write_bytes(onnx_files.save(made))

    relu = [flat, node("Gemm", ["f", "w", "b"], "g"), node("Relu", ["g"], "y")]
    write("model.onnx", relu)
    odd = [
        flat,
        node("Frobnicate", ["f"], "p", name="first_odd"),
        node("Det", ["p"], "q", name="second_odd"),
        node("Gemm", ["q", "w", "b"], "r"),
        node("Zap", ["r"], "y", name="third_odd", domain="my.own"),
    ]
    write("unknown.onnx", odd, domains=("my.own",))
    bad = {**weights, "w": np.where(np.arange(64)[:, None] == 3, np.nan, weights["w"])}
    write("nan.onnx", relu, weights=bad)


def damaged(data: bytes, how: str) -> bytes:
    """Give the bytes of a file after an accident."""
    if how == "empty":
        return b""
    if how == "half":
        return data[: len(data) // 2]
    if how == "short":
        return data[:-1]
    assert how == "random"
    return np.random.default_rng(len(data)).bytes(len(data))


def nan_graph_file(source: Path, place: Path) -> None:
    """Write a graph file with a NaN among its weights and a digest that agrees."""
    outer, _, body = split(source.read_bytes())
    start, stop = next(e["data_offsets"] for n, e in outer.items() if "fc1" in n)
    poisoned = body[:start] + np.full((stop - start) // 4, np.nan, "<f4").tobytes() + body[stop:]
    place.write_bytes(resealed(join(outer, poisoned), lambda description: None))


def copied(template: Path, folder: Path) -> Path:
    """Give a fresh copy of the sound files."""
    return shutil.copytree(template, folder, dirs_exist_ok=True)
