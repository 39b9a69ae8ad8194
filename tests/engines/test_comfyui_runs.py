"""Whole runs against a server of ComfyUI through faults of every kind: each picture is one of its own cell."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.hosted.comfy_service import BAD, HARMLESS, ComfyService, Graph, configured, drawn
from tests.hosted.service import Fault, Reply, Request, png_of

from teststrip import study as studies
from teststrip.pictures import pixel_digest
from teststrip.records import Shot, Study
from teststrip.store import Store
from teststrip.verbs.run import drive

pytest.importorskip("httpx2")

PHASES = ("accepted", "read", "headers", "half", "whole")
INSTEAD = (Reply(200, b"<html>"), Reply(200, b'{"a'), Reply(200, []), Reply(500, b"broken"), Reply(502, b"<html>"))
WAYS = sorted({*BAD, *HARMLESS} - {"forgotten"})  # a restart takes others' graphs along, and has a test of its own
SIZE = (32, 16)


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ComfyService]]:
    with ComfyService() as here, ComfyService() as there:
        configured(tmp_path, monkeypatch, here=here, there=there)
        yield [here, there]


def study(prompts: int) -> Study:
    """So many prompts in four cells, on two servers."""
    return studies.study(
        name="comfy",
        prompts=[f"owl number {number}" for number in range(prompts)],
        engine={
            "name": "comfyui",
            "family": "sd15",
            "provider": "here, there",
            "first_wait": 0.0,
            "timeout": 5.0,
            "threads": 8,
        },
        settings={"model": "sd15.safetensors", "width": SIZE[0], "height": SIZE[1]},
        axes={"scheduler": ["euler", "dpmpp_2m"], "num_inference_steps": [2, 4]},
        question={"metrics": ["sharpness"]},
    )


class Chaos:
    """Spoils three of ten requests for a picture, each in another way."""

    def __init__(self, service: ComfyService, seed: int) -> None:
        self.random = random.Random(seed)
        service.spoil = self.spoil
        service.instead = self.instead
        service.behave = self.behave

    def spoil(self, number: int) -> Fault | None:
        if self.random.random() > 0.02:  # of the five connections that a picture takes
            return None
        return Fault(self.random.choice(("close", "reset")), self.random.choice(PHASES))  # type: ignore[arg-type]

    def instead(self, request: Request) -> Reply | None:
        if request.path != "/prompt" or self.random.random() > 0.05:
            return None
        return self.random.choice(INSTEAD)

    def behave(self, graph: Graph) -> str:
        # Drawn from the file's name, because the server asks more than once how it treats a graph.
        chance = random.Random(f"{graph['saved']['inputs']['filename_prefix']}")
        return chance.choice(
            [*(kind for kind in BAD if kind != "forgotten"), *HARMLESS] if chance.random() < 0.2 else [""]
        )


def campaign(folder: Path, services: list[ComfyService], prompts: int) -> None:
    """Run a study through faults, again and again, and look at every picture."""
    asked = study(prompts)
    for turn in range(4):
        for number, service in enumerate(services):
            Chaos(service, 10 * turn + number)
            service.restart()
        outcome = drive(asked, folder, trackers=[], views=False, retry=True)
        outcome.result.close()
        if not outcome.failed and not outcome.broke:
            break
    with Store(folder) as store:
        images, failures = store.images(), store.failures()
        assert len(images) + len(failures.keys() - images.keys()) == 4 * prompts, "a shot has no end"
        pictures = {image.shot_id: store.read(image) for found in images.values() for image in found}
        shots = {shot_id: store.shot(shot_id) for shot_id in pictures}
    by_cell = {cell(graph): drawn(graph) for service in services for _, graph in service.ran}
    assert len(pictures) > 3 * prompts
    for shot_id, data in pictures.items():
        shot = shots[shot_id]
        assert shot is not None
        right = png_of(*by_cell[of_shot(shot)], size=SIZE)
        assert pixel_digest(data) == pixel_digest(right), "a picture of another cell"


def cell(graph: Graph) -> tuple[object, ...]:
    sampler = graph["sampler"]["inputs"]
    return graph["positive"]["inputs"]["text"], sampler["seed"], sampler["sampler_name"], sampler["steps"]


def of_shot(shot: Shot) -> tuple[object, ...]:
    return shot.prompt, shot.seed, shot.settings["scheduler"], shot.settings["num_inference_steps"]


def test_a_run_through_faults_puts_every_picture_into_its_cell(tmp_path: Path, services: list[ComfyService]) -> None:
    campaign(tmp_path / "s", services, prompts=25)


@pytest.mark.slow
def test_ten_thousand_graphs_with_three_faults_in_ten_do_the_same(tmp_path: Path, services: list[ComfyService]) -> None:
    campaign(tmp_path / "s", services, prompts=2000)
    graphs = sum(request.path == "/prompt" for service in services for request in service.requests)
    assert graphs > 10_000
