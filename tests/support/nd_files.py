"""Takes graph files apart, alters them, and puts them together with a digest that agrees."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurodeploy.errors import FileFormatError
from neurodeploy.ir import file as nd
from neurodeploy.ir.file import load_graph
from neurodeploy.ir.strict_json import dump

__all__ = ["Description", "join", "mutated", "put", "refusal", "resealed", "split"]

Description = dict[str, Any]


def refusal(path: Path) -> FileFormatError:
    """Load a bad file: a typed error that names the file, within a second."""
    begin = time.perf_counter()
    with pytest.raises(FileFormatError) as caught:
        load_graph(path)
    assert time.perf_counter() - begin < 1
    assert all(str(path) in f.node for f in caught.value.findings)
    return caught.value


def split(data: bytes) -> tuple[dict[str, Any], Description, bytes]:
    """Take a file apart with other means than the reader's: container, description, data."""
    length = int.from_bytes(data[:8], "little")
    outer = json.loads(data[8 : 8 + length])
    return outer, json.loads(outer["__metadata__"]["neurodeploy"]), data[8 + length :]


def join(outer: Any, body: bytes, *, length: int | None = None) -> bytes:
    head = json.dumps(outer, separators=(",", ":"), ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    return (len(head) if length is None else length).to_bytes(8, "little") + head + body


def resealed(data: bytes, change: Callable[[Description], object]) -> bytes:
    """Change the description and give it a digest that agrees, as an attacker would."""
    outer, description, body = split(data)
    change(description)
    arrays = {
        (n.removesuffix("_") if n.startswith("__metadata__") else n): np.frombuffer(
            body[e["data_offsets"][0] : e["data_offsets"][1]], _dtype(e["dtype"])
        ).reshape(e["shape"])
        for n, e in outer.items()
        if n != "__metadata__"
    }
    description.pop("digest", None)
    description["digest"] = nd._digest(description, arrays)
    outer["__metadata__"]["neurodeploy"] = dump(description)
    return join(outer, body)


def _dtype(name: str) -> str:
    return "?" if name == "BOOL" else f"<{name[0].lower()}{int(name[1:]) // 8}"


def put(*path: str | int, value: Any) -> Callable[[Description], None]:
    def change(description: Description) -> None:
        place: Any = description
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


def mutated(value: Any, draw: random.Random) -> Any:
    """Give a description with something of another kind, size or place in it."""
    odd: list[Any] = [None, True, 0, -1, 2**62, 0.5, "", "x", "add", [], {}, [[]], 1e308]
    places: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        at = stack.pop()
        inside = at.items() if isinstance(at, dict) else enumerate(at)
        for key, child in list(inside):
            places.append((at, key))
            if isinstance(child, dict | list):
                stack.append(child)
    for _ in range(draw.randrange(1, 3)):
        at, key = draw.choice(places)
        other, there = draw.choice(places)
        try:
            match draw.randrange(4):
                case 0:
                    at[key] = draw.choice(odd)
                case 1:
                    at[key] = json.loads(json.dumps(other[there]))
                case 2:
                    del at[key]
                case 3:
                    at[key] = at[key] + draw.choice([-1, 1, 7, 2**40])
        except (IndexError, KeyError, TypeError, ValueError):
            at[key if isinstance(at, dict) else slice(0, 0)] = []
    return value
