"""What was found about an axis, or about two together, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from teststrip.analysis.sentences import prompts as answers_of_prompts
from teststrip.analysis.sentences import shapes
from teststrip.analysis.sentences.phrases import (
    VERDICTS,
    against,
    capital,
    contrast,
    count,
    digits_of,
    fixed,
    from_to,
    listed,
    number,
    plural,
    seeds,
)
from teststrip.analysis.sentences.phrases import span as interval
from teststrip.records import Contrast, Finding
from teststrip.vocabulary import spoken


def scope(finding: Finding) -> str:
    """What a finding is about, to begin a sentence with: "on these 5 prompts", "for prompts like these"."""
    if finding.scope == "prompts like these":
        return "for prompts like these"
    if not finding.prompts:
        return "on these prompts"
    return "on this prompt" if finding.prompts == 1 else f"on these {finding.prompts:,} prompts"


def told(finding: Finding) -> str:
    """A finding's sentence, and the other scope's beside it."""
    return f"{finding.sentence} {finding.beside}".rstrip()


def lines(finding: Finding) -> tuple[str, ...]:
    """What `told` says, a claim a line: the finding itself first, what the other scope says last."""
    return (*(finding.lines or (finding.sentence,)), *filter(None, [finding.beside]))


def worded(finding: Finding, said: Sequence[str]) -> Finding:
    """The finding with its words."""
    return replace(finding, sentence=" ".join(said), lines=tuple(said))


def begun(finding: Finding, text: str) -> str:
    """A sentence that begins with its scope."""
    opening = scope(finding)
    return f"{capital(opening)}, {text}"


def _blocks(finding: Finding) -> str:
    """What a finding counts: "30 prompts", or of these prompts "30 paired seeds"; without pairs "32 pictures each"."""
    if finding.scope == "these prompts":
        return seeds(finding.seeds, paired=finding.paired)
    return count(finding.prompts, "prompt")


def write_beside(finding: Finding) -> str:
    """What one scope says, to stand beside the sentence of the other: its verdict and the number behind it."""
    opening = scope(finding)
    verdict = VERDICTS[finding.verdict]
    if finding.verdict == "insufficient design":
        text = f"{_blocks(finding)} cannot tell"
    elif finding.verdict == "equivalent":
        text = f"{verdict}{' on average' if finding.on_average else ''}"
    else:
        size = "" if finding.asked is None else f" ({contrast(finding.asked)}: {_effect(finding)})"
        text = f"{'a difference, too' if finding.verdict == 'different' else 'not settled'}{size}"
    return f"{capital(opening)}: {text}.{_settle(finding)}"


def scale(finding: Finding, margin: str) -> str:
    """What stands once in the method line: the margin as a person wrote it, the seed SD, which interval is told."""
    told_by = f"the sentence has the {finding.level * 100:.0f} % interval"
    if not (finding.seed_sd > 1e-9 * abs(finding.margin)):
        return f"margin {margin}; {told_by}"
    return f"1 SD is what another seed changes, {number(finding.seed_sd)}; margin {margin}; {told_by}"


def write(finding: Finding, *, span: str = "") -> list[str]:
    """What a finding about an axis says, a claim a line: the answer with its numbers, prompts alone, what would settle.

    Args:
        finding: everything but its words.
        span: the levels in words: "6 to 9", "DDIM, Euler a and UniPC".
    """
    score, axis = spoken(finding.metric), spoken(finding.axis)
    subject = f"{axis} {span}".strip()
    make, matter = ("make", "matter") if plural(axis) else ("makes", "matters")
    more: list[str] = []
    if finding.verdict == "equivalent":
        average = "on average " if finding.on_average else ""
        text = f"{average}{subject} {make} no difference that matters to {score} {_alike(finding)}."
    elif finding.verdict == "different":
        text, more = f"{shapes.write(finding)}, {_blocks(finding)}{_small(finding)}.", _plateau(finding)
    elif finding.verdict == "inconclusive":
        text, more = f"it is not settled whether {subject} {matter} to {score}.", [_fits(finding)]
    else:
        text = f"{_blocks(finding)} cannot settle whether {subject} {matter} to {score}."
        if not finding.prompts:
            text = f"it cannot be said whether {subject} {matter} to {score}: no prompt has pictures to compare."
        seen = math.isfinite(finding.effect)
        more = [f"What was seen, as description only: {shapes.change(finding)}."] if seen else []
    return [begun(finding, text), *more, *answers_of_prompts.write(finding), *_lines(_settle(finding))]


def _lines(text: str) -> list[str]:
    return [text.strip()] if text else []


def _small(finding: Finding) -> str:
    """The margin in the unit of the score; "" where a score has no scatter to take one from."""
    if not finding.margin > 1e-9 * abs(finding.effect):
        return ""
    unit = f" {finding.unit}" if finding.unit else ""
    return f"; less than {number(finding.margin)}{unit} counts as no change"


def _alike(finding: Finding) -> str:
    """Between which bounds the largest difference lies, and what counts as none."""
    assert finding.asked is not None
    largest = "" if _single(finding) else f"{contrast(finding.asked)} at most: "
    return f"({largest}{interval(finding.low, finding.high)}{_small(finding)}), {_blocks(finding)}"


def _fits(finding: Finding) -> str:
    """What an open question has seen, and what else would fit."""
    what = shapes.change(finding, bounds=False, largest=not _single(finding) and not finding.carriers)
    those = f"these {_blocks(finding)}" if finding.scope == "prompts like these" else f"the {_blocks(finding)}"
    anything = f"Anything from {interval(finding.low, finding.high)} fits {those}{_small(finding)}."
    return f"{capital(what)}. {anything}"


def write_interaction(finding: Finding) -> list[str]:
    """What a finding about two axes together says, a claim a line.

    Args:
        finding: everything but its words; its levels are what the first axis does at levels of the second.
    """
    asked = finding.asked
    assert asked is not None
    score = spoken(finding.metric)
    first, second = (spoken(level.axis) for level in asked.plus)
    blocks, small = _blocks(finding), _small(finding)
    depends = f"what {first} {'do' if plural(first) else 'does'} to {score} depends on {second}"
    more: list[str] = []
    if finding.verdict == "equivalent":
        bounds = interval(finding.low, finding.high)
        text = f"what {first} does to {score} does not depend on {second} in any way that matters ({bounds}{small})"
        text = f"{text}, {blocks}."
    elif finding.verdict == "different":
        text, more = f"{depends}, {blocks}{small}.", [capital(f"{_changes(finding)}.")]
    elif finding.verdict == "inconclusive" and _only_lines(finding):
        (plus, high), (minus, low) = asked.plus, asked.minus
        text = (
            f"there is no sign that the rise or fall of {score} with {first} changes with {second}, but only straight "
            f"lines were tried, {blocks}."
        )
        bounds = interval(finding.low, finding.high)
        what = f"What {first} {against(plus, minus)} makes"
        more = [f"{what} may still differ by {bounds} between {second} {low.label} and {high.label}."]
    elif finding.verdict == "inconclusive":
        text = f"it is not settled whether {depends}, {blocks}{small}."
        more = [capital(f"{_changes(finding)}."), *_carried(finding)]
    else:
        text = f"{blocks} cannot settle whether {depends}."
        more = [f"As description only: {_changes(finding)}."] if math.isfinite(finding.effect) else []
    settle = [] if finding.verdict in ("equivalent", "different") else _lines(_settle(finding))
    return [
        begun(finding, text),
        *more,
        *([] if finding.verdict == "inconclusive" and _only_lines(finding) else settle),
    ]


def _only_lines(finding: Finding) -> bool:
    """Whether the planned questions are answered with "no", and only what is no straight line is left open."""
    planned = finding.comparisons[:-1]
    return bool(planned) and all(row.asked.trends and row.verdict == "equivalent" for row in planned)


def _carried(finding: Finding) -> list[str]:
    return [answers_of_prompts.carriers(finding)] if finding.carriers else []


def _changes(finding: Finding) -> str:
    """What the first axis changes at the ends of the second, and how much that differs.

    For example "guidance 1 to 12 makes +1.0 at steps 4 and +3.0 at steps 32; along steps that changes by +2.0".
    """
    assert finding.asked is not None
    second = spoken(finding.asked.plus[1].axis)
    subject = _first_change(finding.asked)
    ends = [
        f"{fixed(level.mean, digits_of(level.low, level.high), signed=True)} at {second} {level.label}"
        for level in (*finding.levels[:1], *finding.levels[1:][-1:])
    ]
    if len(ends) < 2:
        return f"what {subject} makes changes along {second} by {_effect(finding)}"
    return f"{subject} makes {listed(ends)}; along {second} that changes by {_effect(finding)}"


def _first_change(asked: Contrast) -> str:
    """The first axis' change that an interaction is about: "guidance 1 to 12", "scheduler Euler against DDIM"."""
    plus, minus = asked.plus[0], asked.minus[0]
    return f"{spoken(plus.axis)} {from_to(asked) if plus.axis in asked.trends else against(plus, minus)}"


def _single(finding: Finding) -> bool:
    """Whether the axis has but one pair of levels."""
    return sum(row.asked.kind == "pair" for row in finding.comparisons) == 1


def _effect(finding: Finding) -> str:
    return shapes.amount(finding.effect, finding.low, finding.high, finding.unit)


def _settle(finding: Finding) -> str:
    """How many more prompts, or seeds, show that nothing differs if nothing does, and how many show what was seen."""
    if finding.scope == "these prompts":
        equal, different, of_what = finding.more_seeds, finding.seeds_if_different, " a prompt"
    else:
        equal, different, of_what = finding.more_prompts, finding.prompts_if_different, ""
    what = "seed" if finding.scope == "these prompts" else "prompt"

    def more(count: int) -> str:
        return f"about {count:,} more {what}{'' if count == 1 else 's'}{of_what}"

    nothing, seen = _cases(finding)
    parts = []
    if equal:
        parts.append(f"if {nothing}, {more(equal)} would show that")
        if finding.alternative:
            parts[0] += f" (so would {finding.alternative})"
    if different:
        parts.append(f"if {seen}, {f'about {different:,} would' if parts else f'{more(different)} would show that'}")
    text = "; ".join(parts)
    return f" {capital(text)}." if text else ""


def _cases(finding: Finding) -> tuple[str, str]:
    """What may be true: nothing changes, or what was seen does."""
    if finding.kind == "interaction":
        return "they do not work together", "they do as these prompts suggest"
    axis = spoken(finding.axis)
    changes = "change" if plural(axis) else "changes"
    return f"{axis} {changes} nothing", f"{'they change' if plural(axis) else 'it changes'} what these prompts suggest"


def _plateau(finding: Finding) -> list[str]:
    """The longest run of neighbouring levels that are equivalent pair by pair; the later one of two."""
    if any(level.x is None for level in finding.levels):
        return []
    same = {
        frozenset((row.asked.plus[0].index, row.asked.minus[0].index))
        for row in finding.comparisons
        if row.asked.kind == "pair" and row.verdict == "equivalent"
    }
    order = sorted(range(len(finding.levels)), key=lambda index: finding.levels[index].x or 0.0)
    best: list[int] = []
    for start in range(len(order)):
        for stop in range(start + 2, len(order) + 1):
            run = order[start:stop]
            if len(run) >= len(best) and all(frozenset(pair) in same for pair in combinations(run, 2)):
                best = run
    labels = [finding.levels[index].label for index in best]
    return [f"Between {listed(labels)} nothing changes that matters."] if labels else []
