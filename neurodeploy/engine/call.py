"""One call of the compiled program: what it is given, and the memory that it works in."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.plan import ALIGNMENT
from neurodeploy.engine.samples import Prepared
from neurodeploy.engine.spike_log import Log

__all__ = ["Call", "Job", "address", "bind", "placed", "pointers"]

Array = npt.NDArray[Any]

SHARED_BYTES = 1 << 20

_POINTERS = ctypes.POINTER(ctypes.c_void_p)
_NUMBERS = ctypes.POINTER(ctypes.c_int64)


class Call(ctypes.Structure):
    """``nd_call`` of the generated source."""

    _fields_ = (
        ("data", _POINTERS),
        ("inputs", _POINTERS),
        ("input_sample", _NUMBERS),
        ("input_step", _NUMBERS),
        ("records", _POINTERS),
        ("logs", ctypes.POINTER(Log)),
        ("work", ctypes.c_void_p),
        ("first", ctypes.c_int64),
        ("samples", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("seed", ctypes.c_uint64),
        ("ordinal", ctypes.c_uint64),
        ("begin", ctypes.c_int64),
    )


@dataclass(frozen=True)
class Job:
    """What all blocks of a run share.

    Attributes:
        prepared: The inputs.
        records: By output in canonical order, the array to fill, or None.
        timesteps: Number of steps.
        seed: Seed of the random bits.
        first_sample: Ordinal of the first sample within the whole run.
        ends: By number of an output whose spikes are listed: how many there were by each step.
        listed: By the first sample of a block, the neurons of each of these lists.
    """

    prepared: Prepared
    records: tuple[Array | None, ...]
    timesteps: int
    seed: int
    first_sample: int
    ends: dict[int, Array] = field(default_factory=dict)
    listed: dict[int, dict[int, Array]] = field(default_factory=dict)


@dataclass
class Bound:
    """A call with its workspace.

    Attributes:
        call: The call.
        memory: The workspace.
        kept: What else the call points to.
    """

    call: Call
    memory: Array
    kept: list[Any]


def bind(job: Job, data: Any, memory: Array) -> Bound:
    """Make the call of one thread.

    Args:
        job: The run.
        data: Addresses of the program's data.
        memory: Its workspace, `ALIGNMENT` bytes longer than the program needs.
    """
    begin = address(memory)
    inputs, records = pointers(job.prepared.arrays), pointers(job.records)
    sample = _numbers(job.prepared.sample_strides)
    step = _numbers(job.prepared.step_strides)
    call = Call(data, inputs, sample, step, records)
    call.work = begin + -begin % ALIGNMENT
    call.steps, call.seed, call.ordinal = job.timesteps, job.seed, job.first_sample
    return Bound(call, memory, [inputs, records, sample, step])


def placed(values: Array) -> Array:
    """Copy an array to where a cache line begins: no row of a slab then takes one line more.

    Of a large network the graph's own tensors, which are frozen, are used where they lie.
    """
    if values.nbytes > SHARED_BYTES and values.flags.c_contiguous and not values.flags.writeable:
        return values
    memory = np.empty(values.nbytes + ALIGNMENT, np.uint8)
    begin = -address(memory) % ALIGNMENT
    copy: Array = memory[begin : begin + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def pointers(arrays: Sequence[Array | None]) -> Any:
    """Give the addresses of arrays, as C has them."""
    kind = ctypes.c_void_p * max(1, len(arrays))
    return kind(*[None if a is None else address(a) for a in arrays])


def address(array: Array) -> int:
    """Give the address of the first element."""
    found: int = array.__array_interface__["data"][0]
    return found


def _numbers(values: Sequence[int]) -> Any:
    return (ctypes.c_int64 * max(1, len(values)))(*values)
