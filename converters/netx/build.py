"""Builds a graph of Loihi's cells from the layers of a netx file."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.converters.netx.read import Layer, read_layers
from neurodeploy.converters.netx.weights import weights_in_lava
from neurodeploy.errors import ConversionError, Finding, NeurodeployError, raise_findings
from neurodeploy.ir.builder import GraphBuilder, Ref
from neurodeploy.ir.duration import parse_duration
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.types import BOOL, QType, Tensor, tensor
from neurodeploy.targets.loihi import cells, sigma_delta

__all__ = ["load_netx"]

Array = npt.NDArray[Any]
MESSAGE = QType(-(2**23), 2**23 - 1, overflow="wrap")
MANTISSA = QType(cells.BIAS_MANTISSA.lo, cells.BIAS_MANTISSA.hi)
DIFFERENCE = QType(-(2**11) + 1, 2**11 - 1)  # 24 bits, 12 of which are finer than the input
BIAS_EXPONENT = 6
SPIKE_EXPONENT = STATE_EXPONENT = 6
LARGEST_DELAY = 62
LARGEST_NUMBER = 2**31 - 1
MOST_NEURONS = 2**28
_ = (cells, sigma_delta)  # importing them registers the cells


def load_netx(
    path: str | os.PathLike[str],
    *,
    layers: int | None = None,
    dt: str | float | Fraction | None = None,
) -> Graph:
    """Read a netx file into a graph of Loihi's cells, in the time of Lava.

    Weights, delays, decays, thresholds and biases are those that lava-dl 0.6.0 gives to Lava's
    processes: du is iDecay - 1, a bias has the exponent 6, ``refDelay`` is not used. An input
    layer with neurons takes whole numbers: the bias mantissa of each neuron, or for sigma-delta
    neurons the signal, as lava-dl's users give them.

    Args:
        path: The file.
        layers: How many layers are read, where the last ones have no neurons; all by default.
        dt: Duration of a step; a netx file says none.

    Raises:
        FileFormatError: the file is damaged or of another kind.
        ConversionError: every layer that has no form here, and values out of Loihi's ranges.
    """
    found: list[Finding] = []
    read = read_layers(Path(path), layers)
    work = _Build(found, parse_duration(dt))
    for layer in read:
        try:
            work.add(layer)
        except NeurodeployError as error:
            found += [
                Finding(f.message, layer.name, (layer.name,), f.hint, f.value, f.limit)
                for f in error.findings
            ]
            break  # what comes next would be of a wrong shape
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            # shapes that do not go together, as numpy says it
            found.append(Finding(f"its values do not go together: {error}", layer.name))
            break
    found += [
        Finding(f"a layer of kind {layer.kind!r} has no form here", layer.name, hint=HINT)
        for layer in read
        if layer.kind not in work.kinds and not any(f.node == layer.name for f in found)
    ]
    raise_findings(ConversionError, found)
    return work.finish()


HINT = "layers=N reads the first N; known: input, conv, flatten, dense, dense_rec"


class _Build:
    """A graph in the making."""

    def __init__(self, found: list[Finding], dt: Fraction | None) -> None:
        self.builder = GraphBuilder(dt)
        self.found = found
        self.at: Ref | None = None
        self.graded = False
        self.sends = False  # whether a population has sent, so that a connection takes a step
        self.kinds: dict[str, Callable[[Layer], None]] = {
            "input": self._input,
            "flatten": self._flatten,
            "conv": self._conv,
            "dense": self._dense,
            "dense_rec": self._dense,
        }

    def add(self, layer: Layer) -> None:
        if layer.kind not in self.kinds:
            hint = HINT
            raise ConversionError(Finding(f"a layer of kind {layer.kind!r}", hint=hint))
        self.kinds[layer.kind](layer)

    def finish(self) -> Graph:
        if self.at is None or not self.sends:
            raise ConversionError("the file has no layer with neurons")
        self.builder.output("out", self.at, decode="count")
        return self.builder.build()

    # -- layers -------------------------------------------------------------------------------

    def _input(self, layer: Layer) -> None:
        shape = _shape(layer)
        if not layer.neuron:
            self.at = self.builder.input("input", shape, type=BOOL)
            return
        differences = layer.neuron.get("type") == "SDNN"
        kind = DIFFERENCE if differences else MANTISSA
        x = self.builder.input("input", shape, type=kind)
        if not differences and _number(layer, "iDecay") != 4096:
            hint = "an input layer takes a bias, which a current that lasts would not be"
            raise ConversionError(Finding("an input layer whose current lasts", hint=hint))
        # 64 times what arrives is a bias of the exponent 6, as the current forgets at once
        self.at = self._neurons(layer, x, shape, first=True)

    def _flatten(self, layer: Layer) -> None:
        at = self._before(layer)
        self.at = self.builder.flatten(layer.name, at, source=[layer.name])

    def _conv(self, layer: Layer) -> None:
        at = self._before(layer)
        weight = _whole(layer, "weight")
        weight = weight.reshape(weight.shape[:4])
        if "delay" in layer.values:
            hint = "lava-dl does not use them"
            raise ConversionError(Finding("a convolution with delays", hint=hint))
        pairs = {k: _pair(layer, k) for k in ("stride", "padding", "dilation")}
        kind = QType(int(weight.min()), int(weight.max()))
        made = self.builder.conv(
            f"{layer.name}.weight",
            at.after(1),
            tensor(weight, kind),
            stride=pairs["stride"],
            padding=pairs["padding"],
            dilation=pairs["dilation"],
            groups=_numbers(layer, "groups")[0] if "groups" in layer.values else 1,
            accumulator=MESSAGE if self.graded else None,
            source=[layer.name],
        )
        self.at = self._neurons(layer, made, made.shape)

    def _dense(self, layer: Layer) -> None:
        at = self._before(layer)
        size = int(np.prod(_shape(layer)))
        if len(at.shape) != 1:
            at = self.builder.flatten(f"{layer.name}.flat", at)
        weight = _whole(layer, "weight").reshape(size, -1)
        if weight.shape[1] != at.shape[0]:
            text = f"its weights take {weight.shape[1]} inputs, {at.shape[0]} arrive"
            raise ConversionError(Finding(text))
        delay = self._delays(layer, weight)
        if layer.kind == "dense":
            weight, exponent = weights_in_lava(weight, layer.name)
            made = self._sum(layer, "weight", at, weight, exponent, delay)
            self.at = self._neurons(layer, made, (size,))
            return
        back = _whole(layer, "weight_rec").reshape(size, size)
        both, exponent = weights_in_lava(np.hstack([weight, back]), layer.name)
        first, second = both[:, : weight.shape[1]], both[:, weight.shape[1] :]
        if delay is not None and delay.shape != back.shape:
            text = f"delays of shape {list(delay.shape)}, its recurrence has {list(back.shape)}"
            raise ConversionError(Finding(text, hint="lava-dl gives both the same"))
        made = self._sum(layer, "weight", at, first, exponent, delay)
        own = self.builder.ref(layer.name, shape=(size,), delay=1)
        again = self._sum(layer, "weight_rec", own, second, exponent, delay)
        total = self.builder.cell(f"{layer.name}.sum", "add", made, again, source=[layer.name])
        self.at = self._neurons(layer, total, (size,))

    def _before(self, layer: Layer) -> Ref:
        """Give what a layer reads; without an input layer, spikes of its own number."""
        if self.at is None:
            if layer.kind not in ("dense", "dense_rec"):
                raise ConversionError(Finding("nothing says what its input is"))
            weight = _whole(layer, "weight").reshape(int(np.prod(_shape(layer))), -1)
            self.at = self.builder.input("input", (weight.shape[1],), type=BOOL)
        return self.at

    def _sum(
        self, layer: Layer, what: str, at: Ref, weight: Array, exponent: int, delay: Array | None
    ) -> Ref:
        """Add one connection; with delays as single synapses."""
        name, source = f"{layer.name}.{what}", [layer.name]
        late = at if at.delay else at.after(1)
        kind = QType(int(weight.min(initial=0)), int(weight.max(initial=0)))
        total = MESSAGE if self.graded else None
        if delay is None:
            made = self.builder.dense(
                name, late, tensor(weight, kind), accumulator=total, source=source
            )
        else:
            if exponent < 0:
                hint = "even weights, which lose nothing"
                raise ConversionError(Finding("Lava cuts its weights, and has delays", hint=hint))
            target, begin = np.nonzero(weight)
            made = self.builder.synapses(
                name,
                late,
                (len(weight),),
                tensor(weight[target, begin], kind),
                begin,
                target,
                delay[target, begin],
                accumulator=total,
                source=source,
            )
        if not exponent:
            return made
        options = {"exponent": exponent}
        return self.builder.cell(
            f"{name}.exponent", "loihi_synapse", made, options=options, source=source
        )

    def _delays(self, layer: Layer, weight: Array) -> Array | None:
        """Give a delay for each weight: a number for all, for each target, or for each input."""
        if "delay" not in layer.values:
            return None
        given, delay = layer.values["delay"], _whole(layer, "delay")
        if delay.min(initial=0) < 0 or delay.max(initial=0) > LARGEST_DELAY:
            text = f"delays from {given.min()} to {given.max()}"
            raise ConversionError(
                Finding(text, hint=f"whole numbers to {LARGEST_DELAY}; lava-dl clips them")
            )
        if delay.size == 1:
            return np.full(weight.shape, int(delay.reshape(-1)[0]))
        if delay.ndim > 1:
            delay = delay.reshape(delay.shape[: 2 if delay.size > max(weight.shape) else 1])
        if delay.ndim == 1 and delay.size == weight.shape[0]:
            delay = delay[:, None]
        elif delay.ndim == 1 and delay.size == weight.shape[1]:
            delay = delay[None]
        elif delay.shape != weight.shape:
            raise ConversionError(Finding(f"delays of shape {list(delay.shape)}"))
        return np.broadcast_to(delay, weight.shape)

    # -- neurons ------------------------------------------------------------------------------

    def _neurons(
        self, layer: Layer, fed: Ref, shape: tuple[int, ...], *, first: bool = False
    ) -> Ref:
        """Add the neurons of a layer."""
        kind = layer.neuron.get("type")
        if kind is not None and not isinstance(kind, str):
            raise ConversionError(Finding("the type of its neurons is no word"))
        self.sends = True
        if kind in ("LOIHI", "CUBA"):
            self.graded = False
            params = {
                "du": _ranged(_number(layer, "iDecay") - 1, cells.DECAY),
                "dv": _ranged(_number(layer, "vDecay"), cells.DECAY),
                "threshold": _ranged(_number(layer, "vThMant"), cells.THRESHOLD),
                "bias": self._bias(layer, shape, BIAS_EXPONENT, first=first),
            }
            return self.builder.cell(
                layer.name, "loihi_lif", fed, shape=shape, params=params, source=[layer.name]
            )
        if kind != "SDNN":
            text = f"neurons of type {kind!r}" if kind else "a layer without neurons"
            raise ConversionError(Finding(text, hint="known: LOIHI, CUBA, SDNN"))
        self.graded = True
        finer = SPIKE_EXPONENT + STATE_EXPONENT
        threshold = _ranged(_number(layer, "vThMant") << finer, cells.STATE)
        options: dict[str, Any] = {"state_exp": STATE_EXPONENT}
        if first:
            options["spike_exp"] = SPIKE_EXPONENT
            given = {"threshold": threshold}
            return self.builder.cell(
                layer.name, "loihi_delta", fed, params=given, options=options, source=[layer.name]
            )
        if "sigma_output" in layer.neuron:
            return self.builder.cell(layer.name, "loihi_sigma", fed, source=[layer.name])
        given = {"threshold": threshold, "bias": self._bias(layer, shape, finer, first=False)}
        return self.builder.cell(
            layer.name,
            "loihi_sigma_delta",
            fed,
            shape=shape,
            params=given,
            options=options,
            source=[layer.name],
        )

    def _bias(self, layer: Layer, shape: tuple[int, ...], finer: int, *, first: bool) -> Tensor:
        if first or "bias" not in layer.values:
            return tensor(0, QType(0, 0))
        given = layer.values["bias"].reshape(-1).astype(np.float64)
        bits = 13 if finer == BIAS_EXPONENT else 12  # of sigma-delta neurons 24, 12 of them finer
        if (np.abs(given) >= 2 ** (bits - 1)).any():
            worst = given[np.abs(given).argmax()]
            raise ConversionError(Finding(f"a bias of {worst:g}, {bits} bits are held"))
        bias = np.trunc(given).astype(np.int64) << finer
        if bias.size not in (1, shape[0], int(np.prod(shape))):
            raise ConversionError(Finding(f"{bias.size} biases of {list(shape)} neurons"))
        # a bias of each neuron has the axes of lava-dl, (x, y, channels)
        placed = bias.reshape(shape[::-1]).transpose() if bias.size == np.prod(shape) else bias
        if placed.ndim == 1 and len(shape) > 1:
            placed = placed.reshape(-1, *[1] * (len(shape) - 1))
        return tensor(placed, QType(int(placed.min()), int(placed.max())))


def _shape(layer: Layer) -> tuple[int, ...]:
    """Give the shape of a layer, channels first; axes of length 1 around one are left out."""
    if "shape" not in layer.values:
        raise ConversionError(Finding("has no 'shape'"))
    shape = tuple(_numbers(layer, "shape"))
    if not shape or min(shape) < 1 or len(shape) > 3 or math.prod(shape) > MOST_NEURONS:
        raise ConversionError(Finding(f"a shape of {list(shape)}"))
    longer = [n for n in shape if n > 1]
    return shape if len(shape) == 3 and len(longer) > 1 else (int(np.prod(shape)),)


def _whole(layer: Layer, name: str) -> Array:
    if name not in layer.values:
        raise ConversionError(Finding(f"has no {name!r}"))
    given = layer.values[name]
    if given.dtype.kind not in "biuf" or not given.size:
        raise ConversionError(Finding(f"its {name!r} holds no numbers"))
    if (np.abs(given.astype(np.float64)) > LARGEST_NUMBER).any():
        raise ConversionError(Finding(f"its {name!r} holds numbers beyond {LARGEST_NUMBER}"))
    whole = given.astype(np.int64)
    if (whole != given).any():
        text = f"{int((whole != given).sum())} of {given.size} of its {name}s are no whole numbers"
        raise ConversionError(Finding(text, hint="lava-dl would cut them; export quantised ones"))
    return whole


def _numbers(layer: Layer, name: str) -> list[int]:
    return [int(n) for n in _whole(layer, name).reshape(-1)]


def _pair(layer: Layer, name: str) -> tuple[int, int]:
    default = [0 if name == "padding" else 1]
    values = _numbers(layer, name) if name in layer.values else default
    if len(values) > 2:
        raise ConversionError(Finding(f"{name} of {len(values)} axes"))
    return values[0], values[-1]


def _number(layer: Layer, name: str) -> int:
    value = layer.neuron.get(name)
    if value is None or isinstance(value, str) or value.size != 1 or value.dtype.kind not in "iuf":
        raise ConversionError(Finding(f"its neurons have no single {name!r}"))
    number = float(value.reshape(-1)[0])
    if abs(number) > LARGEST_NUMBER or number != int(number):
        raise ConversionError(Finding(f"{name} is {number:g}, no whole number of Loihi's"))
    return int(number)


def _ranged(value: int, kind: Any) -> Tensor:
    if not kind.lo <= value <= kind.hi:
        text = f"{value} is out of Loihi's range {kind.lo} to {kind.hi}"
        raise ConversionError(Finding(text, value=value, limit=kind.hi))
    return tensor(value, QType(value, value))
