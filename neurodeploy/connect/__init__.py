"""Random synapses between populations, made row by row: memory holds the synapses and no matrix.

    >>> from neurodeploy import connect
    >>> rows = connect.fixed_probability(1000, 500, 0.02, weight=0.1, delay=connect.whole(1, 16))
    >>> rows.weight.dtype.name, rows.target.dtype.name, rows.delay.dtype.name
    ('float32', 'uint16', 'uint8')

What a connector gives goes into a graph by `GraphBuilder.synapse_rows`. A synapse takes 4 bytes of
weight, at most 4 of target and as many of delay as the largest delay needs. The same arguments and
seed give the same synapses on every machine.
"""

from neurodeploy.connect.distance import by_distance
from neurodeploy.connect.fan_in import fixed_fan_in
from neurodeploy.connect.rows import fixed_fan_out, fixed_probability
from neurodeploy.connect.values import normal, uniform, whole

__all__ = [
    "by_distance",
    "fixed_fan_in",
    "fixed_fan_out",
    "fixed_probability",
    "normal",
    "uniform",
    "whole",
]
