"""Classes of frameworks by their full names, as the tables of the front ends have them."""

from __future__ import annotations

from collections.abc import Container, Mapping

from neurodeploy.converters.base import full_name
from neurodeploy.errors import ConversionError

__all__ = ["class_name", "looked_into", "no_cell"]


def class_name(module: object) -> str:
    """Give the full name of an object's class."""
    return full_name(type(module))


def looked_into(layer: object, package: str, transparent: Container[str]) -> bool:
    """Say whether capture looks inside a layer, because its class keeps no state.

    A class of the user's own counts as the class of ``package`` that it derives from; one that
    derives from none is looked into.
    """
    names = (full_name(c) for c in type(layer).__mro__)
    return next((n in transparent for n in names if n.partition(".")[0] == package), True)


def no_cell(module: object, refused: Mapping[str, tuple[str, str]], hint: str) -> ConversionError:
    """Give the error that tells why a module is no cell.

    Args:
        module: The module.
        refused: By the names of classes, why they are none, and a way out.
        hint: A way out for every other class.
    """
    unknown = (f"the class {class_name(module)} is not handled", hint)
    message, way_out = refused.get(class_name(module), unknown)
    return ConversionError(f"{type(module).__name__}: {message}", hint=way_out)
