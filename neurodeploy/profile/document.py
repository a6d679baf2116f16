"""The JSON form of a bill; number keys are only ever added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurodeploy.profile.constants import Interval
from neurodeploy.profile.counts import BINS, COLUMNS, Activity, LayerCounts, Row
from neurodeploy.profile.meter import Measured

if TYPE_CHECKING:
    from neurodeploy.profile.bill import Bill

__all__ = ["SCHEMA", "activation_sparsity", "bill_document", "mean_std", "neurobench_metrics"]

SCHEMA = "neurodeploy.profile/1"
_SPREAD = ("spikes", "synops", "acs", "macs", "neuron_updates")


def bill_document(bill: Bill) -> dict[str, Any]:
    """Give the document: counts are totals over the samples, joules of layers likewise."""
    from neurodeploy import __version__

    counts, energy = bill.counts, bill.energy
    return {
        "schema": SCHEMA,
        "version": __version__,
        "graph": counts.graph.digest,
        "seed": bill.seed,
        "findings": [f.to_json() for f in energy.refused],
        "target": bill.target,
        "samples": counts.samples,
        "accuracy": bill.accuracy,
        "layers": [_layer(bill, layer) for layer in counts.layers],
        "total": {
            "name": "total",
            "source": [],
            "kind": "",
            "neurons": counts.neurons,
            **_columns(counts.total),
            "weight_bytes": counts.weight_bytes,
            "state_bytes": counts.state_bytes,
            "joules": _interval(energy.total),
            "per_sample": _per_sample(counts.total),
        },
        "inputs": [{"name": n, "events": sum(v.tolist())} for n, v in counts.inputs.items()],
        "energy": _energy(bill),
        "latency": bill.latency.to_json(),
        "processor": None if bill.cycles is None else bill.cycles.to_json(),
        "neurobench": neurobench_metrics(bill),
    }


def neurobench_metrics(bill: Bill) -> dict[str, Any]:
    """Give NeuroBench's metrics by its names, per sample where it averages over samples.

    Footprint: bytes of constants and initial values, integers packed at the bits of their
    range. Connection Sparsity: share of synaptic weights that are 0. Activation Sparsity: share
    of zero activations over neurons, steps and samples. Synaptic Operations: biases not counted,
    AC or MAC decided per sample and step. Membrane Updates: all updates; NeuroBench leaves out
    those that change nothing from the second step on.
    """
    counts = bill.counts
    n = counts.samples
    kept = sum(layer.weight_bytes + layer.initial_bytes for layer in counts.layers)
    weights = counts.weights
    found: dict[str, Any] = {
        "Footprint": kept,
        "Connection Sparsity": counts.zero_weights / weights if weights else 0.0,
        "Activation Sparsity": activation_sparsity(bill),
        "Synaptic Operations": {
            "Effective_MACs": counts.total.total("macs") / n,
            "Effective_ACs": counts.total.total("acs") / n,
            "Dense": counts.total.total("dense_ops") / n,
        },
        "Membrane Updates": counts.total.total("neuron_updates") / n,
    }
    if bill.accuracy is not None:
        found["Classification Accuracy"] = bill.accuracy
    return found


def activation_sparsity(bill: Bill) -> float:
    """Give the share of activations that are 0."""
    held = [layer.activity for layer in bill.counts.layers if layer.activity is not None]
    possible = sum(a.steps for a in held)
    return 1 - bill.counts.total.total("activations") / possible if possible else 0.0


def mean_std(column: npt.NDArray[Any]) -> dict[str, float | None]:
    """Give mean and standard deviation (n - 1) over samples; None for one sample."""
    spread = float(np.std(column, ddof=1)) if column.size > 1 else None
    return {"mean": float(np.mean(column)), "std": spread}


def _columns(row: Row) -> dict[str, int]:
    return {name: row.total(name) for name in COLUMNS}


def _per_sample(row: Row) -> dict[str, Any]:
    return {name: mean_std(getattr(row, name)) for name in _SPREAD}


def _interval(found: Interval | None) -> dict[str, float | None]:
    return {**found.to_json()} if found else {"value": None, "low": None, "high": None}


def _layer(bill: Bill, layer: LayerCounts) -> dict[str, Any]:
    per_update: dict[str, int] = {}
    for (verb, _), times in layer.per_update.items():
        per_update[verb] = per_update.get(verb, 0) + times
    return {
        "name": layer.name,
        "source": list(layer.source),
        "kind": layer.kind,
        "neurons": layer.neurons,
        **_columns(layer.row),
        "weight_bytes": layer.weight_bytes,
        "state_bytes": layer.state_bytes,
        "joules": _interval(bill.energy.layer(layer.name)),
        "ops_per_update": per_update,
        "rate": None if layer.activity is None else _activity(layer.row, layer.activity),
        "per_sample": _per_sample(layer.row),
    }


def _activity(row: Row, activity: Activity) -> dict[str, Any]:
    pairs = max(1, activity.pairs)
    return {
        "mean": row.total("activations") / max(1, activity.steps),
        "bins": [i / BINS for i in range(BINS + 1)],
        "histogram": list(activity.histogram),
        "silent": activity.silent / pairs,
        "saturated": activity.saturated / pairs,
        "dead_neurons": activity.dead,
    }


def _energy(bill: Bill) -> dict[str, Any]:
    energy, measured = bill.energy, bill.measured
    values = energy.values
    breakdown = energy.breakdown
    parts: dict[str, Any] = {p: _interval(None) for p in ("compute", "memory", "neuron")}
    parts |= {part: _interval(found) for part, found in (breakdown or {}).items()}
    if breakdown is not None:  # a part that nothing was charged to is 0, not unknown
        zero = Interval(0.0, 0.0, 0.0)
        parts |= {p: _interval(zero) for p in ("compute", "memory", "neuron") if p not in breakdown}
    return {
        "joules_per_sample": _interval(energy.per_sample),
        "dynamic": _interval(energy.per_sample),
        "std": None if values is None else mean_std(values)["std"],
        "breakdown": {**parts, **dict.fromkeys(energy.model.not_modelled)},
        "not_modelled": dict(energy.model.not_modelled),
        "left_out": energy.left_out,
        "method": "modelled",
        "model": energy.model.name,
        "scope": energy.model.scope,
        "evidence": energy.evidence,
        "constants": [energy.model.constants[n].to_json() for n in energy.usage],
        "usage": energy.usage,
        "measured": _measured(measured) if isinstance(measured, Measured) else None,
        "not_measured": "" if isinstance(measured, Measured) else measured.reason,
    }


def _measured(measured: Measured) -> dict[str, Any]:
    return {
        "joules_per_sample": measured.total,
        "dynamic": measured.dynamic,
        "idle_watts": measured.idle_watts,
        "seconds": measured.seconds,
        "samples": measured.samples,
        "scope": measured.scope,
    }
