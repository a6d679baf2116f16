"""Print how long `import neurodeploy` takes, beside an empty interpreter and `import numpy`.

Run it as ``python benchmarks/import_time.py [repetitions]``. Each figure is the median over fresh
interpreters, which take turns, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

STATEMENTS = ("pass", "import numpy", "import neurodeploy")


def seconds(statement: str) -> float:
    """Return the wall time of one fresh interpreter that runs `statement`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure in turns and print the medians."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    rounds = [[seconds(statement) for statement in STATEMENTS] for _ in range(repetitions + 1)]
    medians = [statistics.median(column) for column in zip(*rounds[1:], strict=True)]
    for statement, median in zip(STATEMENTS, medians, strict=True):
        above = 1000 * (median - medians[0])
        print(f"{statement:<20} {1000 * median:7.1f} ms   {above:+7.1f} ms")


if __name__ == "__main__":
    main()
