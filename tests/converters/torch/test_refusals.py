"""What is refused in a module, by name and all at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

from neurodeploy.converters.torch import load_torch  # noqa: E402
from neurodeploy.errors import (  # noqa: E402
    ConversionError,
    DataError,
    GraphError,
    NeurodeployError,
    UsageError,
)
from neurodeploy.ir.ops import Dense  # noqa: E402
from oracles import Ledger  # noqa: E402
from plain_nets import Lambda  # noqa: E402

X = torch.randn(3, 2, 6, 6, generator=torch.Generator().manual_seed(0))


def of(function: Callable[[Any, Any], object], **layers: nn.Module) -> nn.Module:
    return Lambda(function, **layers)


def refused(module: nn.Module, example: object = X, **options: Any) -> NeurodeployError:
    with pytest.raises(NeurodeployError) as caught:
        load_torch(module, example=example, **options)
    assert caught.value.exit_code == 2
    return caught.value


def test_all_unknown_operators_are_named_with_layer_and_way_out() -> None:
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.Hardshrink(),
        of(lambda m, x: x.cumsum(1)),
        nn.Sequential(nn.Softshrink(), nn.LogSigmoid()),
    )
    error = refused(module)
    assert isinstance(error, ConversionError)
    found = [(f.node, f.message) for f in error.findings]
    assert found == [
        ("1", "the operator hardshrink is not handled"),
        ("2", "the operator cumsum is not handled"),
        ("3.0", "the operator softshrink is not handled"),
        ("3.1", "the operator log_sigmoid is not handled"),
    ]
    assert all(f.hint for f in error.findings)


def test_findings_behind_an_unknown_operator_are_told_too() -> None:
    module = nn.Sequential(nn.Softshrink(), nn.Softplus(1, 3), nn.AdaptiveAvgPool2d(4))
    messages = [f.message for f in refused(module).findings]
    assert messages == [
        "the operator softshrink is not handled",
        "softplus: a softplus that is cut at 3",
        "adaptive_avg_pool2d: an adaptive pool from [6, 6] to [4, 4] positions has windows of "
        "different length",
    ]


def test_spiking_layers_that_cannot_be_read_are_named(oracle: Ledger) -> None:
    snntorch = oracle("snntorch").module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # snnTorch warns of inhibition
        first, second = (
            snntorch.RLeaky(0.9, linear_features=4, init_hidden=True, inhibition=True),
            snntorch.Synaptic(alpha=0.9, beta=0.8, init_hidden=True, state_quant=abs),
        )
    module = nn.Sequential(nn.Flatten(), nn.Linear(72, 4), first, nn.Linear(4, 2), second)
    error = refused(module)
    assert [f.node for f in error.findings] == ["2", "4"]
    assert "inhibition" in error.findings[0].message
    assert "state_quant" in error.findings[1].message
    oracle("snntorch").record()


def test_a_package_without_a_reader_is_named() -> None:
    """Rockpool and others keep a state that torch.export would drop."""
    cell = type("LIFTorch", (nn.Identity,), {"__module__": "rockpool.nn.modules.torch.lif_torch"})
    error = refused(nn.Sequential(nn.Linear(8, 4), cell()))
    assert [f.node for f in error.findings] == ["1"]
    assert "a LIFTorch of rockpool" in error.findings[0].message


class Leaky(nn.Module):
    """A state that is an attribute: torch.export drops it without a word."""

    def __init__(self) -> None:
        super().__init__()
        self.v: torch.Tensor | float = 0.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.v = 0.5 * self.v + x
        return self.v


def test_state_in_an_attribute_is_refused_and_restored() -> None:
    module = Leaky()
    assert "two different results" in str(refused(module))
    assert module.v == 0.0


class Counter(nn.Module):
    """A state that is a buffer and does not show in the output."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += 1
        return x.relu()


def test_write_to_a_buffer_is_refused_and_undone() -> None:
    module = Counter()
    assert "forward writes to seen" in str(refused(module))
    assert float(module.seen) == 0


def test_samples_may_not_mix() -> None:
    assert "depends on the other samples" in str(refused(of(lambda m, x: x - x.mean(0))))
    there_and_back = of(lambda m, x: x.transpose(0, 1).relu().transpose(0, 1))
    assert "moves the batch axis" in str(refused(there_and_back))
    assert "is not one value per sample" in str(refused(of(lambda m, x: x.flatten(0, 1))))
    assert "but not of 4" in str(refused(of(lambda m, x: x.view(3, -1))))
    no_statistics = nn.BatchNorm2d(2, track_running_stats=False)
    assert "depends on the other samples" in str(refused(no_statistics))
    assert "sample to sample" in str(
        refused(of(lambda m, x: x + torch.arange(x.shape[0]).view(-1, 1, 1, 1)))
    )


def test_module_that_cannot_be_captured() -> None:
    branch = of(lambda m, x: x.relu() if x.sum() > 0 else -x)
    error = refused(branch)
    assert "torch.export cannot capture the module" in str(error)
    assert "branch" in error.findings[0].hint
    assert len(str(error)) < 600
    assert "does not run on the example (x [3, 2, 6, 6])" in str(
        refused(of(lambda m, x: m.fc(x), fc=nn.Linear(3, 2)))
    )
    assert "two different results" in str(refused(of(lambda m, x: x + torch.rand_like(x))))


def test_padding_other_than_zeros() -> None:
    module = nn.Sequential(
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"),
    )
    error = refused(module)
    assert [f.node for f in error.findings] == ["0", "1"]
    assert "padding_mode='circular'" in error.findings[0].message


def test_arguments_that_are_not_handled() -> None:
    assert "rounds its size up" in str(refused(nn.AvgPool2d(3, 2, 1, ceil_mode=True)))
    assert "threshold other than 0" in str(refused(nn.Threshold(0.5, 0)))
    assert "exponent is a signal" in str(refused(of(lambda m, x: (x * x) ** x)))
    assert "cast" in str(refused(of(lambda m, x: x.double())))


def test_all_parameters_with_nan_are_named() -> None:
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    with torch.no_grad():
        module[0].weight[0, 0] = torch.nan
        module[1].running_var[1] = torch.inf
    error = refused(module)
    assert isinstance(error, GraphError)
    assert [f.node for f in error.findings] == ["0.weight", "1.running_var"]
    assert error.findings[0].message == "9 of 54 values are NaN or infinite"


@pytest.mark.filterwarnings("ignore:Complex modules are a new feature:UserWarning")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64])
def test_types_other_than_float32(dtype: torch.dtype) -> None:
    error = refused(nn.Linear(6, 2).to(dtype))
    assert isinstance(error, ConversionError)
    assert [f.node for f in error.findings] == ["weight", "bias"]
    assert ".float()" in error.findings[0].hint


def test_examples_that_are_none() -> None:
    linear = nn.Linear(6, 2)
    for bad in (X.to(torch.uint8), np.zeros((0, 6)), np.array(1.0), "x.npz", [None]):
        error = refused(linear, bad)
        assert isinstance(error, DataError), bad
    assert "NaN" in str(refused(linear, X * torch.nan))
    assert isinstance(refused(linear, (X, X)), UsageError)
    assert isinstance(refused(linear, {"y": X}), UsageError)
    assert "batches of [2, 3]" in str(refused(nn.Bilinear(6, 6, 2), (X[:2, 0], X[:, 0])))


def test_things_that_are_no_plain_module() -> None:
    with pytest.raises(UsageError, match="a dict is no"):
        load_torch({}, example=X)  # type: ignore[arg-type]
    error = refused(nn.Linear(6, 2), time_axis=1, steps=4)
    assert [f.node for f in error.findings] == ["time_axis", "steps"]
    assert "no parameters yet" in str(refused(nn.LazyLinear(2)))
    assert "does not depend" in str(refused(of(lambda m, x: torch.ones(x.shape[0], 3)))) or (
        "no signal" in str(refused(of(lambda m, x: torch.ones(x.shape[0], 3))))
    )


def test_a_wrong_translation_is_found_and_its_layer_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: no graph leaves that does not compute what the module does."""
    from neurodeploy.converters.torch import handlers_linear

    def scaled(*args: Any, **kwargs: Any) -> Any:
        emitter, x, weight, bias = args
        made = tensor_times(emitter, weight)
        return emitter.builder.map(emitter.fresh(), Dense(made, bias), x, source=emitter.source)

    def tensor_times(emitter: Any, weight: str) -> str:
        old = emitter.builder.tensors[weight]
        emitter.builder.tensors[weight] = replace(old, data=old.data * np.float32(1.001))
        return weight

    monkeypatch.setattr(handlers_linear, "dense", scaled)
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4), nn.ReLU())
    error = refused(module)
    [finding] = error.findings
    assert finding.node == "3"
    assert finding.source == ("3",)
    assert "differ from the module's" in finding.message
