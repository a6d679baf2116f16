"""Frozen dataclasses to JSON and back, driven by their type hints.

- str, int, float, bool, None, ``Literal`` and unions of them are told apart by the JSON type: a
  bool is no int, and a float always has a point or an exponent.
- ``tuple[X, ...]`` and ``tuple[X, Y]`` are lists.
- A dataclass is an object with all of its fields; one that is marked `SPARSE` stands there only
  where it differs from its default, so that files from before it existed stay what they are.
  Where several classes may stand, the object names its own: under ``family`` for a node, else
  under ``class``.
- A `Program` has the form that it gives itself.

Reading accepts exactly what writing gives, and reports all that is wrong with its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from neurodeploy.errors import Finding, GraphError, SemanticsError
from neurodeploy.ir.strict_json import Json, dump, shown
from neurodeploy.semantics.program import Program

__all__ = ["MAX_FINDINGS", "SPARSE", "Found", "decode", "encode"]

SPARSE = "sparse"  # key of a field's metadata

MAX_FINDINGS = 200
_BAD = object()


class Found:
    """Collects what is wrong, each with the path of the value; counts what is too much to list."""

    def __init__(self) -> None:
        self.listed: list[Finding] = []
        self.more = 0

    def add(self, path: str, message: str) -> None:
        """Add a finding."""
        if len(self.listed) < MAX_FINDINGS:
            self.listed.append(Finding(message, node=path))
        else:
            self.more += 1

    def __iter__(self) -> Iterator[Finding]:
        yield from self.listed
        if self.more:
            yield Finding(f"{self.more} more findings of this kind")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


# -- type hints -----------------------------------------------------------------------------------


@cache
def _hints(cls: type) -> tuple[tuple[Field[Any], Any], ...]:
    """Give the fields of a dataclass that its caller sets, with their resolved hints."""
    hints = get_type_hints(cls)
    return tuple((f, hints[f.name]) for f in fields(cls) if f.init)


@cache
def _choices(hint: Any) -> tuple[Any, ...]:
    """Give the alternatives of a union, nested ones flattened; one if it is no union."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(c for arg in get_args(hint) for c in _choices(arg))
    return (hint,)


@cache
def _classes(hint: Any) -> dict[str, type]:
    """Give the dataclasses among the alternatives, by the name that stands in the JSON."""
    return {_tag(c)[1]: c for c in _choices(hint) if is_dataclass(c) and isinstance(c, type)}


def _tag(cls: Any) -> tuple[str, str]:
    family: str = getattr(cls, "family", "")
    return ("family", family) if family else ("class", cls.__name__)


@cache
def _kind(hint: Any) -> str:
    """Say how one alternative is written."""
    origin = get_origin(hint)
    if origin is tuple:
        return "list"
    if origin is Literal:
        return "choice"
    if hint is Program:
        return "program"
    return "object" if is_dataclass(hint) else "leaf"


def _expected(hint: Any) -> str:
    names = {"list": "a list", "program": "a program"}
    leaves = {str: "a text", int: "an integer", float: "a float", bool: "a bool", NoneType: "null"}
    parts: list[str] = []
    for c in _choices(hint):
        kind = _kind(c)
        if kind == "choice":
            parts.append("one of " + ", ".join(map(repr, get_args(c))))
        elif kind == "object":
            parts.append(f"a {c.__name__}")
        else:
            parts.append(names.get(kind) or leaves[c])
    return " or ".join(parts)


# -- encoding -------------------------------------------------------------------------------------


def encode(value: object, hint: Any, path: str = "", *, content: bool = False) -> Json:
    """Turn a value of the type ``hint`` into JSON.

    Numpy scalars become the Python numbers that they equal, and an integer where only a float
    may stand becomes that float, so that equal content has one text.

    Args:
        value: The value.
        hint: Its type.
        path: Where it stands, for the error.
        content: Leave out the fields that do not take part in comparisons.

    Raises:
        GraphError: the value is not of its type.
    """
    if isinstance(value, np.generic):
        value = value.item()
    for choice in _choices(hint):
        kind = _kind(choice)
        if kind == "object" and type(value) is choice:
            made = _encode_object(value, choice, path, content)
            if len(_classes(hint)) > 1:
                key, name = _tag(choice)
                made[key] = name
            return made
        if kind == "program" and isinstance(value, Program):
            return cast(Json, value.to_json())
        if kind == "list" and isinstance(value, tuple):
            return _encode_list(value, choice, path, content)
        if kind == "choice" and isinstance(value, str) and value in get_args(choice):
            return str(value)
        if kind == "leaf" and type(value) is choice and _sound(value):
            return cast(Json, value)
    if type(value) is int and float in _choices(hint) and _sound(value):
        return float(value)
    if isinstance(value, str) and str in _choices(hint) and _sound(str(value)):
        return str(value)
    expected = _expected(hint).replace("a list", "a tuple")
    raise GraphError(Finding(f"{shown(value)} stands where {expected} is due", node=path))


def _encode_object(value: object, cls: type, path: str, content: bool) -> dict[str, Json]:
    return {
        f.name: encode(getattr(value, f.name), hint, _join(path, f.name), content=content)
        for f, hint in _hints(cls)
        if (f.compare or not content) and not _left_out(f, getattr(value, f.name))
    }


def _left_out(f: Field[Any], value: object) -> bool:
    return bool(f.metadata.get(SPARSE)) and value == f.default


def _encode_list(value: tuple[object, ...], hint: Any, path: str, content: bool) -> Json:
    inner = _inner(hint, len(value))
    if inner is None:
        raise GraphError(Finding(f"{len(value)} values, {len(get_args(hint))} are due", node=path))
    return [
        encode(v, h, f"{path}[{i}]", content=content)
        for i, (v, h) in enumerate(zip(value, inner, strict=True))
    ]


def _inner(hint: Any, length: int) -> tuple[Any, ...] | None:
    """Give the hint of each of ``length`` values of a tuple; None if it has another length."""
    args = get_args(hint)
    if len(args) == 2 and args[1] is Ellipsis:
        return (args[0],) * length
    return args if len(args) == length else None


def _sound(value: object) -> bool:
    """Say whether a leaf can be written: finite, within 64 bits, whole characters."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str) and not value.isascii():
        return not any("\ud800" <= c <= "\udfff" for c in value)
    return not isinstance(value, int) or abs(value) < 2**64


# -- decoding -------------------------------------------------------------------------------------


def decode(data: Json, hint: Any, path: str, found: Found) -> Any:
    """Turn JSON into a value of the type ``hint``.

    Everything that is wrong is added to ``found``; the value is then of no use.
    """
    for choice in _choices(hint):
        kind = _kind(choice)
        if kind == "object" and isinstance(data, dict):
            return _decode_object(data, hint, path, found)
        if kind == "program" and isinstance(data, dict):
            return _decode_program(data, path, found)
        if kind == "list" and isinstance(data, list):
            return _decode_list(data, choice, path, found)
        if kind == "choice" and isinstance(data, str) and data in get_args(choice):
            return data
        if kind == "leaf" and type(data) is choice:
            return data
    found.add(path, f"{shown(data)} stands where {_expected(hint)} is due")
    return _BAD


def _decode_object(data: dict[str, Json], hint: Any, path: str, found: Found) -> Any:
    classes = _classes(hint)
    cls = next(iter(classes.values()))
    known: set[str] = set()
    if len(classes) > 1:
        key = _tag(cls)[0]
        name = data.get(key)
        if not isinstance(name, str) or name not in classes:
            found.add(path, f"{key} is {shown(name)}, not one of {', '.join(classes)}")
            return _BAD
        cls = classes[name]
        known.add(key)
    values: dict[str, Any] = {}
    for f, inner in _hints(cls):
        known.add(f.name)
        if f.name in data:
            values[f.name] = decode(data[f.name], inner, _join(path, f.name), found)
            if _left_out(f, values[f.name]):
                found.add(path, f"the field {f.name!r} holds its default, and is then left out")
        elif f.metadata.get(SPARSE):
            values[f.name] = f.default
        else:
            found.add(path, f"the field {f.name!r} is missing")
            values[f.name] = _BAD
    for name in data:
        if name not in known:
            found.add(path, f"there is no field {shown(name)}")
    if any(v is _BAD for v in values.values()):
        return _BAD
    try:
        return cls(**values)
    except GraphError as error:
        for finding in error.findings:
            found.add(path, finding.message)
        return _BAD


def _decode_list(data: list[Json], hint: Any, path: str, found: Found) -> Any:
    inner = _inner(hint, len(data))
    if inner is None:
        found.add(path, f"{len(data)} values, {len(get_args(hint))} are due")
        return _BAD
    values = [
        decode(v, h, f"{path}[{i}]", found)
        for i, (v, h) in enumerate(zip(data, inner, strict=True))
    ]
    return _BAD if any(v is _BAD for v in values) else tuple(values)


def _decode_program(data: dict[str, Json], path: str, found: Found) -> Any:
    try:
        program = Program.from_json(data)
    except SemanticsError as error:
        for finding in error.findings:
            found.add(path, finding.message)
        return _BAD
    if dump(cast(Json, program.to_json())) != dump(data):
        found.add(path, "the program is not in its canonical form")
        return _BAD
    return program
