"""`bench.gpu` at its reduced size: every section gives numbers, and pictures that are not a call's own are found."""

import json
from dataclasses import replace

import pytest
import torch
from bench.gpu.__main__ import SECTIONS, driver, run
from bench.gpu.models import DENOISERS, PUBLISHED, parameters
from bench.gpu.sections import LeftOut, Setup, measured

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


def test_a_section_lists_what_it_left_out_and_why():
    def unable():
        raise LeftOut("the card is too small")

    def without_memory():
        raise torch.OutOfMemoryError("out of memory")

    def broken():
        raise KeyError("a fault")

    parts = [("one", lambda: {"holds": True}), ("two", unable), ("three", without_memory), ("four", broken)]
    section = measured(parts, SMALL, limit=60)
    assert section.parts == {"one": {"holds": True}}
    assert section.left_out == {"two": "the card is too small", "three": "OutOfMemoryError: out of memory"}
    assert section.broken == {"four": "KeyError: 'a fault'"}
    late = measured(parts, SMALL, limit=0)
    assert not late.parts
    assert late.left_out.keys() == {"one", "two", "three", "four"}
