"""How a cell function sees its parameters and its states."""

from __future__ import annotations

from typing import Protocol

from neurodeploy.semantics.language import Sym

__all__ = ["Leaves"]


class Leaves(Protocol):
    """Parameters or states by name, each a symbol."""

    def __getattr__(self, name: str) -> Sym:
        """Give the parameter or the state ``name``."""
