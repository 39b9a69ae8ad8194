"""What the training kept back is listed in a file, and is what the issue of an honest test needs."""

import json
from pathlib import Path

TRAINING = Path(__file__).parents[2] / "training"
HELD_OUT = json.loads((TRAINING / "held_out.json").read_text(encoding="utf-8"))


def test_forty_prompts_of_each_kind_are_held_out_and_none_twice() -> None:
    prompts = HELD_OUT["single_prompts"] + HELD_OUT["composition_prompts"]
    assert len(HELD_OUT["single_prompts"]) == len(HELD_OUT["composition_prompts"]) == 40
    assert len(set(prompts)) == 80


def test_every_held_out_prompt_has_a_combination_or_a_template_that_is_held_out() -> None:
    combinations = [tuple(part.split(" ", 1)[-1] for part in pair) for pair in HELD_OUT["combinations"]]
    named = [tuple(pair) for pair in HELD_OUT["combinations"]]
    templates = [template.replace("{a}", "").strip() for template in HELD_OUT["templates"]]
    scenes = {"city": "a futuristic city", "night city": "a city at night", "sunset": "a sunset",
              "milky way": "the milky way", "desert": "a desert", "mountains": "mountains"}  # fmt: skip
    for prompt in HELD_OUT["single_prompts"] + HELD_OUT["composition_prompts"]:
        by_template = any(template in prompt for template in templates)
        by_pair = any(
            first in prompt and (scenes.get(value, value) in prompt or second in prompt)
            for (first, second), (_, value) in zip(named, combinations, strict=True)
        )
        assert by_template or by_pair, prompt


def test_the_demo_prompts_are_not_held_out() -> None:
    for pair in (["cat", "owl"], ["astronaut", "flower"], ["car", "scene city"], ["rose", "colour blood-red"]):
        assert pair not in HELD_OUT["combinations"]
