"""Runs networks of the edge target in a program of their own, as sanitizers want it.

The program reads inputs from a file and writes, after every step, the outputs and the whole
context. Arrays have their exact lengths on the heap, so that a sanitizer sees every step beyond.
With events, it also makes calls with a wrong address, which have to touch nothing.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runs import WARNINGS
from neurodeploy.engine.plan import DTYPES
from neurodeploy.targets.edge.context import read_context, visible
from neurodeploy.targets.edge.events import address_type
from neurodeploy.targets.edge.source import EdgeUnit

__all__ = ["SANITIZED", "Driven", "build", "drive", "run_program"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
SANITIZED = ("gcc", "-O1", "-g", "-fsanitize=undefined,address", "-fno-sanitize-recover=all")
TIMEOUT = 300

HELPERS = """\
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *fresh(size_t size)
{
  void *made = malloc(size);
  if (made == NULL) exit(3);
  return made;
}
"""
# the last spike first, and every spike of an even address twice
LISTED = """
    @ADDRESS@ *list@I@ = fresh(2 * sizeof *list@I@ * @SIZE@);
    size_t count@I@ = 0;
    for (size_t i = @SIZE@; i-- > 0;) {
      if (in@I@[i]) list@I@[count@I@++] = (@ADDRESS@)i;
      if (in@I@[i] && i % 2 == 0) list@I@[count@I@++] = (@ADDRESS@)i;
    }
    @ADDRESS@ *events@I@ = fresh((count@I@ + 1) * sizeof *events@I@);
    memcpy(events@I@, list@I@, count@I@ * sizeof *events@I@);
    free(list@I@);
"""


@dataclass(frozen=True)
class Driven:
    """A network, the prefix of its names, and what it is run with.

    Attributes:
        unit: The network.
        prefix: The prefix.
        inputs: (N, T, ...) or (N, ...) by name.
        timesteps: T.
    """

    unit: EdgeUnit
    prefix: str
    inputs: Mapping[str, Array]
    timesteps: int


def build(nets: Sequence[Driven], folder: Path, command: Sequence[str]) -> None:
    """Compile all networks into one program ``drive``, and write their inputs."""
    names = []
    for net in nets:
        (folder / f"{net.prefix}.h").write_text(net.unit.header, encoding="ascii")
        (folder / f"{net.prefix}.c").write_text(net.unit.source, encoding="ascii")
        (folder / f"{net.prefix}.in").write_bytes(_given(net))
        names.append(f"{net.prefix}.c")
    (folder / "drive.c").write_text(_program(nets), encoding="ascii")
    call = [*command, *WARNINGS, "-o", "drive", "drive.c", *names]
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000]


def run_program(folder: Path, way: str) -> subprocess.CompletedProcess[str]:
    """Run the program with ``dense`` inputs or with ``events``."""
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    return subprocess.run(
        [str(folder / "drive"), way],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )


def drive(nets: Sequence[Driven], folder: Path, way: str) -> list[dict[Key, Array]]:
    """Run a program that was built; give outputs, and what the context holds, of each network."""
    done = run_program(folder, way)
    assert done.returncode == 0, f"code {done.returncode}: {done.stderr[-3000:]}"
    return [_taken(net, folder) for net in nets]


def _samples(net: Driven) -> int:
    return int(next(iter(net.inputs.values())).shape[0])


def _given(net: Driven) -> bytes:
    plan = net.unit.plan
    still = all(net.inputs[n.name].ndim == len(n.shape) + 1 for n in plan.graph.inputs)
    parts = [np.array([_samples(net), net.timesteps, still], "<i4").tobytes()]
    arrays = []
    for node in plan.graph.inputs:
        x = net.inputs[node.name]
        if x.ndim == len(node.shape) + 1:
            x = np.repeat(x[:, None], net.timesteps, axis=1)
        arrays.append(np.ascontiguousarray(x).astype(DTYPES[plan.stored(node.type)]))
    for sample in range(_samples(net)):
        for t in range(net.timesteps):
            parts += [x[sample, t].tobytes() for x in arrays]
    return b"".join(parts)


def _taken(net: Driven, folder: Path) -> dict[Key, Array]:
    plan, samples = net.unit.plan, _samples(net)
    data = np.frombuffer((folder / f"{net.prefix}.out").read_bytes(), np.uint8)
    rows = data.reshape(samples * net.timesteps, -1)
    found, begin = {}, 0
    for node in plan.graph.outputs:
        signal = plan.graph.signals[(node.name, "out")]
        dtype = DTYPES[plan.stored(signal.type)]
        end = begin + signal.size * dtype.itemsize
        values = np.ascontiguousarray(rows[:, begin:end]).view(dtype)
        found[(node.name, "out")] = values.reshape(samples, net.timesteps, *signal.shape)
        begin = end
    held = np.ascontiguousarray(rows[:, begin:])
    # a structure without 64-bit members has no padding to 8 bytes
    assert held.shape[1] in (plan.context_bytes(), plan.context_bytes() - 4)
    for key in visible(plan):
        shape = (samples, net.timesteps, *plan.graph.signals[key].shape)
        found[key] = np.stack([read_context(plan, h, key) for h in held]).reshape(shape)
    return found


def _program(nets: Sequence[Driven]) -> str:
    lines = [HELPERS, *(f'#include "{n.prefix}.h"' for n in nets)]
    lines += [_function(n) for n in nets]
    lines += ["int main(int argc, char **argv)", "{"]
    lines.append('  const int events = argc > 1 && strcmp(argv[1], "events") == 0;')
    lines.append("  int code = 0;")
    lines += [f"  if (code == 0) code = drive_{n.prefix}(events);" for n in nets]
    return "\n".join([*lines, "  return code;", "}", ""])


def _function(net: Driven) -> str:
    plan, p, big = net.unit.plan, net.prefix, net.prefix.upper()
    ins, outs = plan.graph.inputs, plan.graph.outputs
    arrays = [(f"in{i}", plan.stored(n.type), f"{big}_INPUT{i}_SIZE") for i, n in enumerate(ins)]
    for i, node in enumerate(outs):
        kind = plan.stored(plan.graph.signals[(node.name, "out")].type)
        arrays.append((f"out{i}", kind, f"{big}_OUTPUT{i}_SIZE"))
    given = ", ".join(f"{name}, {size}" for name, _, size in arrays)
    lines = [
        f"static int drive_{p}(int events)",
        "{",
        f'  FILE *from = fopen("{p}.in", "rb"), *to = fopen("{p}.out", "wb");',
        "  int32_t head[3];",
        "  if (!from || !to || fread(head, sizeof head, 1, from) != 1) return 4;",
        f"  {p}_context *net = fresh(sizeof *net), *kept = fresh(sizeof *kept);",
        *(f"  {kind} *{name} = fresh({size} * sizeof *{name});" for name, kind, size in arrays),
        "  for (int32_t n = 0; n < head[0]; n++) {",
        f"   {p}_reset(net);",
        *([f"   {p}_seed(net, 0, (uint64_t)n);"] if plan.draws else []),
        "   net->held = head[2];",
        "   for (int32_t t = 0; t < head[1]; t++) {",
        "    int code;",
        *(
            f"    if (fread({name}, sizeof *{name} * {size}, 1, from) != 1) return 5;"
            for name, _, size in arrays[: len(ins)]
        ),
        *_call(net, given),
        f"    if (code != {big}_OK) return 10 + code;",
        *(
            f"    fwrite({name}, sizeof *{name} * {size}, 1, to);"
            for name, _, size in arrays[len(ins) :]
        ),
        "    fwrite(net, sizeof *net, 1, to);",
        "   }",
        "  }",
        *(f"  free({name});" for name, _, _ in arrays),
        "  free(net);",
        "  free(kept);",
        "  fclose(from);",
        "  return fclose(to);",
        "}",
    ]
    return "\n".join(lines)


def _call(net: Driven, given: str) -> list[str]:
    """Write one step: dense, or with events, wrong addresses before right ones."""
    plan, p, big = net.unit.plan, net.prefix, net.prefix.upper()
    dense = f"code = {p}_step(net, {given});"
    if not plan.event_places:
        return [f"    {dense}", "    (void)events;"]
    lists, arguments, wrong, checks, frees = [], [], [], [], []
    for i, node in enumerate(plan.graph.inputs):
        if node.name in plan.event_places:
            size = plan.graph.signals[(node.name, "out")].size
            text = LISTED.replace("@I@", str(i)).replace("@SIZE@", f"{big}_INPUT{i}_SIZE")
            lists.append(text.replace("@ADDRESS@", address_type(size)).strip("\n"))
            arguments.append(f"events{i}, count{i}")
            wrong.append(f"events{i}, count{i} + 1")
            lists.append(f"    events{i}[count{i}] = {big}_INPUT{i}_SIZE; /* none */")
            frees.append(f"    free(events{i});")
        else:
            arguments.append(f"in{i}, {big}_INPUT{i}_SIZE")
            wrong.append(arguments[-1])
    outs = [f"out{i}, {big}_OUTPUT{i}_SIZE" for i in range(len(plan.graph.outputs))]
    null = ["NULL, " + o.split(", ")[1] for o in outs]
    checks = [
        "    memcpy(kept, net, sizeof *net);",
        f"    if ({p}_step_events(net, {', '.join([*wrong, *null])}) != {big}_ERROR_ADDRESS)",
        "      return 6;",
        "    if (memcmp(kept, net, sizeof *net) != 0) return 7;",
    ]
    return [
        f"    if (!events) {dense}",
        "    else {",
        *lists,
        *checks,
        f"    code = {p}_step_events(net, {', '.join([*arguments, *outs])});",
        *frees,
        "    }",
    ]
