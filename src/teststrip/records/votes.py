"""A vote: which of two pictures a rater chose. Knows no ledger, no page and no statistics.

Who was asked what stands in the vote itself; which settings the two pictures have is looked up by their shots.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Choice = Literal["left", "right", "tie", "both bad"]
"""What a rater answers. "both bad" counts as a tie in the model, and its share is told."""

RaterKind = Literal["person", "judge"]
"""A judge is a model that votes."""

PairKind = Literal["asked", "repeat", "catch"]
"""Why a pair is shown: it is asked; it was asked before and comes with its sides swapped; it is one picture twice."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two pictures of a pair.

    Attributes:
        shot: the id of the shot that was asked for.
        digest: of the picture's bytes, as the study folder keeps it.
    """

    shot: str
    digest: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures of one prompt and one seed, as a rater sees them.

    Attributes:
        left: the picture on the left, of a judge the first one.
        right: the picture on the right, of a judge the second one.
        kind: why the pair is shown.
    """

    left: Side
    right: Side
    kind: PairKind = "asked"


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a judge came to its vote. All of it but the answers is equal in each vote of one judge on one study.

    Attributes:
        model: by its name, as the user wrote it or as its folder is called.
        revision: which weights answered: a commit, or a hash of the files. "" = a server, which does not say.
        template: the version of the words around the question.
        options: what else may change an answer, as canonical JSON.
        answers: what the judge said, letter by letter: of the pair as it stands, then of the pair with its sides
            swapped. A catch is one question, because a picture beside itself has no other order.
    """

    model: str
    revision: str
    template: int
    options: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vote:
    """One answer of one rater to one pair.

    Attributes:
        id: unique; the same id sent twice is one vote.
        pair: what was shown.
        choice: what was answered.
        rater: the name of the rater, unique in a study.
        rater_kind: a person or a judge.
        milliseconds: from the moment that both pictures were seen to the answer.
        question: the text that the rater was asked.
        at: when the vote was written, ISO 8601 in UTC.
        judged: how a judge came to it; None = a person's vote, or one of a script.
    """

    id: str
    pair: Pair
    choice: Choice
    rater: str
    rater_kind: RaterKind
    milliseconds: int
    question: str
    at: str
    judged: Judgement | None = None
