"""The demo: a CNN trained on real scanned digits becomes a spiking program, proven and billed.

Network and data ship with the package (``NOTICE`` names their origin); no framework is needed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.api import compare, compile, convert, load, profile, run, save
from neurodeploy.errors import UsageError
from neurodeploy.execute import Progress
from neurodeploy.npz import load_npz

__all__ = ["TIMESTEPS", "DemoResult", "run_demo"]

TIMESTEPS = (4, 8, 16, 32)
VERBS = ("convert", "compile", "run", "compare", "profile")

Bar = Callable[[str], AbstractContextManager[Progress]]
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Digits:
    """The demo's data: images of 8 x 8 pixels in [0, 1], (N, 1, 8, 8), and their labels.

    Attributes:
        x_train: Images for calibration.
        x_test: Images that are never seen before the test.
        y_test: Labels of the test images.
    """

    x_train: npt.NDArray[np.float32]
    x_test: npt.NDArray[np.float32]
    y_test: npt.NDArray[np.int64]


@dataclass(frozen=True)
class DemoResult:
    """What the demo found.

    Attributes:
        accuracy_ann: Accuracy of the ANN on the test digits.
        accuracy: Accuracy of the program by T.
        spikes: Spikes per sample by T.
        seconds: Wall time of the run in seconds by T.
        verdicts: Verdict of reference against program by T; empty where the reference itself ran.
        compared: Values compared, over all T.
        steps: The document of each verb, at the largest T.
        bill: The bill at the largest T, as a table.
        runner: What ran the program.
        folder: Where everything was written.
    """

    accuracy_ann: float
    accuracy: Mapping[int, float]
    spikes: Mapping[int, float]
    seconds: Mapping[int, float]
    verdicts: Mapping[int, str]
    compared: int
    steps: Mapping[str, Document]
    bill: str
    runner: str
    folder: Path

    @property
    def exact(self) -> bool:
        """Whether program and reference agree bit for bit at every T, as far as compared."""
        return all(v == "exact" for v in self.verdicts.values())

    @property
    def synops(self) -> float:
        """Synaptic operations per sample at the largest T."""
        return float(self.profile["total"]["synops"]) / float(self.profile["samples"])

    @property
    def joules(self) -> Mapping[str, float]:
        """Modelled dynamic joules per sample at the largest T, with their interval."""
        found: Mapping[str, float] = self.profile["energy"]["joules_per_sample"]
        return found

    @property
    def profile(self) -> Mapping[str, Any]:
        """The document of the bill."""
        return self.steps["profile"]

    @property
    def verdict(self) -> str | None:
        """The verdict over all T; None where there was no program to compare."""
        return ("exact" if self.exact else "differs") if self.verdicts else None

    def to_json(self) -> dict[str, object]:
        """Give the keys of the JSON contract of ``demo``."""
        snn = {str(t): a for t, a in self.accuracy.items()}
        return {
            "graph": self.steps["compile"]["graph"],
            "accuracy": {"ann": self.accuracy_ann, "snn": snn},
            "spikes_per_sample": {str(t): s for t, s in self.spikes.items()},
            "synops_per_sample": self.synops,
            "joules_per_sample": self.joules,
            "verdict": self.verdict,
            "values_compared": self.compared,
            "runner": self.runner,
            "steps": {verb: dict(document) for verb, document in self.steps.items()},
        }

    def text(self) -> str:
        """Tell the outcome for people, with the terms explained."""
        lines = [
            "A convolutional network, trained on 1,297 scanned digits (8 x 8 pixels), became a",
            "spiking network: its activations now are neurons that add up their input and send",
            "a spike (one bit) whenever a threshold is reached. The image is presented as a",
            "constant current (direct encoding) for T timesteps, and the logits are averaged.",
            "",
            f"accuracy on the 500 test digits: the trained network (ANN) "
            f"{100 * self.accuracy_ann:.1f} %",
            "",
            f"{'T':>4} {'spiking':>10} {'spikes':>14} {'time':>14}"
            + ("   program against reference" if self.verdicts else ""),
            f"{'':>4} {'accuracy':>10} {'per digit':>14} {'per digit':>14}",
        ]
        for t, accuracy in self.accuracy.items():
            each = 1e6 * self.seconds[t] / 500
            lines.append(
                f"{t:>4} {100 * accuracy:>8.1f} % {self.spikes[t]:>14,.0f} {each:>11,.0f} us"
                f"   {self.verdicts.get(t, '')}".rstrip()
            )
        lines += [
            "",
            *self._proof(),
            "",
            self.bill,
            "",
            f"written to {self.folder}/: net.nd (the graph), program/ (compiled), report.json",
            f"look at it:  neurodeploy inspect {self.folder}/net.nd",
        ]
        return "\n".join(lines)

    def _proof(self) -> list[str]:
        if not self.verdicts:
            return [
                "no C compiler was found: the reference simulator ran, so there is no compiled",
                "program to prove. For one: pip install 'neurodeploy[toolchain]', or gcc or clang.",
            ]
        return [
            f"proof: {self.compared:,} values (every output and membrane of every neuron at every",
            f"timestep, all 500 digits) of the program ({self.runner}) and of the reference",
            "simulator were compared; `exact` means equal bit for bit.",
        ]


def load_digits() -> Digits:
    """Read the digits that ship with the package."""
    with as_file(files("neurodeploy.demo") / "digits.npz") as path:
        arrays = load_npz(path)
    scale = arrays["scale"].astype(np.float32)
    return Digits(
        x_train=arrays["xtr"].astype(np.float32) / scale,
        x_test=arrays["xte"].astype(np.float32) / scale,
        y_test=arrays["yte"].astype(np.int64),
    )


def run_demo(out: Path, *, progress: Bar, say: Callable[[str], None]) -> DemoResult:
    """Convert, compile, run, compare and bill the digits network for several T.

    Args:
        out: Folder that receives ``net.nd``, ``program/`` and ``report.json`` (largest T).
        progress: Gives a progress bar for a label.
        say: Called with what is being done.

    Raises:
        UsageError: the folder cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{str(out)!r} cannot be made: {error.strerror}") from error
    digits = load_digits()
    with as_file(files("neurodeploy.demo") / "digits.nd") as path:
        ann = load(path)
    say("running the trained network on 500 test digits")
    accuracy_ann = run(ann, digits.x_test, digits.y_test, timesteps=1, on=None).accuracy
    accuracy: dict[int, float] = {}
    spikes: dict[int, float] = {}
    seconds: dict[int, float] = {}
    verdicts: dict[int, str] = {}
    compared = 0
    steps: dict[str, Document] = {}
    for t in TIMESTEPS:
        say(f"T = {t}: converting, compiling, running, comparing")
        with progress(f"T = {t}: calibrating") as bar:
            snn = convert(ann, data=digits.x_train, timesteps=t, progress=bar)
        artifact = compile(snn, "cpu", out / "program")
        runner = artifact.runner()[0]  # builds, so that the time below is that of the run
        with progress(f"T = {t}: running") as bar:
            started = time.perf_counter()
            recording = artifact.run(digits.x_test, digits.y_test, progress=bar)
            seconds[t] = time.perf_counter() - started
        accuracy[t] = recording.accuracy or 0.0
        spikes[t] = sum(float(c.mean()) for c in recording.counts.values())
        steps["run"] = recording.to_json()
        if runner != "reference":  # to compare the reference with itself would prove nothing
            with progress(f"T = {t}: comparing with the reference") as bar:
                found = compare(snn, artifact, digits.x_test, progress=bar)
            verdicts[t] = found.verdict
            compared += sum(n.compared for n in found.nodes)
            steps["compare"] = found.to_json()
    save(snn, out / "net.nd")
    changes = [c.to_json() for c in snn.changes]
    steps["convert"] = {"output": str(out / "net.nd"), "graph": snn.digest, "changes": changes}
    steps["compile"] = artifact.to_json()
    say(f"counting operations at T = {t}")
    with progress("counting") as bar:
        bill = profile(artifact, digits.x_test, digits.y_test, progress=bar)
    steps["profile"] = bill.to_json()
    result = DemoResult(
        accuracy_ann=accuracy_ann or 0.0,
        accuracy=accuracy,
        spikes=spikes,
        seconds=seconds,
        verdicts=verdicts,
        compared=compared,
        steps={verb: steps[verb] for verb in VERBS if verb in steps},
        bill=bill.table(),
        runner=runner,
        folder=out,
    )
    text = json.dumps(result.to_json(), indent=1) + "\n"
    (out / "report.json").write_text(text, encoding="utf-8")
    return result
