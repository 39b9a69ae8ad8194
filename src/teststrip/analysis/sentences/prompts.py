"""What single prompts make of a difference, in words: how many, which most, which tags, and who carries it."""

from __future__ import annotations

from teststrip.analysis.sentences.phrases import capital, count, digits_of, fixed, listed, percent, prompt, setting
from teststrip.records import Finding, Response, TagEffect
from teststrip.vocabulary import spoken

ALIKE = 0.05
"""Above this p, prompts are not said to differ."""


def write(finding: Finding) -> list[str]:
    """The sentences about prompts that follow a claim; none where there is one prompt."""
    answer = finding.response
    parts = [carriers(finding)] if finding.carriers else []
    parts += _elsewhere(finding)
    if answer is not None and _prompts(answer) > 1:
        if finding.verdict == "equivalent":
            parts += _hidden(finding, answer) if finding.on_average else []
        elif finding.verdict == "different":
            parts += [_better(finding, answer)]
        else:
            parts += [_ways(answer)]
        parts += _by_tag(finding)
    return parts


def carriers(finding: Finding) -> str:
    """Which few prompts carry a difference, and what follows from that."""
    few = listed([prompt(name) for name in finding.carriers])
    total = count(finding.prompts, "prompt")
    carry = "carries" if len(finding.carriers) == 1 else "carry"
    if finding.verdict == "different":
        return f"{len(finding.carriers)} of {total} {carry} this: {few}; the others do not show it."
    return f"{len(finding.carriers)} of {total} {carry} what difference there is: {few}."


def _prompts(answer: Response) -> int:
    return answer.up + answer.down + answer.unclear


def _words(answer: Response) -> tuple[str, str]:
    return ("higher", "lower") if answer.higher_is_better is None else ("better", "worse")


def _at(finding: Finding, level: str) -> str:
    """A level as the subject of a sentence: "guidance 7"."""
    return f"{spoken(finding.axis)} {level}"


def _sides(answer: Response) -> tuple[str, str, float, int, int]:
    """The level that more prompts favour, the other, in what share, and how many are so and the other way."""
    plus, minus = answer.asked.plus[0].label, answer.asked.minus[0].label
    so, other = (answer.down, answer.up) if answer.higher_is_better is False else (answer.up, answer.down)
    if answer.better >= 0.5:
        return plus, minus, answer.better, so, other
    return minus, plus, 1 - answer.better, other, so


def _better(finding: Finding, answer: Response) -> str:
    better, worse = _words(answer)
    first, second, share, so, other = _sides(answer)
    subject, total = _at(finding, first), count(_prompts(answer), "prompt")
    where = f"in each of {total}" if share == 1 else f"in {percent(share)} of {total}"
    text = f"{capital(subject)} scored {better} than {second} {where}"
    if not answer.clear:
        return f"{text}, the luck of one seed each included."
    against = f" and clearly {worse} in {other}" if other else ""
    clearly = "all" if so == _prompts(answer) else so or "none"
    return f"{text}, clearly so in {clearly}{against}."


def _ways(answer: Response) -> str:
    if not answer.clear:
        return f"{count(answer.up, 'prompt')} went up, {answer.down} down, the luck of one seed each included."
    up = count(answer.up, "prompt") if answer.up else "No prompt"
    return f"{up} went clearly up, {answer.down or 'none'} clearly down, {answer.unclear or 'none'} neither."


def _hidden(finding: Finding, answer: Response) -> list[str]:
    """What an average of nothing may hide in single prompts."""
    total = _prompts(answer)
    if not answer.clear:
        return ["Whether single prompts are alike too, one seed each cannot show."]
    if not answer.p < ALIKE:
        return ["Whether single prompts are alike too, these seeds cannot show."]
    better, worse = _words(answer)
    first, _, _, so, other = _sides(answer)
    shares = f"clearly {better} for {percent(so / total)} of them, clearly {worse} for {percent(other / total)}"
    found = [f"Single prompts are not alike: {_at(finding, first)} scored {shares}."]
    if answer.most is not None and answer.least is not None:
        ends = (answer.most.prompt, answer.least.prompt)
        turned = (answer.higher_is_better is False) == (answer.better >= 0.5)
        most, least = reversed(ends) if turned else ends
        found.append(f"Choose by prompt; most for {first}: {prompt(most)}, most against: {prompt(least)}.")
    return found


def _elsewhere(finding: Finding) -> list[str]:
    """Where, at a setting of the other axes, there is a difference that the average hides."""
    sure = [row for row in finding.simple if row.verdict == "different" and abs(row.effect) > finding.margin]
    if not finding.simple:
        return []
    if not sure:
        return ["Whether that holds at each setting of the other axes is open."]
    found = []
    for row in sure[:2]:
        sides = row.asked.plus, row.asked.minus
        own, other = (next(level for level in side if level.axis == finding.axis) for side in sides)
        where = setting([level for level in row.asked.plus if level.axis != finding.axis])
        size = fixed(row.effect, digits_of(row.low, row.high), signed=True)
        found.append(f"{size} at {where} ({own.label} against {other.label})")
    return [f"It depends on the other settings: {listed(found)}."]


def _by_tag(finding: Finding) -> list[str]:
    apart = [one for one in finding.by_tag if one.apart]
    if not apart:
        return []
    return [f"By tag: {listed([_tag(one) for one in apart])}."]


def _tag(one: TagEffect) -> str:
    size = fixed(one.effect, digits_of(one.low, one.high), signed=True)
    return f"{size} on {count(one.prompts, 'prompt')} with {one.tag}"
