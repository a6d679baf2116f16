"""Cells of which some inputs are constants: the same function, an input becomes a parameter."""

from __future__ import annotations

import inspect
from collections.abc import Collection

from neurodeploy.semantics.language import Sym
from neurodeploy.semantics.trace import CellDefinition, cell_definition

__all__ = ["bound"]


def bound(name: str, constants: Collection[str]) -> CellDefinition:
    """Give the registered cell ``name`` with the inputs ``constants`` as parameters.

    The new parameters have the names of the inputs, and must be given.

    >>> half = bound("divide", ["b"])
    >>> half.inputs, dict(half.params)
    (('a',), {'b': None})

    Raises:
        SemanticsError: no such cell.
    """
    base = cell_definition(name)
    if not constants:
        return base
    free = [port for port in base.inputs if port not in constants]

    def function(p: object, s: object, *arrived: Sym, **options: object) -> object:
        signals = dict(zip(free, arrived, strict=True))
        operands = (signals[n] if n in signals else getattr(p, n) for n in base.inputs)
        return base.function(p, s, *operands, **options)

    kept = inspect.signature(base.function).parameters.values()
    # tracing reads from the signature which inputs a cell has
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [k for k in kept if k.name not in constants]
    )
    params = {**base.params, **dict.fromkeys(constants)}
    return CellDefinition(base.name, function, params, base.states, base.state_types)
