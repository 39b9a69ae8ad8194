"""What was found about an axis, or about two together, in words."""

from __future__ import annotations

from itertools import combinations

from teststrip.analysis.sentences.phrases import (
    VERDICTS,
    against,
    between,
    contrast,
    digits_of,
    fixed,
    from_to,
    listed,
    plural,
)
from teststrip.records import Contrast, Finding
from teststrip.vocabulary import spoken


def scope(finding: Finding) -> str:
    """What a finding is about, to begin a sentence with: "on these 5 prompts", "for prompts like these"."""
    if finding.scope == "prompts like these":
        return "for prompts like these"
    return "on this prompt" if finding.prompts == 1 else f"on these {finding.prompts} prompts"


def told(finding: Finding) -> str:
    """A finding's sentence, and the other scope's beside it."""
    return f"{finding.sentence} {finding.beside}".rstrip()


def _begun(finding: Finding, text: str) -> str:
    """A sentence that begins with its scope."""
    opening = scope(finding)
    return f"{opening[0].upper()}{opening[1:]}, {text}"


def _blocks(finding: Finding) -> str:
    """What a finding counts: "30 prompts", or of these prompts "30 paired seeds"."""
    if finding.scope == "these prompts":
        return f"{finding.seeds} paired seed{'' if finding.seeds == 1 else 's'}"
    return f"{finding.prompts} prompt{'' if finding.prompts == 1 else 's'}"


def write_beside(finding: Finding) -> str:
    """What one scope says, to stand beside the sentence of the other: its verdict and the number behind it."""
    opening = scope(finding)
    verdict = VERDICTS[finding.verdict]
    if finding.verdict == "insufficient design":
        amount = f" ({_blocks(finding)})"
    elif finding.verdict == "equivalent" or finding.asked is None:
        amount = ""
    else:
        amount = f", {contrast(finding.asked)}: {_effect(finding)}"
    return f"{opening[0].upper()}{opening[1:]}: {verdict}{amount}.{_settle(finding)}"


def write(finding: Finding, *, span: str = "", margin: str = "") -> str:
    """The sentence of a finding about an axis.

    Args:
        finding: everything but its sentence.
        span: the levels in words: "6 to 9", "DDIM, Euler a and UniPC".
        margin: as a person wrote it: "0.2 SD".
    """
    score, axis = spoken(finding.metric), spoken(finding.axis)
    subject = f"{axis} {span}".strip()
    make, matter = ("make", "matter") if plural(axis) else ("makes", "matters")
    blocks = _blocks(finding)
    if finding.verdict == "equivalent":
        pairs = "the difference lies" if _single(finding) else "all pairs"
        claim = f"{subject} {make} no difference that matters to {score}"
        text = f"{claim}: {pairs} within ±{margin} (90 % interval), {blocks}."
    elif finding.verdict == "different":
        text = f"{_change(finding, score, axis)}, {blocks}.{_plateau(finding)}"
    elif finding.verdict == "inconclusive":
        text = (
            f"it is not settled whether {subject} {matter} to {score}: {_largest(finding)}, {blocks}, "
            f"and ±{margin} is what matters.{_settle(finding)}"
        )
    else:
        text = (
            f"{blocks} cannot settle whether {subject} {matter} to {score}. What they suggest, as description only: "
            f"{_largest(finding)}.{_settle(finding)}"
        )
    return _begun(finding, text)


def write_interaction(finding: Finding, *, margin: str = "") -> str:
    """The sentence of a finding about two axes together.

    Args:
        finding: everything but its sentence; its levels are what the first axis does at levels of the second.
        margin: as a person wrote it.
    """
    asked = finding.asked
    assert asked is not None
    score = spoken(finding.metric)
    first, second = (spoken(level.axis) for level in asked.plus)
    axes = listed([first, second])
    blocks = _blocks(finding)
    if finding.verdict == "equivalent":
        text = (
            f"what {first} does to {score} does not depend on {second} in any way that matters: within ±{margin} "
            f"(90 % interval), {blocks}."
        )
    elif finding.verdict == "different":
        ends = listed(
            [
                f"{fixed(level.mean, digits_of(level.low, level.high), signed=True)} at {second} {level.label}"
                for level in (*finding.levels[:1], *finding.levels[1:][-1:])
            ]
        )
        change = f": {_first_change(asked)} {ends}; along {second} that changes by" if ends else ", by"
        text = f"what {first} does to {score} depends on {second}{change} {_effect(finding)}, {blocks}."
    elif finding.verdict == "inconclusive":
        text = (
            f"it is not settled whether {axes} work on {score} together: {_effect(finding)}, {blocks}, "
            f"and ±{margin} is what matters.{_settle(finding)}"
        )
    else:
        text = (
            f"{blocks} cannot settle whether {axes} work on {score} together; what they suggest: "
            f"{_effect(finding)}.{_settle(finding)}"
        )
    return _begun(finding, text)


def _first_change(asked: Contrast) -> str:
    """The first axis' change that an interaction is about: "from 1 to 12 it makes", "Euler against DDIM makes"."""
    plus, minus = asked.plus[0], asked.minus[0]
    return f"from {from_to(asked)} it makes" if plus.axis in asked.trends else f"{against(plus, minus)} makes"


def _single(finding: Finding) -> bool:
    """Whether the axis has but one pair of levels."""
    return sum(row.asked.kind == "pair" for row in finding.comparisons) == 1


def _sd(finding: Finding) -> str:
    if not (finding.seed_sd > 0):
        return ""
    share = finding.effect / finding.seed_sd
    return f"; {fixed(share, 2 if abs(share) < 10 else 0, signed=True)} SD"


def _effect(finding: Finding) -> str:
    effect = fixed(finding.effect, digits_of(finding.low, finding.high), signed=True)
    unit = f" {finding.unit}" if finding.unit else ""
    interval = f"{finding.level * 100:.0f} % interval {between(finding.low, finding.high)}"
    return f"{effect}{unit} ({interval}{_sd(finding)})"


def _change(finding: Finding, score: str, axis: str) -> str:
    asked = finding.asked
    assert asked is not None
    if asked.kind == "trend":
        direction = "rises" if finding.effect > 0 else "falls"
        return f"{score} {direction} with {axis}: {_effect(finding)} from {from_to(asked)}"
    if asked.kind == "bend":
        where = _extreme(finding)
        shape = "is highest" if finding.effect > 0 else "is lowest"
        return (
            f"{score} bends with {axis} and {shape} at {where}: the middle stands {_effect(finding)} off the ends' line"
        )
    return f"{score} depends on {axis}: {contrast(asked)} makes {_effect(finding)}"


def _extreme(finding: Finding) -> str:
    rows = (row.asked for row in finding.comparisons if row.asked.kind == "pair")
    compared = {level.index for asked in rows for level in (*asked.plus, *asked.minus)}
    levels = [level for index, level in enumerate(finding.levels) if index in compared]
    return max(levels, key=lambda level: level.mean if finding.effect > 0 else -level.mean).label


def _largest(finding: Finding) -> str:
    what = "the difference" if _single(finding) else "the largest difference"
    assert finding.asked is not None
    return f"{what}, {contrast(finding.asked)}, is {_effect(finding)}"


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
    return f" {text[0].upper()}{text[1:]}." if text else ""


def _cases(finding: Finding) -> tuple[str, str]:
    """What may be true: nothing changes, or what was seen does."""
    if finding.kind == "interaction":
        return "they do not work together", "they do as these prompts suggest"
    axis = spoken(finding.axis)
    changes = "change" if plural(axis) else "changes"
    return f"{axis} {changes} nothing", f"{'they change' if plural(axis) else 'it changes'} what these prompts suggest"


def _plateau(finding: Finding) -> str:
    """The longest run of neighbouring levels that are equivalent pair by pair; the later one of two."""
    if any(level.x is None for level in finding.levels):
        return ""
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
    return f" Between {listed(labels)} nothing that matters." if labels else ""
