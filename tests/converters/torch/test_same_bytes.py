"""The same module gives the same file, whatever the hash seed of the interpreter is."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tiers import sample_count

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("snntorch", reason="snntorch is not installed")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

SUPPORT = Path(__file__).parents[2] / "support"
CODE = """
import sys
sys.path.insert(0, sys.argv[1])
import neurodeploy as nd
from random_modules import draw_snntorch, draw_spikingjelly

for seed in (4,):
    for name, draw in (("snn", draw_snntorch), ("jelly", draw_spikingjelly)):
        drawn = draw(seed)
        graph = nd.load(drawn.module, example=drawn.example, **drawn.form)
        nd.save(graph, f"{sys.argv[2]}/{name}{seed}.nd")
"""


def test_same_bytes(tmp_path: Path) -> None:
    seen = set()
    for seed in range(sample_count(10, 2)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": str(seed), "OMP_NUM_THREADS": "1"}
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", CODE, str(SUPPORT), str(folder)],
            env=environment,
            check=True,
            capture_output=True,
        )
        files = sorted(folder.iterdir())
        assert len(files) == 2
        seen.add(tuple(hashlib.sha256(f.read_bytes()).hexdigest() for f in files))
    assert len(seen) == 1
