"""Whether pictures are still those of the reference, in words: which settings, what is the same, how far, where."""

from __future__ import annotations

import math
from collections.abc import Mapping

from teststrip.analysis.sentences.answers import begun
from teststrip.analysis.sentences.phrases import (
    at_least,
    capital,
    count,
    listed,
    number,
    percent,
    prompt,
    setting,
)
from teststrip.records import Fidelity, Finding, Likeness, Verdict
from teststrip.vocabulary import spoken

NOT_GOOD = "It says that pictures are the same or not, and never that they are good or bad."
CHANCE = "Seeds are not paired, because the engine does not give a seed's picture again: a distance says nothing here."
SHARED = "All prompts share the same few seeds, so the luck of each seed counts in every prompt."
ANSWERS: Mapping[Verdict, str] = {
    "equivalent": "yes",
    "different": "no",
    "inconclusive": "not settled",
    "insufficient design": "not judged",
}
"""Whether pictures are the same as those of the reference, in a table."""
MOST_LISTED = 8
"""Settings named in one sentence; more are counted."""
MOST_TOLD = 6
"""Settings that have a line of their own; the table has all."""


def write(finding: Finding) -> list[str]:
    """What a finding says, a claim a line: what is the same, how far each setting is, which prompts changed most."""
    of = _fidelity(finding)
    said = [_claim(finding, of)]
    said += [_distance(finding, of, one) for one in of.settings[:MOST_TOLD] if math.isfinite(one.mean)]
    if len(of.settings) > MOST_TOLD:
        said.append(f"{count(len(of.settings) - MOST_TOLD, 'more setting')}: see the table.")
    if unknown := sum(one.unknown for one in of.settings):
        have = "picture has" if unknown == 1 else "pictures have"
        said.append(f"{unknown:,} {have} no distance: one of a pair is missing, or their sizes differ.")
    return [*said, *_changed(finding, of)]


def short(finding: Finding) -> list[str]:
    """What a short report says: what is the same, and which prompts changed most."""
    of = _fidelity(finding)
    return [_claim(finding, of), *_changed(finding, of)]


def headline(finding: Finding) -> str:
    """The claim in a few words."""
    of = _fidelity(finding)
    by, reference = spoken(finding.metric), setting(of.reference)
    if finding.verdict == "different":
        return f"pictures with {_of(of, 'different')} are not the same as with {reference}, by {by}"
    if finding.verdict == "equivalent":
        return f"pictures are the same as with {reference}, by {by}"
    if finding.verdict == "inconclusive":
        return f"the same picture as with {reference}, by {by}: not settled"
    return f"{by} against {reference}: described, not judged"


def detail(finding: Finding) -> str:
    """What the claim rests on: how far the setting is that is furthest away; "" where that is not known."""
    worst = furthest(_fidelity(finding))
    if not math.isfinite(worst.far):
        return ""
    side = _side(_fidelity(finding))
    return f"{number(worst.mean)}{_unit(finding)} with {setting(worst.levels)}, surely {number(worst.far)} {side}"


def furthest(of: Fidelity) -> Likeness:
    """The setting that is furthest from the reference, of those whose distance is known."""
    known = [one for one in of.settings if math.isfinite(one.mean)] or of.settings
    return (min if of.rising else max)(known, key=lambda one: one.mean)


def _fidelity(finding: Finding) -> Fidelity:
    assert finding.fidelity is not None, "a finding of this kind has it"
    return finding.fidelity


def _claim(finding: Finding, of: Fidelity) -> str:
    by, reference = spoken(finding.metric), setting(of.reference)
    if all(one.verdict == "insufficient design" for one in of.settings):
        return begun(finding, _undecided(finding, of))
    said = []
    if same := _of(of, "equivalent"):
        said.append(f"pictures with {same} are on average the same as with {reference}")
    if different := _of(of, "different"):
        not_same = f"pictures with {different} are not the same as with {reference}"
        said.append(f"with {different} they are not" if said else not_same)
    if unsettled := _of(of, "inconclusive"):
        whether = f"it is not settled whether pictures with {unsettled} are the same as with {reference}"
        said.append(f"with {unsettled} that is not settled" if said else whether)
    if few := _of(of, "insufficient design"):
        said.append(f"with {few} there are too few pictures to tell")
    claims = "; ".join(said)
    claim = begun(finding, f"by {by}, {claims}.")
    return f"{claim} {_limit(finding, of)}"


def _undecided(finding: Finding, of: Fidelity) -> str:
    """Why nothing is judged."""
    by, reference = spoken(finding.metric), setting(of.reference)
    if not finding.images:
        return f"{by} can compare no picture with the one with {reference}."
    if not of.yardstick:
        return (
            f"{by} tells how far pictures are from those with {reference}, and judges nothing, because no limit is "
            f"known up to which they are the same. Write one: margin = {{ {finding.metric} = ... }}."
        )
    if not finding.paired:
        return f"{by} cannot tell whether pictures are the same as with {reference}, because a seed does not repeat."
    units = count(finding.seeds, "picture") if finding.seeds else count(finding.prompts, "prompt")
    return f"{units} cannot settle by {by} whether pictures are the same as with {reference}."


def _limit(finding: Finding, of: Fidelity) -> str:
    bound = f"{number(of.limit)}{_unit(finding)} {_side(of)}"
    why = {
        "asked": "as the study asks",
        "unseen": "because people usually see no difference there",
        "another seed": f"because that is {percent(of.of_another_seed)} of what another seed changes",
    }
    return f"The same is {bound}, {why[of.yardstick]}."


def _distance(finding: Finding, of: Fidelity, one: Likeness) -> str:
    """How far the pictures of a setting are."""
    name, unit, side = setting(one.levels), _unit(finding), _side(of)
    text = f"{capital(name)}: {number(one.mean)}{unit} on average"
    if not math.isfinite(one.far):
        return f"{text}, as description only."
    if one.of_another_seed >= 0.01:
        text += f" ({percent(one.of_another_seed)} of what another seed changes)"
    here = "of the pictures of this prompt" if finding.prompts == 1 else "of the pictures of these prompts"
    whose = here if finding.scope == "these prompts" else "of prompts like these"
    within = f"surely {at_least(one.share)} {whose} have {number(one.within)} {side}"
    return f"{text}, surely {number(one.far)} {side}; {within}."


def _changed(finding: Finding, of: Fidelity) -> list[str]:
    """The prompts that changed most, at the setting that is furthest away; nothing where there is one prompt alone."""
    worst = furthest(of)
    if len(worst.furthest) < 2 or worst.furthest[0].distance == worst.furthest[-1].distance:
        return []
    named = [f"{prompt(one.prompt)} ({number(one.distance)}{_unit(finding)})" for one in worst.furthest]
    return [f"Changed most with {setting(worst.levels)}: {listed(named)}."]


def _of(of: Fidelity, verdict: Verdict) -> str:
    """The settings with this verdict: "steps 5 and 10"; many are counted."""
    chosen = [one.levels for one in of.settings if one.verdict == verdict]
    if len(chosen) > MOST_LISTED:
        return count(len(chosen), "setting")
    if all(len(levels) == 1 for levels in chosen) and chosen:
        return f"{spoken(chosen[0][0].axis)} {listed([level.label for (level,) in chosen])}"
    return listed([setting(levels) for levels in chosen])


def _unit(finding: Finding) -> str:
    return f" {finding.unit}" if finding.unit else ""


def _side(of: Fidelity) -> str:
    return "or more" if of.rising else "or less"


def rows(finding: Finding) -> tuple[list[str], list[list[str]]]:
    """The table of a finding: heads, and a row a setting."""
    of, unit = _fidelity(finding), f" ({finding.unit})" if finding.unit else ""
    heads = ["setting", f"mean{unit}", "surely", "95 of 100 within", "surely so many within", "prompts", "pictures"]
    return [*heads, "the same"], [_row(one) for one in of.settings]


def _row(one: Likeness) -> list[str]:
    sure = math.isfinite(one.far)
    share = f"{at_least(one.share)} within {number(one.within)}" if sure else "–"
    return [
        setting(one.levels),
        number(one.mean),
        number(one.far) if sure else "–",
        number(one.most),
        share,
        f"{one.prompts:,}",
        f"{one.pairs:,}",
        ANSWERS[one.verdict],
    ]
