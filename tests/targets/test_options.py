"""What a user may set, read against what a profile declares."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurodeploy.errors import UsageError
from neurodeploy.targets.base import Capabilities, Limit, Option
from neurodeploy.targets.options import overridden_limits, parse_options

CHIP = Capabilities(
    name="chip",
    description="a chip",
    limits=(
        Limit("fan_in", 128, "node", "synapses", "data sheet"),
        Limit("weight_bytes", 65536, "graph", "byte", "data sheet"),
    ),
    options=(
        Option("speed", 1.5, "times real time"),
        Option("core-size", 64, "neurons", (32, 64)),
        Option("offset", 0, "steps"),
        Option("split", False, "split what is too large"),
        Option("board", "usb", "where it hangs", ("usb", "net")),
        Option("label", "", "any text"),
    ),
)
DEFAULTS = {o.name: o.default for o in CHIP.options}


def value(key: str, given: Any) -> Any:
    return parse_options(CHIP, {key: given})[1][key]


def limit(name: str, given: Any) -> int:
    changed, values = parse_options(CHIP, {name.replace("_", "-"): given})
    assert values == DEFAULTS
    return next(x.value for x in changed.limits if x.name == name)


def test_without_options_nothing_changes() -> None:
    assert parse_options(CHIP, {}) == (CHIP, DEFAULTS)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("4k", 4000),
        ("4M", 4_000_000),
        ("256KiB", 262144),
        ("2MiB", 2097152),
        ("1GiB", 1073741824),
        (7, 7),
        (0, 0),
    ],
)
def test_sizes(text: Any, size: int) -> None:
    assert limit("weight_bytes", text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "KiB",
        "4 KiB",
        "4kb",
        "4kib",
        "1.5k",
        "-1",
        -1,
        "4KiBs",
        True,
        1.0,
        "٤",
        "9" * 16,
        "0x10",
    ],
)
def test_what_is_no_size(text: Any) -> None:
    with pytest.raises(UsageError, match=r"weight-bytes: .* is no size"):
        limit("weight_bytes", text)


def test_a_limit_tells_who_set_it() -> None:
    changed, _ = parse_options(CHIP, {"fan-in": "1KiB"})
    assert [x.source for x in changed.limits] == ["--option", "data sheet"]
    assert [x.name for x in changed.limits] == ["fan_in", "weight_bytes"]
    assert overridden_limits(changed) == {"fan-in": 1024}
    assert overridden_limits(CHIP) == {}
    assert parse_options(CHIP, overridden_limits(changed))[0] == changed
    assert CHIP.limits[0].value == 128


@pytest.mark.parametrize("text", ["yes", "true", "on", "True", "ON", True])
def test_true(text: Any) -> None:
    assert value("split", text) is True


@pytest.mark.parametrize("text", ["no", "false", "off", "No", False])
def test_false(text: Any) -> None:
    assert value("split", text) is False


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_comes_through(number: float) -> None:
    for text in (number, str(number), f"{number:.17g}"):
        assert value("speed", text) == number


@pytest.mark.parametrize(
    "text",
    [
        "nan",
        "inf",
        "-inf",
        "1e999",
        "1.2.3",
        ".",
        "",
        "-",
        "1e",
        "e5",
        "1_0",
        " 1",
        True,
        float("nan"),
    ],
)
def test_what_is_no_number(text: Any) -> None:
    with pytest.raises(UsageError, match=r"speed: .* is not a number"):
        value("speed", text)


@pytest.mark.parametrize(("text", "number"), [("-3", -3), (-3, -3), ("2k", 2000), ("0", 0)])
def test_whole_numbers(text: Any, number: int) -> None:
    assert value("offset", text) == number


def test_choices() -> None:
    assert value("core-size", "32") == 32
    assert value("board", "net") == "net"
    with pytest.raises(UsageError, match=r"48.* is not one of 32, 64"):
        value("core-size", "48")
    with pytest.raises(UsageError, match="'wifi' is not one of usb, net"):
        value("board", "wifi")
    assert value("label", 'any "text"') == 'any "text"'


def test_everything_wrong_is_told_at_once() -> None:
    given_ = {
        "colour": "red",
        "fan-in": "many",
        "fan_in": 3,
        "speed": "fast",
        "split": "maybe",
        "offset": "1.5",
        "board": "wifi",
        "core-size": 32,
    }
    with pytest.raises(UsageError) as caught:
        parse_options(CHIP, given_)
    assert [f.node for f in caught.value.findings] == list(given_)[:-1]
    assert caught.value.findings[0].hint == (
        "it has: board, core-size, fan-in, label, offset, speed, split, weight-bytes"
    )
    assert caught.value.exit_code == 2
