"""Shots, ids, seeds and counts of a plan: laws on drawn studies, and the study this project began with."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.study.studies import numbers, studies
from tests.study.toy import ToyEngine, install

import teststrip
from teststrip import plan
from teststrip.plan import Measured
from teststrip.records import Prompt, Shot, Study

SEED_STUDY: dict[str, Any] = {
    "name": "guidance-vs-steps",
    "prompts": ["a rose", "a flying car", "a detective", "an astronaut", "an owl and a pussycat"],
    "replicates": 6,
    "engine": {"name": "pattern"},
    "axes": {"guidance_scale": [6, 7, 8, 9], "num_inference_steps": [50, 100, 150, 200]},
}


@pytest.fixture
def toy(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> type[ToyEngine]:
    return install(tmp_path_factory.mktemp("site"), monkeypatch)


def planned(**changes: Any) -> plan.Plan:
    return plan.of(teststrip.Study(**{**SEED_STUDY, **changes}))


# --- laws ---


@given(studies())
def test_the_fast_ids_are_the_ids_of_the_shots(keys: dict[str, Any]) -> None:
    made = plan.of(teststrip.Study(**keys))
    shots = list(made)
    assert [one.shot.id for one in shots] == [Shot(one.shot.engine, dict(one.shot.settings)).id for one in shots]
    assert sorted(made.ids()) == sorted(one.shot.id for one in shots)


def test_the_fast_ids_hold_for_names_on_either_side_of_the_cuts(toy: type[ToyEngine]) -> None:
    made = planned(engine={"name": "toy", "dtype": "float16"}, axes={"zoom": [1, 2], "quiet": [True, False]})
    assert [one.shot.id for one in made] == [Shot(one.shot.engine, dict(one.shot.settings)).id for one in made]
    assert {"model", "quiet", "zoom"} < set(next(iter(made)).shot.settings)


@given(studies())
def test_a_plan_has_no_duplicates_and_as_many_shots_as_it_says(keys: dict[str, Any]) -> None:
    made = plan.of(teststrip.Study(**keys))
    ids = [one.shot.id for one in made]
    assert len(set(ids)) == len(ids) == len(made)
    assert len({(one.cell, one.prompt, one.replicate) for one in made}) == len(made)


@given(studies())
def test_excluded_combinations_never_appear(keys: dict[str, Any]) -> None:
    study = teststrip.Study(**keys)
    for one in plan.of(study):
        for rule in study.exclusions:
            assert not all(one.cell[axis] in labels for axis, labels in rule.items())
    everything = plan.of(teststrip.Study(**{key: value for key, value in keys.items() if key != "exclude"}))
    lost = len(everything.cells) - len(plan.of(study).cells)
    assert lost == (1 if study.exclusions else 0)


@given(studies())
def test_seeds_are_equal_across_cells_and_differ_between_replicates(keys: dict[str, Any]) -> None:
    made = plan.of(teststrip.Study(**keys))
    seeds: dict[tuple[str, int], set[int]] = {}
    for one in made:
        seeds.setdefault((one.prompt.id, one.replicate), set()).add(one.shot.seed)
    assert all(len(found) == 1 for found in seeds.values())
    for _, same_prompt in itertools.groupby(sorted(seeds), key=lambda place: place[0]):
        drawn = [next(iter(seeds[place])) for place in same_prompt]
        assert len(set(drawn)) == len(drawn)


@given(st.lists(numbers, min_size=1, max_size=4, unique=True), st.randoms())
def test_an_id_depends_on_neither_key_order_nor_the_spelling_of_numbers(values: list[float], random: Any) -> None:
    fixed = {"negative_prompt": "blur", "eta": 1, "width": 32.0, "height": 32}
    shuffled = list(fixed.items())
    random.shuffle(shuffled)
    spelled = [int(value) if value == int(value) else value for value in values]
    one = planned(settings=fixed, axes={"guidance_scale": values, "num_inference_steps": [5]})
    other = planned(settings=dict(shuffled), axes={"steps": [5.0], "cfg": spelled})
    assert sorted(one.ids()) == sorted(other.ids())


@settings(max_examples=25)
@given(st.lists(studies(), min_size=2, max_size=4))
def test_no_sequence_of_edits_binds_an_id_to_other_settings(edits: list[dict[str, Any]]) -> None:
    bound: dict[str, tuple[str, str]] = {}
    for keys in edits:
        for one in plan.of(teststrip.Study(**keys)):
            asked = (one.shot.engine.name, json.dumps(dict(one.shot.settings), sort_keys=True))
            assert bound.setdefault(one.shot.id, asked) == asked


@given(studies(), st.data())
def test_adding_prompts_replicates_or_levels_keeps_every_shot(keys: dict[str, Any], data: st.DataObject) -> None:
    before = set(plan.of(teststrip.Study(**keys)).ids())
    more = dict(keys)
    edit = data.draw(st.sampled_from(["prompt", "replicates", "level", "order"]))
    if edit == "prompt":
        extra = "one more" + ("|{animal}" if "animal" in keys["axes"] else "")
        more["prompts"] = [extra, *keys["prompts"]]
    elif edit == "replicates" and "replicates" in keys:
        more["replicates"] = keys["replicates"] + 2
    elif edit == "level" and "guidance_scale" in keys["axes"]:
        more["axes"] = {**keys["axes"], "guidance_scale": [31, *keys["axes"]["guidance_scale"]]}
    elif edit == "order":
        more["axes"] = dict(reversed(list(keys["axes"].items())))
    assert before <= set(plan.of(teststrip.Study(**more)).ids())


@given(studies(), st.sets(st.integers(0, 200)))
def test_what_is_done_is_left_out_and_counted(keys: dict[str, Any], which: set[int]) -> None:
    made = plan.of(teststrip.Study(**keys))
    done = {one.shot.id for i, one in enumerate(made) if i in which}
    left = [one.shot.id for one in made.without(done)]
    assert left == [one.shot.id for one in made if one.shot.id not in done]
    summary = made.summary(done)
    assert (summary.done, summary.left, summary.images) == (len(done), len(left), len(made))
    for axis in summary.axes:
        assert sum(level.images for level in axis.levels) == len(made)
        assert sum(level.done for level in axis.levels) == len(done)


# --- seeds ---


def test_the_seeds_of_a_prompt_are_these_for_ever() -> None:
    """A changed seed would make every study draw all its pictures again."""
    assert list(plan.seeds_of("an owl", 3)) == [652490818, 150524726, 2994410280]


def test_seeds_differ_between_prompts_and_depend_on_the_text_alone() -> None:
    made = planned()
    first, second = made.study.prompts[:2]
    assert [made.seed(first, i) for i in range(6)] != [made.seed(second, i) for i in range(6)]
    assert made.seed(Prompt("other", first.text), 3) == made.seed(first, 3)


def test_a_seed_that_would_come_twice_is_drawn_again() -> None:
    # Among 200,000 draws of 32 bits about five collide.
    seeds = plan.seeds_of("an owl", 200_000)
    assert len(set(seeds)) == len(seeds)
    assert list(plan.seeds_of("an owl", 100)) == list(seeds[:100])
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_explicit_seeds_are_shared_and_warned_of() -> None:
    made = planned(seeds=[3, 1], replicates=None)
    assert {one.shot.seed for one in made if one.replicate == 0} == {3}
    assert made.summary().warnings == (
        (
            "seeds are shared by all prompts, so intervals come out too narrow."
            " Write replicates = 2 instead, for own seeds in each prompt"
        ),
    )
    assert planned().summary().warnings == ()


# --- the study this project began with ---


def test_the_seeds_own_study_is_480_images() -> None:
    made = planned()
    assert (len(made), len(made.cells)) == (480, 16)
    assert [str(cell) for cell in made.cells[:2]] == [
        "guidance_scale 6, num_inference_steps 50",
        "guidance_scale 6, num_inference_steps 100",
    ]


def test_one_more_guidance_adds_exactly_120_images_and_another_prompt_96() -> None:
    before = set(planned().ids())
    wider = planned(axes={**SEED_STUDY["axes"], "guidance_scale": [5, 6, 7, 8, 9]})
    assert len(list(wider.without(before))) == 120
    other = planned(prompts=["a tulip", *SEED_STUDY["prompts"][1:]])
    assert len(list(other.without(before))) == 96
    assert len(before - set(other.ids())) == 96


def test_a_stopped_run_has_covered_all_prompts_and_cells_before_any_second_replicate() -> None:
    first = list(itertools.islice(planned(), 80))
    assert {one.replicate for one in first} == {0}
    assert len({(one.prompt.id, one.cell) for one in first}) == 80


def test_a_place_in_the_design_is_a_shot() -> None:
    made = planned()
    for one in itertools.islice(made, 0, 480, 37):
        assert made.shot(one.cell, one.prompt, one.replicate) == one.shot
        assert made.settings(one.cell, one.prompt, one.replicate) == one.shot.settings
    assert made.first(made.cells[3]).shot.settings["num_inference_steps"] == 200


# --- counts and costs ---


def test_the_engine_counts_denoiser_calls_once_for_each_distinct_cell(toy: type[ToyEngine]) -> None:
    made = planned(
        prompts=["a {animal}", "two {animal}s"],
        engine={"name": "toy"},
        axes={"scheduler": ["DDIMScheduler", "PNDMScheduler"], "steps": [10, 20], "animal": ["cat", "dog", "owl"]},
    )
    assert made.calls() == made.calls() == (10 + 20 + 11 + 21) * 3 * 2 * 6
    assert len(toy.asked) == 4


def test_time_and_disk_are_for_what_is_left_and_say_where_they_come_from() -> None:
    made = planned()
    done = set(itertools.islice(made.ids(), 30))  # all shots of the first cell: 50 steps, guided
    summary = made.summary(
        done,
        pace={"engine": Measured(0.5, "measured in 300 images of this folder")},
        image_bytes=Measured(1000, "the mean of this folder"),
    )
    assert (summary.calls, summary.calls_left) == (480 * 250, 480 * 250 - 30 * 100)
    assert summary.seconds_left == pytest.approx(0.5 * summary.calls_left)
    assert (summary.bytes_left, summary.size) == (450_000, "the mean of this folder")
    assert summary.pace == "measured in 300 images of this folder, 500 ms a call"


def test_without_a_pace_the_time_is_unknown_and_the_size_is_guessed() -> None:
    summary = planned().summary()
    assert summary.seconds_left is None
    assert summary.bytes_left == round(1.6 * 64 * 64 * 480)
    assert summary.size.startswith("guessed")


def test_the_summary_is_plain_json() -> None:
    told = json.loads(json.dumps(planned().summary().as_dict()))
    assert told["images"] == 480
    assert told["axes"][0] == {
        "name": "guidance_scale",
        "kind": "setting",
        "levels": [{"label": label, "images": 120, "done": 0} for label in ("6", "7", "8", "9")],
    }


def test_a_study_without_axes_is_one_cell() -> None:
    made = planned(axes={})
    assert (len(made), str(made.cells[0])) == (30, "the only setting")


def test_settings_nobody_asked_for_are_no_part_of_a_shot(toy: type[ToyEngine]) -> None:
    made = planned(engine={"name": "toy"}, axes={"arm": [{"label": "own"}, {"label": "slow", "scheduler": "Slow"}]})
    own, slow = (made.first(cell).shot.settings for cell in made.cells)
    assert "scheduler" not in own
    assert slow["scheduler"] == "Slow"
    assert (own["model"], own["num_inference_steps"]) == ("emoji", 50)


def test_how_a_picture_is_made_changes_no_id_but_what_can_change_it_does(toy: type[ToyEngine]) -> None:
    def ids(**options: str) -> list[str]:
        return list(planned(engine={"name": "toy", **options}, axes={}).ids())

    assert ids() == ids(device="cpu") == ids(dtype="auto")
    assert set(ids()).isdisjoint(ids(dtype="float16"))


def test_a_study_made_by_hand_can_be_planned() -> None:
    made = plan.of(
        Study(
            name="x",
            prompts=(Prompt("a", "an owl"),),
            engines={"engine": teststrip.Study(**SEED_STUDY).engines["engine"]},
        )
    )
    assert len(list(made)) == 1


def test_a_plan_of_a_million_shots_is_counted_without_making_them() -> None:
    made = planned(
        prompts=[f"prompt {i}" for i in range(1000)],
        replicates=10,
        axes={"guidance_scale": {"from": 0, "to": 99, "step": 1}},
    )
    assert len(made) == 1_000_000
    assert made.summary().axes[0].levels[3].images == 10_000
    assert next(made.without(())).replicate == 0
