"""The batched way of the engine: the pictures of the plain way, each with what its making was."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from tests import tiny_pipelines as tiny
from tests.shots import ask

import teststrip
from teststrip.diffusion.width_cache import WidthCache
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.executors.making import Maker
from teststrip.executors.pieces import Whole
from teststrip.executors.processes import ProcessesExecutor
from teststrip.records import EngineRef, Failure, Render, Saved
from teststrip.testing.engine_contract import EngineContract, pixels_of
from teststrip.verbs.run import Session


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {family: str(tiny.save(family, root / family)) for family in ("sd15", "flux")}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TESTSTRIP_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def batched():
    engine = DiffusersEngine(device="cpu", batch=6)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def plain():
    engine = DiffusersEngine(device="cpu", batch=1)
    yield engine
    engine.close()


class TestTheBatchedWayKeepsTheContract(EngineContract):
    @pytest.fixture
    def engine(self, batched):
        return batched

    @pytest.fixture
    def ref(self):
        return EngineRef("diffusers")

    @pytest.fixture
    def knobs(self, folders):
        return {"model": folders["sd15"], "num_inference_steps": 2, "guidance_scale": 5.0}


def test_a_study_over_steps_guidance_and_scheduler_has_the_pictures_of_plain_calls(batched, plain, folders):
    shots = [
        ask(folders["sd15"], num_inference_steps=steps, guidance_scale=guidance, scheduler=scheduler, seed=seed)
        for seed, (steps, guidance) in enumerate([(2, 1.0), (5, 7.0), (3, 3.0)])
        for scheduler in ("DDIMScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler")
    ]
    together = {answer.shot.id: answer for answer in batched.render(iter(shots))}
    assert len(together) == len(shots)
    for expected in plain.render(shots):
        answer = together[expected.shot.id]
        assert isinstance(answer, Render), answer
        off = np.abs(pixels_of(answer).astype(int) - pixels_of(expected)).max()
        assert off <= 1
        for fact in ("denoiser_calls", "scheduler", "device", "dtype"):
            assert answer.facts[fact] == expected.facts[fact], fact
        assert answer.facts["rows"] == 6
        assert answer.facts["denoiser_calls"] == batched.calls(answer.shot.settings)
        assert answer.seconds > 0


def test_models_take_turns_and_each_shot_is_answered_by_its_own(batched, folders):
    shots = [ask(folders[family], height=32, width=32, seed=seed) for seed in (1, 2) for family in ("sd15", "flux")]
    answers = list(batched.render(shots))
    assert {answer.shot.id for answer in answers} == {shot.id for shot in shots}
    assert all(isinstance(answer, Render) for answer in answers)


def test_a_picture_that_is_not_finite_fails_alone(folders):
    engine = DiffusersEngine(device="cpu", batch=6)
    good = [ask(folders["sd15"], seed=seed) for seed in (1, 2)]
    bad = ask(folders["sd15"], guidance_scale=1e38)
    answers = {answer.shot.id: answer for answer in engine.render([good[0], bad, good[1]])}
    engine.close()
    assert isinstance(answers[bad.id], Failure)
    assert answers[bad.id].reason == "nan"
    assert all(isinstance(answers[shot.id], Render) for shot in good)


def test_one_way_of_batching_is_told_from_another_by_the_fingerprint(folders):
    shot = ask(folders["sd15"])
    facts = [
        DiffusersEngine(device="cpu", batch=batch).fingerprint(shot).facts["batching"] for batch in (1, 6, "auto", None)
    ]
    assert facts == ["one call a picture", "fixed rows: 6", "fixed rows", "fixed rows"]


def test_the_number_of_rows_is_found_once_on_a_machine(folders, cache):
    rows = []
    for number in (64, 2):  # enough work for a whole search, and then too little for any
        engine = DiffusersEngine(device="cpu")
        asked = {"num_inference_steps": 18, "width": 16, "height": 16}
        shots = [ask(folders["flux"], seed=seed, **asked) for seed in range(number)]
        rows.append({answer.facts["rows"] for answer in engine.render(shots)})
        engine.close()
    assert rows[0] == rows[1]
    assert len(rows[0]) == 1
    assert "transformer 16x16" in (cache / "widths.json").read_text()


@pytest.mark.parametrize("whole", [None, Whole(32, 32 * 18)])
def test_portions_get_the_rows_of_the_whole_as_far_as_it_is_known(folders, whole):
    """Eight shots pay for no search; four portions of eight do, and so do the shots that other workers make."""
    ref = EngineRef("diffusers", operation={"device": "cpu"})
    asked = {"num_inference_steps": 18, "width": 16, "height": 16}
    shots = [ask(folders["flux"], seed=seed, **asked) for seed in range(32)]
    rows = []
    with Maker() as maker:
        for number in range(4):
            answers = maker.answers(number + 1, ref, shots[8 * number : 8 * number + 8], whole)
            (found,) = {answer.facts["rows"] for answer in answers}
            rows.append(found)
    assert rows[-1] > 1
    assert rows == ([rows[-1]] * 4 if whole else [1, 1, 1, rows[-1]])


@pytest.mark.slow
def test_pieces_of_two_processes_get_the_rows_of_a_search_that_no_piece_could_pay(folders):
    ref = EngineRef("diffusers", operation={"device": "cpu"})
    asked = {"num_inference_steps": 18, "width": 16, "height": 16}
    shots = [ask(folders["flux"], seed=seed, **asked) for seed in range(40)]
    with ProcessesExecutor(2) as executor:
        executor.open([ref])
        answers = list(executor.run(ref, shots))
    assert len(answers) == 40
    assert min(answer.facts["rows"] for answer in answers) > 1


def test_widths_survive_a_file_that_is_damaged(tmp_path):
    file = tmp_path / "widths.json"
    file.write_text("{ not JSON")
    widths = WidthCache("a model", file)
    assert not widths
    widths["unet 4x8x8"] = 12
    assert dict(WidthCache("a model", file)) == {"unet 4x8x8": 12}
    assert not WidthCache("another model", file)


def test_an_engine_that_was_stopped_early_can_be_used_again(batched, folders):
    answers = batched.render(ask(folders["sd15"], seed=seed) for seed in range(40))
    next(answers)
    answers.close()
    assert torch.is_grad_enabled()
    (answer,) = batched.render([ask(folders["sd15"])])
    assert isinstance(answer, Render)


@pytest.mark.parametrize("batch", [1, 6])
def test_a_run_that_is_told_to_finish_begins_nothing_more(folders, batch):
    engine = DiffusersEngine(device="cpu", batch=batch)
    answers = engine.render(ask(folders["sd15"], seed=seed) for seed in range(40))
    count = 0
    for answer in answers:
        assert isinstance(answer, Render)
        count += 1
        engine.finish()
    engine.close()
    assert 1 <= count < 40


class Listener:
    """Notes the model of each image."""

    def __init__(self):
        self.models = []

    def on_event(self, event):
        if isinstance(event, Saved):
            self.models.append(event.planned.shot.settings["model"])

    def close(self):
        pass


def test_a_run_loads_each_of_many_models_once(tmp_path):
    models = [str(tiny.save("flux", tmp_path / name, seed)) for seed, name in enumerate("abc")]
    study = teststrip.Study(
        name="models",
        prompts=["an owl", "a rose"],
        replicates=12,  # more shots than the engine looks at ahead of time
        engine={"name": "diffusers", "device": "cpu", "keep": 1, "batch": 1},
        settings={"width": 16, "height": 16, "num_inference_steps": 1},
        axes={"model": models},
        question={"metrics": []},
    )
    listener = Listener()
    with Session.open(study, tmp_path / "run", trackers=[listener]) as session:
        session.make(session.todo())
    session.result.close()
    assert [model for model, _ in itertools.groupby(listener.models)] == models
    assert len(listener.models) == 72
