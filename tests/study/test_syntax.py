"""Words of other tools are hinted at wherever they stand, and ordinary prompts are left in peace."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.studies import little

from teststrip.records import Axis, Level
from teststrip.study import syntax

ORDINARY = (
    "a sign (red) above the door",
    "50% off, now only $9.99!",
    "a smiley :) on a mug; another one ;-) and a sad one :(",
    "I <3 New York written in the sand",
    "a man -- tired, unshaven -- leans on a wall",
    "a photo taken at 12:30 (or 13:45) in the afternoon",
    "a 16:9 frame (ratio 3:2) of a lighthouse",
    'John 3:16 on a sign (John 3:16), "He said: go"',
    "portrait, 85mm, f/1.8, ISO 100, 1/250s (shot on film)",
    "a bottle with the label f:1.8 (50mm, f:1.8)",
    "a cat and a dog; a cat & a dog",
    'a neon sign that says "ROCK AND ROLL"',
    'a door with "BREAK GLASS IN CASE OF FIRE" on it',
    "TEA AND COFFEE, a poster in capitals",
    "a robot drawing its name, C++, on a blackboard",
    "std::vector<int> on a whiteboard",
    "a price tag: 3.50 (was: 7)",
    "an equation, (a + b)(c - d) = 1.5, in chalk",
    "E=mc^2, f(x) = 2x + 1, on a chalkboard",
    "a postcard from Paris (France), 1920s, hand-coloured",
    "a “quiet” place – somewhere – far away — alone",
    "the word 'START' written [sic] in chalk",
    "a newspaper: 'Dewey Defeats Truman' [1948]",
    "three (3) red cubes and two (2) blue spheres",
    "a map with the scale 1:50000 (see legend)",
    "a dinner for 2, 19:00–22:00, table #7",
    "#nofilter, @home, 100% wool, size M/L",
    "an owl... and then [...] a fox",
    "a keyboard with the keys [CTRL] and [ALT]",
    "snake_case and a_b_c on a t-shirt",
    "a chess board after 1. e4 e5 2. Nf3 (Ruy Lopez)",
    "a cat's-eye view; it's 5 o'clock; rock 'n' roll",
    "2 + 2 = 4 -- or is it?",
    "a recipe: 1) flour, 2) eggs; 3) milk",
    "a screenshot of a terminal: ls -la --color=auto /home",
    "a license plate that reads AND 123",
    "a very small (tiny!) house: 1.5 m wide",
    "a teapot; view: front; light: soft; mood: calm",
    "concept art of a city, trending on artstation, 8k, hdr",
    "a group of people ((no, not that many!",
    "a robot said <hello> and <goodbye>",
    "A -> B, B <- C, drawn as a diagram",
    "x[0] = y[1] written on a napkin",
    "GIGGLE painted in thick colours on a canvas",
    "a storefront with 'Diffusion' written on it",
    "a horse riding an astronaut, in the style of Monet (1840-1926)",
    "one cat, two dogs, three birds, and a house to the left of a tree",
)
TAMED = st.text(alphabet=st.sampled_from("abcdeo ,.;!?'\"%$&#+=/…–éß🦉0123456789"), max_size=40)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_prompts_have_no_hint(text: str) -> None:
    assert [(mark.name, piece) for mark, piece in syntax.found(text)] == []


@given(TAMED, TAMED)
@example("(", "")
def test_plain_words_and_lone_brackets_have_no_hint(one: str, other: str) -> None:
    for text in (one, f"{one} ({other.strip('0123456789.')})", f"{one}: {other}", f"{one} - {other}"):
        assert list(syntax.found(text)) == []


@pytest.mark.parametrize("mark", syntax.MARKS, ids=lambda mark: mark.name)
@given(st.sampled_from(ORDINARY), st.sampled_from(ORDINARY))
def test_each_mark_is_found_in_every_place(mark: syntax.Mark, one: str, other: str) -> None:
    for text in (mark.example, f"{mark.example}, {one}", f"{one}, {mark.example}"):
        assert mark in [each for each, _ in syntax.found(text)]


@pytest.mark.parametrize("mark", syntax.MARKS, ids=lambda mark: mark.name)
def test_each_example_is_of_one_mark_alone(mark: syntax.Mark) -> None:
    assert [each.name for each, _ in syntax.found(mark.example)] == [mark.name]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("(masterpiece:1.2), (best quality:1.1), 1girl", "a weight"),
        ("(a red owl: 1.3) in a boat", "a weight"),
        ("(((extremely detailed)))", "doubled brackets"),
        ("a [blurry] photo", "square brackets"),
        ("[forest:city:10] at night", "a change of words at a step"),
        ("[cow|horse] in a field", "a change of words at a step"),
        ("<lyco:foo:1.0> an owl", "a LoRA"),
        ("a {2$$red|green|blue} ball", "alternatives"),
        ("a __animals/birds__ in flight", "a wildcard"),
        ("an owl --v 6.0 --style raw", "a flag"),
        ("an owl —ar 16:9", "a flag"),
        ("an owl --no text, frames", "a flag"),
        ("an owl, --tile", "a flag"),
        ("space::2 ship", "a multi-prompt"),
        ("bad hands, embedding:EasyNegative", "an embedding"),
        ("(a cat)1.3 and a dog", "a weight behind brackets"),
    ],
)
def test_what_people_write_is_known(text: str, name: str) -> None:
    assert name in [mark.name for mark, _ in syntax.found(text)]


def test_a_hint_names_its_place_what_it_means_there_and_what_to_do_here() -> None:
    study = little(prompts=["an owl", "a (red:1.4) car", "a (blue:0.7) boat"], settings={"negative_prompt": "((ugly))"})
    assert syntax.hints(study) == (
        (
            "prompt 2 (a-red-1-4-car) and 1 more hold “(red:1.4)”, a weight of A1111, Forge, ComfyUI: there it counts"
            ' these words so many times. Here the model reads it as text; write prompt_weighting = "compel" under'
            " [settings], take it out, or say it in words."
        ),
        (
            "negative_prompt holds “((ugly))”, doubled brackets of A1111, Forge, ComfyUI: there it counts these words"
            ' 1.21 times. Here the model reads it as text; write prompt_weighting = "compel" under [settings], take it'
            " out, or say it in words."
        ),
    )
    assert [prompt.text for prompt in study.prompts] == ["an owl", "a (red:1.4) car", "a (blue:0.7) boat"]


def test_weights_that_are_read_get_no_hint_and_what_is_not_read_keeps_its_own() -> None:
    prompts = ["a (red:1.4) car", "((red))", "[red]", r"saber \(fate\)", "(red owl)++", "a <lora:style:0.8> owl"]
    study = little(prompts=prompts)
    assert len(syntax.hints(study)) == len(prompts)
    (hint,) = syntax.hints(replace(study, settings={"prompt_weighting": "compel"}))
    assert "<lora:style:0.8>" in hint
    levels = (Level("with", {"prompt_weighting": "compel"}), Level("without", {}))
    assert len(syntax.hints(replace(study, axes=(Axis("weights", "linked", levels),)))) == len(prompts)
    assert len(syntax.hints(replace(study, axes=(Axis("weights", "linked", levels[:1]),)))) == 1
