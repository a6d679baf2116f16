"""The whole chain in one call, and the recipe that repeats it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from neurodeploy.api import compare, compile, convert, load, profile, run, save
from neurodeploy.artifact import Artifact
from neurodeploy.compiling import put, require_replaceable
from neurodeploy.data import as_samples
from neurodeploy.differences import Comparison
from neurodeploy.errors import Finding, UsageError
from neurodeploy.execute import Progress, check_seed
from neurodeploy.ir.decoding import check_decoding, with_decoding
from neurodeploy.ir.file import write_atomically
from neurodeploy.ir.graph import Graph
from neurodeploy.npz import save_npz
from neurodeploy.quantize.scheme import scheme_of
from neurodeploy.quantizing import quantize
from neurodeploy.recipe import DEFAULTS, Recipe, read_recipe, recipe_text, with_settings
from neurodeploy.sides import drawn_once
from neurodeploy.targets.base import OptionValue
from neurodeploy.targets.options import parse_options
from neurodeploy.targets.registry import resolve_target

if TYPE_CHECKING:
    from neurodeploy.profile import Bill

__all__ = ["Deployment", "deploy"]

ARTIFACT = "artifact"


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
    _require_kept(model, recipe, folder)
    tell("loading")
    ann = _loaded(model, data, recipe)
    with _written_whole(folder) as part:
        artifact, comparison, steps, bill = _chain(
            ann, model, data, labels, recipe, folder, part, progress, tell
        )
    met = comparison.meets(str(recipe["compare"]["expect"]))
    artifact = replace(artifact, path=folder / ARTIFACT)
    return Deployment(artifact, comparison, steps, folder, met, bill.table())


def _chain(
    ann: Graph,
    model: object,
    data: object,
    labels: object,
    recipe: Recipe,
    folder: Path,
    part: Path,
    progress: Progress | None,
    tell: Callable[[str], None],
) -> tuple[Artifact, Comparison, dict[str, Mapping[str, object]], Bill]:
    """Run the verbs, and write into ``part`` what will stand in ``folder``."""
    held = _kept(ann, model, data, labels, recipe, folder, part)
    layout = str(recipe["convert"]["layout"])
    fed = held or str(recipe["run"]["input"])
    if fed != recipe["convert"]["calibrate"]:  # else the conversion looks at it
        as_samples(ann, fed, layout=layout)
    tell("converting")
    made = _converted(ann, held, recipe, progress)
    save(made, part / "net.nd")
    graph = made
    if recipe["quantize"]["bits"]:
        tell("quantising")
        calibration = held or recipe["convert"]["calibrate"]
        graph = quantize(
            made,
            data=calibration,
            scheme=scheme_of(recipe["quantize"]),
            target=_chip(str(recipe["compile"]["target"])),
            layout=layout,
            progress=progress,
        )
        save(graph, part / "quantized.nd")
    tell("compiling")
    options = recipe.get("option", {})
    artifact = compile(graph, str(recipe["compile"]["target"]), part / ARTIFACT, options)
    tell("running")
    seed = int(recipe["convert"]["seed"])
    recording = artifact.run(fed, layout=layout, seed=seed, progress=progress)
    tell("comparing")
    comparison = compare(graph, artifact, fed, layout=layout, seed=seed, progress=progress)
    tell("profiling")
    bill = profile(artifact, fed, layout=layout, seed=seed, progress=progress)
    steps: dict[str, Mapping[str, object]] = {
        "convert": {
            "output": "net.nd",
            "graph": made.digest,
            "changes": [c.to_json() for c in made.changes],
        },
        "compile": artifact.to_json(),
        "run": recording.to_json(),
        "compare": comparison.to_json(),
        "profile": bill.to_json(),
    }
    if graph != made:
        steps["quantize"] = {
            "output": "quantized.nd",
            "graph": graph.digest,
            "changes": [c.to_json() for c in graph.changes[len(made.changes) :]],
        }
    if made != ann:
        kept = run(ann, fed, on=None, layout=layout)
        steps["convert"] = {**steps["convert"], "ann_accuracy": kept.accuracy}
    write_atomically(part / "recipe.toml", recipe_text(recipe, folder).encode())
    _write_report(part / "report.json", steps)
    return artifact, comparison, steps, bill


def _chip(target: str) -> str | None:
    """Give the name of a target with neurons of its own, whose grids integers must be on."""
    return target if resolve_target(target)[1].grid is not None else None


@contextmanager
def _written_whole(folder: Path) -> Iterator[Path]:
    """Give a folder beside ``folder``, whose content moves there if all goes well.

    Raises:
        UsageError: ``folder`` cannot be made, or holds another folder where the artifact goes.
    """
    there = Path(os.path.realpath(folder))
    part = there.with_name(f".{there.name[:200]}-{secrets.token_hex(4)}")
    if there.exists() and not there.is_dir():
        raise UsageError(f"{str(folder)!r} cannot be made: it is no folder")
    try:
        require_replaceable(there / ARTIFACT)
        above = next(p for p in there.parents if p.exists())
        part.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"{str(folder)!r} cannot be made: {error.strerror}") from error
    try:
        yield part
        there.mkdir(exist_ok=True)
        put(part / ARTIFACT, there / ARTIFACT)
        for file in part.iterdir():
            file.replace(there / file.name)
        part.rmdir()
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        # what was made on the way to it; only empty folders go
        for made in (p for p in part.parents if p.is_relative_to(above) and p != above):
            with suppress(OSError):
                made.rmdir()
        if isinstance(error, OSError):
            raise UsageError(f"{str(folder)!r} cannot be written: {error.strerror}") from error
        raise


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
    if isinstance(model, str | os.PathLike) and str(model).lower().endswith(".toml"):
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
    named = data is None or isinstance(data, str | os.PathLike)
    if named and not recipe["run"]["input"]:
        missing.append("samples (data=, --data)")
    if missing:
        raise UsageError(f"deploy needs {' and '.join(missing)}")
    return recipe


def _require_sound(recipe: Recipe, data: object, labels: object) -> None:
    """Refuse at once what a step would refuse after hours."""
    target, profile = resolve_target(str(recipe["compile"]["target"]))
    parse_options(profile, target.settle(recipe.get("option", {})))
    Comparison("exact", (), (), 1, 1, None).meets(str(recipe["compare"]["expect"]))
    check_seed(int(recipe["convert"]["seed"]))
    if recipe["quantize"]["bits"]:
        scheme_of(recipe["quantize"])
    if recipe["convert"]["decode"]:
        check_decoding(str(recipe["convert"]["decode"]))
    if labels is not None and (data is None or isinstance(data, str | os.PathLike)):
        raise UsageError("labels beside a data file", hint="store them in the file, as y")


def _require_kept(model: object, recipe: Recipe, folder: Path) -> None:
    """Refuse to replace the model, or a recipe written by hand, by what comes of it."""
    made = [("net.nd", str(recipe["convert"]["model"]))]
    if str(model).lower().endswith(".toml") and not _of_ours(Path(str(model)), folder):
        made.append(("recipe.toml", str(model)))
    for name, given in made:
        if os.path.exists(given) and os.path.realpath(given) == os.path.realpath(folder / name):
            raise UsageError(
                Finding(
                    "this file would be replaced by what is made of it",
                    node=given,
                    hint="choose another folder with -o",
                )
            )


def _of_ours(recipe: Path, folder: Path) -> bool:
    """Say whether `deploy` wrote a recipe into ``folder``: nothing but values is in it."""
    return recipe.read_bytes() == recipe_text(read_recipe(recipe), folder).encode()


def _loaded(model: object, data: object, recipe: Recipe) -> Graph:
    table = recipe["convert"]
    return load(
        table["model"] or model,
        example=table["example"] or table["calibrate"] or data,
        time_axis=None if table["time-axis"] == -1 else int(table["time-axis"]),
        steps=int(table["steps"]) or None,
        layout=str(table["layout"]),
        dt=str(table["dt"]) or None,
        output=str(table["output"]) or None,
        weights=str(table["weights"]) or None,
    )


def _kept(
    ann: Graph,
    model: object,
    data: object,
    labels: object,
    recipe: Recipe,
    folder: Path,
    part: Path,
) -> dict[str, object] | None:
    """Write a model and samples that came from memory, so that the recipe can name files.

    The recipe names them in ``folder``, and they are written to ``part``; the samples are given.
    """
    if not isinstance(model, str | os.PathLike):
        save(ann, part / "ann.nd")
        # what chose the graph has done so; the file holds the outcome
        recipe["convert"] |= dict.fromkeys(("weights", "example", "output"), "")
        recipe["convert"] |= {"time-axis": -1, "steps": 0}
        recipe["convert"]["model"] = str(folder / "ann.nd")
    if isinstance(data, str | os.PathLike) or data is None:
        return None
    samples = as_samples(ann, data, labels, layout=str(recipe["convert"]["layout"]))
    arrays = dict(samples.inputs)
    beside = {"y": samples.labels, "lengths": samples.lengths}
    taken = [k for k, v in beside.items() if v is not None and k in arrays]
    if taken:
        raise UsageError(f"the data file cannot hold {taken}: inputs have these names")
    arrays |= {k: v for k, v in beside.items() if v is not None}
    save_npz(part / "data.npz", arrays)
    recipe["run"]["input"] = recipe["convert"]["calibrate"] = str(folder / "data.npz")
    recipe["convert"]["layout"] = "NT"
    return dict(arrays)


def _converted(
    ann: Graph, held: dict[str, object] | None, recipe: Recipe, progress: Progress | None
) -> Graph:
    table = recipe["convert"]
    graph = convert(
        ann,
        data=held or table["calibrate"] or None,
        timesteps=int(table["timesteps"]),
        method=str(table["method"]),
        keep_ann=bool(table["keep-ann"]),
        layout=str(table["layout"]),
        seed=int(table["seed"]),
        progress=progress,
    )
    return with_decoding(graph, str(table["decode"])) if table["decode"] else graph
