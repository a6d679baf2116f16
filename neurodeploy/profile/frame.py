"""The bill as a pandas DataFrame."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from neurodeploy.errors import MissingDependencyError
from neurodeploy.profile.counts import COLUMNS

if TYPE_CHECKING:
    from neurodeploy.profile.bill import Bill

__all__ = ["bill_frame"]


def bill_frame(bill: Bill) -> Any:
    """Give one row per layer: counts are totals over the samples, joules likewise.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    try:
        pandas = importlib.import_module("pandas")
    except ImportError as error:
        raise MissingDependencyError(
            "a DataFrame needs pandas", hint="pip install 'neurodeploy[report]'"
        ) from error
    rows = []
    for layer in bill.counts.layers:
        joules = bill.energy.layer(layer.name)
        rows.append(
            {
                "name": layer.name,
                "source": ", ".join(layer.source),
                "kind": layer.kind,
                "neurons": layer.neurons,
                **{column: layer.row.total(column) for column in COLUMNS},
                "weight_bytes": layer.weight_bytes,
                "state_bytes": layer.state_bytes,
                "joules": joules.value if joules else None,
                "joules_low": joules.low if joules else None,
                "joules_high": joules.high if joules else None,
            }
        )
    return pandas.DataFrame(rows)
