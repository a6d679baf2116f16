"""The same graphs compiled by zig, which is clang: what the extra ``toolchain`` brings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine_runs import assert_same
from neurodeploy.engine import build, find_compiler
from neurodeploy.testing.random_cells import random_cell
from neurodeploy.testing.random_graphs import random_graph, spiking_share
from oracles import Ledger
from tiers import sample_count

ODD = """
#include <stdint.h>
static inline int32_t ssat(int32_t x) { return x < -32768 ? -32768 : (x > 32767 ? 32767 : x); }
__attribute__((noinline)) static void f(const int32_t *restrict x,
    const int16_t *restrict p, int16_t *restrict s, uint8_t *restrict z)
{
  const int16_t limit = p[0];
  for (int32_t i = 0; i < 9; i++) {
    const int32_t v = s[i];
    const int32_t kept = ssat(v >= limit ? v - limit : v) + x[i];
    const int32_t made = ssat(kept);
    z[i] = (uint8_t)(made >= limit);
    s[i] = (int16_t)made;
  }
}
int main(void)
{
  int32_t x[9] = {1, 40000, 3, 4, -50000, 6, 7, 8, 9};
  int16_t s[10] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1234}, p[1] = {16384};
  uint8_t z[9];
  f(x, p, s, z);
  return s[8] != 9 || s[9] != 1234;
}
"""


def test_nothing_is_written_behind_an_odd_number_of_integers(
    tmp_path: Path, oracle: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With AVX-512, LLVM 22 of ziglang 0.17 does so; the engine's flags leave AVX-512 out."""
    ziglang = oracle("ziglang")
    monkeypatch.setenv("CC", f"{sys.executable} -m ziglang cc")
    zig = find_compiler()
    assert zig is not None
    (tmp_path / "odd.c").write_text(ODD)
    flags = [f for f in zig.flags if f not in ("-shared", "-fPIC")]
    call = [*zig.command, *flags, "-o", "odd", "odd.c"]
    subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
    subprocess.run([str(tmp_path / "odd")], check=True)
    ziglang.record(spiking=False)


def test_drawn_graphs_agree_bit_by_bit(oracle: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ziglang = oracle("ziglang")
    monkeypatch.setenv("CC", f"{sys.executable} -m ziglang cc")
    zig = find_compiler()
    assert zig is not None
    assert (zig.kind, zig.version[:3]) == ("zig", "zig")
    for seed in range(900, 900 + sample_count(60, 2)):
        rng = np.random.default_rng(seed)
        drawn, cell = random_graph(rng), random_cell(rng, operations=40)
        engine = build(drawn.graph, compiler=zig)
        trace = assert_same(drawn.graph, engine, drawn.inputs, drawn.timesteps, threads=2)
        ziglang.record(spiking=spiking_share(trace, drawn.graph) == 1)
        extreme = drawn.extreme(rng)
        assert_same(drawn.graph, engine, extreme.inputs, drawn.timesteps)
        assert_same(cell.graph, build(cell.graph, compiler=zig), cell.inputs, cell.timesteps)
        ziglang.record(2)
