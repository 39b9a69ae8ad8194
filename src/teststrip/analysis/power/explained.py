"""What a design can see, in the sentences that `plan` and the report print. Knows counts and variances; no data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from teststrip.analysis.numbers import shares
from teststrip.analysis.power.equality import Asked, margin_error
from teststrip.analysis.power.power import REACH, SHARE, Variances, detectable, detectable_here, round_up
from teststrip.analysis.sentences.phrases import at_least, count, percent, setting
from teststrip.records import DEFAULT_MARGIN, MINIMUM_DEGREES, MINIMUM_PROMPTS, LevelRef
from teststrip.vocabulary import spoken

ONE_SEED = (
    "With one seed a prompt the SD between seeds cannot be seen, and the margin is in that SD: to show that levels are "
    "equal, give two seeds, or a margin in score units."
)
WORTH = 0.95
"""A split of the same images is told of where it sees differences of this share or smaller."""


@dataclass(frozen=True, slots=True)
class Design:
    """What is planned.

    Attributes:
        prompts: how many.
        replicates: seeds of each prompt.
        axes: of each axis its name and how many levels it has.
        cells: how many settings there are.
        contrasts: how many are planned, so corrected for together.
        margin: in seed SD, or in score units by metric: that of the measured metric counts.
        variances: those usual for scores where nothing is measured.
        paired: a seed gives its picture again. Else two settings share no luck, and all of it stays in a difference.
    """

    prompts: int
    replicates: int
    axes: tuple[tuple[str, int], ...] = ()
    cells: int = 1
    contrasts: int = 1
    margin: float | Mapping[str, float] = DEFAULT_MARGIN
    variances: Variances = field(default_factory=Variances)
    paired: bool = True

    @property
    def size(self) -> float:
        """The margin in seed SD."""
        if not isinstance(self.margin, Mapping):
            return self.margin
        metric = self.variances.metric
        return self.margin[metric] / self.variances.seed if metric in self.margin else DEFAULT_MARGIN

    @property
    def in_units(self) -> bool:
        """Whether the margin is given in score units, so that no SD between seeds has to be measured for it."""
        return isinstance(self.margin, Mapping) and (not self.variances.metric or self.variances.metric in self.margin)

    @property
    def images(self) -> int:
        """Of all settings together."""
        return self.prompts * self.replicates * self.cells

    def detectable(self) -> float:
        """The smallest difference of two settings found in 80 % of studies, in seed SD; inf = no verdict possible."""
        if self.prompts < MINIMUM_PROMPTS:
            return math.inf
        sd = self.variances.of_difference(self.replicates) / self.variances.seed
        return detectable(self.prompts, sd, contrasts=self.contrasts)

    def equal(self, levels: int) -> Asked | None:
        """What it takes to show that so many levels of an axis are equal; None = nothing can be promised.

        The mean over the other axes makes a picture's own scatter smaller. A prompt's own response is left as it is,
        because it may be to this axis alone.
        """
        if self.replicates < 2 and not self.in_units:
            return None
        each = self.replicates * max(self.cells / levels, 1.0)
        error = 0.0 if self.in_units else margin_error(self.replicates, self.cells, self.variances.shared)
        sd = self.variances.of_difference(each) / self.variances.seed
        return Asked(levels, self.size, sd, error, self._degrees())

    def _degrees(self) -> int | None:
        """Of freedom behind the spread in units of the margin; None = it is taken as it stands."""
        of_sd, of_seed = self.variances.degrees, self.variances.seed_degrees
        if of_sd is None or self.in_units or of_seed is None:
            return of_sd
        return max(round(1 / (1 / of_sd + 1 / of_seed)), 1)


def explain(design: Design) -> tuple[str, ...]:
    """What `plan` prints about answers for prompts like these, a sentence each.

    >>> print(explain(Design(5, 6, cells=16))[0])
    For prompts like these: 5 prompts cannot settle anything; no exact test on fewer than 6 prompts reaches p < .05.
    """
    variances = design.variances
    lines = [_different(design), *_equal(design), *_better(design)]
    lines.append(
        f"Spread used, in SD between seeds: {variances.residual / variances.seed:.2f} an image, "
        f"{variances.interaction / variances.seed:.2f} a prompt's own response; {variances.source}."
    )
    if isinstance(design.margin, Mapping) and variances.metric not in design.margin:
        lines.append(
            f"The study's margins are in score units: until those scores are measured ±{design.size} SD stands in."
        )
    return tuple(lines)


def explain_reference(prompts: int, reference: Sequence[LevelRef]) -> tuple[str, ...]:
    """What `plan` prints about pictures that are compared with those of a reference; nothing where there is none.

    >>> explain_reference(12, [LevelRef("num_inference_steps", 2, "50")])[0]
    'Against steps 50: 12 prompts show how far 77 % of prompts like these go at most; 59 prompts show it of 95 %.'
    """
    if not reference or prompts < MINIMUM_PROMPTS:
        return ()
    least = shares.prompts_for_most()
    those = (
        f"{count(prompts, 'prompt')} show how far {at_least(shares.within(prompts))} of prompts like these go at most"
    )
    more = "" if prompts >= least else f"; {least} prompts show it of {percent(shares.MOST)}"
    return (f"Against {setting(reference)}: {those}{more}.",)


def _different(design: Design) -> str:
    if design.prompts < MINIMUM_PROMPTS:
        return (
            f"For prompts like these: {count(design.prompts, 'prompt')} cannot settle anything; no exact test on "
            f"fewer than {MINIMUM_PROMPTS} prompts reaches p < .05."
        )
    among = f", corrected for {design.contrasts} planned comparisons" if design.contrasts > 1 else ""
    return (
        f"For prompts like these: {count(design.prompts, 'prompt')} × {_seeds(design.replicates)} find a difference of "
        f"{design.detectable():.2f} SD between two settings in 80 % of studies{among}."
    )


def _equal(design: Design) -> list[str]:
    """Whether equal levels will be found equal, and the design that finds them so."""
    hardest = _hardest(design)
    if hardest is None:
        return [ONE_SEED]
    what, asked, needed = hardest
    now = asked.assurance(design.prompts)
    lines = []
    if design.prompts >= MINIMUM_PROMPTS:
        lines.append(
            f"If {what} are equal, {_studies(now)} it, within ±{design.size:.3g} SD{_likely(asked, design.prompts)}."
        )
    if now < SHARE and needed - design.prompts > REACH:
        lines.append(f"No number of prompts within reach shows in 80 % of studies that {what} are equal.")
    elif now < SHARE:
        about = round_up(needed, digits=3)  # with two digits the chance would be up to 5 points higher
        lines.append(
            f"To show that {what} are equal in 80 % of studies: about {about:,} prompts × {_seeds(design.replicates)} "
            f"({about * design.replicates * design.cells:,} images){_likely(asked, about)}."
        )
    return lines


def _hardest(design: Design) -> tuple[str, Asked, int] | None:
    """The axis whose levels are the hardest to show equal, in words, with the prompts that it takes."""
    found = []
    for name, levels in design.axes or (("", 2),):
        asked = design.equal(levels)
        if asked is None:
            return None
        what = f"the {levels} levels of {spoken(name)}" if name else "two levels"
        found.append((what, asked, asked.needed()))
    return max(found, key=lambda each: each[2])


def _likely(asked: Asked, prompts: int) -> str:
    """Between what the chance lies for four of five pilots, where the spread comes from a pilot."""
    low, high = (percent(chance) for chance in asked.likely(prompts))
    return f"; with what is known of the spread, between {low} and {high}" if low != high else ""


def _better(design: Design) -> list[str]:
    """The same images as more prompts with fewer seeds, where that sees more in every way.

    A margin in SD needs two seeds a prompt.
    """
    least = 1 if design.in_units else 2
    if design.replicates <= least:
        return []
    other = replace(design, prompts=design.prompts * design.replicates // least, replicates=least)
    hardest = _hardest(design)
    assert hardest is not None
    what, asked, _ = hardest
    there = other.equal(asked.levels)
    assert there is not None
    now, then = asked.assurance(design.prompts), there.assurance(other.prompts)
    if not other.detectable() < design.detectable() * WORTH or then < now or not math.isfinite(other.detectable()):
        return []
    sees = f"find {other.detectable():.2f} SD and show in {percent(then)} of studies that {what} are equal"
    split = f"{other.images:,} images as {count(other.prompts, 'prompt')} × {_seeds(least)}"
    return [f"For prompts like these, {split} would {sees}: more prompts beat more seeds."]


def explain_here(design: Design, *, shared_seeds: bool = False) -> str:
    """What `plan` prints about answers on these very prompts.

    Args:
        design: what is planned.
        shared_seeds: all prompts have the same seeds, which are then counted once.

    >>> print(explain_here(Design(1, 3)))
    On this prompt: nothing can be settled with 3 seeds a prompt; 6 would do.
    """
    these = "this prompt" if design.prompts == 1 else f"these {design.prompts} prompts"
    rows = 1 if shared_seeds else design.prompts
    least = detectable_here(rows, design.replicates, contrasts=design.contrasts, variances=design.variances)
    if math.isinf(least):
        needed = math.ceil(MINIMUM_DEGREES / rows) + 1
        return f"On {these}: nothing can be settled with {_seeds(design.replicates)} a prompt; {needed} would do."
    among = f", corrected for {design.contrasts} planned comparisons" if design.contrasts > 1 else ""
    number = rows * design.replicates
    who = f"{number} paired seeds" if design.paired else f"{number} pictures of each"
    return f"On {these}: {who} find a difference of {least:.2f} SD between two settings in 80 % of studies{among}."


def _studies(chance: float) -> str:
    share = percent(chance)
    return "hardly any study shows" if share == "0 %" else f"{share} of studies show"


def _seeds(number: int) -> str:
    return count(number, "seed")
