"""Events become frames: exact steps, every layout of a frame, and everything that has no place."""

from __future__ import annotations

import logging
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_files import DVS, SHD, as_structured, of_frames
from neurodeploy.errors import DataError
from neurodeploy.events import Events, events_of_mapping, events_of_samples, to_frames
from oracles import Ledger

MS = Fraction(1, 1000)


def events(t: object, x: object, y: object = None, p: object = None, **more: object) -> Events:
    columns = [None if c is None else np.asarray(c) for c in (t, x, y, p)]
    more.setdefault("offsets", np.array([0, np.size(t)]))
    return Events(*columns, **more)  # type: ignore[arg-type]


def test_polarity_rows_and_columns_come_in_tonics_order() -> None:
    one = events([0, 10, 1000], [1, 1, 2], [0, 0, 1], [1, 1, 0])
    frames, lengths = to_frames(one, (2, 2, 3), MS, binary=False)
    assert frames.shape == (1, 2, 2, 2, 3)
    assert frames.sum() == 3
    assert frames[0, 0, 1, 0, 1] == 2
    assert frames[0, 1, 0, 1, 2] == 1
    assert lengths is None
    merged, _ = to_frames(one, (1, 2, 3), MS, binary=False)
    assert np.array_equal(merged[:, :, 0], frames.sum(axis=2))
    flat, _ = to_frames(one, (2, 3), MS, binary=False)
    assert np.array_equal(flat, merged[:, :, 0])


def test_a_sensor_of_one_axis() -> None:
    one = events([0, 10, 1000], [1, 1, 2], None, [1, 0, 0])
    frames, _ = to_frames(one, (3,), MS, binary=False)
    assert frames.tolist() == [[[0, 2, 0], [0, 0, 1]]]
    split, _ = to_frames(one, (2, 3), MS, binary=False)
    assert split[0, 0].tolist() == [[0, 1, 0], [0, 1, 0]]
    assert np.array_equal(split.sum(axis=2), frames)
    columns = np.array([[0, 1, 0, 1], [10, 1, 0, 0], [1000, 2, 0, 0]])
    four = events_of_mapping({"events": columns, "offsets": [0, 3]})
    assert np.array_equal(to_frames(four, (3,), MS, binary=False)[0], frames)


def test_a_spike_input_says_how_many_events_it_cannot_tell_apart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = events([0, 10, 20, 1000], [1, 1, 1, 2])
    with caplog.at_level(logging.INFO, "neurodeploy"):
        frames, _ = to_frames(one, (3,), MS, 1, binary=True, dtype=np.bool_)
    assert frames.tolist() == [[[False, True, False]]]
    assert "1 fall after step 1 and are left out" in caplog.text
    assert "2 of 3 fall where one fell in the same step" in caplog.text
    assert "1 where events fell" in caplog.text


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.float64, np.float32])
@pytest.mark.parametrize(("unit", "dt"), [("s", 1), ("ms", 7), ("us", Fraction(1, 250)), ("ns", 3)])
def test_the_start_of_a_step_belongs_to_it(dtype: type, unit: str, dt: object) -> None:
    one = {"s": Fraction(1), "ms": MS, "us": MS / 1000, "ns": MS / 10**6}[unit]
    step = one * 1000 * dt  # type: ignore[operator]
    starts = (np.arange(400) * (step / one)).astype(dtype)
    found = events(starts, np.zeros(400, int), unit=unit)
    frames, _ = to_frames(found, (1,), step, binary=False)
    assert frames.ravel().tolist() == [1] * 400


def test_decimal_seconds_mean_what_people_wrote() -> None:
    steps = np.arange(2000)
    for dtype in (np.float64, np.float32):
        found = events((steps / 1000).astype(dtype), np.zeros(2000, int), unit="s")
        assert to_frames(found, (1,), MS, binary=False)[0].ravel().tolist() == [1] * 2000
    late = events(np.array([0.0029, 0.0049999]), np.zeros(2, int), unit="s")
    assert to_frames(late, (1,), MS, binary=False)[0].ravel().tolist() == [0, 0, 1, 0, 1]


def test_steps_that_are_no_whole_microseconds_are_exact() -> None:
    third = Fraction(1, 3000)
    found = events([0, 333, 334, 666, 667, 999, 1000], np.zeros(7, int))
    frames, _ = to_frames(found, (1,), third, binary=False)
    assert frames.ravel().tolist() == [2, 2, 2, 1]
    odd = Fraction(10**18 + 1, 10**30)  # its products leave 64 bits
    found = events([0, 10**12], np.zeros(2, int), unit="ns")
    frames, _ = to_frames(found, (1,), odd * 10**14, 11, binary=False)
    assert frames.ravel().tolist() == [1] + [0] * 8 + [1, 0]


def test_samples_keep_their_lengths_unless_t_is_given() -> None:
    found = events([0, 4000, 0, 1000], [0, 0, 1, 1], offsets=np.array([0, 2, 4]))
    frames, lengths = to_frames(found, (2,), MS, binary=False)
    assert lengths is not None
    assert lengths.tolist() == [5, 2]
    assert frames.shape == (2, 5, 2)
    longer, lengths = to_frames(found, (2,), MS, 7, binary=False)
    assert lengths is None
    assert np.array_equal(longer[:, :5], frames)
    assert longer[:, 5:].sum() == 0
    shorter, _ = to_frames(found, (2,), MS, 3, binary=False)
    assert np.array_equal(shorter, frames[:, :3])


def test_a_sample_without_events_is_silence_once_t_is_given() -> None:
    found = events([5], [0], offsets=np.array([0, 0, 1, 1]))
    with pytest.raises(DataError, match="sample 0 has no event") as caught:
        to_frames(found, (1,), MS, binary=False)
    assert len(caught.value.findings) == 2
    assert to_frames(found, (1,), MS, 2, binary=False)[0].sum() == 1


BAD = [
    ({"t": [1.0, np.nan]}, "sample 0, event 1: t is nan"),
    ({"t": [1.0, np.inf]}, "sample 0, event 1: t is inf"),
    ({"t": np.array(["1", "1e4000"], np.longdouble)}, "sample 0, event 1: t is inf"),
    ({"t": [-1, 2]}, "sample 0, event 0: t is -1"),
    ({"t": [2, 1]}, "sample 0, event 1: t is 1, before"),
    ({"t": np.array([1, 2**63], np.uint64)}, "sample 0, event 1: t is 9223372036854775808"),
    ({"t": [1]}, "columns of different length"),
    ({"t": ["a", "b"]}, "events.t: is <U1"),
    ({"t": [True, True]}, "events.t: is bool"),
    ({"t": [[1, 2]]}, r"events.t: is int64 of shape \[1, 2\]"),
    ({"x": [0.5, 1]}, "sample 0, event 0: x is 0.5"),
    ({"x": [0, -1]}, "sample 0, event 1: x is -1"),
    ({"y": [0, -1]}, "sample 0, event 1: y is -1"),
    ({"p": [0, 2]}, "sample 0, event 1: p is 2"),
    ({"p": [0, -1]}, "p holds 0 as well as -1"),
    ({"offsets": [0, 3]}, "offsets end at 3, and there are 2 events"),
    ({"offsets": [0, 1]}, "offsets end at 1"),
    ({"offsets": [1, 2]}, r"offsets\[0\] is 1, not 0"),
    ({"offsets": [0, 2, 1, 2]}, r"offsets\[2\] is 1, after 2"),
    ({"offsets": np.array([0, 2**64 - 1], np.uint64)}, "offsets end at 18446744073709551615"),
    ({"offsets": [0.0, 2.0]}, "offsets: is float64"),
    ({"offsets": [0]}, "offsets: is int64 of shape"),
    ({"offsets": 2}, "offsets: is int64 of shape"),
    ({"unit": "min"}, "unit of time is 'min'"),
    ({"labels": np.zeros(3, int)}, "labels of shape"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_events_are_told_by_sample_and_event(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"t": [0, 1], "x": [0, 1], "y": [0, 1], "p": [0, 1]}
    with pytest.raises(DataError, match=message) as caught:
        events(**{**good, "offsets": np.array([0, 2]), **change})  # type: ignore[arg-type]
    assert caught.value.exit_code == 2


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(DataError) as caught:
        events([3, -1, 5, 4] * 10, [0, 0, 0, -1] * 10, None, [3] * 40, offsets=[0, 2, 40])
    text = str(caught.value)
    for part in ("event 1: t is -1", "x is -1", "p is 3", "sample 1, event 1: t is 4", "more like"):
        assert part.replace("more like", "more events like the last") in text
    assert len(caught.value.findings) < 30


OUTSIDE = [
    ((2, 4, 4), {"x": [0, 4]}, "sample 0, event 1: x is 4, beyond 3"),
    ((2, 4, 4), {"y": [4, 0]}, "sample 0, event 0: y is 4, beyond 3"),
    ((3,), {}, "sample 0, event 1: y is 1, beyond 0"),
    ((3, 4, 4), {}, "3 channels"),
    ((2, 4, 4), {"p": None}, "takes two polarities"),
    ((2, 4, 4), {"y": None}, "x alone do not fit"),
    ((2, 3, 4, 4), {}, "do not fit an input of shape"),
    ((), {}, "do not fit an input of shape"),
    ((3, 4), {"y": None}, "3 channels"),
    ((2, 4), {"y": [0, 0]}, "two polarities or two rows"),
    ((2, 4, 4), {"shape": (2, 5, 4)}, r"sensor of \[2, 5, 4\] does not fit"),
]


@pytest.mark.parametrize(("shape", "change", "message"), OUTSIDE)
def test_events_outside_of_the_frame(
    shape: tuple[int, ...], change: dict[str, object], message: str
) -> None:
    good: dict[str, object] = {"t": [0, 1], "x": [0, 1], "y": [0, 1], "p": [0, 1]}
    found = events(**{**good, **change})  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message):
        to_frames(found, shape, MS, binary=False)


def test_no_dt_and_too_many_steps_are_refused() -> None:
    with pytest.raises(DataError, match="how long a step lasts") as caught:
        to_frames(events([0], [0]), (1,), None, binary=False)
    assert "--dt 1ms" in caught.value.findings[0].hint
    epoch = events([0, 1_600_000_000_000_000_000], [0, 0])
    floats = events([0.0, 1e308], [0, 0], unit="s")
    for found in (epoch, floats):
        with pytest.raises(
            DataError, match=r"sample 0 ends at .* need \d+ bytes, and \d+"
        ) as caught:
            to_frames(found, (1,), MS, binary=False)
        assert "recording's own start" in caught.value.findings[0].hint
        assert to_frames(found, (1,), MS, 5, binary=False)[0].sum() == 1
    with pytest.raises(DataError, match="bytes"):
        to_frames(events([0], [0]), (1,), MS, 10**15, binary=False)


@given(data=st.data())
def test_frames_to_events_to_frames_is_the_identity(data: st.DataObject) -> None:
    samples, steps, width = (data.draw(st.integers(1, n)) for n in (4, 9, 5))
    bits = st.lists(
        st.booleans(), min_size=samples * steps * width, max_size=samples * steps * width
    )
    frames = np.array(data.draw(bits)).reshape(samples, steps, width)
    microseconds = data.draw(st.integers(1, 10**7))
    listed, offsets = of_frames(frames, microseconds)
    found = events_of_mapping({"events": listed, "offsets": offsets})
    dt = Fraction(microseconds, 10**6)
    again, lengths = to_frames(found, (width,), dt, steps, binary=True, dtype=np.bool_)
    assert lengths is None
    assert np.array_equal(again, frames)


@given(data=st.data())
def test_counts_are_those_of_a_loop(data: st.DataObject) -> None:
    dt = data.draw(st.fractions(Fraction(1, 10**5), Fraction(1, 10)))
    size = data.draw(st.integers(0, 30))
    t = sorted(data.draw(st.lists(st.integers(0, 10**6), min_size=size, max_size=size)))
    draw = {
        n: data.draw(st.lists(st.integers(0, k), min_size=size, max_size=size))
        for n, k in (("x", 3), ("y", 2), ("p", 1))
    }
    cut = data.draw(st.integers(0, size))
    found = Events(
        np.array(t, int), *(np.array(draw[n], int) for n in "xyp"), np.array([0, cut, size])
    )
    # cut may leave times that fall between the samples, which have a clock each
    expected = np.zeros((2, 12, 2, 3, 4))
    for i in range(size):
        step = Fraction(t[i], 10**6) // dt
        if step < 12:
            expected[int(i >= cut), step, draw["p"][i], draw["y"][i], draw["x"][i]] += 1
    frames, _ = to_frames(found, (2, 3, 4), dt, 12, binary=False)
    assert np.array_equal(frames, expected)


@pytest.mark.parametrize("kind", ["camera", "cochlea"])
def test_frames_are_those_of_tonic(oracle: Ledger, kind: str) -> None:
    tonic = oracle("tonic")
    rng = np.random.default_rng(3)
    for window in (1000, 333, 4096):
        size = int(rng.integers(50, 400))
        t = np.sort(rng.integers(0, 60_000, size))
        x, y, p = rng.integers(0, 9, size), rng.integers(0, 7, size), rng.integers(0, 2, size)
        if kind == "camera":
            sample, sensor, shape = as_structured(DVS, t=t, x=x, y=y, p=p), (9, 7, 2), (2, 7, 9)
        else:
            sample, sensor, shape = as_structured(SHD, t=t, x=x, p=1), (9, 1, 1), (1, 9)
        # include_incomplete: tonic leaves the last, partial window out unless asked
        to_frame = tonic.module.transforms.ToFrame(
            sensor_size=sensor, time_window=window, start_time=0, include_incomplete=True
        )
        frames, _ = to_frames(
            events_of_samples([sample]), shape, Fraction(window, 10**6), binary=False
        )
        expected = to_frame(sample)
        assert np.array_equal(frames[0], expected)
        tonic.record(spiking=bool(expected.any()))
