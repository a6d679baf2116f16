"""Checkpoints in the forms that people save, and files that are none."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

from neurodeploy.converters.weights import load_weights  # noqa: E402
from neurodeploy.errors import ConversionError, FileFormatError, UsageError  # noqa: E402


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())


def prefixed(prefix: str) -> dict[str, Any]:
    return {f"{prefix}{k}": v for k, v in net(1).state_dict().items()}


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (lambda: net(1).state_dict(), ""),
        (lambda: {"state_dict": net(1).state_dict(), "epoch": 3}, "state_dict"),
        (lambda: {"model": {"net": prefixed("module.")}, "lr": 0.1}, "model.net"),
        (lambda: prefixed("module._orig_mod."), ""),
        (
            lambda: {
                "net": net(1).state_dict(),
                "optimizer": {"state": {0: {"exp": torch.ones(1)}}},
            },
            "net",
        ),
        (lambda: {"model": net(1).state_dict(), "ema": net(1).state_dict()}, "model"),
    ],
)
def test_state_dict_is_found_wherever_it_is(
    content: Callable[[], Any], key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "best.pt"
    torch.save(content(), path)
    module = net(0)
    assert not same(module, net(1))
    with caplog.at_level(logging.INFO, "neurodeploy"):
        assert load_weights(module, path) is module
    assert same(module, net(1))
    assert (f"under {key!r}" in caplog.text) == bool(key)


def test_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file(prefixed("module."), path)
    assert same(load_weights(net(0), str(path)), net(1))


def test_two_that_differ_are_refused_until_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "both.pth"
    torch.save({"model": net(1).state_dict(), "ema": net(2).state_dict()}, path)
    with pytest.raises(ConversionError, match=r"several state dicts fit the model: model, ema"):
        load_weights(net(0), path)
    assert same(load_weights(net(0), f"{path}:ema"), net(2))
    assert same(load_weights(net(0), path, key="model"), net(1))
    with pytest.raises(UsageError, match="no state dict 'emma'"):
        load_weights(net(0), f"{path}:emma")


def test_everything_that_does_not_fit_is_listed(tmp_path: Path) -> None:
    state = net(1).state_dict()
    del state["0.bias"], state["1.running_var"]
    state["extra.weight"] = torch.ones(2)
    state["2.weight"] = torch.ones(2, 5)
    path = tmp_path / "other.pt"
    torch.save({"model": state}, path)
    module = net(0)
    with pytest.raises(ConversionError) as caught:
        load_weights(module, path)
    assert [f.message for f in caught.value.findings] == [
        "lacks 0.bias, 1.running_var",
        "has, and the model has not, extra.weight",
        "2.weight has the shape [2, 5], the model's is [2, 4]",
    ]
    assert same(module, net(0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.to(torch.complex64), "complex"),
        (lambda v: v.to_sparse(), "sparse_coo"),
        (lambda v: v.to("meta"), "without values"),
    ],
)
def test_tensors_that_cannot_be_copied_whole(
    change: Callable[[Any], Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.pt"
    torch.save(net(1).state_dict() | {"2.weight": change(torch.ones(2, 4))}, path)
    module = net(0)
    with pytest.raises(ConversionError, match=rf"2\.weight is .*{message}"):
        load_weights(module, path)
    assert same(module, net(0))


def test_dicts_without_end_in_a_small_file(tmp_path: Path) -> None:
    content: dict[str, Any] = {}
    for _ in range(4):
        content = {f"d{i}": content for i in range(1000)}
    path = tmp_path / "wide.pt"
    torch.save(content, path)
    with pytest.raises(ConversionError, match="more than 10000 dicts"):
        load_weights(net(), path)


def test_an_ending_in_capitals(tmp_path: Path) -> None:
    path = tmp_path / "NET.SAFETENSORS"
    save_file(net(1).state_dict(), path)
    assert same(load_weights(net(0), path), net(1))


class Evil:
    def __reduce__(self) -> Any:
        return (print, ("code ran",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"no checkpoint", "no file of torch weights"),
        (pickle.dumps({"a": 1}), "no file of torch weights"),
    ],
)
def test_file_of_another_kind(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        load_weights(net(), path)


def test_objects_in_a_checkpoint_run_no_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"model": net().state_dict(), "evil": Evil()}, path)
    with pytest.raises(FileFormatError, match="would run code when read"):
        load_weights(net(), path)
    assert capsys.readouterr().out == ""


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file(net().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FileFormatError, match="damaged"):
        load_weights(net(), path)
    whole = tmp_path / "net.pt"
    torch.save(net().state_dict(), whole)
    whole.write_bytes(whole.read_bytes()[:-300])
    with pytest.raises(FileFormatError, match="damaged"):
        load_weights(net(), whole)
    with pytest.raises(UsageError, match="no file"):
        load_weights(net(), tmp_path / "none.pt")
    torch.save([torch.ones(1)], whole)
    with pytest.raises(FileFormatError, match="holds a list"):
        load_weights(net(), whole)
