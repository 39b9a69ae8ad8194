"""Words of other tools in prompts: weights, LoRA tags, wildcards, flags. A model of Diffusers reads them as text.

They are hinted at, never changed: a text that a person wrote is what the model is given. Knows texts; no engine and no
tokenizer. To add one: a line in `MARKS` with an example, and the tests try it in every place of ordinary prompts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from teststrip.errors import shortened
from teststrip.records import Prompt, Study

MOST_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Mark:
    """A piece of another tool's syntax.

    Attributes:
        name: what it is.
        tools: who reads it.
        example: as people write it.
        pattern: finds it, and nothing that is ordinary English.
        means: what it means there.
        here: what to write in its place.
    """

    name: str
    tools: str
    example: str
    pattern: re.Pattern[str]
    means: str
    here: str


def _mark(name: str, tools: str, example: str, pattern: str, means: str, here: str) -> Mark:
    return Mark(name, tools, example, re.compile(pattern), means, here)


WEB_UIS: Final = "A1111, Forge, ComfyUI"
TAKE_OUT: Final = "take it out, or say it in words"
WEIGH: Final = 'write prompt_weighting = "compel" under [settings], take it out, or say it in words'
WEIGHTING: Final = "prompt_weighting"
"""The setting that makes weights more than text."""
WEIGHTS: Final = frozenset(
    {"a weight", "doubled brackets", "square brackets", "escaped brackets", "a weight behind brackets"}
)
"""The marks that are read where that setting is on."""
A_WORD: Final = 'write {colour} in the prompt and colour = ["red", "blue"] under [axes]'
FLAGS: Final = (
    r"(?:ar|aspect)\s+\d+:\d+",
    r"(?:v|version|niji|s|stylize|c|chaos|q|quality|iw|w|weird|stop|seed|cw|sw|ow|exp|r|repeat)\s+[\d.]+",
    r"(?:cref|sref|oref|p|profile)\s+\w\S*",
    r"no\s+\w+",
    r"style\s+(?:raw|cute|scenic|expressive|original|random)",
    r"(?:tile|hd|raw|draft|niji|test|testp|uplight|upbeta|fast|relax|turbo|video|creative)(?=\s*$|\s+(?:--|—))",
)

MARKS: Final = (
    _mark(
        "a weight",
        WEB_UIS,
        "(red:1.4)",
        r"\((?:[^()]*[^\d\s():])(?<![\s(,]f):(?:\d(?:\.\d+)?|\.\d+|\s+\d?\.\d+)\)",
        "it counts these words so many times",
        WEIGH,
    ),
    _mark("doubled brackets", WEB_UIS, "((red))", r"\(\([^()]+\)\)", "it counts these words 1.21 times", WEIGH),
    _mark(
        "square brackets",
        "A1111, Forge",
        "[red]",
        r"(?<![\w\"“'])\[(?!sic\]|\.|…|[A-Z0-9 ]+\])[^\[\]:|]*[A-Za-z][^\[\]:|]*\](?![\"”'])",
        "it counts these words 0.9 times",
        WEIGH,
    ),
    _mark(
        "a change of words at a step",
        "A1111, Forge",
        "[cat:dog:0.5]",
        r"\[[^\[\]|]*:\s*\d*\.?\d+\]|\[[^\[\]:]*\|[^\[\]:]*\]",
        "it draws one word in the first steps and another one later",
        "take it out",
    ),
    _mark(
        "a LoRA",
        "A1111, Forge, SwarmUI",
        "<lora:style:0.8>",
        r"<\s*(?:lora|lyco|locon|loha|hypernet)\s*:[^<>]+>",
        "it loads this file",
        'write lora = "style.safetensors" and lora_scale = 0.8 under [settings]',
    ),
    _mark(
        "a function",
        "SwarmUI",
        "<random:red,blue>",
        r"<\s*(?:random|wildcard|alternate|fromto|repeat|segment|object|region|embed|preset|var|setvar)\b[^<>]*:[^<>]*>",
        "it puts words of its choice there",
        A_WORD,
    ),
    _mark(
        "alternatives",
        "Dynamic Prompts, SwarmUI, InvokeAI",
        "{red|blue}",
        r"\{[^{}]*\|[^{}]*\}",
        "it takes one of these at random",
        A_WORD,
    ),
    _mark(
        "a wildcard",
        "Dynamic Prompts, SwarmUI",
        "__colour__",
        r"(?<![\w_])__(?!_)[\w./*-]+?(?<!_)__(?![\w_])",
        "it takes a line of that file",
        A_WORD,
    ),
    _mark(
        "BREAK",
        WEB_UIS,
        "a red owl BREAK a boat",
        r"(?<![A-Z\"“'] )(?<!\S)BREAK(?!\S)(?! [A-Z\"”'])",
        "it begins the next 75 tokens",
        TAKE_OUT,
    ),
    _mark(
        "AND",
        "A1111, Forge",
        "a red owl AND a boat",
        r"(?<=[a-z0-9,.)] )AND(?= [a-z(])",
        "it adds two prompts up",
        "write and, or take it out",
    ),
    _mark(
        "a flag",
        "Midjourney",
        "--ar 3:2",
        rf"(?<!\S)(?:--|—)(?:{'|'.join(FLAGS)})(?![\w:])",
        "it is a setting of a picture",
        "take it out; width, height, negative_prompt and seeds have settings here",
    ),
    _mark(
        "a multi-prompt",
        "Midjourney",
        "hot:: dog",
        r"\w::(?:-?\d*\.?\d+)?(?=\s|$)",
        "it weighs the parts of a prompt",
        TAKE_OUT,
    ),
    _mark(
        "an embedding",
        "ComfyUI",
        "embedding:easynegative",
        r"(?<!\w)embedding:[\w./-]+",
        "it loads this file",
        'write textual_inversion = "easynegative.safetensors" under [settings], and its word alone in the prompt',
    ),
    _mark(
        "escaped brackets",
        WEB_UIS,
        r"saber \(fate\)",
        r"\\[()\[\]]",
        "it says that a bracket is text",
        "write plain brackets, since all of them are text here",
    ),
    _mark(
        "a weight behind brackets",
        "InvokeAI, Compel",
        "(red owl)++",
        r"\([^()]+\)(?:\++|-{1,3}|[01]?\.\d+)(?=[\s,.]|$)",
        "it counts these words more or less",
        WEIGH,
    ),
    _mark(
        "settings behind the prompt",
        "A1111, Forge",
        "an owl Negative prompt: ugly Steps: 20, Sampler: Euler a",
        r"(?:^|\s)Negative prompt:|\bSteps: \d+, Sampler:",
        "its pictures carry their settings in this way",
        "keep the prompt, and write negative_prompt, steps and scheduler under [settings]",
    ),
)
"""All that is looked for, in the order of the table in the docs."""


def found(text: str) -> Iterator[tuple[Mark, str]]:
    """Each mark in a text, with the place that shows it.

    >>> [(mark.name, piece) for mark, piece in found("a (red:1.4) owl, 50% off :) (at 12:30)")]
    [('a weight', '(red:1.4)')]
    """
    for mark in MARKS:
        if match := mark.pattern.search(text):
            yield mark, match.group().strip()


def hints(study: Study) -> tuple[str, ...]:
    """A sentence on each kind of mark in the prompts of a study, with its first place and what to do."""
    texts = [*_prompts(study.prompts), *_negative(study)]
    seen: dict[str, list[tuple[str, Mark, str]]] = {}
    weighted = _weighted(study)
    for place, text in texts:
        for mark, piece in found(text):
            if weighted and mark.name in WEIGHTS:
                continue
            seen.setdefault(mark.name, []).append((place, mark, piece))
    return tuple(_hint(own) for own in seen.values())


def _weighted(study: Study) -> bool:
    """Whether weights are read in all of a study: the setting is held fixed, or on at each level of an axis."""
    axes = (all(level.settings.get(WEIGHTING) for level in axis.levels) for axis in study.axes)
    return bool(study.settings.get(WEIGHTING)) or any(axes)


def _hint(places: Sequence[tuple[str, Mark, str]]) -> str:
    place, mark, piece = places[0]
    more = f" and {len(places) - 1:,} more" if len(places) > 1 else ""
    hold = "hold" if more else "holds"
    return (
        f"{place}{more} {hold} “{shortened(piece, MOST_SHOWN)}”, {mark.name} of {mark.tools}: there {mark.means}."
        f" Here the model reads it as text; {mark.here}."
    )


def _prompts(prompts: Iterable[Prompt]) -> Iterator[tuple[str, str]]:
    for number, prompt in enumerate(prompts, start=1):
        yield f"prompt {number} ({prompt.id})", prompt.text


def _negative(study: Study) -> Iterator[tuple[str, str]]:
    """Negative prompts, wherever they are set."""
    if text := study.settings.get("negative_prompt"):
        yield "negative_prompt", str(text)
    for axis in study.axes:
        for level in axis.levels:
            if text := level.settings.get("negative_prompt"):
                yield f"negative_prompt at {axis.name} {level.label}", str(text)
