"""Puts slices of populations onto cores: the first one that has room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from neurodeploy.targets.loihi.cores.limits import CoreLimit
from neurodeploy.targets.loihi.cores.slicing import Slice

__all__ = ["Core", "packed"]

ADDED = ("neurons", "input_axons", "output_axons", "synapse_bits")


@dataclass
class Core:
    """What lies on one core.

    Attributes:
        slices: Its slices.
        use: What they take together, by the name of the limit.
    """

    slices: list[Slice] = field(default_factory=list)
    use: dict[str, int] = field(default_factory=dict)


def packed(slices: Sequence[Slice], limits: Mapping[str, CoreLimit]) -> list[Core]:
    """Put slices onto cores, in order, each onto the first core whose limits hold it.

    Args:
        slices: All slices.
        limits: Limits of a core.
    """
    cores: list[Core] = []
    for piece in slices:
        for core in cores:
            use = together([*core.slices, piece])
            if all(k not in limits or used <= limits[k].value for k, used in use.items()):
                core.slices.append(piece)
                core.use = use
                break
        else:
            cores.append(Core([piece], together([piece])))
    return cores


def together(slices: Sequence[Slice]) -> dict[str, int]:
    """Give what slices take of one core: sizes add up, tables of settings are shared."""
    use = {kind: sum(s.use[kind] for s in slices) for kind in ADDED}
    # numbers of decays are a population's own
    use["neuron_settings"] = len({(s.population, d) for s in slices for d in s.decays})
    use["thresholds"] = len({(s.population, t) for s in slices for t in s.thresholds})
    use["synapse_formats"] = len(frozenset[object]().union(*(s.forms for s in slices)))
    return use
