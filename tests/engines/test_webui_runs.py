"""Whole runs with the engine `webui`: a study of samplers and steps, thousands of faults, a `plan` that asks nobody."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.engines.test_webui import ANSWERS, configured
from tests.hosted.service import Fault, Reply, Request
from tests.hosted.webui_service import MODELS, SAMPLERS, SCHEDULES, Made, WebuiService
from typer.testing import CliRunner

from teststrip import study as studies
from teststrip.cli import app
from teststrip.errors import EngineError, StudyError
from teststrip.pictures import pixel_digest
from teststrip.records import Study
from teststrip.store import Store
from teststrip.verbs import forecast
from teststrip.verbs.run import drive

pytest.importorskip("httpx2")
__all__ = ["configured"]

DREAM = "dream.safetensors [879db523c3]"


@pytest.fixture
def service(configured: Callable[..., None]) -> Iterator[WebuiService]:
    with WebuiService() as found:
        configured(found)
        yield found


def keys(prompts: int = 2, replicates: int = 2, **more: Any) -> dict[str, Any]:
    return {
        "name": "samplers",
        "prompts": [f"owl number {i}" for i in range(prompts)],
        "replicates": replicates,
        "engine": {"name": "webui", "provider": "here", "first_wait": 0.0, "timeout": 5.0},
        "settings": {"model": "dream", "width": 64, "height": 64, "guidance_scale": 7.0},
        "axes": {"scheduler": ["Euler a", "dpmpp_2m"], "num_inference_steps": [10, 20]},
        "question": {"metrics": ["sharpness"]},
        **more,
    }


def written(tmp_path: Path, study: Study) -> Path:
    file = tmp_path / "study.toml"
    file.write_text(studies.dump(study), encoding="utf-8")
    return file


def command(*words: str | Path) -> Any:
    return CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "200", "NO_COLOR": "1"})


def test_a_study_of_samplers_and_steps_runs_to_its_page_and_goes_on(tmp_path: Path, service: WebuiService) -> None:
    asked = studies.study(**keys())
    with drive(asked, tmp_path / "s", trackers=[]).result as result:
        assert result.made == 16
        assert result.paired_seeds
        assert {finding.axis for finding in result.findings} >= {"scheduler", "num_inference_steps"}
    assert (tmp_path / "s" / "page" / "index.html").is_file()
    seeds = {(request.body["prompt"], request.body["seed"]) for request in service.asked}
    assert len(seeds) == 4  # two prompts with two seeds, the same in each cell
    again = drive(asked, tmp_path / "s", trackers=[], views=False)
    again.result.close()
    assert (again.made, again.left) == (0, 0)
    service.program = "v1.11.0"  # type: ignore[misc]
    with pytest.raises(Exception, match=r"version was 'v1.10.1', is 'v1.11.0'"):
        drive(asked, tmp_path / "s", trackers=[], views=False)


def test_a_run_begins_with_no_picture_where_the_server_lacks_a_name(tmp_path: Path, service: WebuiService) -> None:
    asked = studies.study(**keys(axes={"scheduler": ["Euler a", "Eulr"], "model": ["dream", "reel"]}, settings={}))
    with pytest.raises(StudyError) as caught:
        drive(asked, tmp_path / "s", trackers=[])
    assert "scheduler Eulr: the server has no sampler 'Eulr'" in str(caught.value)
    assert "model reel: the server has no 'reel'" in str(caught.value)
    assert service.asked == []
    outcome = drive(asked, tmp_path / "s", trackers=[], without_failing=True, views=False)
    outcome.result.close()
    assert outcome.made == 4


def test_a_plan_asks_no_server_unless_it_is_told_to(tmp_path: Path, service: WebuiService) -> None:
    file = written(tmp_path, studies.study(**keys(axes={"scheduler": ["Euler a", "Eulr"]})))
    told = command("plan", file, "--out", tmp_path / "s")
    assert told.exit_code == 0, told.output
    assert "2 of 2 settings are not held against what the server has: --ask does that" in told.output
    assert service.requests == []
    told = command("plan", file, "--out", tmp_path / "s", "--ask")
    assert "no sampler 'Eulr'" in str(told.exception)
    assert service.requests != []
    assert service.asked == []


def test_a_plan_believes_that_the_server_is_what_it_was(tmp_path: Path, service: WebuiService) -> None:
    asked = studies.study(**keys())
    file = written(tmp_path, asked)
    drive(asked, tmp_path / "s", trackers=[], views=False, limit=6).result.close()
    service.requests.clear()
    overview = forecast.of(file, tmp_path / "s")
    assert len(overview.done) == 6
    assert service.requests == []
    assert len(forecast.of(file, tmp_path / "s", ask=True).done) == 6
    service.loaded = "real.safetensors [c0d1994c73]"
    assert len(forecast.of(file, tmp_path / "s", ask=True).done) == 6  # the study names its model
    service.close()
    with pytest.raises(
        EngineError, match=r"the server at http://127.0.0.1:\d+ was not reached .* Start the web UI with --api"
    ):
        drive(asked, tmp_path / "s", trackers=[])


class Chaos:
    """Spoils four of ten requests for pictures, each in another way; what the pictures show is the server's truth."""

    def __init__(self, service: WebuiService, seed: int) -> None:
        self.service = service
        self.random = random.Random(seed)
        self.swapped = 0
        service.bend, service.answer, service.spoil = self.bend, self.answer, self.spoil

    def spoil(self, number: int) -> Fault | None:
        if number < 100 or self.random.random() > 0.05:  # the lists are read at the beginning
            return None
        return Fault(
            self.random.choice(("close", "reset")), self.random.choice(("accepted", "read", "headers", "half"))
        )

    def bend(self, made: Made, request: Request) -> None:
        if self.random.random() > 0.25:
            return
        self.swapped += 1
        swaps: dict[str, Any] = {
            "model": self.random.choice(list(MODELS)),
            "sampler": self.random.choice(list(SAMPLERS)),
            "schedule": self.random.choice(list(SCHEDULES.values())),
            "steps": self.random.choice((10, 20, 50)),
            "cfg_scale": self.random.choice((7.0, 7.5, float("nan"))),
            "seeds": self.random.choice(([made["seeds"][0] + 1], [made["seeds"][0], made["seeds"][0] + 1])),
            "width": 128,
            "clip": 2,
            "vae": "hard.safetensors",
            "prompt": made["prompt"] + ", best quality",
            "negative": "ugly",
        }
        for name in self.random.sample(sorted(swaps), self.random.choice((1, 1, 2))):
            made[name] = swaps[name]

    def answer(self, answer: dict[str, Any], request: Request) -> Any:
        dice = self.random.random()
        if dice < 0.1:
            return self.random.choice([ANSWERS[name][0] for name in ANSWERS])(answer, request)
        if dice < 0.15:
            return answer | {"info": ""}  # the picture's own text is left
        if dice < 0.2:
            return Reply(503, {"detail": "busy"})
        return answer


def campaign(folder: Path, service: WebuiService, prompts: int, seed: int, rounds: int) -> Chaos:
    """Run a study through faults to its end, and hold every stored picture against its cell."""
    axes = {"scheduler": ["Euler a", "DPM++ 2M"], "spacing": ["Karras", "Exponential"], "clip_skip": [0, 1]}
    settings = {"model": "dream", "width": 64, "height": 64, "guidance_scale": 7.0, "num_inference_steps": 10}
    asked = studies.study(**keys(prompts, 1, axes=axes, settings=settings | {"vae": "soft"}))
    chaos = Chaos(service, seed)
    for _ in range(rounds):
        outcome = drive(asked, folder, trackers=[], views=False, retry=True)
        outcome.result.close()
        if outcome.left == 0:
            break
    with Store(folder) as store:
        failures, images = store.failures(), store.images()
        shots = 8 * prompts
        assert len(failures.keys() | images.keys()) == shots, "a shot has no end"
        assert all(one.text for one in failures.values())
        wrong = 0
        for shot_id, found in images.items():
            shot = store.shot(shot_id)
            assert shot is not None
            true: Made = {
                "model": DREAM,
                "vae": "soft.safetensors",
                "clip": int(shot.settings["clip_skip"] or 0) + 1,
                "rng": "GPU",
                "sampler": shot.settings["scheduler"],
                "schedule": shot.settings["spacing"],
                "prompt": shot.prompt,
                "negative": "",
                "steps": 10,
                "cfg_scale": 7.0,
                "width": 64,
                "height": 64,
                "more": {},
            }
            right = pixel_digest(WebuiService.drawn(true, shot.seed))
            wrong += sum(pixel_digest(store.read(image)) != right for image in found)
        assert wrong == 0, "pictures in wrong cells"
        assert len(images) > shots / 2
    return chaos


def test_a_run_through_swaps_and_faults_puts_no_picture_into_a_wrong_cell(
    tmp_path: Path, service: WebuiService
) -> None:
    chaos = campaign(tmp_path / "s", service, prompts=10, seed=1, rounds=2)
    assert chaos.swapped > 10


@pytest.mark.slow
def test_ten_thousand_calls_do_the_same(tmp_path: Path, service: WebuiService) -> None:
    chaos = campaign(tmp_path / "s", service, prompts=800, seed=2, rounds=8)
    assert len(service.asked) > 10_000
    assert chaos.swapped > 1000


def test_an_answer_that_is_not_compared_would_lie_in_a_wrong_cell(tmp_path: Path, service: WebuiService) -> None:
    """The fault planted: what the server says of a swap is hidden, so that the picture must get into the cell."""
    service.bend = lambda made, request: made.update(sampler="DDIM")

    def hidden(answer: dict[str, Any], request: Request) -> Any:
        info = json.loads(answer["info"])
        sampler = request.body["sampler_name"]
        return answer | {"info": json.dumps(info | {"sampler_name": sampler, "infotexts": []})}

    service.answer = hidden
    outcome = drive(studies.study(**keys(1, 1)), tmp_path / "s", trackers=[], views=False)
    outcome.result.close()
    assert outcome.made == 0  # the text in the picture's file still says it
    text = WebuiService.infotext
    service.infotext = lambda made: text(service, made).replace("DDIM", "Euler a")  # type: ignore[method-assign]
    outcome = drive(studies.study(**keys(1, 1)), tmp_path / "s", trackers=[], views=False, retry=True)
    outcome.result.close()
    assert outcome.made == 2


def test_engines_ask_shows_what_a_server_has(service: WebuiService) -> None:
    told = command("engines", "webui", "--ask", service.url)
    assert told.exit_code == 0, told.output
    assert all(name in told.output for name in ("DPM++ 2M", "Euler a", "DDIM")), told.output
    assert DREAM in told.output
    as_json = json.loads(command("engines", "webui", "--ask", service.url, "--json").output)
    by_name = {knob["name"]: knob for knob in as_json["settings"]}
    assert by_name["spacing"]["choices"] == ["Automatic", "Karras", "Exponential", "SGM Uniform"]
    assert as_json["server"] == service.url
    wrong = command("engines", "pattern", "--ask", service.url)
    assert "asks no server" in str(wrong.exception)


def test_init_writes_a_study_that_fits_a_server_and_runs(tmp_path: Path, service: WebuiService) -> None:
    file = tmp_path / "fits.toml"
    told = command("init", "--engine", "webui", service.url, file)
    assert told.exit_code == 0, told.output
    study = studies.read(file, ["replicates=1", "question.metrics=['sharpness']"])
    assert study.settings["model"] == DREAM
    outcome = drive(study, tmp_path / "s", trackers=[], views=False, limit=3)
    outcome.result.close()
    assert (outcome.made, outcome.failed) == (3, 0)
    Path(os.environ["TESTSTRIP_CONFIG"]).write_text("")
    told = command("init", "--engine", "webui", service.url, tmp_path / "new.toml")
    assert f'base_url = "{service.url}"' in told.output
    assert "[providers.webui]" in told.output
