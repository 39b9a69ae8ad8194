"""Compares two study folders: the same prompts, seeds and settings, made by two versions of something.

The folders become one study with an axis `folder` of two levels, which the analysis judges as any other axis. The first
folder is the reference, from whose picture of its place each picture of the second is measured. Knows results and
pixels; statistics are in `analysis`, and no folder is changed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from teststrip import analysis
from teststrip.analysis.sentences.answers import lines as told
from teststrip.analysis.sentences.phrases import count, fixed
from teststrip.errors import UsageError
from teststrip.metrics.fidelity import MOVED, Convergence
from teststrip.pictures.distances import rmse
from teststrip.records import Axis, Card, Cell, Finding, Level, LevelRef, Planned, Row, Study
from teststrip.results import Result
from teststrip.rows import tables
from teststrip.verbs.score import decoded

FOLDER = "folder"
UNSEEN = Convergence.card.unseen
"""Pictures that are closer than this, in 8-bit levels, look alike to people."""
APART = Card(
    name="pixel_distance",
    unit=Convergence.card.unit,
    arity=2,
    source=Convergence.card.source,
    failure=MOVED,
    unseen=UNSEEN,
    against="the reference",
)
"""Of the distance of a picture from the first folder's picture of its place."""

Place = tuple[str, int, tuple[tuple[str, str], ...]]
"""A prompt's text and pictures, a replicate, and the levels of the axes that both studies have."""


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two pictures of one place are apart.

    Attributes:
        prompt: the text.
        levels: root of the mean squared difference, in 8-bit levels; NaN where the sizes differ or a file is damaged.
    """

    prompt: str
    levels: float


@dataclass(frozen=True, slots=True)
class TwoFolders:
    """What two folders have in common, and how they differ.

    Attributes:
        names: of the two folders.
        places: that both studies have.
        alone: places that only the first has, and only the second.
        paired: whether a place has the same seed in both and the engines give a seed's picture again.
        left_out: a sentence on each score that cannot be compared.
        distances: of the pictures that both folders have.
        findings: on the difference between the folders.
        same: whether the pictures of the second folder are those of the first; None where no two can be compared.
    """

    names: tuple[str, str]
    places: int
    alone: tuple[int, int]
    paired: bool
    left_out: tuple[str, ...]
    distances: tuple[Distance, ...]
    findings: tuple[Finding, ...]
    same: Finding | None

    def lines(self) -> Iterator[str]:
        """The comparison in lines for people."""
        first, second = self.names
        both = f"{len(self.distances):,} of them with a picture in each"
        yield f"{first} and {second}: {count(self.places, 'place')} in both, {both}"
        for name, number in zip(self.names, self.alone, strict=True):
            if number:
                yield f"  {count(number, 'place')} of {name} alone {'is' if number == 1 else 'are'} left out"
        yield from (f"  {sentence}" for sentence in self.left_out)
        yield ""
        yield from (f"  * {line}" for line in self._about_pictures())
        for finding in (*filter(None, [self.same]), *self.findings):
            if finding.leads:
                head, *rest = told(finding)
                yield f"  * {head}"
                yield from (f"    - {line}" for line in rest)

    def as_json(self) -> dict[str, Any]:
        """The comparison as plain values, for programs."""
        distances = [asdict(one) | {"levels": _or_none(one.levels)} for one in self.distances]
        return {
            "folders": list(self.names),
            "places": self.places,
            "only_in": dict(zip(self.names, self.alone, strict=True)),
            "paired_seeds": self.paired,
            "left_out": list(self.left_out),
            "pictures": distances,
            "same_picture": _likeness(self.same),
            "findings": [
                {"metric": one.metric, "scope": one.scope, "verdict": one.verdict, "sentence": one.sentence}
                for one in self.findings
            ],
        }

    def _about_pictures(self) -> Iterator[str]:
        """How alike the pictures are."""
        if not self.distances:
            return
        known = sorted((one for one in self.distances if math.isfinite(one.levels)), key=lambda one: -one.levels)
        if unlike := len(self.distances) - len(known):
            do = "differs in size or cannot" if unlike == 1 else "differ in size or cannot"
            yield f"{count(unlike, 'pair')} of pictures {do} be read, so no distance is known."
        if not known:
            return
        same = sum(one.levels == 0 for one in known)
        if same == len(known):
            yield f"{count(same, 'pair')} of pictures: equal to the pixel."
            return
        near = sum(one.levels < UNSEEN for one in known) - same
        yield (
            f"{count(len(known), 'pair')} of pictures: {same} equal to the pixel, {near} closer than people see "
            f"({UNSEEN:g} of 255 levels), {len(known) - same - near} further apart; the median distance is "
            f"{fixed(known[len(known) // 2].levels, 2)} levels."
        )


def of(first: Result, second: Result) -> TwoFolders:
    """Compare two results.

    Raises:
        UsageError: they have no place in common, or one varies what the other does not.
    """
    axes = _common_axes(first.study, second.study)
    names = _names(first.folder, second.folder)
    known = tuple({_place(row.planned, axes): row for row in result.rows()} for result in (first, second))
    places = [place for place in known[0] if place in known[1]]
    if not places:
        raise UsageError(
            f"{names[0]} and {names[1]} have no prompt and setting in common. Run one study file in both folders"
        )
    pairs = [(known[0][place], known[1][place]) for place in places]
    paired = all(one.paired_seeds for one in (first, second)) and all(
        a.planned.shot.seed == b.planned.shot.seed for a, b in pairs
    )
    cards, left_out = _cards(first, second)
    study = _study(first.study, axes, names, [a.planned for a, _ in pairs])
    distances = tuple(_distances(first, second, pairs))
    if paired:
        cards = {**cards, APART.name: APART}
    rows = [
        replace(_row(row, axes, name, like=a.planned), scores=_scores(row, levels, cards))
        for (a, b), apart in zip(pairs, distances, strict=True)
        for row, name, levels in ((a, names[0], 0.0), (b, names[1], apart.levels if apart else math.nan))
    ]
    found = analysis.of_result_columns(tables.columns(study, rows), study, cards, paired_seeds=paired)
    return TwoFolders(
        names=names,
        places=len(places),
        alone=(len(known[0]) - len(places), len(known[1]) - len(places)),
        paired=paired,
        left_out=tuple(left_out),
        distances=tuple(one for one in distances if one),
        findings=tuple(one for one in found if one.kind == "axis" and one.axis == FOLDER),
        same=next((one for one in found if one.kind == "fidelity" and one.images), None),
    )


def _common_axes(first: Study, second: Study) -> tuple[Axis, ...]:
    """The axes of both studies, each with the levels that both have.

    Raises:
        UsageError: an axis of several levels is in one study alone, or the two have no level of it in common.
    """
    theirs = {axis.name: axis for axis in second.axes}
    for axis in (*first.axes, *second.axes):
        one_side = {study_axis.name for study_axis in first.axes} ^ set(theirs)
        if axis.name in one_side and len(axis.levels) > 1:
            raise UsageError(
                f"only one of the two studies varies {axis.name}, so a picture has several partners. "
                f"Run the other one with the same levels of {axis.name}"
            )
    common = []
    for axis in first.axes:
        if axis.name in theirs:
            levels = tuple(level for level in axis.levels if level.label in theirs[axis.name].labels)
            if not levels:
                raise UsageError(f"the two studies have no level of {axis.name} in common")
            common.append(replace(axis, levels=levels))
    return tuple(common)


def _names(first: Path, second: Path) -> tuple[str, str]:
    """The folders' names, or their paths where the names are equal."""
    if first.resolve() == second.resolve():
        raise UsageError(f"{first} and {second} are one folder. Name two")
    return (first.name, second.name) if first.resolve().name != second.resolve().name else (str(first), str(second))


def _place(planned: Planned, axes: Sequence[Axis]) -> Place:
    own = dict(planned.cell.levels)
    return planned.prompt.block, planned.replicate, tuple((axis.name, own[axis.name]) for axis in axes)


def _study(study: Study, axes: Sequence[Axis], names: Sequence[str], planned: Sequence[Planned]) -> Study:
    """The study whose first axis is the folder, of the prompts and levels that both have."""
    used = {one.prompt.id for one in planned}
    question = replace(study.question, known_bad=None, reference=(LevelRef(FOLDER, 0, names[0]),))
    folder = Axis(FOLDER, "linked", tuple(Level(name, {}) for name in names))
    return replace(
        study,
        axes=(folder, *axes),
        prompts=tuple(prompt for prompt in study.prompts if prompt.id in used),
        exclusions=(),
        question=question,
    )


def _row(row: Row, axes: Sequence[Axis], name: str, *, like: Planned) -> Row:
    """A row in its place of the study of both: the prompt is the first folder's, and the folder is a level."""
    own = dict(row.planned.cell.levels)
    cell = Cell(((FOLDER, name), *((axis.name, own[axis.name]) for axis in axes)))
    return replace(row, planned=replace(row.planned, cell=cell, prompt=like.prompt))


def _scores(row: Row, apart: float, cards: Mapping[str, Card]) -> dict[str, float]:
    """The scores of a row that are compared, among them how far its picture is from the first folder's."""
    return {name: value for name, value in {**row.scores, APART.name: apart}.items() if name in cards}


def _cards(first: Result, second: Result) -> tuple[Mapping[str, Card], list[str]]:
    """The scores that both have in one version, and a sentence on each of the others."""
    cards, left_out = {}, []
    for name, card in first.cards.items():
        versions = [result.versions.get(name) for result in (first, second)]
        if card.arity == 2:
            left_out.append(f"{name} is not compared: it measures inside one folder")
        elif name not in second.cards or None in versions:
            left_out.append(f"{name} is not compared: one folder has no such scores")
        elif versions[0] != versions[1]:
            left_out.append(f"{name} is not compared: two versions of it scored the two folders")
        else:
            cards[name] = card
    return cards, left_out


def _distances(first: Result, second: Result, pairs: Sequence[tuple[Row, Row]]) -> Iterator[Distance | None]:
    """How far the pictures of each place are apart; None where a folder has none."""
    for one, other in pairs:
        if one.image is None or other.image is None:
            yield None
            continue
        if one.image.digest == other.image.digest:
            yield Distance(one.planned.prompt.text, 0.0)
            continue
        left, right = decoded(first.store, one.image), decoded(second.store, other.image)
        levels = math.nan
        if left is not None and right is not None and left.shape == right.shape:
            levels = rmse(left, right)
        yield Distance(one.planned.prompt.text, levels)


def _likeness(found: Finding | None) -> dict[str, Any] | None:
    """How near the second folder's pictures are to the first's, as plain values."""
    if found is None or found.fidelity is None:
        return None
    (one,) = found.fidelity.settings
    numbers = {"mean": one.mean, "bound": one.far, "most": one.most, "share": one.share, "within": one.within}
    return {
        "verdict": found.verdict,
        "scope": found.scope,
        "limit": _or_none(found.fidelity.limit),
        **{name: _or_none(value) for name, value in numbers.items()},
        "changed_most": [asdict(prompt) for prompt in one.furthest],
        "sentence": found.sentence,
    }


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
