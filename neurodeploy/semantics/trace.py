"""Cells as functions: definition, registration, and the one call with symbols.

A cell function takes ``p`` (parameters), ``s`` (states), then one argument per input, then
keyword-only options that are consumed while tracing. It returns its output, or a mapping of
outputs, followed by ``State(...)`` if it has states. An option whose default is a dataclass
stands for the fields of it, which are options by their own names:

    >>> from neurodeploy.semantics.trace import CellDefinition, State
    >>> def integrator(p, s, x):
    ...     v = s.v + p.gain * x
    ...     return v, State(v=v)
    >>> cell = CellDefinition("my_integrator", integrator, params={"gain": 1.0}, states={"v": 0.0})
    >>> [i.op for i in trace(cell, inputs={"x": F32}).program.instrs]
    ['input', 'state', 'param', 'mul', 'add']
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass
from functools import cached_property
from typing import cast

from neurodeploy.errors import Finding, SemanticsError
from neurodeploy.semantics.language import Sym
from neurodeploy.semantics.program import Port, Program, ProgramBuilder
from neurodeploy.semantics.types import F32, Float, Type

__all__ = ["CellDefinition", "CellFunction", "State", "Traced", "cell", "cell_definition", "trace"]

CellFunction = Callable[..., object]
Option = str | int | bool


class State:
    """The values of the states after the step, by name."""

    def __init__(self, **values: Sym) -> None:
        self.values = values


@dataclass(frozen=True)
class CellDefinition:
    """A cell that can be put into a graph.

    Attributes:
        name: Registered name.
        function: The cell function; it is called once per node, with symbols.
        params: Parameter names with their defaults; None where a value must be given.
        states: State names with their initial values; an initial value may be overridden by
            an array when the node is made.
        state_types: Types of states that are not of the cell's float type.
    """

    name: str
    function: CellFunction
    params: Mapping[str, float | int | None] = field(default_factory=dict)
    states: Mapping[str, float | int] = field(default_factory=dict)
    state_types: Mapping[str, Type] = field(default_factory=dict)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        kinds = inspect.signature(self.function).parameters.values()
        positional = [p.name for p in kinds if p.kind == p.POSITIONAL_OR_KEYWORD]
        return tuple(positional[2:])

    @cached_property
    def options(self) -> Mapping[str, Option]:
        """Options by name, with their defaults; those of a group among the others."""
        found: dict[str, Option] = {}
        for name, default in self._keywords.items():
            found |= vars(default) if _is_group(default) else {name: cast(Option, default)}
        return found

    def arguments(self, options: Mapping[str, Option]) -> dict[str, object]:
        """Give the keyword arguments that hand all options to the function.

        Raises:
            SemanticsError: the fields of a group do not go together.
        """
        found: dict[str, object] = {}
        for name, default in self._keywords.items():
            if _is_group(default):
                found[name] = type(default)(**{n: options[n] for n in vars(default)})
            else:
                found[name] = options[name]
        return found

    @cached_property
    def _keywords(self) -> Mapping[str, object]:
        kinds = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in kinds if p.kind == p.KEYWORD_ONLY}


def _is_group(default: object) -> bool:
    return is_dataclass(default) and not isinstance(default, type)


@dataclass(frozen=True)
class Traced:
    """The outcome of tracing: the program, and the options that it was traced with."""

    program: Program
    options: tuple[tuple[str, Option], ...]


_CELLS: dict[str, CellDefinition] = {}


def cell(
    name: str,
    *,
    params: Mapping[str, float | int | None] | None = None,
    states: Mapping[str, float | int] | None = None,
    state_types: Mapping[str, Type] | None = None,
) -> Callable[[CellFunction], CellFunction]:
    """Register a cell function under ``name``; all evaluators and the file then take it.

    Raises:
        SemanticsError: the name is taken.
    """

    def register(function: CellFunction) -> CellFunction:
        if name in _CELLS:
            raise SemanticsError(f"a cell named {name!r} is already registered")
        _CELLS[name] = CellDefinition(name, function, params or {}, states or {}, state_types or {})
        return function

    return register


def cell_definition(name: str) -> CellDefinition:
    """Give the registered cell ``name``.

    Raises:
        SemanticsError: no such cell; the message lists those that are registered.
    """
    import neurodeploy.semantics.cells  # noqa: F401  # registers the built-in cells

    if name not in _CELLS:
        raise SemanticsError(
            f"no cell named {name!r} is registered", hint=f"known: {sorted(_CELLS)}"
        )
    return _CELLS[name]


class _Names:
    """Attribute access to the parameters or the states of the cell that is being traced."""

    def __init__(self, builder: ProgramBuilder, leaf: str, types: Mapping[str, Type]) -> None:
        self._builder, self._leaf, self._types = builder, leaf, types
        self.used: set[str] = set()

    def __getattr__(self, name: str) -> Sym:
        types = self.__dict__["_types"]
        if name not in types:
            known = ", ".join(sorted(types)) or "none"
            raise SemanticsError(f"the cell has no {self._leaf} {name!r}", hint=f"it has: {known}")
        self.used.add(name)
        return Sym(self._builder, self._builder.emit(self._leaf, name=name))


def trace(
    definition: CellDefinition,
    *,
    inputs: Mapping[str, Type],
    params: Mapping[str, Type] | None = None,
    states: Mapping[str, Type] | None = None,
    options: Mapping[str, Option] | None = None,
    float_type: Float = F32,
) -> Traced:
    """Call the cell function once with symbols and give its program.

    Args:
        definition: The cell.
        inputs: Type of each input.
        params: Types of parameters that are not of ``float_type``.
        states: Types of states that are neither of ``float_type`` nor fixed by the definition.
        options: Options of the function; the others keep their defaults.
        float_type: Type of the parameters and states whose type is not given.

    Raises:
        SemanticsError: an unknown name, or an expression outside the language.
    """
    chosen = {**definition.options, **(options or {})}
    unknown = [
        *(f"option {n!r}" for n in chosen if n not in definition.options),
        *(f"parameter {n!r}" for n in params or {} if n not in definition.params),
        *(f"state {n!r}" for n in states or {} if n not in definition.states),
        *(f"input {n!r}" for n in inputs if n not in definition.inputs),
    ]
    missing = [f"input {n!r}" for n in definition.inputs if n not in inputs]
    if unknown or missing:
        raise SemanticsError(
            [
                Finding(f"cell {definition.name!r} has no {u}", hint=_known(definition))
                for u in unknown
            ]
            + [Finding(f"cell {definition.name!r} needs {m}") for m in missing]
        )
    param_types = {n: (params or {}).get(n, float_type) for n in definition.params}
    state_types = {
        n: (states or {}).get(n, definition.state_types.get(n, float_type))
        for n in definition.states
    }
    builder = ProgramBuilder(
        inputs=tuple(Port(n, inputs[n]) for n in definition.inputs),
        params=dict(param_types),
        states=dict(state_types),
    )
    p = _Names(builder, "param", param_types)
    s = _Names(builder, "state", state_types)
    arrived = [Sym(builder, builder.emit("input", name=n)) for n in definition.inputs]
    result = _called(definition, p, s, *arrived, **definition.arguments(chosen))
    outputs, updates = _results(definition, result)
    unread = s.used - set(updates)
    if unread:
        raise SemanticsError(
            f"cell {definition.name!r} reads state {sorted(unread)[0]!r}, but gives no next value",
            hint="return it in State(...)",
        )
    # an option may leave a state out: it is then no state of this cell
    builder.states = {n: t for n, t in state_types.items() if n in updates}
    program = builder.finish(
        {n: v.index for n, v in outputs.items()}, {n: v.index for n, v in updates.items()}
    )
    return Traced(program, tuple(sorted(chosen.items())))


def _called(definition: CellDefinition, *args: object, **options: object) -> object:
    try:
        return definition.function(*args, **options)
    except SemanticsError:
        raise
    except TypeError as error:  # Python or numpy does not know what to do with a symbol
        raise SemanticsError(
            f"cell {definition.name!r} cannot be traced: {error}",
            hint="its function is called once with symbols, and uses the functions of the language",
        ) from error


def _known(definition: CellDefinition) -> str:
    return (
        f"inputs {list(definition.inputs)}, params {list(definition.params)}, "
        f"states {list(definition.states)}, options {list(definition.options)}"
    )


def _results(definition: CellDefinition, result: object) -> tuple[dict[str, Sym], dict[str, Sym]]:
    parts = result if isinstance(result, tuple) else (result,)
    last = parts[-1] if parts else None
    state = last if isinstance(last, State) else State()
    values = parts[:-1] if isinstance(last, State) else parts
    if len(values) == 1 and isinstance(values[0], Mapping):
        outputs = dict(values[0])
    elif len(values) == 1:
        outputs = {"out": values[0]}
    else:
        raise SemanticsError(
            f"cell {definition.name!r} returns {len(values)} values",
            hint="return one output, or a mapping of named outputs, then State(...)",
        )
    for name, value in {**outputs, **state.values}.items():
        if not isinstance(value, Sym):
            raise SemanticsError(
                f"cell {definition.name!r} gives a {type(value).__name__} for {name!r}",
                hint="a result is an expression of the inputs, parameters and states",
            )
    return outputs, dict(state.values)
