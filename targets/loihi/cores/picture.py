"""A picture of the cores: how full each is, what lies on it, and a table of what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from neurodeploy.targets.loihi.cores.mapping import CoreMap, PlacedCore

__all__ = ["cores_page", "cores_svg"]

CELL = 46
STYLE = """
body{font:14px/1.45 system-ui,sans-serif;color:#1f2430;max-width:1000px;margin:24px auto;
padding:0 16px}
table{border-collapse:collapse;margin:12px 0}td,th{padding:3px 10px;border-bottom:1px solid #dfe3ea;
text-align:right}td:first-child,th:first-child{text-align:left}svg{max-width:100%;height:auto}
svg text{font-size:11px;fill:#1f2430;text-anchor:middle}
caption,figcaption{text-align:left;color:#5b6475}
"""


def fullest(core: PlacedCore, cores: CoreMap) -> tuple[str, float]:
    """Give what a core has least room for, and which share of it is taken."""
    shares = {
        kind: used / cores.limits[kind].value
        for kind, used in core.use.items()
        if kind in cores.limits
    }
    kind = max(shares, key=lambda k: shares[k])
    return kind, shares[kind]


def cores_svg(cores: CoreMap) -> str:
    """Draw the meshes of all chips; the colour of a core says how full it is."""
    columns = cores.limits["columns"].value
    rows = -(-cores.limits["cores"].value // columns)
    width, height = (columns + 1) * CELL * cores.chips, rows * CELL
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" role="img" aria-label="cores">'
    ]
    used = {(c.chip, c.row, c.column): (i, c) for i, c in enumerate(cores.cores)}
    for chip in range(cores.chips):
        for place in range(cores.limits["cores"].value):
            row, column = divmod(place, columns)
            x, y = (chip * (columns + 1) + column) * CELL, row * CELL
            parts += _core(used.get((chip, row, column)), cores, x, y)
    return "".join([*parts, "</svg>"])


def _core(here: tuple[int, PlacedCore] | None, cores: CoreMap, x: int, y: int) -> Iterator[str]:
    size = CELL - 4
    if here is None:
        yield f'<rect x="{x}" y="{y}" width="{size}" height="{size}" rx="4" fill="#eef0f4"/>'
        return
    number, core = here
    kind, share = fullest(core, cores)
    light = 90 - 45 * min(1.0, share)
    what = "; ".join(f"{s.population} {s.first} to {s.first + s.count - 1}" for s in core.slices)
    title = escape(f"core {number}: {what}; {kind.replace('_', ' ')} {share:.0%}")
    yield (
        f'<g><title>{title}</title><rect x="{x}" y="{y}" width="{size}" height="{size}" rx="4" '
        f'fill="hsl(212 70% {light:.0f}%)"/><text x="{x + size / 2:g}" y="{y + 18}">{number}</text>'
        f'<text x="{x + size / 2:g}" y="{y + 34}">{share:.0%}</text></g>'
    )


def cores_page(cores: CoreMap) -> str:
    """Give the page: the picture, what each core takes, and the limits with their sources."""
    kinds = list(cores.cores[0].use)
    head = "".join(f"<th>{escape(k.replace('_', ' '))}</th>" for k in kinds)
    rows = []
    for number, core in enumerate(cores.cores):
        what = ", ".join(f"{s.population}[{s.first}:{s.first + s.count}]" for s in core.slices)
        cells = "".join(f"<td>{core.use[k]:,}</td>" for k in kinds)
        place = f"{core.chip}: {core.row}, {core.column}"
        rows.append(f"<tr><td>{number}</td><td>{place}</td><td>{escape(what)}</td>{cells}</tr>")
    limits = "".join(
        f"<tr><td>{escape(name.replace('_', ' '))}</td><td>{x.value:,} {escape(x.unit)}</td>"
        f"<td>{escape(x.evidence)}</td><td>{escape(x.source)}</td></tr>"
        for name, x in sorted(cores.limits.items())
    )
    saved = 1 - cores.cost / cores.first_fit if cores.first_fit else 0.0
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Cores</title>'
        f"<style>{STYLE}</style><h1>{escape(cores.profile)}: {len(cores.cores)} cores on "
        f"{cores.chips} chip{'s' * (cores.chips > 1)}</h1><figure>{cores_svg(cores)}<figcaption>"
        f"Each core with its number and the share of what it has least room for. Spikes times hops "
        f"in a step of the chip: {cores.cost:.4g} as placed, {cores.first_fit:.4g} one beside the "
        f"other ({saved:.0%} less); rates of {len(cores.measured)} populations were measured."
        f"</figcaption></figure><table><caption>What each core takes</caption><tr><th>core</th>"
        f"<th>chip: row, column</th><th>neurons of</th>{head}</tr>{''.join(rows)}</table>"
        f"<table><caption>Limits. Evidence: B, published code or paper; C, from memory. A kind "
        f"without a limit is not checked.</caption><tr><th>of a core</th><th>limit</th>"
        f"<th>evidence</th><th>source</th></tr>{limits}</table></html>\n"
    )
