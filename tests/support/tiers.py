"""The two tiers of the test run, and how many random cases each draws.

`make test` samples the long random and oracle runs; `make verify` runs their full counts.
"""

from __future__ import annotations

import os

__all__ = ["VERIFY", "sample_count"]

VERIFY = os.environ.get("NEURODEPLOY_VERIFY", "0") not in ("", "0")


def sample_count(full: int, sampled: int) -> int:
    """Return how many cases this run draws: `full` under `make verify`, else `sampled`.

    Usable in decorators, since the tier is fixed before any test module is read:
    ``@settings(max_examples=sample_count(300, 20))``.
    """
    if not 0 < sampled <= full:
        raise ValueError(f"sample_count({full}, {sampled}) needs 0 < sampled <= full")
    return full if VERIFY else sampled
