"""What a large network takes: a process of its own builds and runs it, and tells its peak."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from distribution import ROOT
from oracles import Ledger
from tiers import VERIFY


def peak(synapses: int) -> dict[str, float]:
    command = [sys.executable, str(ROOT / "benchmarks" / "large.py"), "--one", str(synapses)]
    told = subprocess.run(command, check=True, capture_output=True, timeout=1200).stdout
    found: dict[str, float] = json.loads(told)
    return found


def test_memory_grows_by_the_synapses_alone() -> None:
    """100 synapses and a neuron with its ring of 16 sums: at most 14 bytes for each synapse."""
    small, large = peak(5_000_000), peak(12_000_000)
    assert (large["peak"] - small["peak"]) * 2**20 / 7_000_000 < 14
    assert large["rate"] > 0.001


@pytest.mark.skipif(not VERIFY, reason="a million neurons: in the full tier")
def test_a_million_neurons(oracle: Ledger) -> None:
    found = peak(100_000_000)
    assert found["peak"] < 1536  # MiB
    assert found["rate"] > 0.001
    oracle("cc").record(spiking=True)
