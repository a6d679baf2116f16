"""The whole chain in one call, and the recipe that repeats it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neurodeploy.api import compare, compile, convert, drawn_once, load, profile, run, save
from neurodeploy.artifact import Artifact
from neurodeploy.data import as_samples
from neurodeploy.differences import Comparison
from neurodeploy.errors import UsageError
from neurodeploy.execute import Progress, check_seed
from neurodeploy.ir.decoding import check_decoding, with_decoding
from neurodeploy.ir.file import write_atomically
from neurodeploy.ir.graph import Graph
from neurodeploy.npz import save_npz
from neurodeploy.recipe import DEFAULTS, Recipe, read_recipe, recipe_text, with_settings
from neurodeploy.targets.base import OptionValue
from neurodeploy.targets.options import parse_options
from neurodeploy.targets.registry import resolve_target

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
        UsageError: a setting is unknown, or target or data are missing; before anything runs.
    """
    folder = Path(out)
    tell = say or (lambda text: None)
    data = drawn_once(data)
    recipe = _recipe(model, target, data, settings or {})
    _require_sound(recipe, data, labels)
    tell("loading")
    ann = _loaded(model, data, recipe)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{str(out)!r} cannot be made: {error.strerror}") from error
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
    write_atomically(folder / "recipe.toml", recipe_text(recipe, folder).encode())
    _write_report(folder / "report.json", steps)
    met = comparison.meets(str(recipe["compare"]["expect"]))
    return Deployment(artifact, comparison, steps, folder, met, bill.table())


def _write_report(path: Path, steps: Mapping[str, Mapping[str, object]]) -> None:
    """Write what does not depend on the clock, so that a repeated recipe gives the same bytes."""
    kept = {verb: _timeless(document) for verb, document in steps.items()}
    text = json.dumps({"steps": kept}, indent=1, sort_keys=True) + "\n"
    write_atomically(path, text.encode())


def _timeless(value: object) -> object:
    """Leave out what a clock or an energy counter said."""
    if isinstance(value, Mapping):
        timed = ("seconds", "latency", "measured")
        return {k: _timeless(v) for k, v in value.items() if k not in timed}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_timeless(v) for v in value]
    return value


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


def _require_sound(recipe: Recipe, data: object, labels: object) -> None:
    """Refuse at once what a step would refuse after hours."""
    _, profile = resolve_target(str(recipe["compile"]["target"]))
    parse_options(profile, recipe.get("option", {}))
    Comparison("exact", (), (), 1, 1, None).meets(str(recipe["compare"]["expect"]))
    check_seed(int(recipe["convert"]["seed"]))
    if recipe["convert"]["decode"]:
        check_decoding(str(recipe["convert"]["decode"]))
    if labels is not None and (data is None or isinstance(data, str | os.PathLike)):
        raise UsageError("labels beside a data file", hint="store them in the file, as y")


def _loaded(model: object, data: object, recipe: Recipe) -> Graph:
    table = recipe["convert"]
    return load(
        table["model"] or model,
        example=table["example"] or table["calibrate"] or data,
        layout=str(table["layout"]),
        dt=str(table["dt"]) or None,
        output=str(table["output"]) or None,
        weights=str(table["weights"]) or None,
    )


def _kept(
    ann: Graph, model: object, data: object, labels: object, recipe: Recipe, folder: Path
) -> None:
    """Write a model and samples that came from memory, so that the recipe can name files."""
    if not isinstance(model, str | os.PathLike):
        save(ann, folder / "ann.nd")
        # what chose the graph has done so; the file holds the outcome
        recipe["convert"] |= dict.fromkeys(("weights", "example", "output"), "")
        recipe["convert"]["model"] = str(folder / "ann.nd")
    if isinstance(data, str | os.PathLike) or data is None:
        return
    samples = as_samples(ann, data, labels, layout=str(recipe["convert"]["layout"]))
    if samples.lengths is not None:
        raise UsageError(
            "batches of different length: a recipe names a file, which holds one length",
            hint="pad them with silence, or run convert, compile and compare one by one",
        )
    arrays = dict(samples.inputs)
    if samples.labels is not None:
        arrays["y"] = samples.labels
    save_npz(folder / "data.npz", arrays)
    recipe["run"]["input"] = recipe["convert"]["calibrate"] = str(folder / "data.npz")
    recipe["convert"]["layout"] = "NT"


def _converted(ann: Graph, recipe: Recipe, progress: Progress | None) -> Graph:
    table = recipe["convert"]
    graph = convert(
        ann,
        data=table["calibrate"] or None,
        timesteps=int(table["timesteps"]),
        method=str(table["method"]),
        layout=str(table["layout"]),
        seed=int(table["seed"]),
        progress=progress,
    )
    return with_decoding(graph, str(table["decode"])) if table["decode"] else graph
