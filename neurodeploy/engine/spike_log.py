"""Spikes as lists: which neurons spiked in each step, in memory that grows with the spikes alone.

A raster of a million neurons over a thousand steps takes a gigabyte, though few of its elements
are spikes. The compiled program enters the places of spikes into a list instead.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.find import OVERWRITTEN
from neurodeploy.errors import DataError, Finding

__all__ = ["LOG", "LOG_FORMS", "LOG_TYPE", "Chunk", "Log", "SpikeList", "joined", "taken"]

Array = npt.NDArray[Any]

LOG_TYPE = """
/* The spikes of one output: neurons in the order of samples and steps, and how many there were at
   the end of each step. */
typedef struct {
  int32_t *neurons;
  int64_t room;
  int64_t count;
  int64_t *ends;                /* of (samples, steps), or NULL where nothing is listed */
  int64_t failed;               /* 1 where there was no memory */
} nd_log;
"""

LOG = """
/* Make room for `count` more spikes and for what may be overwritten; 0 where there is no memory. */
static int nd_room(nd_log *log, int64_t count)
{
  const int64_t needed = count + @OVERWRITTEN@;
  if (log->room - log->count >= needed) return 1;
  const int64_t room = 2 * log->room + needed;
  int32_t *more = (int32_t *)realloc(log->neurons, (size_t)room * sizeof *more);
  if (more == NULL) {
    log->failed = 1;
    return 0;
  }
  log->neurons = more;
  log->room = room;
  return 1;
}

/* Give back the memory of a list. */
ND_EXPORT void nd_forget(nd_log *log)
{
  free(log->neurons);
  log->neurons = NULL;
  log->room = log->count = 0;
}
""".replace("@OVERWRITTEN@", str(OVERWRITTEN))

LOG_FORMS = {
    "nd_list": """
/* List the spikes of a step, whose place in (samples, steps) is `at`. */
static void nd_list(nd_log *log, const uint8_t *restrict x, int64_t count, int64_t at)
{
  if (nd_room(log, count) == 0) return;
  log->count += nd_find(log->neurons + log->count, x, count);
  log->ends[at] = log->count;
}
""",
    "nd_append": """
/* List the spikes of a step that are listed already. */
static void nd_append(nd_log *log, const int32_t *restrict list, int64_t count, int64_t at)
{
  if (nd_room(log, count) == 0) return;
  memcpy(log->neurons + log->count, list, (size_t)count * sizeof *list);
  log->count += count;
  log->ends[at] = log->count;
}
""",
}


class Log(ctypes.Structure):
    """``nd_log`` of the generated source."""

    _fields_ = (
        ("neurons", ctypes.POINTER(ctypes.c_int32)),
        ("room", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("ends", ctypes.c_void_p),
        ("failed", ctypes.c_int64),
    )


@dataclass(frozen=True, eq=False)
class SpikeList:
    r"""The spikes of one output.

    Attributes:
        shape: Shape of the output.
        neurons: Flat indexes of the neurons that spiked, ascending within a step, by sample and
            step.
        ends: (N, T): number of entries of ``neurons`` up to the end of each step.
    """

    shape: tuple[int, ...]
    neurons: Array
    ends: Array

    def at(self, sample: int, step: int) -> Array:
        """Give the neurons that spiked in a step of a sample."""
        flat = sample * self.ends.shape[1] + step
        begin = int(self.ends.reshape(-1)[flat - 1]) if flat else 0
        found: Array = self.neurons[begin : int(self.ends[sample, step])]
        return found

    def per_step(self) -> Array:
        """Give the number of spikes of each step, (N, T)."""
        counts: Array = np.diff(self.ends.reshape(-1), prepend=0).reshape(self.ends.shape)
        return counts

    def counts(self) -> Array:
        r"""Give the spikes of each neuron over all samples and steps, of the output's shape."""
        size = int(np.prod(self.shape))
        return np.bincount(self.neurons, minlength=size).reshape(self.shape)

    def raster(self) -> Array:
        r"""Give the spikes as (N, T, \*shape) of bool."""
        size = int(np.prod(self.shape))
        flat = np.zeros((self.ends.size, size), bool)
        flat[np.repeat(np.arange(self.ends.size), self.per_step().reshape(-1)), self.neurons] = True
        return flat.reshape(*self.ends.shape, *self.shape)


@dataclass(frozen=True, eq=False)
class Chunk:
    r"""Some steps of one sample.

    Attributes:
        sample: Its place among the samples of the run.
        first: The first step.
        trace: What was recorded, (1, steps, \*shape).
        spikes: The spikes that were listed; step 0 is ``first``.
    """

    sample: int
    first: int
    trace: dict[tuple[str, str], Array]
    spikes: dict[tuple[str, str], SpikeList]


def taken(log: Log) -> Array:
    """Copy the neurons of a list.

    Raises:
        DataError: there was not enough memory for the list.
    """
    if log.failed:
        message = f"a list of {log.count} spikes cannot grow: there is no memory for more"
        raise DataError(Finding(message, value=log.count, hint="run fewer steps at a time"))
    if not log.count:
        return np.empty(0, np.int32)
    return np.ctypeslib.as_array(log.neurons, (log.count,)).copy()


def joined(shape: tuple[int, ...], parts: Sequence[Array], ends: Array, rows: int) -> SpikeList:
    """Join the lists of neighbouring blocks of samples; ``ends`` counts within each block.

    Args:
        shape: Shape of the output.
        parts: The neurons of each block.
        ends: (N, T).
        rows: Samples of a block.
    """
    before = np.cumsum([0, *(len(part) for part in parts[:-1])])
    for number, count in enumerate(before):
        ends[number * rows : (number + 1) * rows] += count
    neurons = np.concatenate(parts) if parts else np.empty(0, np.int32)
    return SpikeList(shape, neurons, ends)
