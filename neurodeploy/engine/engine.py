r"""The compiled program of a graph, bound to its weights and ready to run.

It gives what `neurodeploy.reference.simulate` gives, bit by bit, in any batch and with any
number of threads: samples are independent, and each thread works in memory of its own.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.cache import cached_library
from neurodeploy.engine.call import Bound, Call, Job, address, bind, placed, pointers
from neurodeploy.engine.checks import check_keys, check_numbers, check_spikes, raise_inexact
from neurodeploy.engine.compiler import INSTALL, Compiler, find_compiler
from neurodeploy.engine.plan import ALIGNMENT, DTYPES
from neurodeploy.engine.samples import Prepared, check_times, most_steps, prepare
from neurodeploy.engine.source import Unit, translate
from neurodeploy.engine.spike_log import Chunk, Log, SpikeList, joined, taken
from neurodeploy.engine.stream import Stream
from neurodeploy.errors import (
    DataError,
    Finding,
    MissingDependencyError,
    UnavailableTargetError,
    UsageError,
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
    return Engine(graph, unit, found, str(cached_library(unit.pieces, found)))


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
        self._function.argtypes = [ctypes.POINTER(Call)]
        self._function.restype = ctypes.c_int
        if hasattr(code, "nd_forget"):  # where an output spikes
            self._forget = code.nd_forget
            self._forget.argtypes = [ctypes.POINTER(Log)]
            self._forget.restype = None
        self._check = code.nd_check
        self._check.argtypes = []
        self._check.restype = ctypes.c_int
        raise_inexact(self._check())
        require_bytes(self.workspace_bytes, "the state and the signals of one sample")
        self._data = [placed(make()) for make in unit.plan.data]
        self._pointers = pointers(self._data)
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
        check_numbers(seed, first_sample, threads)
        check_keys(self.graph, record)
        check_times(self.graph, timesteps)
        prepared = prepare(self.graph, inputs, timesteps)
        workers = max(1, min(threads, prepared.samples))
        trace = self._allocate(record, prepared.samples, timesteps, workers)
        records = tuple(trace.get(key) for key in self._keys)
        job = Job(prepared, records, timesteps, seed, first_sample)
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

    def spikes(
        self,
        inputs: Mapping[str, Array],
        timesteps: int,
        *,
        record: Collection[Key],
        seed: int = 0,
        first_sample: int = 0,
        threads: int = 1,
    ) -> dict[Key, SpikeList]:
        """Run samples and list the spikes of outputs, in memory that grows with the spikes alone.

        Args:
            inputs: As for `run`.
            timesteps: Number of steps.
            record: Which outputs to list; each carries spikes.
            seed: Seed of the random bits.
            first_sample: Ordinal of the first sample within the whole run.
            threads: Threads that share the samples.

        Raises:
            DataError: as `run`; or there is no memory for a list.
            UsageError: as `run`; or an output carries no spikes.
        """
        check_numbers(seed, first_sample, threads)
        check_spikes(self.graph, record)
        check_times(self.graph, timesteps)
        prepared = prepare(self.graph, inputs, timesteps)
        workers = max(1, min(threads, prepared.samples))
        shape = (prepared.samples, timesteps)
        numbers = {key: self._keys.index(key) for key in record}
        ends = {number: np.zeros(shape, np.int64) for number in numbers.values()}
        job = Job(prepared, (None,) * len(self._keys), timesteps, seed, first_sample, ends)
        for _ in self._blocks(job, workers):
            pass
        starts = sorted(job.listed)
        rows = starts[1] - starts[0] if len(starts) > 1 else prepared.samples
        return {
            key: joined(
                self.graph.signals[key].shape,
                [job.listed[start][number] for start in starts],
                ends[number],
                rows,
            )
            for key, number in numbers.items()
        }

    def chunks(
        self,
        inputs: Mapping[str, Array],
        timesteps: int,
        *,
        steps: int,
        record: Collection[Key] = (),
        spikes: Collection[Key] = (),
        seed: int = 0,
        first_sample: int = 0,
    ) -> Iterator[Chunk]:
        """Run samples one after another, and give what is recorded a number of steps at a time.

        All chunks together are what `run` and `spikes` give at once; memory holds one of them.

        Args:
            inputs: As for `run`.
            timesteps: Number of steps.
            steps: Steps of a chunk; the last one of a sample may have fewer.
            record: Which outputs and states to record.
            spikes: Of which outputs to list the spikes.
            seed: Seed of the random bits.
            first_sample: Ordinal of the first sample within the whole run.

        Raises:
            DataError: as `run` and `spikes`.
            UsageError: as `run` and `spikes`; or ``steps`` is below 1.
        """
        check_numbers(seed, first_sample, 1)
        check_keys(self.graph, record)
        check_spikes(self.graph, spikes)
        if steps < 1:
            raise UsageError(f"chunks of {steps} steps", hint="at least 1")
        check_times(self.graph, timesteps)
        prepared = prepare(self.graph, inputs, timesteps)
        numbers = {key: self._keys.index(key) for key in spikes}
        for sample in range(prepared.samples):
            memory = None
            for begin in range(0, timesteps, steps):
                count = min(steps, timesteps - begin)
                trace = self._allocate(record, 1, count, 1)
                ends = {number: np.zeros((1, count), np.int64) for number in numbers.values()}
                records = tuple(trace.get(key) for key in self._keys)
                piece = prepared.piece(sample, begin)
                job = Job(piece, records, count, seed, first_sample + sample, ends)
                bound = self._bind(job) if memory is None else bind(job, self._pointers, memory)
                memory = bound.memory
                bound.call.begin = begin
                self._run_block(job, bound, 0, 1)
                found = {
                    key: SpikeList(self.graph.signals[key].shape, job.listed[0][n], ends[n])
                    for key, n in numbers.items()
                }
                yield Chunk(sample, begin, trace, found)

    def stream(self, record: Collection[Key], *, seed: int = 0, sample: int = 0) -> Stream:
        """Give one sample that runs step by step and keeps its state.

        Args:
            record: Which outputs and states can be read after each step.
            seed: Seed of the random bits.
            sample: Ordinal of the sample within its run.

        Raises:
            UsageError: an unknown key, or a number out of its range.
        """
        check_numbers(seed, sample, 1)
        check_keys(self.graph, record)
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
        job = Job(prepared, tuple(held.get(key) for key in self._keys), 1, seed, sample)
        bound = self._bind(job)
        bound.call.first, bound.call.samples = 0, 1
        most = most_steps(self.graph)
        return Stream(inputs, held, most, partial(self._make_step, bound.call), [bound, self])

    def _make_step(self, call: Call, time: int) -> None:
        call.begin = time
        self._call(call)

    def _blocks(self, job: Job, workers: int) -> Iterator[int]:
        """Run all blocks and give the number of samples of each that is done."""
        samples = job.prepared.samples
        size = max(1, -(-samples // (workers * BLOCKS)))
        starts = range(0, samples, size)
        free = [self._bind(job) for _ in range(workers)]
        try:
            yield from self._share(job, free, starts)
        finally:
            self._release(free)

    def _share(self, job: Job, free: list[Bound], starts: range) -> Iterator[int]:
        size, samples = starts.step, job.prepared.samples
        if len(free) == 1:
            for start in starts:
                yield self._run_block(job, free[0], start, min(size, samples - start))
            return

        def one(start: int) -> int:
            bound = free.pop()
            try:
                return self._run_block(job, bound, start, min(size, samples - start))
            finally:
                free.append(bound)

        with ThreadPoolExecutor(len(free)) as pool:
            try:
                yield from pool.map(one, starts)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _bind(self, job: Job) -> Bound:
        """Make the call of one thread, with a workspace."""
        try:
            memory = self._kept.pop()  # in one step: other threads may run the same engine
        except IndexError:
            memory = np.empty(self.workspace_bytes, np.uint8)
        return bind(job, self._pointers, memory)

    def _release(self, bound: Sequence[Bound]) -> None:
        if self.workspace_bytes <= KEPT_BYTES:
            self._kept += [b.memory for b in bound]

    def _run_block(self, job: Job, bound: Bound, start: int, count: int) -> int:
        bound.call.first, bound.call.samples = start, count
        if not job.ends:
            self._call(bound.call)
            return count
        job.listed[start] = self._listing(job, bound.call)
        return count

    def _listing(self, job: Job, call: Call) -> dict[int, Array]:
        """Make a call that lists spikes; give the neurons of each list."""
        logs = (Log * len(self._keys))()
        for number, ends in job.ends.items():
            logs[number].ends = address(ends)
        call.logs = logs
        try:
            self._call(call)
            return {number: taken(logs[number]) for number in job.ends}
        finally:
            call.logs = None
            for log in logs:
                self._forget(ctypes.byref(log))

    def _call(self, call: Call) -> None:
        if self._function(ctypes.byref(call)) != 0:
            raise_inexact(self._check())

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
