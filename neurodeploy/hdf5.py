"""HDF5 files from outside: a member lies in the file itself and is what it should be."""

from __future__ import annotations

from typing import Any

from neurodeploy.errors import DataError, Finding, MissingDependencyError

__all__ = ["INSTALL", "import_h5py", "member"]

INSTALL = "pip install 'neurodeploy[events]'"


def import_h5py(what: str) -> Any:
    """Give the module h5py.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError(f"{what} needs h5py: {error}", hint=INSTALL) from error
    return h5py


def member(group: Any, name: str, kind: type, hint: str = "") -> Any:
    """Give a member that lies in this very file.

    Raises:
        DataError: it is missing, of another kind, or leads to another file.
    """
    h5py = import_h5py("the file")
    link = group.get(name, getlink=True) if name in group else None
    if link is None:
        raise DataError(Finding("is missing", node=name, hint=hint))
    if not isinstance(link, h5py.HardLink):
        raise DataError(Finding("is a link to another place", node=name))
    found = group[name]
    if not isinstance(found, kind):
        raise DataError(Finding(f"is no {kind.__name__.lower()}", node=name))
    if isinstance(found, h5py.Dataset) and (found.is_virtual or found.external):
        raise DataError(Finding("keeps its numbers in another file", node=name))
    return found
