"""The stack that compiled functions use, by the compiler's own figures and call graph."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["stack_depths"]

NODE = re.compile(r'node: \{ title: "([^"]+)" label: "([^"]*)"')
EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
USED = re.compile(r"(\d+) bytes \((static|dynamic|dynamic,bounded)\)")


def stack_depths(source: Path, command: Sequence[str]) -> tuple[dict[str, int], set[str]]:
    """Give the deepest stack below each function, and the functions of libraries that are called.

    Args:
        source: A C file.
        command: A gcc with its flags.
    """
    call = [*command, "-fcallgraph-info=su", "-c", source.name, "-o", "depth.o"]
    done = subprocess.run(call, cwd=source.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    text = (source.parent / "depth.ci").read_text("utf-8")
    own: dict[str, int] = {}
    called: dict[str, list[str]] = {}
    for title, label in NODE.findall(text):
        used = USED.search(label)
        if used is not None:
            assert used[2] != "dynamic", f"{title}: {label}"  # no upper bound
            own[title] = int(used[1])
    for source_name, target in EDGE.findall(text):
        called.setdefault(source_name, []).append(target)

    def depth(name: str, above: tuple[str, ...]) -> int:
        assert name not in above, f"{name} calls itself by {above}"
        below = [depth(c, (*above, name)) for c in called.get(name, []) if c in own]
        return own[name] + max(below, default=0)

    outside = {c for calls in called.values() for c in calls if c not in own}
    return {name.rpartition(":")[2]: depth(name, ()) for name in own}, outside
