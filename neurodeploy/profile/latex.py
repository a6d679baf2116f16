"""The table of layers in LaTeX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurodeploy.profile.text import heads, printable, table_rows

if TYPE_CHECKING:
    from neurodeploy.profile.bill import Bill

__all__ = ["bill_latex", "escaped"]

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def escaped(text: str) -> str:
    r"""Give ``text`` so that LaTeX prints it.

    >>> escaped("a_1 & 50 %")
    'a\\_1 \\& 50 \\%'
    """
    return "".join(_ESCAPES.get(c, c) for c in text)


def bill_latex(bill: Bill) -> str:
    """Give a ``tabular`` with booktabs rules; the evidence stands in a comment above it."""
    rows = list(table_rows(bill))
    columns = "ll" + "r" * (len(rows[0]) - 2)
    unit = [h.replace("[u", r"[$\mu$") for h in (escaped(h) for h in heads(bill))]

    def line(cells: tuple[str, ...]) -> str:
        return " & ".join(escaped(c) for c in cells) + r" \\"

    target, note = (escaped(printable(t)) for t in (bill.target, bill.energy.evidence))
    return "\n".join(
        [
            f"% target {target}, {bill.counts.samples} samples, means per sample",
            f"% {note}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(unit) + r" \\",
            r"\midrule",
            *(line(row) for row in rows[:-1]),
            r"\midrule",
            line(rows[-1]),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )
