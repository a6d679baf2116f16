"""What importing the package does, and in which order it may be done."""

from __future__ import annotations

import subprocess
import sys


def test_profile_can_be_called_whoever_came_first() -> None:
    code = """
import numpy as np, neurodeploy as nd
{first}
b = nd.GraphBuilder()
b.output("out", b.cell("n", "lif", b.input("x", (2,))))
bill = nd.profile(b.build(), np.ones((1, 2)), timesteps=2)
{last}
assert nd.profile(b.build(), np.ones((1, 2)), timesteps=2).to_json() is not None
import neurodeploy.profile
assert neurodeploy.profile.Bill is type(bill) or type(neurodeploy.profile).__name__ == "function"
from neurodeploy.profile import Bill
assert isinstance(bill, Bill)
"""
    for first, last in (
        ("", ""),
        ("import neurodeploy.profile", ""),
        ("", "import neurodeploy.profile"),
    ):
        subprocess.run([sys.executable, "-c", code.format(first=first, last=last)], check=True)


def test_the_import_is_light() -> None:
    code = """
import sys, time
begin = time.perf_counter()
import neurodeploy
took = time.perf_counter() - begin
bad = {"torch", "numpy", "onnx", "typer", "rich", "snntorch"} & set(sys.modules)
assert not bad, bad
assert took < 0.3, took
"""
    subprocess.run([sys.executable, "-c", code], check=True)
