"""The bill as plain text: a table of layers, then totals, energy with its evidence, latency."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from neurodeploy.profile.constants import Interval
from neurodeploy.profile.counts import LayerCounts
from neurodeploy.profile.cycles import Cycles
from neurodeploy.profile.document import neurobench_metrics
from neurodeploy.profile.meter import Measured
from neurodeploy.tables import aligned

if TYPE_CHECKING:
    from neurodeploy.profile.bill import Bill

__all__ = [
    "bill_text",
    "cycle_lines",
    "heads",
    "how_long",
    "layer_label",
    "number",
    "prefixed",
    "table_rows",
    "unit_of",
]

_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"))
_WIDEST = 40


def number(value: float) -> str:
    """Write a number with about four digits.

    >>> number(1234567.0), number(12.3456), number(0.0)
    ('1,234,567', '12.35', '0')
    """
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def unit_of(value: float) -> tuple[float, str]:
    """Give the factor and prefix that bring a figure between 1 and 1000.

    >>> unit_of(3e-7)
    (1e-09, 'n')
    """
    for factor, prefix in _PREFIXES:
        if value >= factor:
            return factor, prefix
    return _PREFIXES[-1]


def prefixed(found: Interval, unit: str) -> str:
    """Write an interval with one prefix for all three numbers.

    >>> prefixed(Interval(2e-6, 1e-6, 4e-6), "J")
    '2 uJ (1 to 4)'
    """
    factor, prefix = unit_of(found.value)
    value, low, high = (number(v / factor) for v in (found.value, found.low, found.high))
    return f"{value} {prefix}{unit} ({low} to {high})"


def layer_label(layer: LayerCounts) -> str:
    """Give the name of a layer, with the source model's name where that differs."""
    source = ", ".join(layer.source)
    label = layer.name if source in ("", layer.name) else f"{layer.name} ({source})"
    plain = printable(label)
    return plain if len(plain) <= _WIDEST else plain[: _WIDEST - 3] + "..."


def printable(text: str) -> str:
    """Replace what a terminal would obey instead of print."""
    return "".join(c if c.isprintable() else "?" for c in text)


def heads(bill: Bill) -> tuple[str, ...]:
    """Give the heads of the columns; counts are means per sample."""
    head = (
        "layer",
        "kind",
        "neurons",
        "spikes",
        "rate [%]",
        "silent [%]",
        "ACs",
        "MACs",
        "dense",
        "updates",
    )
    energy = bill.joules_per_sample
    if energy is None:
        return head
    unit = unit_of(energy.value)[1] + "J"
    return (*head, f"energy [{unit}]", "low", "high")


def table_rows(bill: Bill) -> Iterator[tuple[str, ...]]:
    """Give one row per layer, and the total last."""
    counts, each = bill.counts, bill.counts.samples
    columns = ("acs", "macs", "dense_ops", "neuron_updates")
    for layer in counts.layers:
        rate = silent = spikes = ""
        if layer.activity is not None:
            rate = number(100 * layer.row.total("activations") / max(1, layer.activity.steps))
            silent = number(100 * layer.activity.silent / max(1, layer.activity.pairs))
            spikes = number(layer.row.total("spikes") / each)
        yield (
            layer_label(layer),
            layer.kind,
            str(layer.neurons) if layer.neurons else "",
            spikes,
            rate,
            silent,
            *(number(layer.row.total(c) / each) for c in columns),
            *_joules(bill, bill.energy.layer(layer.name)),
        )
    yield (
        "total",
        "",
        str(counts.neurons),
        number(counts.total.total("spikes") / each),
        "",
        "",
        *(number(counts.total.total(c) / each) for c in columns),
        *_joules(bill, bill.energy.total),
    )


def _joules(bill: Bill, found: Interval | None) -> tuple[str, ...]:
    total = bill.joules_per_sample
    if total is None or found is None:
        return ()
    factor = unit_of(total.value)[0] * bill.counts.samples
    return tuple(number(v / factor) for v in (found.value, found.low, found.high))


def bill_text(bill: Bill) -> str:
    """Give the whole bill."""
    rows = [heads(bill), *table_rows(bill)]
    lines = aligned(rows)
    rule = "-" * max(len(line) for line in lines)
    samples = bill.counts.samples
    plural = "" if samples == 1 else "s"
    lines = [
        f"target {bill.target}, {samples} sample{plural}, {number(bill.latency.steps)} timesteps; "
        "counts and energy are means per sample",
        "",
        lines[0],
        rule,
        *lines[1:-1],
        rule,
        lines[-1],
        "",
        *_summary(bill),
    ]
    return "\n".join(printable(line) for line in lines)


def _summary(bill: Bill) -> Iterator[str]:
    if bill.accuracy is not None:
        yield f"accuracy   {100 * bill.accuracy:.2f} %"
    total = bill.joules_per_sample
    if total is None:
        yield "energy     no figure"
    else:
        parts = bill.energy.breakdown or {}
        split = ", ".join(f"{p} {prefixed(v, 'J')}" for p, v in parts.items())
        yield f"energy     {prefixed(total, 'J')} per sample, dynamic, modelled: {split}"
    for sentence in bill.energy.sentences:
        yield f"           {sentence}"
    if isinstance(bill.measured, Measured):
        m = bill.measured
        both = (Interval(m.total, m.total, m.total), Interval(m.dynamic, m.dynamic, m.dynamic))
        total_text, dynamic = (prefixed(v, "J").split(" (")[0] for v in both)
        yield f"measured   {total_text} per sample in all, {dynamic} above idle ({m.scope})"
    else:
        yield f"measured   not measured: {bill.measured.reason}"
    latency = bill.latency
    if latency.seconds is not None:
        yield f"latency    {prefixed(latency.seconds, 's')} per sample {how_long(bill)}"
    for reason in latency.reasons:
        yield f"latency    no {reason}"
    if latency.model_seconds is not None:
        yield f"           a sample lasts {number(latency.model_seconds * 1e3)} ms of model time"
    if bill.cycles is not None:
        yield from cycle_lines(bill.cycles)
    counts, bench = bill.counts, neurobench_metrics(bill)
    yield (
        f"memory     {counts.weight_bytes:,} bytes of constants, {counts.state_bytes:,} bytes of "
        "state per sample"
    )
    yield (
        f"sparsity   connections {100 * bench['Connection Sparsity']:.2f} %, "
        f"activations {100 * bench['Activation Sparsity']:.2f} %"
    )


def how_long(bill: Bill) -> str:
    """Say where the seconds of a bill were spent, and how they were found."""
    modelled = bill.latency.method == "modelled" and bill.cycles is not None
    where = bill.cycles.processor.name if modelled and bill.cycles else "this computer"
    return f"on {where}, {bill.latency.method}"


def cycle_lines(found: Cycles) -> Iterator[str]:
    """Write what a run took on a processor, then where the figures come from."""
    head = f"processor  {found.processor.name}: "
    figures = []
    if found.instructions is not None and found.cycles is not None:
        c = found.cycles
        figures.append(f"{number(float(found.instructions.mean()))} instructions")
        figures.append(f"{number(c.value)} cycles ({number(c.low)} to {number(c.high)})")
    if found.seconds is not None:
        figures.append(prefixed(found.seconds, "s"))
    if found.joules is not None:
        figures.append(prefixed(found.joules, "J"))
    yield head + (f"{', '.join(figures)} per sample" if figures else "no figure")
    for sentence in found.sentences:
        yield f"           {sentence}"
    for reason in found.reasons:
        yield f"           no {reason}"
