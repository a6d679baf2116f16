"""Reads and writes ``.npz`` files: whole or not at all, and without pickle."""

from __future__ import annotations

import os
import secrets
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurodeploy.errors import DataError, Finding, UsageError, raise_findings
from neurodeploy.ir.strict_json import shown

__all__ = ["load_npz", "save_npz"]

Array = npt.NDArray[Any]
MAX_NAME = 2**16 - 256  # bytes of the name of a member of a zip file


def load_npz(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read the arrays of an ``.npz`` file; nothing in it is executed.

    Raises:
        DataError: there is no such file, or it is damaged or of another kind.
    """
    file = Path(path)
    if not os.path.isfile(file):  # Path.is_file raises on a name that no file can have
        raise DataError(f"there is no file {shown(str(path))}")
    try:
        with file.open("rb") as handle:  # numpy leaves a file open that it cannot read
            zipped = handle.read(4) in (b"PK\3\4", b"PK\5\6")
            handle.seek(0)
            arrays = dict(np.load(handle, allow_pickle=False)) if zipped else None
    except Exception as error:  # damage can raise anything, from tokenize.TokenError to LZMAError
        raise DataError(f"{file.name!r} cannot be read as .npz: {error}") from error
    if arrays is not None and not all(isinstance(a, np.ndarray) for a in arrays.values()):
        raise DataError(f"{file.name!r} is a zip archive of other things than arrays")
    if arrays is None:
        what = "is empty" if not file.stat().st_size else "is no .npz file"
        raise DataError(f"{file.name!r} {what}", hint="numpy.savez(path, x=x, y=y)")
    return arrays


def save_npz(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
    """Write arrays to an ``.npz`` file, whole or not at all; equal arrays give equal bytes.

    Raises:
        UsageError: the file cannot be written, or cannot hold the name of an array.
    """
    file = Path(path)
    if not file.name:
        raise UsageError(f"{str(path)!r} is no name of a file")
    raise_findings(
        UsageError,
        [
            Finding(f"{shown(name)} cannot name an array of an .npz file", hint="rename the node")
            for name in arrays
            if "\0" in name or len(name.encode(errors="replace")) > MAX_NAME or _surrogate(name)
        ],
    )
    part = file.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with zipfile.ZipFile(part, "w") as archive:
            for name, array in arrays.items():
                member = zipfile.ZipInfo(f"{name}.npy")  # of a fixed date
                member.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(member, "w", force_zip64=True) as handle:
                    np.lib.format.write_array(handle, np.asarray(array), allow_pickle=False)
        part.replace(file)
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{shown(str(path))} cannot be written: {why}") from error
    finally:
        with suppress(OSError, ValueError):  # where there is no such folder, there is no part
            part.unlink(missing_ok=True)


def _surrogate(name: str) -> bool:
    """Say whether a name holds half a surrogate pair, which UTF-8 cannot write."""
    return any("\ud800" <= c <= "\udfff" for c in name)
