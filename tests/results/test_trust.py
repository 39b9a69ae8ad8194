"""What only describes recommends nothing, a strange score is warned of, and a registered question is cited."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import studies
from tests.command import command

import teststrip
from teststrip import analysis, plugins
from teststrip import study as reading
from teststrip.errors import UsageError
from teststrip.folder import REGISTERED_FILE
from teststrip.records import Axis, Card, Level, Look, Prompt, Question, Study
from teststrip.records.looked import changes
from teststrip.results import looked, registered, scores
from teststrip.verbs import forecast
from teststrip.verbs.register import register
from teststrip.verbs.run import drive
from teststrip.views import board, report

PIXELS = ("sharpness", "colourfulness", "contrast", "clipped", "chroma")
WHEN = "2026-11-28T09:00:00Z"
STRANGE = "trained on drawn emoji"


def table(prompts: int, gain: float) -> dict[str, list[float]]:
    """Prompts × 2 seeds × 3 guidances, in which each guidance scores surely higher than the one before."""
    places = [(p, r, g) for p in range(prompts) for r in range(2) for g in (1.0, 3.0, 7.0)]
    noise = [math.sin(12.9898 * i) for i in range(len(places))]
    return {
        "prompt": [float(p) for p, _, _ in places],
        "replicate": [float(r) for _, r, _ in places],
        "guidance_scale": [g for _, _, g in places],
        "seconds": [1.0 for _ in places],
        "score": [gain * g + n for (_, _, g), n in zip(places, noise, strict=True)],
    }


@settings(max_examples=10)
@given(prompts=st.integers(8, 14), gain=st.floats(5, 50))
def test_a_score_that_only_describes_recommends_nothing_however_clear_it_is(prompts: int, gain: float) -> None:
    columns = table(prompts, gain)
    good = Card("score", higher_is_better=True)
    assert analysis.recommend(columns, good, axes=["guidance_scale"]).settled
    for mute in (
        replace(good, higher_is_better=None, describes="noise counts"),
        replace(good, describes="noise counts"),
    ):
        made = analysis.recommend(columns, mute, axes=["guidance_scale"])
        assert (made.choice, made.best, made.settled) == (None, None, False)
        assert "it only describes pictures, because noise counts" in made.sentence


@pytest.mark.parametrize("name", PIXELS)
def test_numbers_of_pixels_only_describe(name: str) -> None:
    card = plugins.load("metrics", name).card
    assert card.describes
    assert card.higher_is_better is None


MODELS = st.sampled_from(["emoji", "owner/other", "/models/mine"])


@settings(max_examples=25)
@given(fixed=MODELS, axis=st.none() | st.lists(MODELS, min_size=2, max_size=3, unique=True), own=st.booleans())
def test_the_embedded_scorer_is_warned_of_exactly_where_another_model_makes_pictures(
    fixed: str, axis: list[str] | None, own: bool
) -> None:
    levels = tuple(Level(model, {"model": model}) for model in axis or ())
    asked = Study(
        name="strange",
        prompts=(Prompt("owl", "an owl"),),
        axes=(Axis("model", "setting", levels),) if axis else (),
        settings={} if axis else {"model": fixed},
        question=Question(("clip_score", "sharpness")),
        metric_options={"clip_score": {"model": "owner/clip"}} if own else {},
    )
    strange = not own and set(axis or [fixed]) != {"emoji"}
    assert bool(scores.warnings(asked)) == strange
    card = scores.cards(asked, ())["clip_score"]
    assert card.higher_is_better is (None if strange else True)
    assert (STRANGE in card.describes) == strange
    assert ("pictures here are of model" in card.failure) == strange


def small(**changed: Any) -> Study:
    keys: dict[str, Any] = {
        "name": "trusted",
        "prompts": ["a rose", "an owl"],
        "settings": {"width": 16, "height": 16},
        "question": {"metrics": ["sharpness"]},
    }
    return studies.little(**{**keys, **changed})


def run(folder: Path, asked: Study, limit: int | None = None) -> None:
    drive(asked, folder, limit=limit, trackers=[], views=False).result.close()


@pytest.mark.process
def test_plan_run_report_page_and_best_all_warn_of_a_score_that_knows_no_such_pictures(tmp_path: Path) -> None:
    asked = small(question={"metrics": ["clip_score"]})
    path = tmp_path / "study.toml"
    path.write_text(reading.dump(asked), encoding="utf-8")
    assert any(STRANGE in line for line in forecast.lines(forecast.of(path, tmp_path / "run")))
    ran = command("run", path, "--out", tmp_path / "run", cwd=tmp_path)
    assert STRANGE in " ".join(ran.stderr.split()), "before the first image"
    with teststrip.open(tmp_path / "run") as result:
        assert STRANGE in report.text(result)
        assert STRANGE in report.markdown(result)
        assert "it only describes pictures" in report.best_text(result)
        assert any(STRANGE in sentence for sentence in board.warnings(result))
        assert not any(made.choice for made in result.recommendations)


EXCLUSIONS = st.lists(
    st.dictionaries(
        st.sampled_from(["guidance_scale", "num_inference_steps"]),
        st.lists(st.sampled_from(["1", "7"]), min_size=1, max_size=2, unique=True).map(tuple),
        min_size=1,
    ),
    max_size=3,
)


@given(before=EXCLUSIONS, after=EXCLUSIONS, order=st.randoms(use_true_random=False))
def test_leaving_out_otherwise_is_a_change_and_another_order_is_none(before: Any, after: Any, order: Any) -> None:
    question = Question(("a",))
    turned = [dict(sorted(rule.items(), reverse=True)) for rule in before]
    order.shuffle(turned)
    assert changes(question, question, tuple(before), tuple(turned)) == ()
    sets = [
        {json.dumps({a: sorted(ls) for a, ls in r.items()}, sort_keys=True) for r in one} for one in (before, after)
    ]
    same = sets[0] == sets[1]
    assert changes(question, question, tuple(before), tuple(after)) == (() if same else ("exclusions",))
    unknown = Look("x", question, "data", 1, 6, {}, number=1)
    assert looked.question_changes([unknown], question, tuple(after)) == [], "an earlier version kept none"


def test_a_combination_left_out_after_data_is_flagged_with_what_when_and_after_how_many_images(tmp_path: Path) -> None:
    axes = {"guidance_scale": [1, 7], "num_inference_steps": [2, 8]}
    run(tmp_path, small(axes=axes))
    with teststrip.open(tmp_path) as result:
        images = result.made
    run(tmp_path, small(axes=axes, exclude=[{"guidance_scale": 7, "num_inference_steps": 8}]))
    with teststrip.open(tmp_path) as result:
        (change,) = report.as_json(result)["question_changes"]
        assert (change["part"], change["images"]) == ("exclusions", images)
        (sentence,) = [text for text in result.history if "was changed" in text]
    assert f"after {images} images (look 1, 20" in sentence
    assert "left out was nothing; now it is guidance 7 with steps 8" in sentence


VARIANTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "nothing": ({}, ()),
    "how it runs": ({"trackers": {"tensorboard": {}}}, ()),
    "margin": ({"question": {"metrics": ["sharpness"], "margin": 0.5}}, ("margin",)),
    "metrics": ({"question": {"metrics": ["sharpness", "chroma"]}}, ("metrics",)),
    "prompts": ({"prompts": ["a rose", "a cat"]}, ("prompts",)),
    "seeds": ({"replicates": 3}, ("replicates",)),
    "scope": ({"question": {"metrics": ["sharpness"], "scope": "these prompts"}}, ("scope",)),
}


@pytest.mark.parametrize(("changed", "parts"), VARIANTS.values(), ids=VARIANTS)
def test_the_report_cites_the_registered_question_and_names_what_differs(
    changed: dict[str, Any], parts: tuple[str, ...], tmp_path: Path
) -> None:
    made = register(small(), tmp_path)
    data = (tmp_path / REGISTERED_FILE).read_bytes()
    assert made.digest == hashlib.sha256(data).hexdigest()
    run(tmp_path, small(**{**changed, "trackers": {}}))
    with teststrip.open(tmp_path) as result:
        assert result.registration == replace(made, changed=parts)
        text = report.text(result)
    assert f"registered on {made.at} before the first image, digest {made.digest[:16]}" in text
    assert ("not the registered one any more" in text) == bool(parts)
    assert all(part in text for part in parts)


def test_a_question_is_registered_anew_until_the_first_image_and_then_stays(tmp_path: Path) -> None:
    other = small(question={"metrics": ["sharpness"], "margin": 0.5})
    first = register(small(), tmp_path)
    assert register(small(), tmp_path) == first
    second = register(other, tmp_path)
    assert second.digest != first.digest
    run(tmp_path, other, limit=2)
    assert register(other, tmp_path) == second
    with pytest.raises(UsageError, match="another question is registered"):
        register(small(), tmp_path)
    assert hashlib.sha256((tmp_path / REGISTERED_FILE).read_bytes()).hexdigest() == second.digest


def test_a_question_that_is_registered_after_images_is_said_to_be(tmp_path: Path) -> None:
    run(tmp_path, small(), limit=3)
    register(small(), tmp_path)
    with teststrip.open(tmp_path) as result:
        assert any("after 3 images, digest" in text for text in result.history)


@given(data=st.binary(max_size=60) | st.just(b"# Registered 2026-11-28T09:00:00Z after 0 images.\nname = "))
def test_a_strangers_file_is_no_registered_question_and_stops_nothing(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("strange")
    (folder / REGISTERED_FILE).write_bytes(data)
    found = registered.read(folder, small())
    assert found is not None
    assert not found.at


@given(at=st.just(WHEN), images=st.integers(0, 10**9))
def test_the_digest_covers_the_time_and_the_number_of_images(at: str, images: int) -> None:
    whole = registered.text(small(), at=at, images=images)
    assert whole.startswith(f"# Registered {at} after {images} images.\n")
    assert reading.dump(small()).splitlines()[0] in whole


@pytest.mark.process
def test_plan_prints_the_digest_that_the_file_has(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(reading.dump(small()), encoding="utf-8")
    said = command("plan", path, "--out", tmp_path / "run", "--no-calibrate", "--register", cwd=tmp_path).stdout
    assert hashlib.sha256((tmp_path / "run" / REGISTERED_FILE).read_bytes()).hexdigest() in said
