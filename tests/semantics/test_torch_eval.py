"""The torch evaluator equals the numpy evaluator bit for bit, and its gradients are right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurodeploy.errors import GraphError, UsageError
from neurodeploy.semantics import math
from neurodeploy.semantics import numpy_eval as np_eval
from neurodeploy.semantics.language import (
    Sym,
    absolute,
    clip,
    declare,
    fire,
    floor,
    rint,
    sqrt,
    stop_gradient,
    to_float,
    to_int,
    where,
)
from neurodeploy.semantics.program import Port, Program, ProgramBuilder
from neurodeploy.semantics.random import random_words
from neurodeploy.semantics.trace import CellDefinition, trace
from neurodeploy.semantics.types import F32, F64, Float, Int, Type
from neurodeploy.testing.programs import programs
from neurodeploy.testing.random_cells import frames
from oracles import Ledger

torch = pytest.importorskip("torch", reason="the torch evaluator needs torch")

from neurodeploy.semantics import surrogate as surrogates  # noqa: E402
from neurodeploy.semantics import torch_eval  # noqa: E402

Array = npt.NDArray[Any]


def _tensors(arrays: Mapping[str, Array]) -> dict[str, Any]:
    return {name: torch.from_numpy(np.array(a)) for name, a in arrays.items()}


def _torch_frame(frame: np_eval.Frame) -> Any:
    return torch_eval.TorchFrame(
        inputs=_tensors(frame.inputs),
        params=_tensors(frame.params),
        states=_tensors(frame.states),
        step=frame.step,
        index=torch.from_numpy(frame.index),
        sample=torch.from_numpy(frame.sample),
        seed=frame.seed,
        stream=frame.stream,
    )


def _assert_same(program: Program, frame: np_eval.Frame) -> None:
    expected = np_eval.evaluate(program, frame)
    found = torch_eval.evaluate(program, _torch_frame(frame))
    for instr, a, b in zip(program.instrs, expected, found, strict=True):
        got = b.numpy()
        assert a.dtype == got.dtype, instr
        np.testing.assert_array_equal(a, got, err_msg=str(instr))
        if a.dtype.kind == "f":
            number = ~np.isnan(a)
            np.testing.assert_array_equal(np.signbit(a)[number], np.signbit(got)[number])


def _program(function: Callable[..., object], **inputs: Type) -> Program:
    return trace(CellDefinition("test", function), inputs=inputs).program


def _run(program: Program, surrogate: Any = None, **inputs: Any) -> Any:
    """Give the value of the first output."""
    frame = torch_eval.TorchFrame(inputs, {}, {}, surrogate=surrogate or surrogates.surrogate())
    return torch_eval.evaluate(program, frame)[program.outputs[0][1]]


@given(data=st.data())
def test_random_programs_give_the_same_bits(data: st.DataObject) -> None:
    program = data.draw(programs())
    _assert_same(program, data.draw(frames(program)))


def test_long_arrays_give_the_same_bits(oracle: Ledger) -> None:
    # vectorised kernels start at a length that the random programs do not reach
    def everything(p: Any, s: Any, x: Sym, y: Sym, n: Sym) -> dict[str, Sym]:
        return {
            "out": sqrt(absolute(x)) / y + x * y,
            "rounded": rint(x) - floor(y),
            "whole": to_int(x, rounding="zero", lo=-5000, hi=5000),
            "wide": to_float(n, bits=32) + to_float(x, bits=32),
            "exp": math.exp(clip(to_float(x, bits=32), -90.0, 90.0)),
            "narrow": sqrt(absolute(to_float(x, bits=32))),
        }

    r = np.random.default_rng(0)
    for kind, width in ((F32, 23), (F64, 52)):
        program = _program(everything, x=kind, y=kind, n=Int(-(2**62), 2**62))
        size = 40_001
        bits = r.integers(-(2**30), 2**30, size) * 2 ** (width - 23) * (1 if width == 23 else 8)
        x = bits.astype(f"i{kind.bits // 8}").view(kind.dtype)
        x = np.where(np.isfinite(x), x, 1).astype(kind.dtype)
        y = r.normal(size=size).astype(kind.dtype)
        n = r.integers(-(2**62), 2**62, size)
        _assert_same(program, np_eval.Frame({"x": x, "y": y, "n": n}, {}, {}))
    oracle("numpy").record(2)


def test_random_words_are_those_of_the_definition() -> None:
    sample, index = np.arange(5)[:, None] + 2**40, np.arange(1000)
    for seed, stream, step, draw in ((0, 0, 0, 0), (2**64 - 1, 2**63, 2**31 - 1, 7), (5, 9, 3, 1)):
        expected = random_words(seed, stream, sample, step, index, draw)
        found = torch_eval.random_words(
            seed, stream, torch.from_numpy(sample), step, torch.from_numpy(index), draw
        )
        np.testing.assert_array_equal(expected, found.numpy())


def test_a_broken_declaration_is_found() -> None:
    program = _program(lambda p, s, n: declare(n, -4, 3), n=Int(-100, 100))
    with pytest.raises(GraphError, match=r"reaches \[-4, 5\]"):
        _run(program, n=torch.tensor([5, -4]))


# -- gradients ------------------------------------------------------------------------------------


def _smooth(p: Any, s: Any, x: Sym, y: Sym) -> Sym:
    z = (x * y - x / (y + 3.0)) + sqrt(x * x + 1.5)
    return where(z > 1.0, z * z, -z + x) - to_float(to_float(y, bits=64), bits=64) * 0.25


def test_gradients_of_smooth_programs_equal_central_differences() -> None:
    program = _program(_smooth, x=F64, y=F64)
    r = np.random.default_rng(1)
    # shapes differ: the gradient of a broadcast is a sum
    x = torch.tensor(r.normal(size=(4, 3)), requires_grad=True)
    y = torch.tensor(r.normal(size=(3,)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: _run(program, x=a, y=b), (x, y), atol=1e-6)


@pytest.mark.parametrize("name", ["exp", "log", "sigmoid", "tanh", "erf", "sin", "cos", "softplus"])
def test_gradients_of_written_functions_are_their_derivatives(name: str) -> None:
    program = _program(lambda p, s, x: getattr(math, name)(x), x=F32)
    x = torch.linspace(0.05, 3, 200, requires_grad=True)
    _run(program, x=x).sum().backward()
    exact = x.detach().double().requires_grad_()
    peer = torch.nn.functional.softplus if name == "softplus" else getattr(torch, name)
    peer(exact).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), exact.grad.numpy(), rtol=2e-4, atol=2e-6)


def test_what_carries_no_gradient_and_what_goes_straight_through() -> None:
    def function(p: Any, s: Any, x: Sym) -> Sym:
        hard = where(x > 0.5, 3.0 * x, 5.0 * x)
        whole = to_float(to_int(x, rounding="floor", lo=-9, hi=9), bits=64) * 7.0
        return hard + whole + 11.0 * stop_gradient(x) + 13.0 * floor(x) + 17.0 * rint(x)

    x = torch.tensor([0.3, 0.7, -1.2], dtype=torch.float64, requires_grad=True)
    _run(_program(function, x=F64), x=x).sum().backward()
    assert x.grad.tolist() == [35.0, 33.0, 35.0]


def test_a_table_gets_the_gradient_of_the_entries_that_were_read() -> None:
    builder = ProgramBuilder(inputs=(Port("n", Int(0, 3)),), params={"table": F64})
    table, n = builder.emit("param", name="table"), builder.emit("input", name="n")
    program = builder.finish({"out": builder.emit("lookup", (table, n))}, {})
    values = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    frame = torch_eval.TorchFrame({"n": torch.tensor([1, 1, 3])}, {"table": values}, {})
    torch_eval.evaluate(program, frame)[program.outputs[0][1]].sum().backward()
    assert values.grad.tolist() == [0, 2, 0, 1]


def _two(function: Callable[[Sym, Sym], Sym], kind: Float = F64) -> Program:
    def cell(p: Any, s: Any, x: Sym, y: Sym) -> Sym:
        a, b = fire(x, 0.0, strict=True), fire(y, 0.0, strict=False)
        return where(function(a, b), x * 0.0 + 5.0, y * 0.0 + 2.0)

    return _program(cell, x=kind, y=kind)


@pytest.mark.parametrize("kind", [F32, F64])
@pytest.mark.parametrize(
    ("function", "soft"),
    [
        (lambda a, b: a & b, lambda a, b: a * b),
        (lambda a, b: a | b, lambda a, b: a + b - a * b),
        (lambda a, b: ~a & b, lambda a, b: (1 - a) * b),
        (lambda a, b: where(a, b, ~b), lambda a, b: a * b + (1 - a) * (1 - b)),
        (lambda a, b: stop_gradient(a) | b, lambda a, b: a.detach() + b - a.detach() * b),
        (lambda a, b: where(stop_gradient(a), b, a), lambda a, b: torch.where(a > 0, b, a)),
    ],
)
def test_logic_of_spikes_carries_its_gradient(function: Any, soft: Any, kind: Float) -> None:
    x = torch.tensor([0.3, -0.4, 0.2, -1.0], dtype=torch_eval.torch_dtype(kind))
    y = torch.tensor([0.1, 0.6, -0.3, -0.2], dtype=x.dtype)
    x, y = x.requires_grad_(), y.requires_grad_()
    out = _run(_two(function, kind), surrogates.surrogate("arctan", 3.0), x=x, y=y)
    upstream = torch.tensor([1.0, 2.0, -3.0, 0.5], dtype=x.dtype)
    out.backward(upstream)
    # the same by hand: 0 and 1 as leaves, then the surrogate's formula
    a, b = (x > 0).to(x.dtype).requires_grad_(), (y >= 0).to(x.dtype).requires_grad_()
    by_hand = 2.0 + 3.0 * soft(a, b)
    assert torch.equal(by_hand, out)
    by_hand.backward(upstream)
    for leaf, spike in ((x, a), (y, b)):
        slope = 1.5 / (1 + (np.pi / 2 * 3.0 * leaf.detach()) ** 2)
        given = torch.zeros_like(leaf) if spike.grad is None else spike.grad
        torch.testing.assert_close(leaf.grad, given * slope)


def test_threshold_and_membrane_get_opposite_gradients() -> None:
    def cell(p: Any, s: Any, x: Sym, y: Sym) -> Sym:
        return where(fire(x, y, strict=True), x * 0.0 + 1.0, 0.0)

    x = torch.tensor([[0.9, 1.2], [1.5, 0.2]], requires_grad=True)
    threshold = torch.ones((), requires_grad=True)
    _run(_program(cell, x=F32, y=F32), x=x, y=threshold).sum().backward()
    expected = 1 / (1 + 25 * (x.detach() - 1).abs()) ** 2
    torch.testing.assert_close(x.grad, expected)
    torch.testing.assert_close(threshold.grad, -expected.sum())


# -- surrogates -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "area"),
    [("fast_sigmoid", 2 / 4), ("arctan", 1.0), ("triangle", 1.0), ("boxcar", 1.0)],
)
def test_area_under_the_surrogate(name: str, area: float, oracle: Ledger) -> None:
    step = 1e-3
    margin = torch.arange(-500, 500, step, dtype=torch.float64) + step / 2
    found = float(surrogates.surrogate(name, 4.0).gradient(margin).sum() * step)
    assert found == pytest.approx(area, rel=2e-3)
    oracle("closed form").record()


@pytest.mark.parametrize(("name", "peer"), [("fast_sigmoid", "fast_sigmoid"), ("arctan", "atan")])
def test_surrogate_equals_snntorch(name: str, peer: str, oracle: Ledger) -> None:
    snntorch = oracle("snntorch")
    from snntorch import surrogate as theirs

    chosen = surrogates.surrogate(name)
    margin = torch.linspace(-2, 2, 41, requires_grad=True)
    argument = {"fast_sigmoid": "slope", "atan": "alpha"}[peer]
    getattr(theirs, peer)(**{argument: chosen.slope})(margin).sum().backward()
    torch.testing.assert_close(chosen.gradient(margin.detach()), margin.grad)
    snntorch.record(spiking=1)


def test_registry_refuses_what_makes_no_sense() -> None:
    with pytest.raises(UsageError, match="no surrogate is named 'step'"):
        surrogates.surrogate("step")
    for slope in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="not positive and finite"):
            surrogates.surrogate("arctan", slope)
    with pytest.raises(UsageError, match="already registered"):
        surrogates.register_surrogate("arctan", slope=1.0)(lambda u, k: u)
