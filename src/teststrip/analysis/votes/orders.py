"""A pair that a judge saw in both orders: what its two answers say together.

Knows letters and choices; no pictures, no models, and no arrays, so that reading it loads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from teststrip.records.votes import Choice

Letter = Literal["A", "B", "C"]
"""What a judge answers: the first picture, the second one, no difference."""

AS_SHOWN: Final[dict[Letter, Choice]] = {"A": "left", "B": "right", "C": "tie"}
SWAPPED: Final[dict[Letter, Choice]] = {"A": "right", "B": "left", "C": "tie"}


def letter(answer: str) -> Letter | None:
    """The letter that an answer is; None where it is anything else. A full stop and spaces around it do not count.

    >>> letter("A"), letter(" b.\\n"), letter("A, because B is blurred"), letter("")
    ('A', 'B', None, None)
    """
    word = answer.strip().removesuffix(".").upper()
    return next((one for one in AS_SHOWN if one == word), None)


def choices(answers: Sequence[str]) -> tuple[Choice, ...]:
    """What each answer chooses of the pair as it stands; the second answer is about its sides swapped.

    Raises:
        ValueError: one of them cannot be read.
    """
    found = []
    for answer, means in zip(answers, (AS_SHOWN, SWAPPED), strict=False):
        read = letter(answer)
        if read is None:
            raise ValueError("an answer of a judge cannot be read")
        found.append(means[read])
    return tuple(found)


def together(answers: Sequence[str]) -> Choice:
    """The vote: what both orders say, and a tie where they differ.

    >>> together(["A", "B"]), together(["A", "A"]), together(["C"])
    ('left', 'tie', 'tie')
    """
    return "tie" if turned(answers) else choices(answers)[0]


def turned(answers: Sequence[str]) -> bool:
    """Whether the order changed what a judge said.

    >>> turned(["A", "B"]), turned(["A", "A"]), turned(["A", "C"])
    (False, True, True)
    """
    return len(set(choices(answers))) > 1
