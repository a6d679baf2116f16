"""Strict JSON text: one text for each value, and nothing accepted that was not meant."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, cast

from neurodeploy.errors import FileFormatError

__all__ = ["MAX_DIGITS", "Json", "dump", "parse", "shown"]

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

MAX_DIGITS = 21  # of an integer: 64 bits and a sign
SHOWN = 40


def dump(value: Json) -> str:
    r"""Write the canonical text: ASCII, keys sorted, no spaces, floats by their shortest digits.

    >>> dump({"b": [1, 1.0, None], "a": "é"})
    '{"a":"\\u00e9","b":[1,1.0,null]}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse(text: str) -> Json:
    """Read JSON that may be hostile.

    Raises:
        FileFormatError: no JSON, a repeated key, a number that is not finite or has more digits
            than 64 bits need, half a surrogate pair, or nesting that is too deep.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_no_constant,
        )
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise FileFormatError("the JSON is nested too deeply") from None
    except UnicodeEncodeError:
        raise FileFormatError("a text of the JSON holds half a surrogate pair") from None
    except json.JSONDecodeError as error:
        raise FileFormatError(f"no JSON: {error.msg} at character {error.pos}") from None
    return cast(Json, value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(n for n in names if names.count(n) > 1)
        raise FileFormatError(f"the JSON key {shown(twice)} occurs twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise FileFormatError(f"the JSON holds an integer of {len(digits)} digits")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise FileFormatError(f"the JSON holds the number {digits[:SHOWN]}, which no float holds")
    return value


def _no_constant(name: str) -> NoReturn:
    raise FileFormatError(f"the JSON holds {name}")


def shown(value: object) -> str:
    """Write a value for an error message, short whatever it is."""
    if isinstance(value, dict | list | tuple):  # may be huge, or nested deeply
        kind = "an object" if isinstance(value, dict) else f"a {type(value).__name__}"
        return f"{kind} of {len(value)}"
    if isinstance(value, int) and abs(value) >= 2**64:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value[:SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
