"""What a front end is; read this before writing one.

A front end reads one kind of trained network and returns a `Graph`. To add one:

1. Write ``load(model, **options) -> Graph``. It builds with `GraphBuilder`, or with `Emitter`
   (`neurodeploy.converters.emit`), which names nodes, shares weights and has the operations that
   all frameworks have in common.
2. Give each node in ``source`` the name of the layer that it came from, as its user knows it.
   Name each weight after its layer; one tensor of the model is one tensor of the graph.
3. Refuse what is not handled, everything at once: a `Finding` for each operator, with the layer
   and a way out, in one `ConversionError`. Guess nothing that changes a spike.
4. Keep one handler per operator in a `Handlers` table, one file per group of operators.
5. Import the framework inside the functions that need it.
6. Compare the graph with the framework before returning it, where that can run here.
7. Make a `FrontEnd` and name it ``package.module:FRONT_END`` in the entry-point group
   ``neurodeploy.converters``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Generic, TypeVar

from neurodeploy.errors import Finding, InternalError, UsageError, raise_findings
from neurodeploy.ir.graph import Graph

__all__ = ["FrontEnd", "Handlers", "full_name"]

# what to give, as an option and as an argument
_NEEDED = {
    "example": "samples: --calibrate x.npz, --example x.npz or --input-shape 1,28,28 of `convert`; "
    "example=x of `load`",
}

Key = TypeVar("Key", bound=Hashable)
Handler = TypeVar("Handler", bound=Callable[..., object])


def full_name(kind: type) -> str:
    """Give the name of a class with its module.

    >>> full_name(Finding)
    'neurodeploy.errors.Finding'
    """
    return f"{kind.__module__}.{kind.__qualname__}"


@dataclass(frozen=True)
class FrontEnd:
    """One kind of model that can be read.

    Attributes:
        name: Name for people and for the table.
        load: Reads a model and gives its graph.
        summary: What it reads, in one line.
        suffixes: Endings of the files that it reads, such as ``.onnx``.
        classes: Full names of the classes whose objects it reads, subclasses included.
        extra: What has to be installed, as an extra of neurodeploy.
    """

    name: str
    load: Callable[..., Graph]
    summary: str
    suffixes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    extra: str = ""

    def reads(self, model: object) -> bool:
        """Say whether the front end reads ``model``, a path or an object."""
        if isinstance(model, str | PurePath):
            return PurePath(model).suffix.lower() in self.suffixes
        names = {full_name(c) for c in type(model).__mro__}
        return not names.isdisjoint(self.classes)

    def read(self, model: object, **options: object) -> Graph:
        """Call ``load`` after checking that it takes these options.

        Raises:
            UsageError: options that this front end does not take, or one that it needs.
        """
        parameters = inspect.signature(self.load).parameters
        found = [
            Finding(
                f"the front end {self.name!r} takes no such option",
                node=name,
                hint=f"it takes {', '.join(list(parameters)[1:])}",
            )
            for name in options
            if name not in parameters
        ]
        found += [
            Finding(f"the front end {self.name!r} needs it", node=name, hint=_NEEDED.get(name, ""))
            for name, parameter in list(parameters.items())[1:]
            if parameter.default is parameter.empty and name not in options
        ]
        raise_findings(UsageError, found)
        return self.load(model, **options)


@dataclass(frozen=True)
class Handlers(Generic[Key, Handler]):
    """A table of operators and the functions that translate them.

    >>> table: Handlers[str, Callable[[], object]] = Handlers("toy")
    >>> @table.handles("relu")
    ... def relu() -> object:
    ...     return 0
    >>> "relu" in table, "gelu" in table
    (True, False)
    """

    framework: str
    entries: dict[Key, Handler] = field(default_factory=dict)

    def handles(self, *keys: Key) -> Callable[[Handler], Handler]:
        """Enter the decorated function for each key.

        Raises:
            InternalError: a key has a handler already.
        """

        def enter(function: Handler) -> Handler:
            for key in keys:
                if key in self.entries:
                    raise InternalError(f"two {self.framework} handlers for {key!r}")
                self.entries[key] = function
            return function

        return enter

    def __contains__(self, key: object) -> bool:
        return key in self.entries

    def __getitem__(self, key: Key) -> Handler:
        return self.entries[key]
