"""How much stack a network's functions use: computed from the text, checked by compilers.

No compiler has to be there, and the figure must be the same everywhere. Calls are three deep
(interface, step, node), nothing calls itself, and the only arrays are one step of the outputs in
``PREFIX_infer``. So the figure counts these, eight bytes for each variable of the largest node and
a quarter of that for those of all nodes, as gcc joins their frames into the step's. This is no
proof: the tests hold it against gcc's own figures for every kind of board that they can compile
for, and ``make stack`` in the folder measures it with the board's compiler.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from neurodeploy.engine.plan import DTYPES
from neurodeploy.targets.edge.memory import StaticPlan

__all__ = ["FIXED", "MEASURED", "stack_bytes"]

FIXED = 128  # below the last function: calls of libraries, or the red zone of a 64-bit computer
OUTER, OUTER_EACH = 72, 24  # an interface function; its arguments, for each input and output
WIDEST, SHARED = 8, 2  # bytes for a variable of the largest node; for one of any node

_DECLARED = re.compile(
    r"\b(?:u?int\d+_t|nd_int|size_t|float|double)\s+\*?\s*(?:restrict |const )?\s*\w+(?= =|[;,\n)])"
)

# frames of interface, step, node and helper, of which no more than one each is open at a time
MEASURED = """\
\tawk '{ n = split($$1, p, ":"); f = p[n]; \\
\t  k = f ~ /^node_/ ? 1 : f ~ /^nd_step/ ? 2 : f ~ /^nd_/ ? 3 : 4; \\
\t  if ($$2 > most[k]) most[k] = $$2 } \\
\t  END { print "stack: at most", most[1] + most[2] + most[3] + most[4], \\
\t  "bytes, without functions of libraries" }'"""


def stack_bytes(plan: StaticPlan, functions: Sequence[str]) -> int:
    """Give the bytes of stack that the deepest call takes at ``-O2``.

    Args:
        plan: The memory plan.
        functions: The C of the nodes.
    """
    counts = [len(_DECLARED.findall(text)) for text in functions]
    ends = [plan.graph.signals[(n.name, "out")] for n in plan.graph.outputs]
    arrays = sum(s.size * DTYPES[plan.stored(s.type)].itemsize for s in ends)
    outer = OUTER + OUTER_EACH * (len(plan.graph.inputs) + len(ends))
    nodes = WIDEST * max(counts, default=0) + SHARED * sum(counts)
    return -(-(arrays + outer + nodes + FIXED) // 8) * 8
