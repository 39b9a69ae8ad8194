"""Warnings and lost words are told once, with their levels; prompts that are one text to the model are one block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.studies import little

from teststrip import analysis
from teststrip import plan as planning
from teststrip.analysis.numbers import columns
from teststrip.records import Card, Image, Planned, Row, Study
from teststrip.rows import heard, tables


def rows(study: Study, facts: Callable[[Planned], Mapping[str, object]]) -> list[Row]:
    """A row with a picture for each shot, with these facts; the score counts up."""
    found = []
    for n, planned in enumerate(planning.of(study)):
        image = Image(planned.shot.id, f"{n:064x}", "a.png", 8, 8, 1, 0.1, "f", facts(planned))
        found.append(Row(planned, image, scores={"sharpness": float(n * 7 % 11)}))
    return found


@given(st.sets(st.sampled_from(["1", "5", "7"]), min_size=1, max_size=3), st.booleans())
def test_a_warning_is_told_once_with_the_level_it_came_from(noisy: set[str], often: bool) -> None:
    study = little(axes={"guidance_scale": [1, 5, 7], "eta": [0, 1]})
    said = ["x is ignored"] * (2 if often else 1)
    made = rows(study, lambda one: {"said": said} if one.cell["guidance_scale"] in noisy else {})
    (found,) = heard.warnings(made)
    assert found.images == 4 * len(noisy)
    assert found.levels == ((("guidance_scale", min(noisy)),) if len(noisy) == 1 else ())
    assert not heard.warnings(rows(study, lambda _: {}))


def test_a_prompt_loses_the_words_that_no_cell_reads() -> None:
    study = little(axes={"guidance_scale": [1, 5]})
    lost = {"an-owl": {"1": "in a long boat", "5": "boat"}, "a-car": {"1": "red", "5": ""}}
    made = rows(study, lambda one: {"lost": lost[one.prompt.id][one.cell["guidance_scale"]]})
    assert heard.lost(made) == {"an-owl": "boat"}


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=6), st.booleans())
def test_prompts_of_the_same_tokens_are_one_block_with_all_their_seeds(digests: list[str], shared: bool) -> None:
    prompts = [f"prompt {n}" for n in range(len(digests))]
    study = replace(little(prompts=prompts, replicates=2), seeds=(1, 2) if shared else None)
    reads = {prompt.id: digest for prompt, digest in zip(study.prompts, digests, strict=True)}
    made = rows(study, lambda one: {"read": reads[one.prompt.id]})
    table = tables.columns(study, made)
    layout = columns.read(table, study.axes)
    assert len(layout.prompts) == len(set(digests))
    found = analysis.findings(table, {"sharpness": Card("sharpness")}, axes=study.axes, outlook=False)
    assert {one.prompts for one in found if one.kind == "axis"} <= {len(set(digests))}
    there = sum(reason is None for reason in table["missing"])
    assert there == (2 * 2 * len(set(digests)) if shared else len(made))


def test_prompts_that_differ_in_one_cell_or_of_which_nothing_is_known_stay_apart() -> None:
    study = little()
    assert heard.twins(rows(study, lambda _: {"read": "a"})) == {"a-car": "an-owl"}
    assert not heard.twins(rows(study, lambda _: {}))
    some = rows(study, lambda one: {"read": one.prompt.id if one.cell["guidance_scale"] == "7" else "a"})
    assert not heard.twins(some)
    half = rows(study, lambda one: {"read": "a"} if one.cell["guidance_scale"] == "7" else {})
    assert not heard.twins(half)


def test_a_strangers_ledger_is_believed_in_bounds() -> None:
    study = little()
    long = {"said": [f"{n} " + "x" * 10_000 for n in range(1000)] + [7, None], "lost": "y" * 10_000, "read": 7}
    made = rows(study, lambda _: long)
    assert len(heard.warnings(made)) <= heard.MOST
    assert all(len(one.text) <= heard.LONGEST + 1 for one in heard.warnings(made))
    assert all(len(words) <= heard.LONGEST + 1 for words in heard.lost(made).values())
    assert not heard.twins(made)
    assert not heard.warnings(rows(study, lambda _: {"said": "x is ignored"}))
