"""A setting that was ignored is found by its pixels, and nothing else is."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from teststrip.engines.pattern import PatternEngine
from teststrip.records import Cell, EngineRef, Image, Planned, Prompt, Render, Row, Shot
from teststrip.rows.dead import dead_axes

PROMPTS = (Prompt("owl", "an owl"), Prompt("rose", "a rose"))


def made(axes, fixed=(), seeds=(1, 2)):
    """Rows of a small study, with the pictures that engine pattern makes."""
    planned = []
    for values in product(*axes.values()):
        settings = dict(fixed) | dict(zip(axes, values, strict=True)) | {"width": 8, "height": 8}
        cell = Cell(tuple((axis, str(value)) for axis, value in zip(axes, values, strict=True)))
        for prompt in PROMPTS:
            for replicate, seed in enumerate(seeds):
                shot = Shot(EngineRef("pattern"), settings | {"prompt": prompt.text, "seed": seed})
                planned.append(Planned(shot, cell, prompt, replicate))
    answers = PatternEngine().render(place.shot for place in planned)
    return [Row(place, image(answer)) for place, answer in zip(planned, answers, strict=True)]


def image(answer):
    assert isinstance(answer, Render)
    return Image(answer.shot.id, "0" * 64, "", answer.width, answer.height, 1, 0.0, "f", answer.facts)


def told(cell, pixels, replicate=0):
    """A row with a digest as told, for cases that no engine makes on demand."""
    shot = Shot(EngineRef("pattern"), {"prompt": "an owl", "seed": replicate})
    found = Image("s", "0" * 64, "", 1, 1, 1, 0.0, "f", {"pixels": pixels}) if pixels else None
    return Row(Planned(shot, Cell(tuple(cell.items())), PROMPTS[0], replicate), found)


def test_an_axis_that_changes_no_pixel_is_dead():
    (dead,) = dead_axes(made({"guidance_scale": [3.0, 7.0], "eta": [0.0, 0.5, 1.0]}))
    assert (dead.axis, dead.levels, dead.where, dead.whole) == ("eta", ("0.0", "0.5", "1.0"), None, True)
    assert dead.compared == 2 * 2 * 2  # guidance, prompts, seeds
    assert dead.sentence == (
        "eta changes nothing: 0.0, 0.5 and 1.0 gave identical pixels in all 8 comparisons. Take this axis out."
    )


def test_an_axis_that_changes_pixels_is_alive():
    assert dead_axes(made({"guidance_scale": [3.0, 7.0], "num_inference_steps": [5, 50]})) == []


def test_two_levels_that_are_one_are_found_among_others_that_differ():
    rows = [told({"scheduler": label}, pixels) for label, pixels in [("a", "1"), ("b", "2"), ("c", "1")]]
    (dead,) = dead_axes(rows)
    assert (dead.levels, dead.whole) == (("a", "c"), False)
    assert (
        dead.sentence
        == "scheduler a and c are one: a and c gave identical pixels in the only comparison. Keep one of them."
    )


def test_an_axis_that_lives_at_one_level_of_another_is_dead_at_the_other_only():
    rows = [
        told({"scheduler": scheduler, "eta": eta}, scheduler + (eta if scheduler == "DDIM" else ""))
        for scheduler in ("DDIM", "Euler")
        for eta in ("0", "1")
    ]
    (dead,) = dead_axes(rows)
    assert (dead.axis, dead.where, dead.whole) == ("eta", ("scheduler", "Euler"), True)
    assert dead.sentence.startswith("eta changes nothing with scheduler Euler: 0 and 1 gave identical pixels")


def test_one_difference_is_enough_to_be_alive():
    rows = [
        told({"eta": eta}, "same" if (seed, eta) != (3, "1") else "other", seed) for seed in range(5) for eta in "01"
    ]
    assert dead_axes(rows) == []


def test_missing_pictures_and_missing_digests_prove_nothing():
    assert dead_axes([told({"eta": "0"}, "same"), told({"eta": "1"}, None)]) == []
    assert dead_axes([told({"eta": "0"}, "same", 0), told({"eta": "1"}, "same", 1)]) == []
    assert dead_axes([]) == []


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 2), st.sampled_from("123"))))
def test_what_is_called_dead_has_equal_pixels_wherever_both_levels_were_seen(entries):
    cells = {(a, b, seed): pixels for a, b, seed, pixels in entries}
    rows = [told({"a": a, "b": b}, pixels, seed) for (a, b, seed), pixels in cells.items()]
    for dead in dead_axes(rows):
        here = [row for row in rows if dead.where is None or row.planned.cell[dead.where[0]] == dead.where[1]]
        seen = {}
        for row in here:
            if row.planned.cell[dead.axis] in dead.levels:
                rest = tuple(level for level in row.planned.cell.levels if level[0] != dead.axis)
                seen.setdefault((row.planned.replicate, rest), set()).add(row.image.facts["pixels"])
        assert dead.compared >= 1
        # Alike means alike with the first level; so all that stand beside it in one place are equal.
        first = dead.levels[0]
        for (replicate, rest), pixels in seen.items():
            present = any(
                row.planned.cell[dead.axis] == first
                and row.planned.replicate == replicate
                and tuple(level for level in row.planned.cell.levels if level[0] != dead.axis) == rest
                for row in here
            )
            assert not present or len(pixels) == 1
