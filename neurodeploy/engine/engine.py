r"""The compiled program of a graph, bound to its weights and ready to run.

It gives what `neurodeploy.reference.simulate` gives, bit by bit, in any batch and with any
number of threads: samples are independent, and each thread works in memory of its own.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.cache import cached_library
from neurodeploy.engine.compiler import INSTALL, Compiler, find_compiler
from neurodeploy.engine.plan import ALIGNMENT, DTYPES
from neurodeploy.engine.samples import Prepared, check_times, most_steps, prepare
from neurodeploy.engine.source import Unit, translate
from neurodeploy.errors import (
    DataError,
    Finding,
    MissingDependencyError,
    UnavailableTargetError,
    UsageError,
    raise_findings,
)
from neurodeploy.ir.graph import Graph
from neurodeploy.ir.types import expression_type
from neurodeploy.memory import require_bytes
from neurodeploy.reference import Trace, all_outputs, compute_dtype
from neurodeploy.semantics.c_eval import c_type

__all__ = ["Engine", "Stream", "build"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
Progress = Callable[[int], None]
BLOCKS = 32  # pieces of a batch for each thread, so that work is shared and can be interrupted
KEPT_BYTES = 1 << 24  # a workspace up to this size is kept for the next run: its pages are there

_POINTERS = ctypes.POINTER(ctypes.c_void_p)
_NUMBERS = ctypes.POINTER(ctypes.c_int64)


class _Call(ctypes.Structure):
    """``nd_call`` of the generated source."""

    _fields_ = (
        ("data", _POINTERS),
        ("inputs", _POINTERS),
        ("input_sample", _NUMBERS),
        ("input_step", _NUMBERS),
        ("records", _POINTERS),
        ("work", ctypes.c_void_p),
        ("first", ctypes.c_int64),
        ("samples", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("seed", ctypes.c_uint64),
        ("ordinal", ctypes.c_uint64),
        ("begin", ctypes.c_int64),
    )


def build(graph: Graph, *, compiler: Compiler | None = None) -> Engine:
    """Generate, compile and bind the program of ``graph``; compiled code comes from the cache.

    Args:
        graph: The graph.
        compiler: Compiler to use; by default that of `find_compiler`.

    Raises:
        MissingDependencyError: no C compiler was found.
        UnavailableTargetError: the compiler failed, or its code does not compute exactly.
    """
    found = compiler or find_compiler()
    if found is None:
        raise MissingDependencyError("no C compiler was found", hint=INSTALL)
    unit = translate(graph)
    return Engine(graph, unit, found, str(cached_library(unit.text, found)))


@dataclass(eq=False)
class Stream:
    """One sample that runs step by step in memory of its own.

    Attributes:
        inputs: By input node, the array to fill before a step, in the C type of the signal.
        held: By (node, output), what a step leaves.
        most: Steps that can be made after a reset.
        make: Makes the step of a number.
        kept: What ``make`` points to.
        time: Steps made.
    """

    inputs: dict[str, Array]
    held: dict[Key, Array]
    most: int
    make: Callable[[int], None]
    kept: list[Any]
    time: int = 0

    def step(self) -> None:
        """Make one step from what stands in ``inputs``."""
        self.make(self.time)
        self.time += 1

    def reset(self) -> None:
        """Begin anew: the next step is the first one."""
        self.time = 0


@dataclass(frozen=True)
class _Job:
    """What all blocks of a run share."""

    prepared: Prepared
    records: tuple[Array | None, ...]
    timesteps: int
    seed: int
    first_sample: int


class Engine:
    """The compiled program of a graph.

    Attributes:
        graph: The graph.
        compiler: What compiled it.
        library: Path of the compiled code in the user's cache.
        workspace_bytes: Bytes that each thread works in.
    """

    def __init__(self, graph: Graph, unit: Unit, compiler: Compiler, library: str) -> None:
        self.graph = graph
        self.compiler = compiler
        self.library = library
        self.workspace_bytes = unit.plan.workspace_bytes + ALIGNMENT
        try:
            code = ctypes.CDLL(library)
        except OSError as error:
            raise UnavailableTargetError(
                Finding(f"compiled code cannot be loaded: {error}", hint="name another $CC")
            ) from error
        self._function = code.nd_run
        self._function.argtypes = [ctypes.POINTER(_Call)]
        self._function.restype = ctypes.c_int
        self._advance = code.nd_advance
        self._advance.argtypes = [ctypes.POINTER(_Call)]
        self._advance.restype = ctypes.c_int
        self._check = code.nd_check
        self._check.argtypes = []
        self._check.restype = ctypes.c_int
        _raise_inexact(self._check())
        require_bytes(self.workspace_bytes, "the state and the signals of one sample")
        self._data = [_aligned(make()) for make in unit.plan.data]
        self._pointers = _pointers(self._data)
        self._keys = all_outputs(graph)
        self._kept: list[Array] = []

    def run(
        self,
        inputs: Mapping[str, Array],
        timesteps: int,
        *,
        record: Collection[Key],
        seed: int = 0,
        first_sample: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> Trace:
        r"""Run samples and give what was asked for at every step.

        Args:
            inputs: By input node, (N, T, \*shape), or (N, \*shape) for a value that is presented
                unchanged at every step.
            timesteps: Number of steps.
            record: Which outputs and states to record, as (node, output).
            seed: Seed of the random bits.
            first_sample: Ordinal of the first sample within the whole run.
            threads: Threads that share the samples.
            progress: Called with 0, 1, ... timesteps - 1 as the like share of the work is done.

        Returns:
            For each key of ``record`` its value after each step, (N, T, \*shape).

        Raises:
            DataError: inputs of another shape, a number of steps that cannot be run, or more to
                record than memory can hold.
            UsageError: an unknown key, or a number out of its range.
        """
        _check_numbers(seed, first_sample, threads)
        self._check_keys(record)
        check_times(self.graph, timesteps)
        prepared = prepare(self.graph, inputs, timesteps)
        workers = max(1, min(threads, prepared.samples))
        trace = self._allocate(record, prepared.samples, timesteps, workers)
        records = tuple(trace.get(key) for key in self._keys)
        job = _Job(prepared, records, timesteps, seed, first_sample)
        done = 0
        shown = 0
        for count in self._blocks(job, workers):
            done += count
            while progress is not None and shown < timesteps * done // prepared.samples:
                progress(shown)
                shown += 1
        while progress is not None and shown < timesteps:  # no samples at all
            progress(shown)
            shown += 1
        return trace

    def stream(self, record: Collection[Key], *, seed: int = 0, sample: int = 0) -> Stream:
        """Give one sample that runs step by step and keeps its state.

        Args:
            record: Which outputs and states can be read after each step.
            seed: Seed of the random bits.
            sample: Ordinal of the sample within its run.

        Raises:
            UsageError: an unknown key, or a number out of its range.
        """
        _check_numbers(seed, sample, 1)
        self._check_keys(record)
        inputs = {
            n.name: np.zeros(n.shape, DTYPES[c_type(expression_type(n.type))])
            for n in self.graph.inputs
        }
        held = {
            key: np.zeros(
                self.graph.signals[key].shape, compute_dtype(self.graph.signals[key].type)
            )
            for key in record
        }
        sizes = tuple(x.size for x in inputs.values())
        prepared = Prepared(tuple(inputs.values()), sizes, sizes, 1)
        job = _Job(prepared, tuple(held.get(key) for key in self._keys), 1, seed, sample)
        call, kept = self._bind(job)
        call.first, call.samples = 0, 1
        most = most_steps(self.graph)
        return Stream(inputs, held, most, partial(self._make_step, call), [call, *kept, self])

    def _make_step(self, call: _Call, time: int) -> None:
        call.begin = time
        if self._advance(ctypes.byref(call)) != 0:
            _raise_inexact(self._check())

    def _blocks(self, job: _Job, workers: int) -> Iterator[int]:
        """Run all blocks and give the number of samples of each that is done."""
        samples = job.prepared.samples
        size = max(1, -(-samples // (workers * BLOCKS)))
        starts = range(0, samples, size)
        free = [self._bind(job) for _ in range(workers)]
        try:
            yield from self._share(free, starts, size, samples)
        finally:
            if self.workspace_bytes <= KEPT_BYTES:
                self._kept += [memory for _, (memory, *_) in free]

    def _share(
        self, free: list[tuple[_Call, list[Any]]], starts: range, size: int, samples: int
    ) -> Iterator[int]:
        if len(free) == 1:
            for start in starts:
                yield self._run_block(free[0], start, min(size, samples - start))
            return

        def one(start: int) -> int:
            bound = free.pop()
            try:
                return self._run_block(bound, start, min(size, samples - start))
            finally:
                free.append(bound)

        with ThreadPoolExecutor(len(free)) as pool:
            try:
                yield from pool.map(one, starts)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _bind(self, job: _Job) -> tuple[_Call, list[Any]]:
        """Make the call of one thread, with a workspace; the list keeps alive what it points to."""
        try:
            memory = self._kept.pop()  # in one step: other threads may run the same engine
        except IndexError:
            memory = np.empty(self.workspace_bytes, np.uint8)
        offset = -_address(memory) % ALIGNMENT
        inputs, records = _pointers(job.prepared.arrays), _pointers(job.records)
        sample = _numbers(job.prepared.sample_strides)
        step = _numbers(job.prepared.step_strides)
        work = _address(memory) + offset
        call = _Call(self._pointers, inputs, sample, step, records, work)
        call.steps, call.seed, call.ordinal = job.timesteps, job.seed, job.first_sample
        return call, [memory, inputs, records, sample, step]

    def _run_block(self, bound: tuple[_Call, list[Any]], start: int, count: int) -> int:
        call, _ = bound
        call.first, call.samples = start, count
        if self._function(ctypes.byref(call)) != 0:
            _raise_inexact(self._check())
        return count

    def _allocate(
        self, record: Collection[Key], samples: int, timesteps: int, workers: int
    ) -> Trace:
        shapes = {
            key: (
                (samples, timesteps, *self.graph.signals[key].shape),
                compute_dtype(self.graph.signals[key].type),
            )
            for key in record
        }
        needed = workers * self.workspace_bytes
        for shape, dtype in shapes.values():
            size = dtype.itemsize
            for n in shape:
                size *= n
            needed += size
        what = f"recording {len(shapes)} signals of {samples} samples over {timesteps} steps"
        require_bytes(needed, what)
        try:
            return {key: np.empty(shape, dtype) for key, (shape, dtype) in shapes.items()}
        except (MemoryError, ValueError) as error:
            raise DataError(
                Finding(f"{what} needs {needed} bytes, which cannot be had", value=needed)
            ) from error

    def _check_keys(self, record: Collection[Key]) -> None:
        raise_findings(
            UsageError,
            [
                Finding(f"there is no output {key!r} to record", node=str(key[0]))
                for key in record
                if key not in self.graph.signals
            ],
        )


def _check_numbers(seed: int, first_sample: int, threads: int) -> None:
    found = []
    if not 0 <= seed < 2**64:
        found.append(Finding(f"seed {seed} is not in 0 to 2**64 - 1"))
    if not 0 <= first_sample < 2**62:
        found.append(Finding(f"first_sample {first_sample} is not in 0 to 2**62 - 1"))
    if threads < 1:
        found.append(Finding(f"threads is {threads}", hint="at least 1"))
    raise_findings(UsageError, found)


def _raise_inexact(code: int) -> None:
    """Refuse floats that do not behave: an exact comparison would mean nothing."""
    if code:
        named = ("subnormals are flushed to 0", "products are fused", "halves do not round to even")
        wrong = "; ".join(name for bit, name in enumerate(named) if code >> bit & 1)
        raise UnavailableTargetError(
            Finding(
                f"compiled code does not compute as the reference does: {wrong}",
                hint="another library of this process may have set the processor's float mode",
            )
        )


def _aligned(values: Array) -> Array:
    """Copy an array to where a cache line begins: no row of a slab then takes one line more."""
    memory = np.empty(values.nbytes + ALIGNMENT, np.uint8)
    begin = -_address(memory) % ALIGNMENT
    copy: Array = memory[begin : begin + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def _pointers(arrays: Sequence[Array | None]) -> Any:
    kind = ctypes.c_void_p * max(1, len(arrays))
    return kind(*[None if a is None else _address(a) for a in arrays])


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _numbers(values: Sequence[int]) -> Any:
    return (ctypes.c_int64 * max(1, len(values)))(*values)
