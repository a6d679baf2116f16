"""The whole chain in one call, and the recipe that repeats it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurodeploy.api import compare, compile, convert, load, profile, run, save
from neurodeploy.artifact import Artifact
from neurodeploy.data import as_samples
from neurodeploy.differences import Comparison
from neurodeploy.errors import UsageError
from neurodeploy.execute import Progress
from neurodeploy.ir.decoding import with_decoding
from neurodeploy.ir.graph import Graph
from neurodeploy.recipe import DEFAULTS, Recipe, read_recipe, recipe_text, with_settings
from neurodeploy.targets.base import OptionValue

__all__ = ["Deployment", "deploy"]


@dataclass(frozen=True)
class Deployment:
    """What `deploy` made.

    Attributes:
        artifact: The compiled network.
        comparison: The converted graph against the artifact.
        steps: The document of each verb.
        folder: Where everything was written.
        met: Whether the comparison is as good as the recipe expects.
        bill: The bill as a table.
    """

    artifact: Artifact
    comparison: Comparison
    steps: Mapping[str, Mapping[str, object]]
    folder: Path
    met: bool
    bill: str

    @property
    def equal(self) -> bool:
        """Whether the comparison is as good as the recipe expects."""
        return self.met

    def to_json(self) -> dict[str, object]:
        """Give the keys of the JSON contract of ``deploy``."""
        return {"graph": self.artifact.graph.digest, "steps": dict(self.steps)}

    def text(self) -> str:
        """Tell the outcome for people."""
        ran = self.steps["run"]
        lines = [f"{self.folder}: net.nd, {self.artifact.path.name}/, recipe.toml, report.json"]
        if ran["accuracy"] is not None:
            lines.append(f"accuracy {100 * float(str(ran['accuracy'])):.2f} %")
        return "\n".join([*lines, f"converted graph against program: {self.comparison}", self.bill])


def deploy(
    model: object,
    *,
    target: str | None = None,
    data: object = None,
    labels: object = None,
    out: str | os.PathLike[str],
    settings: Mapping[str, OptionValue] | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> Deployment:
    """Load, convert, compile, run, compare and profile; write everything and the recipe.

    The folder ``out`` receives ``net.nd``, the artifact, ``report.json`` and ``recipe.toml``. A
    recipe repeated gives the same bytes.

    Args:
        model: Whatever `neurodeploy.api.load` takes, or the path of a recipe.
        target: Name of a target; overrides the recipe's.
        data: Samples with labels, for calibration and for the run.
        labels: (N,) labels, where ``data`` holds none.
        out: The folder.
        settings: Overrides by ``verb.key``.
        progress: Called with (samples done, samples in all) of each step.
        say: Called with the name of each step.

    Raises:
        UsageError: a setting is unknown, or target or data are missing.
    """
    folder = Path(out)
    tell = say or (lambda text: None)
    recipe = _recipe(model, target, data, settings or {})
    tell("loading")
    ann = _loaded(model, data, recipe)
    folder.mkdir(parents=True, exist_ok=True)
    _kept(ann, model, data, labels, recipe, folder)
    tell("converting")
    graph = _converted(ann, recipe, progress)
    save(graph, folder / "net.nd")
    tell("compiling")
    options = recipe.get("option", {})
    artifact = compile(graph, str(recipe["compile"]["target"]), folder / "artifact", options)
    tell("running")
    layout = str(recipe["convert"]["layout"])
    seed = int(recipe["convert"]["seed"])
    fed = str(recipe["run"]["input"])
    recording = artifact.run(fed, layout=layout, seed=seed, progress=progress)
    tell("comparing")
    comparison = compare(graph, artifact, fed, layout=layout, seed=seed, progress=progress)
    tell("profiling")
    bill = profile(artifact, fed, layout=layout, seed=seed, progress=progress)
    steps: dict[str, Mapping[str, object]] = {
        "convert": {
            "output": "net.nd",
            "graph": graph.digest,
            "changes": [c.to_json() for c in graph.changes],
        },
        "compile": artifact.to_json(),
        "run": recording.to_json(),
        "compare": comparison.to_json(),
        "profile": bill.to_json(),
    }
    if graph != ann:
        kept = run(ann, fed, on=None, layout=layout)
        steps["convert"] = {**steps["convert"], "ann_accuracy": kept.accuracy}
    (folder / "recipe.toml").write_text(recipe_text(recipe, folder), encoding="utf-8")
    _write_report(folder / "report.json", steps)
    met = comparison.meets(str(recipe["compare"]["expect"]))
    return Deployment(artifact, comparison, steps, folder, met, bill.table())


def _write_report(path: Path, steps: Mapping[str, Mapping[str, object]]) -> None:
    """Write what does not depend on the clock, so that a repeated recipe gives the same bytes."""
    kept = {verb: _timeless(document) for verb, document in steps.items()}
    text = json.dumps({"steps": kept}, indent=1, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


def _timeless(document: Mapping[str, object]) -> dict[str, object]:
    """Leave out what a clock or an energy counter said."""
    found: dict[str, object] = {}
    for key, value in document.items():
        if key not in ("seconds", "latency", "measured"):
            found[key] = _timeless(value) if isinstance(value, Mapping) else value
    return found


def _recipe(
    model: object, target: str | None, data: object, settings: Mapping[str, OptionValue]
) -> Recipe:
    """Give the recipe; what comes from memory rather than from files is entered by `_kept`."""
    if isinstance(model, str | os.PathLike) and str(model).endswith(".toml"):
        recipe = read_recipe(Path(model))
    else:
        recipe = {verb: dict(keys) for verb, keys in DEFAULTS.items()} | {"option": {}}
        recipe["convert"]["model"] = str(model) if isinstance(model, str | os.PathLike) else ""
    if target is not None:
        recipe["compile"]["target"] = target
    if isinstance(data, str | os.PathLike):
        recipe["run"]["input"] = recipe["convert"]["calibrate"] = str(data)
    recipe = with_settings(recipe, settings)
    missing = []
    if not recipe["compile"]["target"]:
        missing.append("a target (target=, --target)")
    if data is None and not recipe["run"]["input"]:
        missing.append("samples (data=, --data)")
    if missing:
        raise UsageError(f"deploy needs {' and '.join(missing)}")
    return recipe


def _loaded(model: object, data: object, recipe: Recipe) -> Graph:
    table = recipe["convert"]
    graph = load(
        table["model"] or model,
        example=table["example"] or table["calibrate"] or data,
        layout=str(table["layout"]),
        dt=str(table["dt"]) or None,
        output=str(table["output"]) or None,
        weights=str(table["weights"]) or None,
    )
    return with_decoding(graph, str(table["decode"])) if table["decode"] else graph


def _kept(
    ann: Graph, model: object, data: object, labels: object, recipe: Recipe, folder: Path
) -> None:
    """Write a model and samples that came from memory, so that the recipe can name files."""
    if not isinstance(model, str | os.PathLike):
        save(ann, folder / "ann.nd")
        recipe["convert"]["model"] = str(folder / "ann.nd")
    if isinstance(data, str | os.PathLike) or data is None:
        if labels is not None:
            raise UsageError("labels beside a data file", hint="store them in the file, as y")
        return
    samples = as_samples(ann, data, labels, layout=str(recipe["convert"]["layout"]))
    arrays = dict(samples.inputs)
    if samples.labels is not None:
        arrays["y"] = samples.labels
    np.savez_compressed(folder / "data.npz", allow_pickle=False, **arrays)
    recipe["run"]["input"] = recipe["convert"]["calibrate"] = str(folder / "data.npz")
    recipe["convert"]["layout"] = "NT"


def _converted(ann: Graph, recipe: Recipe, progress: Progress | None) -> Graph:
    table = recipe["convert"]
    return convert(
        ann,
        data=table["calibrate"] or None,
        timesteps=int(table["timesteps"]),
        method=str(table["method"]),
        layout=str(table["layout"]),
        seed=int(table["seed"]),
        progress=progress,
    )
