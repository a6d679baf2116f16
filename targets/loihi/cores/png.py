"""The picture of the cores as PNG, by matplotlib."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from neurodeploy.errors import MissingDependencyError

__all__ = ["cores_png"]

INSTALL = "pip install 'neurodeploy[report]'"


def cores_png(map_file: Path, out: Path) -> None:
    """Draw the cores of a ``map.json``: the colour says how full each is of what it lacks most.

    Args:
        map_file: ``map.json`` of an artifact.
        out: The PNG file.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            f"a picture needs matplotlib: {error}", hint=INSTALL
        ) from error
    document: dict[str, Any] = json.loads(map_file.read_text(encoding="utf-8"))
    limits = {name: entry["value"] for name, entry in document["limits"].items()}
    columns = limits["columns"]
    rows = -(-limits["cores"] // columns)
    figure = Figure(figsize=(0.45 * (columns + 1) * document["chips"], 0.45 * rows + 0.9))
    axes: Any = figure.add_subplot()
    axes.set(xlim=(-0.5, (columns + 1) * document["chips"] - 1.5), ylim=(rows - 0.5, -0.5))
    axes.set_aspect("equal")
    axes.set_axis_off()
    for place in range(limits["cores"] * document["chips"]):
        chip, inside = divmod(place, limits["cores"])
        row, column = divmod(inside, columns)
        axes.add_patch(_square(chip * (columns + 1) + column, row, "0.93"))
    for number, core in enumerate(document["cores"]):
        share = max(used / limits[k] for k, used in core["use"].items() if k in limits)
        x, y = core["chip"] * (columns + 1) + core["column"], core["row"]
        axes.add_patch(_square(x, y, (0.85 - 0.6 * share, 0.9 - 0.45 * share, 1 - 0.2 * share)))
        axes.text(x, y, f"{number}\n{share:.0%}", ha="center", va="center", fontsize=6)
    count, chips = len(document["cores"]), document["chips"]
    title = f"{document['profile']}: {count} cores on {chips} chip{'s' * (chips > 1)}"
    axes.set_title(f"{title}; share of what each has least room for", fontsize=8)
    figure.savefig(out, dpi=150, format="png", metadata={"Software": None})


def _square(x: float, y: float, colour: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.46, y - 0.46), 0.92, 0.92, facecolor=colour)
