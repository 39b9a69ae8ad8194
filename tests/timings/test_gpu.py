"""`bench.gpu` at its reduced size: every section gives numbers, and pictures that are not a call's own are found."""

import doctest
import json
import time
from dataclasses import replace
from functools import partial

import pytest
import torch
from bench.gpu import __main__ as main_module
from bench.gpu import checks, speeds
from bench.gpu.__main__ import SECTIONS, WHOLE, driver, run
from bench.gpu.models import DENOISERS, PUBLISHED, parameters
from bench.gpu.sections import Budget, LeftOut, Part, Setup, measured

from teststrip.batching import Batcher

SMALL = Setup(torch.device("cpu"), small=True)


class OfTheNeighbour(Batcher):
    """Gives each call the picture of the call that ended before it."""

    def run(self, calls):
        answers = list(super().run(calls))
        for answer, other in zip(answers, answers[-1:] + answers[:-1], strict=True):
            yield replace(answer, output=other.output)


class OfTheRows(Batcher):
    """Gives a call other bytes where other calls share its rows: one level of 255, which no eye sees."""

    def run(self, calls):
        answers = list(super().run(calls))
        for answer in answers:
            yield replace(answer, output=answer.output + len(answers) / 2550)


def test_every_section_gives_numbers_at_the_reduced_size(tmp_path):
    names = SECTIONS.keys() - {"compile"}  # which takes as long as all the others
    result = run(SMALL, names, tmp_path / "gpu.json")
    assert json.loads((tmp_path / "gpu.json").read_text("utf-8"))["sections"].keys() == names
    assert result["holds"]
    assert result["sections left out"] == ["compile"]
    for name, section in result["sections"].items():
        assert not section["broken"], name
        assert not section["left_out"], name
        assert section["parts"], name
    speed = next(iter(result["sections"]["speed"]["parts"].values()))
    assert speed["images a second"].keys() == {"one", "cells", "teststrip", "bare"}
    assert all(pace > 0 for pace in speed["images a second"].values())


@pytest.mark.slow
def test_the_section_on_compiling_gives_numbers(tmp_path):
    (part,) = run(SMALL, ["compile"], tmp_path / "gpu.json")["sections"]["compile"]["parts"].values()
    assert part["holds"]


@pytest.mark.parametrize(("fault", "section"), [(OfTheNeighbour, "equality"), (OfTheRows, "bytes")])
def test_a_batcher_that_gives_bytes_of_neighbours_is_caught(tmp_path, fault, section):
    result = run(replace(SMALL, batcher=fault), [section], tmp_path / "gpu.json")
    assert not result["holds"]
    assert result["sections"][section]["wrong"] == ["flux"]


@pytest.mark.parametrize(("program", "told"), [("echo 570.86.15", "570.86.15"), ("exit 9", None), (None, None)])
def test_a_machine_without_the_program_of_its_driver_is_measured_all_the_same(tmp_path, program, told, monkeypatch):
    if program is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{program}\n", encoding="utf-8")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert driver(tmp_path / "version") == told
    (tmp_path / "version").write_text("NVRM version: 570\n", encoding="utf-8")
    assert driver(tmp_path / "version") == (told or "NVRM version: 570")


def test_full_sized_denoisers_have_the_published_number_of_weights():
    assert {name: parameters(name) for name in DENOISERS} == PUBLISHED


class Clock:
    """A clock that stands still until it is told that seconds have passed."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def passes(self, seconds):
        self.now += seconds
        return {"holds": True}


class SlowCard:
    """Tiny models on a processor that take, by this clock, as long as full-sized ones on a slow card.

    Args:
        seconds: of one row of 32 x 32 latents in a denoiser.
    """

    def __init__(self, seconds):
        self.seconds = seconds
        self.slept = 0.0

    def clock(self):
        return time.perf_counter() + self.slept

    def ready(self, model):
        parts = [getattr(model, name, None) for name in ("unet", "transformer")]
        for part in [part for part in parts if part is not None] or [model]:
            part.register_forward_pre_hook(self.takes, with_kwargs=True)
        return model

    def takes(self, model, arguments, named):
        first = next(one for one in [*arguments, *named.values()] if torch.is_tensor(one) or isinstance(one, list))
        rows = len(first)
        pixels = first.shape[-1] * first.shape[-2] if torch.is_tensor(first) and first.ndim == 4 else 256
        self.slept += self.seconds * rows * pixels / 1024


class AtFullLength(Setup):
    """Reduced models, as many pictures as in a full run."""

    part_seconds = 4.0


TOLD = ("bytes", "equality", "rows", "speed")
"""Sections that predict all but a first small step."""

MANY_SPEEDS = [("sdxl", side, steps) for side in (32, 64) for steps in (2, 8)]


# An image of 64 px takes 16 rows. On the first card that is 12 seconds, as Stable Diffusion XL takes for 1024 px and 30
# steps on a common card, on the second one 64 seconds, and on the third one half a second.
@pytest.mark.parametrize("seconds", [0.75, 4.0, pytest.param(0.03, marks=pytest.mark.slow)])
def test_a_slow_card_is_measured_in_under_eight_minutes_and_what_does_not_fit_is_listed(tmp_path, seconds):
    card = SlowCard(seconds)
    setup = AtFullLength(torch.device("cpu"), small=True, ready=card.ready, clock=card.clock)
    sections = {**SECTIONS, "speed": (partial(speeds.speed, asked=MANY_SPEEDS), SECTIONS["speed"][1])}
    begin = card.clock()
    result = run(setup, sections.keys() - {"compile"}, tmp_path / "gpu.json", sections)
    assert card.clock() - begin < WHOLE
    assert all(
        section["seconds"] < 1.25 * section["limit"] for name, section in result["sections"].items() if name in TOLD
    )
    assert json.loads((tmp_path / "gpu.json").read_text("utf-8")) == json.loads(json.dumps(result))
    for name, section in result["sections"].items():
        assert not section["broken"], name
        assert len(section["parts"]) + len(section["left_out"]) == len(sections[name][0](setup))
    speed = result["sections"]["speed"]
    ways = {way for part in speed["parts"].values() for way in part["images a second"]}
    left_out = {way for part in speed["parts"].values() for way in part["left out"]}
    assert card.slept > 60 or seconds < 0.1
    assert {"one", "teststrip", "bare"} <= ways
    assert left_out
    assert bool(speed["left_out"]) == (seconds > 0.1)


def test_a_result_is_written_after_each_part(tmp_path):
    out, seen = tmp_path / "gpu.json", []

    def second(budget):
        seen.append(json.loads(out.read_text("utf-8"))["sections"]["both"]["parts"])
        return {}

    parts = [Part("one", lambda budget: {"holds": True}), Part("two", second)]
    result = run(SMALL, ["both"], out, {"both": (lambda setup: parts, 60)})
    assert seen == [{"one": {"holds": True}}]
    assert result["holds"] is True


def test_what_was_not_measured_neither_holds_nor_fails(tmp_path):
    def unable(budget):
        raise LeftOut("the card is too small")

    sections = {"none": (lambda setup: [Part("one", unable)], 60)}
    result = run(SMALL, ["none"], tmp_path / "gpu.json", sections)
    assert result["holds"] is None
    assert json.loads((tmp_path / "gpu.json").read_text("utf-8"))["sections"]["none"]["holds"] is None


def test_a_part_that_does_not_fit_by_the_pace_of_the_others_is_left_out_and_a_shorter_one_is_measured():
    clock = Clock()
    setup = replace(SMALL, clock=clock)
    costs = {"one": 1, "long": 30, "two": 1, "three": 1}
    parts = [Part(name, lambda budget, cost=cost: clock.passes(2 * cost), cost) for name, cost in costs.items()]
    section = measured(parts, setup, limit=50)
    assert list(section.parts) == ["one", "two", "three"]
    assert section.left_out == {"long": "it takes about 60 seconds, and 48 are left"}
    assert clock.now == section.seconds == 6


@pytest.mark.parametrize(("milliseconds", "reached"), [(1, 64), (40, 12), (400, 2), (40_000, 2)])
def test_a_ladder_of_rows_keeps_to_its_own_limit(milliseconds, reached):
    clock = Clock()
    setup = replace(SMALL, clock=clock)
    each, end = speeds.ladder(setup, Budget(1000, clock), lambda rows: clock.passes(rows * milliseconds / 1000), 5)
    assert max(each) == reached
    assert bool(end) == (reached < 64)
    assert clock.now <= 5 or reached == 2  # without a first number there would be none


def test_a_ladder_ends_where_memory_does_whatever_the_library_says():
    def forward(rows):
        if rows > 8:
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")

    each, end = speeds.ladder(SMALL, Budget(60), forward, 60)
    assert max(each) == 8
    assert end == "12 rows: out of memory"


def test_full_sized_models_are_checked_first_and_the_slowest_tiny_one_last():
    names = [part.name for part in checks.same_bytes(Setup(torch.device("cpu")))]
    assert names[:2] == ["sd15, full size", "sdxl, full size"]
    assert names[-1] == checks.equality(Setup(torch.device("cpu")))[-1].name == "hidream"


def test_no_ballast_is_laid_where_a_decoded_picture_takes_as_much_as_many_rows():
    assert 160 < checks.room_for(100, 160, 4) < 400
    with pytest.raises(LeftOut, match="decoding a picture"):
        checks.room_for(100, 390, 4)


def test_a_section_lists_what_it_left_out_and_why():
    def unable(budget):
        raise LeftOut("the card is too small")

    def without_memory(budget):
        raise torch.OutOfMemoryError("out of memory")

    def broken(budget):
        raise KeyError("a fault")

    measures = {"one": lambda budget: {"holds": True}, "two": unable, "three": without_memory, "four": broken}
    parts = [Part(name, measure) for name, measure in measures.items()]
    section = measured(parts, SMALL, limit=60)
    assert section.parts == {"one": {"holds": True}}
    assert section.left_out == {"two": "the card is too small", "three": "OutOfMemoryError: out of memory"}
    assert section.broken == {"four": "KeyError: 'a fault'"}
    late = measured(parts, SMALL, limit=0)
    assert not late.parts
    assert late.left_out.keys() == {"one", "two", "three", "four"}


@pytest.mark.parametrize("module", [main_module, checks, speeds])
def test_the_examples_of_the_kit_are_true(module):
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed, "what was printed says which"
