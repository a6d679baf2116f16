"""Random spiking modules: read exactly, or refused by a typed error."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest

from oracles import Ledger
from tiers import sample_count

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("snntorch", reason="snntorch is not installed")
pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")

from neurodeploy.comparison import compare  # noqa: E402
from neurodeploy.converters.torch.load import spiking_model  # noqa: E402
from neurodeploy.errors import ConversionError  # noqa: E402
from random_modules import Drawn, draw_snntorch, draw_spikingjelly  # noqa: E402

COUNT = sample_count(250, 15)
CHUNK = 5
DRAW: dict[str, Any] = {"snntorch": draw_snntorch, "spikingjelly": draw_spikingjelly}
SEEN: Counter[str] = Counter()


def state_of(drawn: Drawn) -> list[Any]:
    return [v.detach().clone() for v in (*drawn.module.parameters(), *drawn.module.buffers())]


@pytest.mark.parametrize("start", range(0, COUNT, CHUNK))
@pytest.mark.parametrize("framework", ["snntorch", "spikingjelly"])
def test_module(framework: str, start: int, oracle: Ledger) -> None:
    found = oracle(framework)
    for seed in range(start, min(COUNT, start + CHUNK)):
        drawn: Drawn = DRAW[framework](seed)
        before, x = state_of(drawn), drawn.x.copy()
        try:
            model = spiking_model(drawn.module, drawn.example, **drawn.form)
        except ConversionError as error:
            nameless = [f for f in error.findings if not f.node]
            SEEN[f"{framework} refused"] += 1
            SEEN["nameless"] += len(nameless)
            continue
        result = compare(model.side(), model.graph, drawn.given, timesteps=drawn.timesteps)
        assert result.verdict == "exact", f"{framework} {seed}: {result}\n{drawn.module}"
        assert np.array_equal(x, drawn.x)
        after = state_of(drawn)
        assert len(before) == len(after)
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
        populations = [n for n in result.nodes if n.name.startswith("layers.")]
        fired = [n.count_a > 0 for n in populations]
        SEEN[f"{framework} exact"] += 1
        SEEN["spiking"] += all(fired)
        found.record(spiking=any(fired))


def test_share(capsys: pytest.CaptureFixture[str], oracle: Ledger) -> None:
    """At least nine in ten are read; the others named a layer."""
    oracle("snntorch")
    read = SEEN["snntorch exact"] + SEEN["spikingjelly exact"]
    drawn = read + SEEN["snntorch refused"] + SEEN["spikingjelly refused"]
    if not drawn:
        pytest.skip("no module was read in this run")
    with capsys.disabled():
        sys.stdout.write(
            f"\nrandom modules: {read} of {drawn} read exactly, "
            f"{SEEN['spiking'] / max(1, read):.0%} spike in every population\n"
        )
    assert read >= 0.9 * drawn
    assert not SEEN["nameless"]
