"""Generated C: the fast simulator, and the source that targets emit."""

from neurodeploy.engine.compiler import Compiler, find_compiler
from neurodeploy.engine.engine import Engine, build
from neurodeploy.engine.source import source

__all__ = ["Compiler", "Engine", "build", "find_compiler", "source"]
