"""Inline SVG charts for the HTML report: strings in, strings out, every text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Bar", "bar_chart", "histogram"]

_ROW, _LABEL, _WIDTH, _VALUE = 24, 210, 470, 190


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart.

    Attributes:
        label: Text on the left.
        parts: Lengths that follow one another, each with its CSS class.
        low: Left end of the whisker; None for none.
        high: Right end of the whisker.
        text: Text on the right.
    """

    label: str
    parts: tuple[tuple[float, str], ...]
    low: float | None = None
    high: float | None = None
    text: str = ""


def bar_chart(title: str, bars: Sequence[Bar]) -> str:
    """Draw horizontal bars on one linear scale that starts at 0."""
    ends = [max(sum(n for n, _ in b.parts), b.high or 0.0) for b in bars]
    scale = _WIDTH / max([*ends, 1e-300])
    rows: list[str] = []
    for i, bar in enumerate(bars):
        top = i * _ROW
        rows.append(
            f'<text class="label" x="{_LABEL - 8}" y="{top + 16}">{escape(_short(bar.label))}'
            f"<title>{escape(bar.label)}</title></text>"
        )
        left = float(_LABEL)
        for length, kind in bar.parts:
            width = length * scale
            if width > 0:
                rows.append(
                    f'<rect class="{escape(kind)}" x="{left:.2f}" y="{top + 5}" '
                    f'width="{width:.2f}" height="14"/>'
                )
            left += width
        if bar.low is not None and bar.high is not None and bar.high > 0:
            a, b = _LABEL + bar.low * scale, _LABEL + bar.high * scale
            middle = top + 12
            rows.append(
                f'<path class="whisker" d="M{a:.2f} {middle}H{b:.2f}M{a:.2f} {middle - 4}v8'
                f'M{b:.2f} {middle - 4}v8"/>'
            )
            left = max(left, b)
        rows.append(f'<text class="value" x="{left + 6:.2f}" y="{top + 16}">{escape(bar.text)}')
        rows.append("</text>")
    height = max(1, len(bars)) * _ROW
    return (
        f'<svg viewBox="0 0 {_LABEL + _WIDTH + _VALUE} {height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(rows)}</svg>'
    )


def histogram(title: str, counts: Sequence[int]) -> str:
    """Draw a small histogram over rates from 0 to 1."""
    most = max([*counts, 1])
    width, height = 18, 60
    columns = "".join(
        f'<rect class="ac" x="{i * width + 1}" y="{height - height * n / most:.2f}" '
        f'width="{width - 2}" height="{height * n / most:.2f}"><title>{n:,}</title></rect>'
        for i, n in enumerate(counts)
    )
    span = width * len(counts)
    return (
        f'<figure><svg class="small" viewBox="0 0 {span} {height + 16}" role="img" '
        f'aria-label="{escape(title)}">{columns}'
        f'<path class="whisker" d="M0 {height}.5H{span}"/>'
        f'<text class="tick" x="0" y="{height + 13}">0</text>'
        f'<text class="tick end" x="{span}" y="{height + 13}">1</text></svg>'
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )


def _short(label: str, most: int = 32) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"
