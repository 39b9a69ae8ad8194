"""Text and tables in Markdown, from words that may come from anywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence


def escape(text: str) -> str:
    """Text that Markdown shows as it is: labels and prompts come from anywhere.

    >>> escape("guidance_scale <b>")
    'guidance\\\\_scale \\\\<b\\\\>'
    """
    return re.sub(r"([\\`*_{}\[\]<>|#!])", r"\\\1", re.sub(r"\s+", " ", text))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table; the first column to the left, the others to the right."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "|".join(["---", *["---:"] * (len(heads) - 1)]) + "|"]
    return lines + ["| " + " | ".join(escape(cell) for cell in row) + " |" for row in rows]
