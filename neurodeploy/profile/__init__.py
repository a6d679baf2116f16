"""The bill: exact counts, energy models with their sources, reports."""

import sys
from types import ModuleType
from typing import Any

from neurodeploy.profile.bill import Bill, profile_graph
from neurodeploy.profile.constants import Constant, Interval
from neurodeploy.profile.contrast import Contrast, compare_bills
from neurodeploy.profile.costs import Charge, CostModel, Priced
from neurodeploy.profile.counting import count
from neurodeploy.profile.counts import Counts, LayerCounts
from neurodeploy.profile.energy import Energy, energy_of, generic_cmos
from neurodeploy.profile.fanout import dense_ops, fanout, padded_ops
from neurodeploy.profile.meter import Measured, NotMeasured, measure_energy

__all__ = [
    "Bill",
    "Charge",
    "Constant",
    "Contrast",
    "CostModel",
    "Counts",
    "Energy",
    "Interval",
    "LayerCounts",
    "Measured",
    "NotMeasured",
    "Priced",
    "compare_bills",
    "count",
    "dense_ops",
    "energy_of",
    "fanout",
    "generic_cmos",
    "measure_energy",
    "padded_ops",
    "profile_graph",
]


class _Callable(ModuleType):
    """Lets ``nd.profile(...)`` work after this package was imported.

    The import system binds the package to the attribute ``profile`` of neurodeploy, where the
    function of that name stands; so the package takes the call and hands it on.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Bill:
        from neurodeploy.api import profile

        return profile(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
