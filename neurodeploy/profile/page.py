"""The bill as one self-contained HTML page: no script, no request, every name escaped."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from neurodeploy.profile.charts import Bar, bar_chart, histogram
from neurodeploy.profile.document import neurobench_metrics
from neurodeploy.profile.meter import Measured
from neurodeploy.profile.text import (
    cycle_lines,
    heads,
    how_long,
    layer_label,
    number,
    prefixed,
    table_rows,
)

if TYPE_CHECKING:
    from neurodeploy.profile.bill import Bill

__all__ = ["bill_fragment", "bill_page"]

_STYLE = """
.nd-bill{font:14px/1.5 system-ui,sans-serif;color:#1f2430;max-width:1080px;margin:auto}
.nd-bill h1{font-size:22px;margin:.2em 0}.nd-bill h2{font-size:16px;margin:1.8em 0 .4em}
.nd-bill .cards{display:flex;flex-wrap:wrap;gap:10px;margin:14px 0}
.nd-bill .card{border:1px solid #d5d9e2;border-radius:8px;padding:8px 14px;min-width:130px}
.nd-bill .card b{display:block;font-size:18px}.nd-bill .card small{color:#5b6475}
.nd-bill .scroll{overflow-x:auto}
.nd-bill table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}
.nd-bill th,.nd-bill td{padding:3px 9px;text-align:right;border-bottom:1px solid #e3e6ec}
.nd-bill th{border-bottom:2px solid #8790a3;white-space:nowrap}
.nd-bill td:first-child,.nd-bill th:first-child,.nd-bill .text td,.nd-bill .text th{text-align:left}
.nd-bill tr.total td{font-weight:600;border-top:2px solid #8790a3}
.nd-bill svg{width:100%;max-width:900px;height:auto;display:block}
.nd-bill svg.small{width:190px}.nd-bill figure{margin:0 16px 12px 0;display:inline-block}
.nd-bill figcaption{font-size:12px;color:#5b6475;max-width:190px;overflow-wrap:anywhere}
.nd-bill svg text{font-size:12px;fill:#1f2430}.nd-bill svg .label{text-anchor:end}
.nd-bill svg .value,.nd-bill svg .tick{fill:#5b6475;font-size:11px}
.nd-bill svg .end{text-anchor:end}
.nd-bill .ac{fill:#2f7f86}.nd-bill .mac{fill:#d98324}.nd-bill .energy{fill:#4866a8}
.nd-bill .whisker{stroke:#1f2430;fill:none;stroke-width:1.2}
.nd-bill .key{display:inline-block;width:11px;height:11px;margin:0 4px 0 12px}
.nd-bill .key.ac{background:#2f7f86}.nd-bill .key.mac{background:#d98324}
.nd-bill p,.nd-bill li{max-width:86ch}
"""


def bill_page(bill: Bill) -> str:
    """Give the whole page."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Bill of {escape(bill.target)}</title></head>"
        f'<body style="margin:24px">{bill_fragment(bill)}</body></html>\n'
    )


def bill_fragment(bill: Bill) -> str:
    """Give the report as an element, for a notebook or a page."""
    return (
        f'<div class="nd-bill"><style>{_STYLE}</style>'
        f"<h1>Bill for target {escape(bill.target)}</h1>"
        f"<p>{bill.counts.samples:,} samples, {number(bill.latency.steps)} timesteps. "
        "Counts are exact; counts and energy are means per sample.</p>"
        f"{_cards(bill)}{_energy(bill)}{_operations(bill)}{_rates(bill)}{_table(bill)}"
        f"{_evidence(bill)}</div>"
    )


def _cards(bill: Bill) -> str:
    counts, each = bill.counts, bill.counts.samples
    bench = neurobench_metrics(bill)
    total = bill.joules_per_sample
    cards = [
        ("energy, modelled, dynamic", prefixed(total, "J") if total else "no figure"),
        ("spikes", number(counts.total.total("spikes") / each)),
        ("synaptic operations", number(counts.total.total("synops") / each)),
        ("activation sparsity", f"{100 * bench['Activation Sparsity']:.1f} %"),
        ("constants", f"{counts.weight_bytes:,} bytes"),
        ("state", f"{counts.state_bytes:,} bytes"),
    ]
    if bill.accuracy is not None:
        cards.insert(0, ("accuracy", f"{100 * bill.accuracy:.2f} %"))
    if bill.latency.seconds is not None:
        cards.append((f"time {how_long(bill)}", prefixed(bill.latency.seconds, "s")))
    if bill.cycles is not None and bill.cycles.joules is not None:
        what = f"energy of {bill.cycles.processor.name}, by cycles"
        cards.append((what, prefixed(bill.cycles.joules, "J")))
    items = "".join(
        f'<div class="card"><small>{escape(name)}</small><b>{escape(value)}</b></div>'
        for name, value in cards
    )
    return f'<div class="cards">{items}</div>'


def _energy(bill: Bill) -> str:
    each = bill.counts.samples
    bars: list[Bar] = []
    for layer in bill.counts.layers:
        joules = bill.energy.layer(layer.name)
        if joules is not None and joules.value > 0:
            mean = joules * (1 / each)
            bars.append(
                Bar(
                    layer_label(layer),
                    ((mean.value, "energy"),),
                    mean.low,
                    mean.high,
                    prefixed(mean, "J"),
                )
            )
    if not bars:
        return ""
    chart = bar_chart("energy per layer", bars)
    return f"<h2>Energy per layer, with interval</h2>{chart}"


def _operations(bill: Bill) -> str:
    each = bill.counts.samples
    bars = [
        Bar(
            layer_label(layer),
            ((layer.row.total("acs") / each, "ac"), (layer.row.total("macs") / each, "mac")),
            text=f"{number(layer.row.total('synops') / each)} of "
            f"{number(layer.row.total('dense_ops') / each)}",
        )
        for layer in bill.counts.layers
        if layer.row.total("dense_ops")
    ]
    if not bars:
        return ""
    legend = '<span class="key ac"></span>ACs<span class="key mac"></span>MACs'
    chart = bar_chart("synaptic operations per layer", bars)
    return f"<h2>Synaptic operations, effective of dense</h2><p>{legend}</p>{chart}"


def _rates(bill: Bill) -> str:
    held = [layer for layer in bill.counts.layers if layer.activity is not None]
    charts = "".join(
        histogram(f"{layer_label(layer)}, {layer.neurons:,} neurons", layer.activity.histogram)
        for layer in held
        if layer.activity is not None
    )
    if not charts:
        return ""
    return f"<h2>Neurons by activations per step</h2>{charts}"


def _table(bill: Bill) -> str:
    head = "".join(f"<th>{escape(h)}</th>" for h in heads(bill))
    rows = list(table_rows(bill))
    kinds = [""] * (len(rows) - 1) + ["total"]
    body = "".join(
        f'<tr class="{kind}">' + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for kind, row in zip(kinds, rows, strict=True)
    )
    return (
        f'<h2>Layers</h2><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _notes(bill: Bill) -> Iterator[str]:
    yield from bill.energy.sentences
    for term, reason in bill.energy.model.not_modelled.items():
        yield f"{term}: {reason}"
    if isinstance(bill.measured, Measured):
        m = bill.measured
        yield (
            f"measured: {m.total:.4g} J per sample in all, {m.dynamic:.4g} J above idle "
            f"({m.idle_watts:.3g} W), {m.scope}"
        )
    else:
        yield f"energy not measured: {bill.measured.reason}"
    yield from (f"no {reason}" for reason in bill.latency.reasons)
    if bill.cycles is not None:
        yield from (line.strip() for line in cycle_lines(bill.cycles))


def _evidence(bill: Bill) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in _notes(bill))
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(cell)}</td>"
            for cell in (
                row.quantity,
                f"{prefixed(row.joules, 'J')} per {row.per}",
                row.evidence,
                row.conditions,
                row.source,
            )
        )
        + "</tr>"
        for row in (bill.energy.model.constants[name] for name in bill.energy.usage)
    )
    head = "".join(f"<th>{h}</th>" for h in ("constant", "value", "class", "conditions", "source"))
    return (
        f"<h2>Where the figures come from</h2><ul>{notes}</ul>"
        f'<div class="scroll"><table class="text"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
