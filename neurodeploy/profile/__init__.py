"""The bill: exact counts, energy models with their sources, reports."""

from neurodeploy.callable_package import make_callable
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

make_callable(__name__, "neurodeploy.api", "profile")
