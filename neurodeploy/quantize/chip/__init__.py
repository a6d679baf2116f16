"""Rounds a float graph onto the grids of a chip whose neurons are given, as its target says.

The chip's widths are data (`neurodeploy.targets.base.ChipGrid`), its cells come from its target
(`Target.integer_cell`). What is searched here is how many units of the chip a float neuron's unit
is, and with it all weights, exponents, thresholds and resets of a population at once.
"""

from neurodeploy.quantize.chip.convert import for_chip

__all__ = ["for_chip"]
