"""The program around a network on a machine, and the two files that it reads and writes.

``in.bin``: a head, then every input of every step. ``out.bin``: for each step the ticks that it
took, the outputs, and the whole context where states are wanted. Numbers are little-endian.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.engine.plan import DTYPES
from neurodeploy.targets.edge.memory import StaticPlan

__all__ = ["Rows", "harness", "input_bytes"]

Array = npt.NDArray[Any]
TICK_BYTES = 8
WRAPPED = 2**32 - 1  # what the machine's clock gives where a step was too long for it


def harness(plan: StaticPlan) -> str:
    """Give the C that feeds the network from a file and writes what it computes."""
    lines = [
        '#include "net.h"',
        "int32_t host_open(const char *name, int32_t mode);",
        "int32_t host_read(int32_t file, void *to, uint32_t size);",
        "int32_t host_write(int32_t file, const void *from, uint32_t size);",
        "void clock_start(void);",
        "uint32_t clock_ticks(void);",
        "static net_context net;",
    ]
    for i, node in enumerate(plan.graph.inputs):
        lines.append(f"static {plan.stored(node.type)} in{i}[NET_INPUT{i}_SIZE];")
    for i, end in enumerate(plan.graph.outputs):
        kind = plan.stored(plan.graph.signals[(end.name, "out")].type)
        lines.append(f"static {kind} out{i}[NET_OUTPUT{i}_SIZE];")
    ins = [f"in{i}, NET_INPUT{i}_SIZE" for i in range(len(plan.graph.inputs))]
    outs = [f"out{i}, NET_OUTPUT{i}_SIZE" for i in range(len(plan.graph.outputs))]
    reads = [
        f"      if (host_read(from, in{i}, sizeof in{i}) != 0) return 2;"
        for i in range(len(plan.graph.inputs))
    ]
    writes = [
        f"      if (host_write(to, out{i}, sizeof out{i}) != 0) return 3;" for i in range(len(outs))
    ]
    seeds = ["    net_seed(&net, start[0], start[1] + (uint64_t)n);"] if plan.draws else []
    lines += [
        "int main(void)",
        "{",
        '  const int32_t from = host_open("in.bin", 1), to = host_open("out.bin", 5);',
        "  int32_t head[4]; /* samples, steps, is the input held, are states wanted */",
        "  uint64_t start[2];",
        "  if (from < 0 || to < 0 || host_read(from, head, sizeof head) != 0) return 1;",
        "  if (host_read(from, start, sizeof start) != 0) return 1;",
        "  for (int32_t n = 0; n < head[0]; n++) {",
        "    net_reset(&net);",
        "    net.held = head[2];",
        *seeds,
        "    for (int32_t t = 0; t < head[1]; t++) {",
        *reads,
        "      clock_start();",
        f"      const int code = net_step(&net, {', '.join([*ins, *outs])});",
        "      const uint64_t ticks = clock_ticks();",
        "      if (code != NET_OK) return 10 + code;",
        "      if (host_write(to, &ticks, sizeof ticks) != 0) return 3;",
        *writes,
        "      if (head[3] && host_write(to, &net, sizeof net) != 0) return 3;",
        "    }",
        "  }",
        "  return 0;",
        "}",
        "",
    ]
    return "\n".join(lines)


def input_bytes(
    plan: StaticPlan,
    inputs: Mapping[str, Array],
    timesteps: int,
    *,
    seed: int,
    first_sample: int,
    states: bool,
) -> bytes:
    r"""Give the file that the program reads.

    Args:
        plan: The plan.
        inputs: By input node, (N, \*shape) or (N, T, \*shape).
        timesteps: T.
        seed: Seed of the random bits.
        first_sample: Ordinal of the first sample.
        states: Whether the context is wanted after each step.
    """
    samples = int(next(iter(inputs.values())).shape[0])
    held = all(inputs[n.name].ndim == len(n.shape) + 1 for n in plan.graph.inputs)
    parts = [
        np.array([samples, timesteps, held, states], "<i4").tobytes(),
        np.array([seed, first_sample], "<u8").tobytes(),
    ]
    given = []
    for node in plan.graph.inputs:
        x = inputs[node.name]
        if x.ndim == len(node.shape) + 1:
            x = np.repeat(x[:, None], timesteps, axis=1)
        kind = DTYPES[plan.stored(node.type)].newbyteorder("<")
        given.append(np.ascontiguousarray(x).astype(kind))
    for sample in range(samples):
        for t in range(timesteps):
            parts += [x[sample, t].tobytes() for x in given]
    return b"".join(parts)


class Rows:
    """What the program wrote, one row for each step of each sample.

    Args:
        plan: The plan.
        data: The file.
        samples: Number of samples.
        timesteps: Steps of each.
    """

    def __init__(self, plan: StaticPlan, data: bytes, samples: int, timesteps: int) -> None:
        self.plan, self.samples, self.timesteps = plan, samples, timesteps
        self.bytes = np.frombuffer(data, np.uint8).reshape(samples * timesteps, -1)
        signals = [plan.graph.signals[(n.name, "out")] for n in plan.graph.outputs]
        self.kinds = [DTYPES[plan.stored(s.type)] for s in signals]
        self.sizes = [s.size * kind.itemsize for s, kind in zip(signals, self.kinds, strict=True)]

    @property
    def ticks(self) -> npt.NDArray[np.int64] | None:
        """(N, T) ticks of each step; None where a step was too long for the clock."""
        each = self._part(0, TICK_BYTES).view("<u8").reshape(self.samples, self.timesteps)
        return None if (each == WRAPPED).any() else each.astype(np.int64)

    def output(self, number: int) -> Array:
        """Give the values of an output, one row each step."""
        begin = TICK_BYTES + sum(self.sizes[:number])
        return self._part(begin, begin + self.sizes[number]).view(self.kinds[number])

    @property
    def contexts(self) -> npt.NDArray[np.uint8]:
        """The context after each step."""
        return self._part(TICK_BYTES + sum(self.sizes), self.bytes.shape[1])

    def _part(self, begin: int, end: int) -> npt.NDArray[np.uint8]:
        return np.ascontiguousarray(self.bytes[:, begin:end])
