"""The typed expression graph of a cell: its only meaning, stored in the node and in the file.

A program is a list of instructions in topological order. It is built through `ProgramBuilder`,
by tracing a function or by replaying a file, so that every program has passed the same type
rules (`neurodeploy.semantics.rules`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics.rules import LEAVES, result_type
from neurodeploy.semantics.types import Int, Type, parse_type, type_text

__all__ = ["Attr", "Instr", "Port", "Program", "ProgramBuilder"]

Attr = str | int | bool


@dataclass(frozen=True)
class Instr:
    """One operation: its name, the indices of its operands, its type, its fixed attributes."""

    op: str
    args: tuple[int, ...]
    type: Type
    attrs: tuple[tuple[str, Attr], ...] = ()

    def attr(self, name: str) -> Attr:
        """Give the attribute ``name``.

        Raises:
            SemanticsError: the instruction has no such attribute.
        """
        for key, value in self.attrs:
            if key == name:
                return value
        raise SemanticsError(f"instruction {self.op!r} has no attribute {name!r}")


@dataclass(frozen=True)
class Port:
    """A named, typed leaf or result of a program."""

    name: str
    type: Type


@dataclass(frozen=True)
class Program:
    """What a cell computes at each step.

    Attributes:
        instrs: The instructions, operands before users.
        inputs: Input ports, in the order of the function's arguments.
        params: Parameters that the expression uses.
        states: States, with the type that they are stored in.
        outputs: Output name to instruction.
        updates: State name to the instruction that gives its value after the step.
    """

    instrs: tuple[Instr, ...]
    inputs: tuple[Port, ...]
    params: tuple[Port, ...]
    states: tuple[Port, ...]
    outputs: tuple[tuple[str, int], ...]
    updates: tuple[tuple[str, int], ...]

    def output_type(self, name: str) -> Type:
        """Type of an output or of a state, which is an output as well."""
        for key, index in self.outputs:
            if key == name:
                return self.instrs[index].type
        for port in self.states:
            if port.name == name:
                return port.type
        raise SemanticsError(f"the cell has no output {name!r}")

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, then of the states."""
        return tuple(name for name, _ in self.outputs) + tuple(p.name for p in self.states)

    @property
    def uses(self) -> frozenset[str]:
        """Names of the operations that occur."""
        return frozenset(i.op for i in self.instrs)

    def to_json(self) -> dict[str, object]:
        """Give the canonical JSON form; types of inner instructions are derived, not stored."""
        return {
            "inputs": [[p.name, type_text(p.type)] for p in self.inputs],
            "params": [[p.name, type_text(p.type)] for p in self.params],
            "states": [[p.name, type_text(p.type)] for p in self.states],
            "instrs": [[i.op, list(i.args), dict(i.attrs)] for i in self.instrs],
            "outputs": [[n, i] for n, i in self.outputs],
            "updates": [[n, i] for n, i in self.updates],
        }

    @staticmethod
    def from_json(data: object) -> Program:
        """Rebuild a program by replaying it through the type rules.

        Raises:
            SemanticsError: the data is no program of the language.
        """
        return _replay(data)


@dataclass
class ProgramBuilder:
    """Collects instructions; equal instructions are merged, so the result is canonical.

    The key of a constant is its hexadecimal text, so that 0.0 and -0.0 stay apart.
    """

    inputs: tuple[Port, ...] = ()
    params: dict[str, Type] = field(default_factory=dict)
    states: dict[str, Type] = field(default_factory=dict)
    instrs: list[Instr] = field(default_factory=list)
    _seen: dict[tuple[str, tuple[int, ...], tuple[tuple[str, Attr], ...]], int] = field(
        default_factory=dict
    )

    def emit(self, op: str, args: tuple[int, ...] = (), **attrs: Attr) -> int:
        """Add an instruction and give its index.

        Raises:
            SemanticsError: the operation, its operands or its attributes are not in the language.
        """
        for index in args:
            if not 0 <= index < len(self.instrs):
                raise SemanticsError(f"operand {index} of {op!r} is not defined before its use")
        if op in LEAVES:
            kind = self._leaf_type(op, attrs)
        else:
            kind = result_type(op, tuple(self.instrs[i].type for i in args), attrs)
        packed = tuple(sorted(attrs.items()))
        # bool is an int to Python: the type's name keeps True and 1 apart in the key
        key = (op, args, tuple((k, f"{type(v).__name__}:{v}") for k, v in packed))
        if key not in self._seen:
            self._seen[key] = len(self.instrs)
            self.instrs.append(Instr(op, args, kind, packed))
        return self._seen[key]

    def _leaf_type(self, op: str, attrs: Mapping[str, Attr]) -> Type:
        name = attrs.get("name")
        if op == "input":
            for port in self.inputs:
                if port.name == name:
                    return port.type
        elif op == "param" and isinstance(name, str) and name in self.params:
            return self.params[name]
        elif op == "state" and isinstance(name, str) and name in self.states:
            return self.states[name]
        raise SemanticsError(f"the cell has no {op} {name!r}")

    def finish(self, outputs: Mapping[str, int], updates: Mapping[str, int]) -> Program:
        """Close the program: check the states' types and drop what nothing uses.

        Raises:
            SemanticsError: a state is not updated, or its next value does not fit its type; or a
            lookup reads no parameter, or one that is not a table alone.
        """
        if not outputs:
            raise SemanticsError("a cell has at least one output")
        for name, kind in self.states.items():
            if name not in updates:
                raise SemanticsError(f"state {name!r} gets no next value")
            _check_update(name, kind, self.instrs[updates[name]].type)
        for name in updates:
            if name not in self.states:
                raise SemanticsError(f"{name!r} is updated but is no state of the cell")
        clash = set(outputs) & set(self.states)
        if clash:
            raise SemanticsError(f"output and state share the name {sorted(clash)[0]!r}")
        program = _prune(self, outputs, updates)
        _check_tables(program)
        return program


def _check_update(name: str, kind: Type, value: Type) -> None:
    fits = kind.holds(value) if isinstance(kind, Int) and isinstance(value, Int) else kind == value
    if not fits:
        raise SemanticsError(
            f"state {name!r} is {type_text(kind)} but its next value is {type_text(value)}",
            hint="saturate, wrap or declare it" if isinstance(kind, Int) else "convert it",
        )


def _check_tables(program: Program) -> None:
    """Check that a table is a parameter, and that nothing else reads it."""
    uses = [(i.op, place, a) for i in program.instrs for place, a in enumerate(i.args)]
    uses += [("", 0, i) for _, i in (*program.outputs, *program.updates)]
    tables = {a for op, place, a in uses if op == "lookup" and place == 0}
    if any(program.instrs[a].op != "param" for a in tables):
        raise SemanticsError("a lookup reads a parameter", hint="compute the table beforehand")
    if any(a in tables and (op != "lookup" or place) for op, place, a in uses):
        raise SemanticsError("a table is read by lookups only", hint="add a second parameter")


def _prune(b: ProgramBuilder, outputs: Mapping[str, int], updates: Mapping[str, int]) -> Program:
    """Drop unused instructions and unused parameters; renumber the rest in order."""
    live: set[int] = set()
    stack = [*outputs.values(), *updates.values()]
    while stack:
        index = stack.pop()
        if index not in live:
            live.add(index)
            stack.extend(b.instrs[index].args)
    order = sorted(live)
    new = {old: i for i, old in enumerate(order)}
    instrs = tuple(
        Instr(i.op, tuple(new[a] for a in i.args), i.type, i.attrs)
        for i in (b.instrs[old] for old in order)
    )
    used = {i.attr("name") for i in instrs if i.op == "param"}
    return Program(
        instrs=instrs,
        inputs=b.inputs,
        params=tuple(Port(n, t) for n, t in b.params.items() if n in used),
        states=tuple(Port(n, t) for n, t in b.states.items()),
        outputs=tuple((n, new[i]) for n, i in outputs.items()),
        updates=tuple((n, new[updates[n]]) for n in b.states),
    )


def _replay(data: object) -> Program:
    if not isinstance(data, dict):
        raise SemanticsError("a program is a JSON object")
    try:
        builder = ProgramBuilder(
            inputs=tuple(Port(str(n), parse_type(str(t))) for n, t in data["inputs"]),
            params={str(n): parse_type(str(t)) for n, t in data["params"]},
            states={str(n): parse_type(str(t)) for n, t in data["states"]},
        )
        index: list[int] = []
        for op, args, attrs in data["instrs"]:
            if not all(isinstance(a, int) and 0 <= a < len(index) for a in args):
                raise SemanticsError(f"operand of {str(op)[:40]!r} is not defined before its use")
            mapped = tuple(index[a] for a in args)
            index.append(builder.emit(str(op), mapped, **{str(k): v for k, v in attrs.items()}))
        outputs = {str(n): index[int(i)] for n, i in data["outputs"]}
        updates = {str(n): index[int(i)] for n, i in data["updates"]}
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, SemanticsError):
            raise
        raise SemanticsError(f"damaged program: {error}") from error
    return builder.finish(outputs, updates)
