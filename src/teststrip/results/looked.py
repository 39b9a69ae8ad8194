"""What a look at a study is: on which data it rests, which margins hold, what was changed since earlier looks.

A look is a run that draws conclusions; the store keeps it. A reader of the folder is no look. Knows records and words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from teststrip.analysis.sentences import looks as words
from teststrip.records import Answer, Finding, KeptMargin, Look, Question, QuestionChange, Row, Study, digest_of
from teststrip.records.looked import Exclusions, Kept, asked_sd, changes


def state(rows: Sequence[Row], versions: Mapping[str, str]) -> str:
    """A digest of the images and scores that conclusions rest on; versions are fingerprint ids of scores, by metric."""
    seen = sorted(
        [row.planned.shot.id, row.image.digest, sorted((name, repr(value)) for name, value in row.scores.items())]
        for row in rows
        if row.image
    )
    return digest_of([seen, dict(versions)])


def look(
    study: Study, rows: Sequence[Row], *, data: str, margins: Mapping[str, KeptMargin], findings: Sequence[Finding]
) -> Look:
    """The look that is taken now."""
    made = [row for row in rows if row.image]
    return Look(
        study=study.name,
        question=study.question,
        data=data,
        prompts=len({row.planned.prompt.id for row in made}),
        images=len(made),
        margins=margins,
        exclusions=study.exclusions,
        answers=tuple(Answer(found.metric, found.kind, found.axis, found.scope, found.verdict) for found in findings),
    )


def pilot(looks: Sequence[Look], question: Question, *, versions: Mapping[str, str], data: str) -> Kept:
    """The margins that earlier looks kept for this question and these versions of the scores, by metric.

    A look at the very data that lie here keeps nothing for them: its margin is reckoned from them again.
    """
    own = {one.number for one in looks if one.data == data}
    found: dict[str, KeptMargin] = {}
    for name, margin in _pilots(looks, question):
        if margin.version == versions.get(name) and margin.look not in own:
            found.setdefault(name, margin)
    return found


def question_changes(
    looks: Sequence[Look], question: Question, exclusions: Exclusions | None = None
) -> list[QuestionChange]:
    """What was changed in the question, and in what is left out, from look to look and since the last one."""
    following = [*((one.question, one.exclusions) for one in looks[1:]), (question, exclusions)]
    return [
        QuestionChange(
            part,
            before.question,
            after,
            before.images,
            before.number,
            before.at,
            (before.exclusions or (), left_out or ()) if part == "exclusions" else ((), ()),
        )
        for before, (after, left_out) in zip(looks, following, strict=False)
        for part in changes(before.question, after, before.exclusions, left_out)
    ]


def history(
    looks: Sequence[Look],
    question: Question,
    *,
    versions: Mapping[str, str],
    kept: Kept,
    exclusions: Exclusions | None = None,
) -> tuple[str, ...]:
    """What a reader must know of the looks before: how many, what was changed, which margins could not be kept."""
    found = [words.repeated(len(looks))] if len({one.data for one in looks}) > 1 else []
    found += [words.changed(change) for change in question_changes(looks, question, exclusions)]
    replaced = {
        name: margin.look
        for name, margin in _pilots(looks, question)
        if name in versions and margin.version != versions[name] and name not in kept
    }
    return (*found, *(words.renewed(name, number) for name, number in replaced.items()))


def _pilots(looks: Sequence[Look], question: Question) -> Iterator[tuple[str, KeptMargin]]:
    """Margins that may be kept for a question, by metric, the oldest first."""
    for one in looks:
        for name, margin in one.margins.items():
            if margin.pilot and margin.asked is not None and margin.asked == asked_sd(question.margin, name):
                yield name, margin
