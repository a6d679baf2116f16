"""Compiles the C of the edge target for this computer and runs it step by step, states included."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from neurodeploy.engine.plan import DTYPES
from neurodeploy.targets.edge.context import read_context, visible
from neurodeploy.targets.edge.source import EdgeUnit

__all__ = ["WARNINGS", "EdgeProgram"]

Array = npt.NDArray[Any]
Key = tuple[str, str]
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")


class EdgeProgram:
    """The shared library of a unit."""

    def __init__(
        self, unit: EdgeUnit, prefix: str, folder: Path, command: Sequence[str] = ("gcc", "-O2")
    ) -> None:
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        self.unit, self.prefix = unit, prefix
        (folder / f"{prefix}.h").write_text(unit.header, encoding="ascii")
        (folder / f"{prefix}.c").write_text(unit.source, encoding="ascii")
        call = [*command, *WARNINGS, "-fPIC", "-shared", "-o", f"{prefix}.so", f"{prefix}.c"]
        done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[:3000]
        self.code = ctypes.CDLL(str(folder / f"{prefix}.so"))
        self.context = np.zeros(unit.plan.context_bytes() // 8, np.int64)

    def run(self, inputs: Mapping[str, Array], timesteps: int) -> dict[Key, Array]:
        """Run (N, T, ...) or (N, ...) inputs; give outputs, and what the context holds."""
        plan, found = self.unit.plan, {}
        samples = next(iter(inputs.values())).shape[0]
        for sample in range(samples):
            getattr(self.code, f"{self.prefix}_reset")(self._context())
            if plan.draws:
                ordinal = ctypes.c_uint64(sample)
                getattr(self.code, f"{self.prefix}_seed")(
                    self._context(), ctypes.c_uint64(0), ordinal
                )
            for t in range(timesteps):
                given: list[Any] = []
                for node in plan.graph.inputs:
                    x = inputs[node.name]
                    now = x[sample, t] if x.ndim == len(node.shape) + 2 else x[sample]
                    dtype = DTYPES[plan.stored(node.type)]
                    given.append(np.ascontiguousarray(now).astype(dtype))
                outs = [
                    np.empty(s.shape, DTYPES[plan.stored(s.type)])
                    for s in (plan.graph.signals[(n.name, "out")] for n in plan.graph.outputs)
                ]
                arguments: list[Any] = []
                for array in (*given, *outs):
                    arguments += [array.ctypes.data_as(ctypes.c_void_p)]
                    arguments += [ctypes.c_size_t(array.size)]
                code = getattr(self.code, f"{self.prefix}_step")(self._context(), *arguments)
                assert code == 0
                for node, out in zip(plan.graph.outputs, outs, strict=True):
                    found.setdefault((node.name, "out"), []).append(out)
                for key in visible(plan):
                    held = self.context.view(np.uint8)
                    found.setdefault(key, []).append(read_context(plan, held, key))
        return {
            key: np.stack(rows).reshape(samples, timesteps, *rows[0].shape)
            for key, rows in found.items()
        }

    def _context(self) -> Any:
        return self.context.ctypes.data_as(ctypes.c_void_p)
