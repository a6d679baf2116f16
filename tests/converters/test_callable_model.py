"""Models that code makes, and code that makes none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from neurodeploy.converters.callable_model import build_model, is_callable_spec  # noqa: E402
from neurodeploy.errors import ConversionError, NeurodeployError, UsageError  # noqa: E402

CODE = """
from torch import nn
from helper_of_nets import WIDTH

def build():
    return nn.Linear(WIDTH, 2)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)

class Zoo:
    small = staticmethod(build)

ready = Net()
number = 3
def needs(width): return nn.Linear(width, 2)
def breaks(): raise RuntimeError("out of luck\\nsecond line")
def leaves(): raise SystemExit(3)
def gives(): return {"a": 1}
"""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "helper_of_nets.py").write_text("WIDTH = 5\n", encoding="utf-8")
    (folder / "nets_under_test.py").write_text(CODE, encoding="utf-8")
    (folder / "broken_nets.py").write_text("import no_such_package\n", encoding="utf-8")
    for name in ("nets_under_test", "helper_of_nets", "broken_nets"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder / "nets_under_test.py"


@pytest.mark.parametrize("name", ["build", "Net", "Zoo.small", "ready"])
def test_file_and_module_give_the_same(
    nets: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(sys.path)
    made = build_model(f"{nets}:{name}")
    assert isinstance(made, torch.nn.Module)
    monkeypatch.chdir(nets.parent)
    again = build_model(f"nets_under_test:{name}")
    assert type(made).__name__ == type(again).__name__
    assert sys.path == before


def test_weights_are_loaded(nets: Path, tmp_path: Path) -> None:
    trained = torch.nn.Linear(5, 2)
    torch.save({"net": trained.state_dict()}, tmp_path / "w.pt")
    made = build_model(f"{nets}:build", weights=f"{tmp_path / 'w.pt'}:net")
    assert torch.equal(made.weight, trained.weight)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("missing", UsageError, "there is no 'missing'"),
        ("number", UsageError, "a value of type int cannot be called"),
        ("needs", UsageError, "missing a required argument: 'width'"),
        ("breaks", ConversionError, "the call failed: RuntimeError: out of luck"),
        ("leaves", ConversionError, "the call failed: SystemExit: 3"),
        ("gives", ConversionError, "gives a value of type dict, not a torch.nn.Module"),
    ],
)
def test_code_that_makes_no_module(
    nets: Path, name: str, error: type[NeurodeployError], message: str
) -> None:
    with pytest.raises(error) as caught:
        build_model(f"{nets}:{name}")
    assert message in str(caught.value)
    assert "second line" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_code_that_is_not_there(nets: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        build_model(f"{nets.parent / 'none.py'}:build")
    with pytest.raises(UsageError, match="no Python module 'no_such_nets'"):
        build_model("no_such_nets:build")
    with pytest.raises(ConversionError, match="no_such_package"):
        build_model(f"{nets.parent / 'broken_nets.py'}:build")
    with pytest.raises(UsageError, match="names no callable"):
        build_model("net.onnx")


def test_specs() -> None:
    assert is_callable_spec("a.b:c")
    assert is_callable_spec("C:\\nets\\a.py:build")
    assert not is_callable_spec("net.onnx")
    assert not is_callable_spec("a:b:c")
    assert not is_callable_spec("a.py:1")
