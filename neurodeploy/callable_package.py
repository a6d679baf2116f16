"""Lets a package be called like the function of its name.

The import system binds ``neurodeploy.profile``, the package, to the attribute of neurodeploy at
which the function ``profile`` stands. So such a package takes the call and hands it on.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

__all__ = ["make_callable"]


def make_callable(package: str, module: str, function: str) -> None:
    """Hand calls of a package on to a function.

    Args:
        package: Name of the package.
        module: Name of the module that holds the function; imported when it is called.
        function: Name of the function.
    """

    class CallablePackage(ModuleType):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return getattr(importlib.import_module(module), function)(*args, **kwargs)

    sys.modules[package].__class__ = CallablePackage
