"""Scoring: only what is missing, one decoding a picture, no number where there is no model, nothing lost."""

from __future__ import annotations

import math
import shutil
from collections import Counter

import numpy as np
import pytest
from tests import installing
from tests.verbs import probes as probes_

import teststrip
from teststrip import pictures, plan, plugins
from teststrip.engines.pattern import PatternEngine
from teststrip.errors import UsageError
from teststrip.pictures.distances import rmse
from teststrip.protocols import Item
from teststrip.records import Failure, Render, Scored
from teststrip.results.result import Result
from teststrip.store import Store
from teststrip.verbs import score
from teststrip.verbs.score import Limits

FREE = ["sharpness", "colourfulness", "contrast", "clipped", "chroma", "seconds", "denoiser_calls"]
ALL_FREE = [*FREE, "convergence", "convergence_ssim", "diversity", "vendi_score"]


def asked(**changes):
    keys = {
        "name": "scored",
        "engine": {"name": "pattern"},
        "prompts": ["an owl", "a rose"],
        "replicates": 3,
        "settings": {"width": 24, "height": 16},
        "axes": {"guidance_scale": [1, 7], "num_inference_steps": [2, 8, 20]},
        "question": {"metrics": ALL_FREE},
    }
    return teststrip.Study(**{**keys, **changes})


def make(study, folder, left_out=()):
    """Render what is missing, but for some places of the plan; the open result."""
    store = Store(folder, write=True)
    shots = [planned.shot for number, planned in enumerate(plan.of(study)) if number not in left_out]
    for answer in PatternEngine().render(shot for shot in shots if shot.id not in store.done()):
        assert isinstance(answer, Render), answer
        store.add(answer)
    return Result(study, store)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """The folder of a finished study without scores, made once: each picture is flushed to the disk."""
    folder = tmp_path_factory.mktemp("rendered")
    make(asked(), folder).close()
    return folder


@pytest.fixture
def result(rendered, tmp_path):
    shutil.copytree(rendered, tmp_path, dirs_exist_ok=True)
    with Result(asked(), Store(tmp_path, write=True)) as made:
        yield made


@pytest.fixture
def probes(tmp_path_factory, monkeypatch):
    site = tmp_path_factory.mktemp("site")
    installing.distribution(site, "probes", {"metrics": probes_.METRICS})
    installing.reach(site, monkeypatch)


def told(result, names=None, **limits):
    events = []
    score.score(result, names, emit=events.append, limits=Limits(**limits))
    result.refresh()
    assert all(isinstance(event, Scored) for event in events)
    return events


def counts(events):
    found = Counter()
    for event in events:
        found[event.metric] += event.count
    return found


class _Counting:
    """A store that counts how often a picture is read."""

    def __init__(self, store):
        self._store = store
        self.read_digests = Counter()

    def __getattr__(self, name):
        return getattr(self._store, name)

    def read(self, image):
        self.read_digests[image.digest] += 1
        return self._store.read(image)


def test_every_image_gets_every_score_that_the_question_names(result):
    events = told(result)
    assert not any(event.note for event in events)
    assert counts(events) == {
        **dict.fromkeys(FREE, 36),
        "convergence": 36 + 12,  # and the end of each seed against that of another one
        "convergence_ssim": 36 + 12,
        "diversity": 12,
        "vendi_score": 12,
    }
    table = result.columns()
    for name in ALL_FREE:
        assert all(math.isfinite(value) for value in table[name]), name


def test_scores_are_those_of_the_pixels_on_disk(result):
    told(result, ["sharpness"])
    metric = plugins.load("metrics", "sharpness")()
    for row in result.rows():
        pixels = pictures.decode(result.store.read(row.image))
        assert row.scores["sharpness"] == metric.score([Item((row,), (pixels,))])[0]


def test_what_another_seed_changes_is_measured_and_is_no_score_of_a_picture(result):
    told(result, ["convergence"])
    card = plugins.load("metrics", "convergence")().card
    apart = dict(
        zip((row.image.digest for row in result.rows()), result.columns()[card.between_seeds_column], strict=True)
    )
    ends = [row for row in result.rows() if row.planned.cell["num_inference_steps"] == "20"]
    assert all(row.scores["convergence"] == 0 for row in ends)
    assert sum(math.isfinite(value) for value in apart.values()) == len(ends) == 12
    for row in ends:
        mine = pictures.decode(result.store.read(row.image))
        alike = [
            other
            for other in ends
            if other is not row and (other.planned.prompt, other.planned.cell) == (row.planned.prompt, row.planned.cell)
        ]
        distances = [rmse(mine, pictures.decode(result.store.read(other.image))) for other in alike]
        assert any(apart[row.image.digest] == pytest.approx(distance) for distance in distances)


def test_scoring_again_computes_nothing(result):
    told(result)
    assert counts(told(result)).total() == 0


def test_new_images_alone_are_scored(result, tmp_path):
    told(result)
    result.close()
    with make(asked(axes={"guidance_scale": [1, 7, 9], "num_inference_steps": [2, 8, 20]}), tmp_path) as wider:
        fresh = counts(told(wider))
    assert fresh == {
        **dict.fromkeys(FREE, 18),
        "convergence": 18 + 6,
        "convergence_ssim": 18 + 6,
        "diversity": 6,
        "vendi_score": 6,
    }


def test_each_picture_is_decoded_once_for_all_metrics(result):
    result.store = _Counting(result.store)
    told(result)
    assert set(result.store.read_digests.values()) == {1}
    assert len(result.store.read_digests) == 36


def test_no_picture_is_decoded_for_costs(result):
    result.store = _Counting(result.store)
    told(result, ["seconds", "denoiser_calls"])
    assert not result.store.read_digests


def test_memory_stays_bounded_when_a_prompt_has_more_pictures_than_fit(result):
    picture = 24 * 16 * 3
    kept = score._Pictures(result.store, 4 * picture)
    for row in result.rows():
        assert kept[row.image].shape == (16, 24, 3)
        assert kept._bytes <= 4 * picture


def test_scores_do_not_depend_on_how_much_fits_into_memory(result, rendered, tmp_path):
    told(result)
    folder = shutil.copytree(rendered, tmp_path / "narrow")
    with Result(asked(), Store(folder, write=True)) as narrow:
        told(narrow, kept_bytes=4 * 24 * 16 * 3, chunk_bytes=5 * 24 * 16 * 3)
        for name in ALL_FREE:
            np.testing.assert_array_equal(narrow.columns()[name], result.columns()[name])


def test_a_metric_of_another_version_scores_everything_again_and_is_not_mixed(result, probes):
    def of_version(version):
        result.study = asked(question={"metrics": ["probe"]}, metrics={"probe": {"version": version}})
        computed = counts(told(result))["probe"]
        return computed, {row.scores["probe"] for row in result.rows()}

    assert of_version(1) == (36, {1.0})
    assert of_version(2) == (36, {2.0})
    assert of_version(1) == (0, {1.0})


def test_a_metric_without_its_weights_says_why_and_the_others_go_on(result):
    events = told(result, ["pick_score", "sharpness"])
    assert [(event.metric, event.count) for event in events] == [("pick_score", 0), ("sharpness", 36)]
    assert events[0].note == "not computed, because no model is named. Give `model` a folder or a hub id"
    assert not any("pick_score" in row.scores for row in result.rows())


def test_a_metric_that_fails_takes_no_other_along(result, probes):
    events = told(result, ["failing", "sharpness"])
    assert events[0].note == "not computed, because it failed: ZeroDivisionError: division by zero"
    assert counts(events) == {"failing": 0, "sharpness": 36}


def test_a_metric_that_forgets_an_item_is_not_believed(result, probes):
    events = told(result, ["forgetful"])
    assert "ValueError" in events[0].note
    assert not any("forgetful" in row.scores for row in result.rows())


def test_a_damaged_picture_has_no_score_and_costs_no_other_its_own(result):
    victim = next(iter(result.rows())).image
    path = result.store.path(victim)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:60])
    events = told(result, ["sharpness", "seconds"])
    assert counts(events) == {"sharpness": 35, "seconds": 36}
    assert events[0].note == "not computed for damaged pictures. Run: teststrip verify"


def test_an_unknown_metric_is_the_callers_mistake(result):
    with pytest.raises(UsageError, match="Did you mean 'sharpness'"):
        score.score(result, ["sharpnes"])


def test_a_study_without_a_question_gets_all_that_needs_no_weights(result):
    result.study = asked(question={})
    events = told(result)
    assert {event.metric for event in events} == set(ALL_FREE)
    assert {name for row in result.rows() for name in row.scores} == set(ALL_FREE)


def test_without_a_question_nothing_is_said_of_metrics_that_do_not_apply(tmp_path):
    with make(asked(question={}, axes={}, replicates=1), tmp_path) as made:
        assert {event.metric for event in told(made)} == set(FREE)


def test_a_question_that_cannot_be_answered_is_told_why(tmp_path):
    with make(asked(axes={"guidance_scale": [1, 7]}, replicates=1), tmp_path) as made:
        notes = {event.metric: event.note for event in told(made) if event.note}
    assert set(notes) == {"convergence", "convergence_ssim", "diversity", "vendi_score"}
    assert "num_inference_steps" in notes["convergence"]
    assert "replicates" in notes["diversity"]


def test_a_group_that_grew_is_scored_anew_and_the_small_groups_value_is_gone(tmp_path):
    study = asked(axes={}, replicates=4, question={"metrics": ["diversity"]})
    with make(study, tmp_path, left_out=(0, 2)) as made:  # two seeds of the owl
        told(made)
        before = {row.planned.prompt.id: row.scores.get("diversity") for row in made.rows()}
    with make(study, tmp_path) as made:
        assert counts(told(made))["diversity"] == 1
        whole = {row.planned.prompt.id: row.scores["diversity"] for row in made.rows()}
        assert len({row.scores["diversity"] for row in made.rows()}) == 2
    grown = [prompt for prompt in whole if whole[prompt] != before[prompt]]
    assert len(grown) == 1


def test_a_reference_that_came_later_replaces_the_earlier_one(tmp_path):
    study = asked(prompts=["an owl"], replicates=1, axes={"num_inference_steps": [2, 8, 20]})
    with make(study, tmp_path, left_out=(2,)) as made:
        told(made, ["convergence"])
        assert [row.scores.get("convergence") for row in made.rows()][1:] == [0.0, None]
    with make(study, tmp_path) as made:
        told(made, ["convergence"])
        values = [row.scores["convergence"] for row in made.rows()]
    assert values[0] > values[1] > values[2] == 0.0


def test_an_interrupted_pass_keeps_what_it_had(result, probes):
    result.study = asked(question={"metrics": ["probe"]}, metrics={"probe": {"calls": 3}})
    with pytest.raises(KeyboardInterrupt):
        score.score(result, limits=Limits(chunk_images=10))
    result.refresh()
    assert sum("probe" in row.scores for row in result.rows()) == 20
    result.study = asked(question={"metrics": ["probe"]})
    assert counts(told(result))["probe"] == 16


def test_a_long_pass_tells_how_far_it_is_and_the_counts_add_up(result):
    events = told(result, ["sharpness"], chunk_images=10, report_seconds=-1.0)
    assert [event.count for event in events] == [10, 10, 10, 6, 0]


def test_options_of_a_metric_reach_it_from_the_study_file(tmp_path):
    study = asked(
        axes={},
        replicates=1,
        question={"metrics": ["clip_score"]},
        metrics={"clip_score": {"model": str(tmp_path / "nothing here")}},
    )
    with make(study, tmp_path) as made:
        [event] = told(made)
    assert "there is no folder" in event.note
    assert "nothing here" in event.note


def test_failed_shots_have_no_scores_and_no_zeros(tmp_path):
    study = asked(prompts=["an owl"])
    with make(study, tmp_path, left_out=(0,)) as made:
        made.store.fail(Failure(next(iter(plan.of(study))).shot, "refused", "no"))
        told(made)
        rows = list(made.rows())
        assert not rows[0].scores
        assert all(math.isnan(made.columns()[name][0]) for name in ALL_FREE)


def test_a_metric_of_pairs_must_say_which(result, probes):
    [event] = told(result, ["pairless"])
    assert "neither its card nor `arrange` says which" in event.note


def test_a_pass_that_is_stopped_keeps_what_it_has_and_goes_on_later(result):
    asked_so_far = []

    def stopped():
        asked_so_far.append(1)
        return len(asked_so_far) > 2

    score.score(result, ["sharpness"], stopped=stopped, limits=Limits(chunk_images=6))
    assert len(list(result.store.scores())) == 12
    assert counts(told(result, ["sharpness"])) == {"sharpness": 24}


def test_what_computed_a_score_is_written_down_with_it(result):
    told(result, ["sharpness", "diversity"])
    for name in ("sharpness", "diversity"):
        assert result.scored_by[name] == plugins.load("metrics", name)().fingerprint()
    assert {one.facts["engine"] for one in result.fingerprints.values()} == {"pattern"}
