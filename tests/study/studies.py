"""Studies that Hypothesis draws: every kind of axis, exclusions, seeds, prompts of all scripts; engine `pattern`."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

SCHEDULERS = ["DDIMScheduler", "DPMSolverMultistepScheduler", "EulerAncestralDiscreteScheduler"]
WORD = "animal"

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12).filter(
    lambda text: text.strip() and "{" not in text and "}" not in text
)
numbers = st.one_of(st.integers(0, 30), st.floats(0, 30, width=32).map(lambda x: x + 0.0))


def levels(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=1, max_size=3, unique_by=lambda value: (type(value) is str, value))


@st.composite
def studies(draw: st.DrawFn) -> dict[str, Any]:
    """Keyword arguments of `teststrip.Study`."""
    axes: dict[str, Any] = {}
    if draw(st.booleans()):
        axes["guidance_scale"] = draw(levels(numbers))
    if draw(st.booleans()):
        axes["num_inference_steps"] = draw(levels(st.integers(1, 60)))
    if draw(st.booleans()):
        chosen = draw(st.lists(st.sampled_from(SCHEDULERS), min_size=1, unique=True))
        axes["arm"] = [{"label": f"arm {i}", "scheduler": name, "eta": i / 8} for i, name in enumerate(chosen)]
    word = draw(st.booleans())
    if word:
        axes[WORD] = draw(levels(texts))
    axes = {name: axes[name] for name in draw(st.permutations(list(axes)))}
    prompts = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    keys: dict[str, Any] = {
        "name": "drawn",
        # The bar keeps texts apart whatever the word is.
        "prompts": [f"{text}|{{{WORD}}}" if word else text for text in prompts],
        "engine": {"name": "pattern"},
        "axes": axes,
        "settings": {"negative_prompt": draw(texts)} if draw(st.booleans()) else {},
    }
    if draw(st.booleans()):
        keys["seeds"] = draw(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3, unique=True))
    else:
        keys["replicates"] = draw(st.integers(1, 3))
    if len(axes) > 1 and draw(st.booleans()):
        rule = {}
        for name, values in axes.items():
            value = draw(st.sampled_from(values))
            rule[name] = value["label"] if isinstance(value, dict) else value
        # Leaves something of every level, as the check demands.
        if sum(len(values) > 1 for values in axes.values()) > 1:
            keys["exclude"] = [rule]
    return keys
