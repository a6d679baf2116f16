"""Every error that neurodeploy raises on purpose, and the findings that it carries.

::

    NeurodeployError                  base; carries all findings of the stage that failed
    ├── UsageError (ValueError)       an argument of a call or of the command line
    │   └── DataError                 samples, labels, or a T that cannot be run
    ├── ConversionError (ValueError)  a model that cannot be read or converted
    ├── GraphError (ValueError)       a graph that breaks its own rules
    │   └── SemanticsError (TypeError)  a cell whose expression is not in the language
    ├── FileFormatError (ValueError)  a file that is damaged, foreign, or newer than this version
    ├── QuantizationError (ValueError)
    ├── TargetError
    │   ├── CapabilityError           the graph does not fit the target
    │   └── UnavailableTargetError    a target or runner whose tools are missing
    ├── MissingDependencyError (ImportError)  an optional package that is not installed
    ├── ArtifactError                 a compiled folder that is damaged or foreign
    └── InternalError                 a broken invariant: our bug

Each class names the exit code of the command line in ``exit_code`` (0 done, 1 finding,
2 usage or bad input, 3 not installed or not reachable, 70 our bug).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "ArtifactError",
    "CapabilityError",
    "ConversionError",
    "DataError",
    "FileFormatError",
    "Finding",
    "GraphError",
    "InternalError",
    "MissingDependencyError",
    "NeurodeployError",
    "QuantizationError",
    "SemanticsError",
    "TargetError",
    "UnavailableTargetError",
    "UsageError",
    "raise_findings",
]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, told so that a person can act on it.

    Attributes:
        message: What was found, with the value in the sentence.
        node: Name of the node (or argument, or file field) that it concerns; empty if none.
        source: Names of the source model's layers that the node came from.
        hint: What to do about it.
        value: The value found, where there is one.
        limit: The value allowed, where there is one.
    """

    message: str
    node: str = ""
    source: tuple[str, ...] = ()
    hint: str = ""
    value: str | int | float | bool | None = None
    limit: str | int | float | bool | None = None

    def __str__(self) -> str:
        """Tell the finding in one line.

        >>> str(Finding("fan-in 4608 exceeds 4096", node="conv2", source=("features.3",),
        ...             hint="prune"))
        'conv2 (features.3): fan-in 4608 exceeds 4096. Hint: prune.'
        """
        where = self.node
        if self.source and self.source != (self.node,):
            where = f"{where} ({', '.join(self.source)})" if where else ", ".join(self.source)
        text = f"{where}: {self.message}" if where else self.message
        text = text.rstrip(".") + "."
        if self.hint:
            text += f" Hint: {self.hint.rstrip('.')}."
        return text[:-1] if text.endswith("..") else text

    def to_json(self) -> dict[str, object]:
        """Give the finding with the keys of the JSON contract."""
        return {
            "node": self.node,
            "source": list(self.source),
            "message": self.message,
            "hint": self.hint,
            "value": self.value,
            "limit": self.limit,
        }


class NeurodeployError(Exception):
    """Base of all errors raised on purpose.

    Args:
        findings: One message, one finding, or all findings of the failed stage.
        hint: Way out, used where ``findings`` is a plain message.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, findings: str | Finding | Iterable[Finding], *, hint: str = "") -> None:
        if isinstance(findings, str):
            found: tuple[Finding, ...] = (Finding(findings, hint=hint),)
        elif isinstance(findings, Finding):
            found = (findings,)
        else:
            found = tuple(findings)
        self.findings: tuple[Finding, ...] = found
        super().__init__("\n".join(str(f) for f in found))


class UsageError(NeurodeployError, ValueError):
    """An argument that is unknown, missing, or out of its range."""


class DataError(UsageError):
    """Samples or labels of the wrong shape, type or content, or a T that cannot be run."""


class ConversionError(NeurodeployError, ValueError):
    """A model that cannot be read, or a layer that cannot be converted."""


class GraphError(NeurodeployError, ValueError):
    """A graph that breaks one of its rules (shapes, types, ports, cycles)."""


class SemanticsError(GraphError, TypeError):
    """A cell whose expression is outside the language."""


class FileFormatError(NeurodeployError, ValueError):
    """A file that is damaged, of another kind, or written by a newer version."""


class QuantizationError(NeurodeployError, ValueError):
    """A tensor or state that cannot be quantised as asked."""


class TargetError(NeurodeployError):
    """A target that refuses a graph or cannot be used."""

    exit_code = 1


class CapabilityError(TargetError):
    """A graph that does not fit what the target can hold or compute."""


class UnavailableTargetError(TargetError):
    """A target, runner or tool that is not installed or not reachable."""

    exit_code = 3


class MissingDependencyError(NeurodeployError, ImportError):
    """An optional package that the call needs and that is not installed."""

    exit_code = 3


class ArtifactError(NeurodeployError):
    """A compiled folder that is damaged, foreign, or from a newer version."""


class InternalError(NeurodeployError):
    """A broken invariant inside neurodeploy: a bug of ours, never of the user."""

    exit_code = 70


def raise_findings(error: type[NeurodeployError], findings: Iterable[Finding]) -> None:
    """Raise ``error`` with all findings, or return if there are none."""
    found = tuple(findings)
    if found:
        raise error(found)
