"""What votes say, in words: win rates, how carefully was voted, probes, metrics on the scale of votes, prices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from teststrip.analysis.sentences.judges import turned, witnessed
from teststrip.analysis.sentences.phrases import (
    against,
    at_least,
    capital,
    contrast,
    count,
    fixed,
    from_to,
    listed,
    number,
    percent,
)
from teststrip.records import Care, Contrast, Foretold, Polled, Preferred, Probe, ProbeKind, Share, VotesNeeded, WinRate
from teststrip.records.concluded import Scope
from teststrip.records.voted import EVEN
from teststrip.vocabulary import spoken

A_MINUTE = 15
"""Votes of a person who looks at each pair for four seconds."""


def headline(found: Polled) -> str:
    """Whose votes are told, how many, and what is compared."""
    everyone = found.care[0]
    raters = len({one.rater for one in found.care if one.rater})
    who = count(raters, "rater" if found.kind == "person" else "judge")
    return f"What the votes say ({count(everyone.votes, 'vote')} by {who}, blind)"


def short(found: Polled) -> tuple[str, ...]:
    """What a short report tells of votes: verdicts for the wider scope where there are some, and what is odd."""
    planned = [one for one in found.rates if one.planned]
    wide = [one for one in planned if one.scope == "prompts like these" and one.verdict != "insufficient design"]
    here = [one for one in planned if one.scope != "prompts like these"]
    lines = [left_out(found), *_win_rates(wide or here, found.margin), *map(witnessed, found.judges)]
    lines += map(odd, found.probes)
    return tuple(line for line in lines if line)


_SCOPES: dict[Scope, str] = {"these prompts": "On these prompts", "prompts like these": "For prompts like these"}
"""Where no vote counts, so that there are no prompts and no raters to be counted."""


def _win_rates(rates: Sequence[WinRate], margin: float) -> Iterator[str]:
    """A sentence for each contrast, and one for a whole scope of which nothing can be told."""
    for scope in dict.fromkeys(one.scope for one in rates):
        own = [one for one in rates if one.scope == scope]
        if all(one.verdict == "insufficient design" for one in own):
            takes = "six prompts with votes" if scope == "prompts like these" else "six prompts with votes on two seeds"
            where = _scope(own[0]) if own[0].votes else _SCOPES[scope]
            yield f"{where}: too few to tell ({_voted(own[0])}). It takes {takes}, or more."
        else:
            yield from (win_rate(one, margin) for one in own)


def _voted(found: WinRate) -> str:
    if not found.votes:
        return "no vote counts here"
    return f"{count(found.votes, 'vote')} on {count(found.prompts, 'prompt')}"


def win_rate(found: WinRate, margin: float) -> str:
    """A contrast in one sentence, its scope first.

    Args:
        found: what the votes say of it.
        margin: of a win rate about one half, 0..1.
    """
    if found.asked.kind == "interaction":
        return f"{_scope(found)}: {_together(found)}."
    scope = f"{_scope(found)}, {_axes(found)}, {_asked(found.asked)}"
    rate, interval = percent(found.rate), _between(found.low, found.high)
    if found.verdict == "insufficient design":
        return f"{scope}: too few to tell ({_voted(found)})."
    if found.verdict == "equivalent":
        near = f"within {fixed(100 * margin, 0)} points of 50 %"
        return f"{scope}: chosen equally often ({near}; {_between(found.inner_low, found.inner_high)})."
    if found.verdict == "different":
        return f"{scope}: chosen in {rate} of votes ({interval}; 50 % would be neither)."
    return f"{scope}: not settled. It was chosen in {rate} of votes, and anything from {interval} fits."


def _scope(found: WinRate) -> str:
    prompts = f"these {count(found.prompts, 'prompt')}" if found.prompts != 1 else "this prompt"
    where = f"On {prompts}" if found.scope == "these prompts" else "For prompts like these"
    if found.raters_meant:
        return f"{where} and raters like these {found.raters}"
    return f"{where} and {'this rater' if found.raters == 1 else f'these {found.raters} raters'}"


def _asked(asked: Contrast) -> str:
    """A contrast as a choice between two sides."""
    if asked.kind == "trend":
        return f"{against(asked.plus[0], asked.minus[0])} on the straight line through all levels"
    if asked.kind == "bend":
        return f"the middle against the straight line {from_to(asked)}"
    return contrast(asked)


def _axes(found: WinRate) -> str:
    return listed([spoken(name) for name in dict.fromkeys(level.axis for level in found.asked.plus)])


def _together(found: WinRate) -> str:
    """Whether one axis matters more at some levels of another."""
    first, *others = (spoken(name) for name in dict.fromkeys(level.axis for level in found.asked.plus))
    other = listed(others)
    if found.verdict == "different":
        return f"what {first} does depends on {other}"
    if found.verdict == "equivalent":
        return f"{first} does the same whatever {other} is"
    few = "too few votes to tell whether" if found.verdict == "insufficient design" else "not settled whether"
    return f"{few} what {first} does depends on {other}"


def _between(low: float, high: float) -> str:
    if math.isnan(low) or math.isnan(high):
        return "unknown"
    return f"{fixed(100 * low, 0)} to {fixed(100 * high, 0)} %"


def care(found: Care) -> tuple[str, ...]:
    """How carefully was voted, a claim a line."""
    who = found.rater or "All raters together"
    lines = [f"{who}: {count(found.votes, 'vote')}, {_share(found.ties)} ties, {_share(found.both_bad)} both bad."]
    if found.repeats.of:
        lines.append(f"The same answer to {_of(found.repeats)} pairs that came twice.")
    if found.catches.of:
        lines.append(f"One picture twice was seen to be one in {_of(found.catches)}.")
    if found.left.of:
        lines.append(
            f"The left picture was chosen in {_share(found.left)} of decided votes "
            f"({_between(found.left.low, found.left.high)}); the model takes the side out."
        )
    return tuple(lines)


def _share(found: Share) -> str:
    return percent(found.rate) if found.of else "no"


def _of(found: Share) -> str:
    return f"{fixed(found.count, 0)} of {found.of}"


def agreement(alpha: float) -> str:
    """Krippendorff's alpha of several raters; empty where they had no pair in common."""
    if math.isnan(alpha):
        return ""
    meaning = "of one mind" if alpha >= 0.8 else "largely alike" if alpha >= 0.5 else "each in their own way"
    return f"Raters voted {meaning} (Krippendorff's α {fixed(alpha, 2)}; 1 is of one mind, 0 is chance)."


ODD: dict[ProbeKind, str] = {
    "favours a side": "chose the left picture in {value} of decided votes; sides are drawn by a coin",
    "always the same key": "gave the same answer in {value} of votes",
    "answers too fast": "answered {value} of pairs in less than 0.4 s, faster than two pictures are compared",
    "misses catches": "saw a difference between a picture and itself in {value} of such pairs",
    "disagrees with himself": "chose the same picture again in {value} of repeated pairs, less than a coin",
    "tires": "followed the settings less in the second half of the votes",
    "sticks to the last answer": "gave the same answer as just before in {value} of votes; a coin would in {expected}",
    "goes in circles": "The votes go in circles (a over b, b over c, c over a), so no order of settings explains them",
    "parts that never meet": (
        "The votes compare settings in {parts} parts that never meet, so what lies between them is unknown"
    ),
    "decides alone": "decides alone: without these votes the surest difference is gone",
}


def odd(found: Probe) -> str:
    """What a probe that fired says; empty where it did not."""
    if not found.fires:
        return ""
    said = ODD[found.kind].format(
        value=percent(found.value) if math.isfinite(found.value) else "unknown",
        expected=percent(found.expected) if math.isfinite(found.expected) else "unknown",
        parts=fixed(found.value, 0),
    )
    return f"{found.rater} {said}." if found.rater else f"{said}."


def foretold(found: Foretold) -> str:
    """How many votes a metric foretells, and whether it may recommend."""
    where = f" that differ in {spoken(found.axis)} alone" if found.axis else ""
    name = capital(spoken(found.metric))
    if found.votes == 0:
        return f"{name}: no decided votes on pairs{where} that it scored."
    told = (
        f"{name} foretells {percent(found.share)} of the choices between pictures{where} "
        f"({_between(found.low, found.high)}, {count(found.votes, 'vote')}; a coin foretells 50 %)."
    )
    if not math.isnan(found.ceiling):
        told += f" By the repeats about {percent(found.ceiling)} is the most that can be foretold."
    if not found.recommends:
        told += " It recommends nothing here, since it may foretell no more than a coin."
    return told


def preferred(found: Preferred) -> str:
    """The recommendation by votes, in a sentence or two."""
    said = _choice(found)
    if found.left_out and found.label:
        return f"{said} Votes of {listed(found.left_out)} do not count: nearly all of them are for one side."
    return said


def _choice(found: Preferred) -> str:
    prompts = "this prompt" if found.prompts == 1 else f"these {found.prompts} prompts"
    opening = "For prompts like these" if found.scope == "prompts like these" else f"On {prompts}"
    if found.reason:
        return f"No recommendation by votes: {found.reason}."
    cost = f" ({number(found.cost)} {found.unit}".rstrip() + " a picture)" if math.isfinite(found.cost) else ""
    within = f" within {found.budget}" if found.budget else ""
    if not found.settled:
        return (
            f"{opening}, no winner yet by {count(found.votes, 'vote')}: {found.label} was chosen most of "
            f"{found.rivals + 1} settings{within}, and of the others {found.behind} surely lose against it. "
            f"If you must choose now: {found.label}{cost}."
        )
    saved = f", and it saves {percent(found.saves)}" if found.saves >= 0.005 else ""
    points = fixed(100 * found.margin, 0)
    if found.best:
        return (
            f"{opening}, use {found.label}{cost}: by {count(found.votes, 'vote')} it loses against no setting{within} "
            f"by more than {points} points{saved}. It is chosen in {percent(found.rate)} of votes against {found.best} "
            f"({_between(found.low, found.high)}), which was chosen most."
        )
    proof = "every other setting surely loses against it" if found.behind == found.rivals else ""
    proof = proof or f"it loses against no setting{within} by more than {points} points"
    return f"{opening}, use {found.label}{cost}: by {count(found.votes, 'vote')} {proof}."


def needed(found: VotesNeeded) -> str:
    """What an answer costs."""
    decided = f"{found.decisive:,} of them for a side"
    if found.aim == "equivalent":
        points = fixed(100 * (found.rate - EVEN), 0)
        aim = f"“equal within {points} points”"
    else:
        aim = f"a preference of {fixed(100 * found.rate, 0)} : {fixed(100 * (1 - found.rate), 0)}"
    minutes = found.votes / A_MINUTE
    time = count(round(minutes), "minute") if minutes < 120 else f"{fixed(minutes / 60, 0)} hours"
    return (
        f"To see {aim} takes about {found.votes:,} votes ({decided}), {time} at {A_MINUTE} a minute; "
        f"{at_least(found.power)} of studies then see it."
    )


def left_out(found: Polled) -> str:
    """Whose votes no verdict rests on, and why; empty where all votes count."""
    if not found.left_out:
        return ""
    who = listed(found.left_out)
    if not found.rates:
        return f"No verdict: nearly all votes of {who} are for one side, so they say nothing of the settings."
    return f"Votes of {who} do not count here: nearly all of them are for one side, whatever stood there."


def told(found: Polled) -> tuple[str, ...]:
    """All that votes say, a claim a line: planned contrasts, how was voted, what is odd, metrics."""
    lines = [left_out(found), *_win_rates([one for one in found.rates if one.planned], found.margin)]
    lines += [say(one) for one in found.judges for say in (witnessed, turned)]
    lines += care(found.care[0])
    lines.append(agreement(found.alpha))
    lines += map(odd, found.probes)
    lines += map(foretold, found.foretold)
    return tuple(line for line in lines if line)
