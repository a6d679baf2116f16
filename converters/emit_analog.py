"""Activations, elementary functions and comparisons of signals and constants."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from neurodeploy.converters.emit import Array, Emitter, as_array, signal
from neurodeploy.converters.emit_algebra import aligned, both, broadcast
from neurodeploy.errors import ConversionError
from neurodeploy.ir.builder import Ref
from neurodeploy.semantics.cells.bound import bound
from neurodeploy.semantics.cells.elementary import LARGEST_POWER
from neurodeploy.semantics.trace import cell_definition

__all__ = ["binary", "constant", "elementwise", "extreme", "leaky_relu", "power", "unary"]

Params = Mapping[str, npt.ArrayLike]
Options = Mapping[str, str | int | bool]


def unary(
    e: Emitter,
    cell: str,
    x: object,
    params: Params | None = None,
    options: Options | None = None,
    *,
    part: str = "",
) -> Ref:
    """Add a cell of one signal; ``part`` names a step of what the layer computes."""
    ref = signal(x, f"the operand of {cell}")
    return e.builder.cell(e.fresh(part), cell, ref, params=params, options=options, source=e.source)


def constant(e: Emitter, values: npt.ArrayLike, part: str = "constant") -> Ref:
    """Add a constant of the shape of one sample, as a signal beside others."""
    array = np.asarray(values)
    array = array if array.dtype.kind == "f" else array.astype(np.float64)
    return e.builder.cell(
        e.fresh(part), "constant", shape=array.shape, params={"value": array}, source=e.source
    )


def elementwise(
    e: Emitter, cell: str, *operands: object, options: Options | None = None, part: str = ""
) -> Ref:
    """Add a cell of several operands, constants among them becoming its parameters.

    Raises:
        ConversionError: no operand is a signal, or ranks of signals differ.
    """
    ports = cell_definition(cell).inputs
    signals = {n: o for n, o in zip(ports, operands, strict=True) if isinstance(o, Ref)}
    refs = list(signals.values())
    if not refs:
        raise ConversionError(f"{cell} of constants alone")
    for other in refs[1:]:
        both(refs[0], other)
    widest = max(refs, key=lambda r: len(r.shape))
    constants: dict[str, Array] = {
        n: aligned(o, widest)
        for n, o in zip(ports, operands, strict=True)
        if not isinstance(o, Ref)
    }
    shapes = [r.shape for r in refs] + [c.shape for c in constants.values()]
    return e.builder.cell(
        e.fresh(part),
        bound(cell, list(constants)),
        *refs,
        shape=broadcast(*shapes),
        params=constants,
        options=options,
        source=e.source,
    )


def binary(e: Emitter, cell: str, a: object, b: object, *, part: str = "") -> Ref:
    """Add a cell of two operands."""
    return elementwise(e, cell, a, b, part=part)


def extreme(e: Emitter, cell: str, operands: list[object]) -> Ref:
    """Add the elementwise ``maximum`` or ``minimum`` of one or more operands."""
    beyond = -np.inf if cell == "maximum" else np.inf
    # what never wins
    kept = [o for o in operands if isinstance(o, Ref) or not (as_array(o) == beyond).all()]
    found: object = kept[0]
    for other in kept[1:]:
        found = elementwise(e, cell, found, other)
    return signal(found)


def leaky_relu(e: Emitter, x: object, slope: object) -> Ref:
    """Add a rectifier with a slope, one number or one for each channel."""
    ref = signal(x, "the operand of a leaky ReLU")
    values = aligned(slope, ref)
    return unary(e, "leaky_relu", ref, {"slope": values})


def power(e: Emitter, x: object, exponent: object) -> Ref:
    """Add ``x ** exponent`` of a signal and a constant.

    Whole exponents are products, 1/2 is a square root; all others are ``exp(exponent * log(x))``.

    Raises:
        ConversionError: the exponent is a signal.
    """
    ref = signal(x, "the base of a power")
    if isinstance(exponent, Ref):
        raise ConversionError("a power whose exponent is a signal", hint="a constant is handled")
    values = as_array(exponent).astype(np.float64)
    one = float(values.flat[0]) if values.size else 1.0
    if values.size and (values == one).all() and np.isfinite(one):
        if one == 1 and values.ndim <= len(ref.shape):
            return ref
        if one == 0.5:
            return unary(e, "sqrt", ref)
        if one == int(one) and 0 < abs(one) <= LARGEST_POWER:
            return unary(e, "power", ref, options={"exponent": int(one)})
    return unary(e, "pow", ref, {"exponent": aligned(exponent, ref)})
