"""What votes say: win rates, agreement, probes, metrics measured by votes. Knows no model and no words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from teststrip.records.concluded import Contrast, Scope, Verdict
from teststrip.records.votes import RaterKind

EVEN = 0.5
"""The win rate of two settings that are chosen equally often."""
RATE_MARGIN = 0.05
"""A win rate within five points of one half makes no difference that matters, unless a study says otherwise."""
MINIMUM_RATERS = 6
"""Fewer raters speak for themselves alone, as fewer prompts do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a shot stands in its study, by numbers from 0.

    Attributes:
        prompt: of the study.
        seed: of the prompt.
        cell: combination of levels, as the layout of the study counts them.
    """

    prompt: int
    seed: int
    cell: int


@dataclass(frozen=True, slots=True)
class WinRate:
    """How often one side of a contrast is chosen over the other, ties half.

    Attributes:
        asked: what is compared.
        planned: whether the study planned to ask; other pairs serve equality and the table.
        rate: 0..1; 0.5 = both alike. Of a trend or bend, of two settings that lie so far apart.
        low, high: the 95 % interval that holds together with those of all others asked.
        inner_low, inner_high: the 90 % interval; within the margin of 0.5 = equivalent.
        p: two-sided, of this contrast alone.
        p_family: after Holm; NaN = not tested.
        votes: how many counted.
        prompts: how many prompts they are about.
        raters: how many raters they are of.
        scope: what the answer is about.
        raters_meant: the answer holds for raters like these; False = for these very raters.
        verdict: one of four.
    """

    asked: Contrast
    planned: bool
    rate: float
    low: float
    high: float
    inner_low: float
    inner_high: float
    p: float
    p_family: float
    votes: int
    prompts: int
    raters: int
    scope: Scope
    raters_meant: bool
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Share:
    """A counted share with its exact interval.

    Attributes:
        count: how often it happened.
        of: how often it could have.
        low, high: the 95 % interval, 0..1.
    """

    count: float
    of: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """The share, 0..1; NaN where there is nothing to count."""
        return self.count / self.of if self.of else float("nan")


@dataclass(frozen=True, slots=True)
class Care:
    """How far the votes of one rater, or of all, can be trusted.

    Attributes:
        rater: by name; "" = all together.
        votes: how many were asked for and answered; repeats and catches are not among them.
        ties: of the votes, "both bad" included.
        both_bad: of the votes.
        left: of the votes that are no tie, those for the left side.
        repeats: repeated pairs that were answered alike both times.
        catches: pairs of one picture twice that were called a tie.
    """

    rater: str
    votes: int
    ties: Share
    both_bad: Share
    left: Share
    repeats: Share
    catches: Share


ProbeKind = Literal[
    "favours a side",
    "always the same key",
    "answers too fast",
    "misses catches",
    "disagrees with himself",
    "tires",
    "sticks to the last answer",
    "goes in circles",
    "parts that never meet",
    "decides alone",
]


@dataclass(frozen=True, slots=True)
class Probe:
    """One question about how the votes came about, and whether the answer is worrying.

    Attributes:
        kind: what is asked.
        rater: about whom; "" = all votes.
        value: what was measured, in the probe's own unit: a share, a p, a number of parts.
        expected: what a careful rater would show.
        p: that a careful rater shows as much, after correction over raters; NaN = counted, not tested.
        votes: how many the probe rests on.
        fires: whether a person should look.
    """

    kind: ProbeKind
    rater: str
    value: float
    expected: float
    p: float
    votes: int
    fires: bool


@dataclass(frozen=True, slots=True)
class Foretold:
    """How many votes a metric foretells.

    Attributes:
        metric: by name.
        axis: only pairs that differ on this axis alone; "" = all pairs.
        share: of the decided votes, those for the picture that the metric prefers; equal scores half. NaN = none.
        low, high: its 95 % interval.
        scope: what the interval is about: these prompts or prompts like these.
        votes: decided votes of pairs that have both scores.
        prompts: how many prompts those are about.
        ceiling: the share that the raters' own repeats foretell, ties left out; NaN = no repeats.
        recommends: the lower bound lies above one half.
    """

    metric: str
    axis: str
    share: float
    low: float
    high: float
    scope: Scope
    votes: int
    prompts: int
    ceiling: float
    recommends: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """How far a judge can be trusted on one study.

    Attributes:
        judge: by name.
        model: what answered; "" = the votes do not say.
        question: the text that it was asked.
        turned: of the pairs that it saw in both orders, those where the order changed the answer. They count as ties.
        persons: how many persons have voted on this study.
        same: the choices of persons on pairs that the judge saw, too, and the share of them that the judge made alike;
            a pair that it calls a tie counts half, so that a coin makes half of them. Its `metric` is the judge.
    """

    judge: str
    model: str
    question: str
    turned: Share
    persons: int
    same: Foretold


@dataclass(frozen=True, slots=True)
class Polled:
    """All that the votes of one kind of rater say of a study.

    Attributes:
        kind: persons or judges.
        margin: a win rate so far from one half is one that matters, 0..1.
        rates: of all contrasts; these prompts first, then prompts like these.
        care: of all raters together, then of each.
        alpha: how far raters agree (Krippendorff); NaN = they had no pair in common.
        probes: what was asked about how the votes came about.
        foretold: of each metric, how many votes it foretells.
        left_out: raters whose votes count for nothing here but `care` and `probes`, because they chose one side always.
        judges: of the votes of judges, how far each of them can be trusted.
    """

    kind: RaterKind
    margin: float
    rates: tuple[WinRate, ...]
    care: tuple[Care, ...]
    alpha: float
    probes: tuple[Probe, ...]
    foretold: tuple[Foretold, ...]
    left_out: tuple[str, ...] = ()
    judges: tuple[Judged, ...] = ()


@dataclass(frozen=True, slots=True)
class Preferred:
    """The setting to use by votes, or why there is none.

    Attributes:
        kind: persons or judges.
        levels: (axis, label of its level) for each axis; empty = there is no choice.
        label: the setting in words.
        best: the setting that was chosen most, in words; "" = it is the choice.
        settled: the choice is proved not to lose against any other setting by more than the margin.
        reason: why there is no choice; "" = there is one.
        rate: how often the choice wins against the best one, 0..1.
        low, high: its 95 % interval.
        cost: of a picture; NaN = unknown.
        unit: how to write a cost.
        saves: the share of the best setting's cost that the choice saves; 0 where that may be noise.
        rivals: how many other settings were compared.
        behind: how many of them surely lose against the best.
        votes: how many counted.
        prompts: how many prompts they are about.
        scope: what the choice is for.
        margin: a win rate so far from one half is one that matters, 0..1.
        budget: as written, or "".
        left_out: raters whose votes do not count.
    """

    kind: RaterKind
    levels: tuple[tuple[str, str], ...] = ()
    label: str = ""
    best: str = ""
    settled: bool = False
    reason: str = ""
    rate: float = EVEN
    low: float = float("nan")
    high: float = float("nan")
    cost: float = float("nan")
    unit: str = ""
    saves: float = 0.0
    rivals: int = 0
    behind: int = 0
    votes: int = 0
    prompts: int = 0
    scope: Scope = "prompts like these"
    margin: float = RATE_MARGIN
    budget: str = ""
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VotesNeeded:
    """How many votes an answer costs.

    Attributes:
        aim: to see that one side is chosen more often, or to see that both are chosen equally often.
        rate: the win rate that is to be seen; of equality, the margin's upper end.
        votes: in all.
        decisive: those of them that are no tie.
        power: the chance that so many are enough, 0..1.
    """

    aim: Literal["different", "equivalent"]
    rate: float
    votes: int
    decisive: int
    power: float
