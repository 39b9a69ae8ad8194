"""Pictures from pictures are those of a Diffusers call with the same pictures by hand, alone and in batches."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from tests import tiny_pipelines as tiny
from tests.shots import answers, ask

import teststrip
from teststrip import plan
from teststrip.diffusion import pipelines, tasks
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.errors import StudyError
from teststrip.pictures import encode_png
from teststrip.records import Failure, Render, Shot
from teststrip.rows import heard
from teststrip.testing.engine_contract import pixels_of
from teststrip.verbs import readings

FAMILIES = ("sd15", "sdxl", "sd3", "flux")
IMG2IMG = {
    "sd15": "StableDiffusionImg2ImgPipeline",
    "sdxl": "StableDiffusionXLImg2ImgPipeline",
    "sd3": "StableDiffusion3Img2ImgPipeline",
    "flux": "FluxImg2ImgPipeline",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("models")
    return {family: str(tiny.save(family, root / family)) for family in FAMILIES}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures and a mask for each family's size."""
    root = tmp_path_factory.mktemp("photos")
    for side in set(tiny.SIDE.values()):
        across, down = np.meshgrid(np.linspace(0, 255, side), np.linspace(0, 255, side))
        for name, planes in {
            "owl": (across, down, 255 - across),
            "cat": (down, 255 - down, across),
            "mask": ((across > 127) * 255,) * 3,
        }.items():
            (root / f"{name}{side}.png").write_bytes(encode_png(np.stack(planes, axis=-1).astype(np.uint8)))
    return root


def given(shot: Shot, **files: Path) -> Shot:
    """The shot with pictures."""
    digests = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
    return Shot(shot.engine, {**shot.settings, **digests}, {name: str(file) for name, file in files.items()})


def asked(folders: dict[str, str], photos: Path, family: str, photo: str = "owl", **settings: Any) -> Shot:
    shot = ask(folders[family], **{"num_inference_steps": 5, "strength": 0.6, **settings})
    return given(shot, image=photos / f"{photo}{tiny.SIDE[family]}.png")


def by_hand(folder: str, kind: str, shot: Shot, **named: str) -> np.ndarray:
    """The picture as a person makes it with Diffusers."""
    pipe = getattr(diffusers, kind).from_pretrained(folder, local_files_only=True, use_safetensors=True)
    pipe.set_progress_bar_config(disable=True)
    opened = {named.get(name, name): Image.open(file).convert("RGB") for name, file in shot.files.items()}
    own = {k: v for k, v in shot.settings.items() if k not in ("seed", "model", *shot.files)}
    return np.asarray(pipe(**own, **opened, generator=torch.Generator("cpu").manual_seed(shot.seed)).images[0])


def made(shot: Shot, **options: Any) -> Render:
    (answer,) = answers([shot], **options).values()
    assert isinstance(answer, Render), answer
    return answer


@pytest.mark.parametrize("family", FAMILIES)
def test_a_picture_from_a_picture_is_the_one_that_diffusers_makes(folders, photos, family) -> None:
    shot = asked(folders, photos, family)
    answer = made(shot, batch=1)
    assert np.array_equal(pixels_of(answer), by_hand(folders[family], IMG2IMG[family], shot))
    assert answer.facts["denoiser_calls"] == DiffusersEngine(device="cpu").calls(shot.settings)
    assert not np.array_equal(pixels_of(answer), pixels_of(made(asked(folders, photos, family, "cat"), batch=1)))


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_from_pictures_share_forwards_and_stay_within_a_level(folders, photos, family) -> None:
    shots = [asked(folders, photos, family, photo, strength=s) for photo, s in (("owl", 0.4), ("cat", 1.0))]
    together = answers(shots, batch=4)
    for shot in shots:
        answer = together[shot.id]
        assert isinstance(answer, Render), answer
        assert answer.facts.get("alone") is None
        assert answer.facts["denoiser_calls"] == DiffusersEngine(device="cpu").calls(shot.settings)
        difference = pixels_of(answer).astype(int) - pixels_of(made(shot, batch=1)).astype(int)
        assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("kind", IMG2IMG.values())
def test_the_steps_that_strength_leaves_are_those_that_diffusers_takes(kind) -> None:
    for steps, strength in product((1, 3, 7, 20), (0.3, 0.34, 0.5, 0.999, 1.0)):
        pipe = SimpleNamespace(scheduler=SimpleNamespace(timesteps=list(range(steps)), order=1))
        _, taken = getattr(diffusers, kind).get_timesteps(pipe, steps, strength, "cpu")
        pipeline = pipelines.find(kind)
        assert pipeline is not None
        left = tasks.steps_left(pipeline, {"strength": strength}, steps)
        assert left == len(pipe.scheduler.timesteps) - (steps - int(taken)), (kind, steps, strength)


def test_plan_says_in_which_size_a_picture_is_made(folders, photos) -> None:
    engine = DiffusersEngine(device="cpu")
    assert "in the size of each prompt's image" in engine.remark(asked(folders, photos, "sdxl").settings)
    assert "the image is stretched to it" in engine.remark(asked(folders, photos, "flux").settings)
    sized = asked(folders, photos, "flux", width=32, height=48)
    assert "size" not in engine.remark(sized.settings)
    assert (made(sized, batch=1).width, made(sized, batch=1).height) == (32, 48)


def test_a_strength_that_leaves_no_step_is_refused(folders, photos) -> None:
    engine = DiffusersEngine(device="cpu")
    with pytest.raises(StudyError, match=r"^strength: 0\.1 of 5 steps leaves none\. Write at least 0\.2$"):
        engine.check(asked(folders, photos, "sd15", strength=0.1).settings)
    engine.check(asked(folders, photos, "sd15", strength=0.2).settings)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_picture_that_has_changed_fails_its_own_shot_alone(folders, photos, tmp_path, batch) -> None:
    copy = tmp_path / "owl.png"
    copy.write_bytes((photos / "owl64.png").read_bytes())
    changed, gone, sound = (asked(folders, photos, "sd15", seed=seed) for seed in range(3))
    changed, gone = given(changed, image=copy), given(gone, image=copy)
    copy.write_bytes((photos / "cat64.png").read_bytes())
    gone = Shot(gone.engine, gone.settings)
    found = answers([changed, sound, gone], batch=batch)
    said = [found[shot.id] for shot in (changed, gone)]
    assert all(isinstance(one, Failure) and one.retryable for one in said)
    assert "has changed since the study was read" in said[0].text
    assert "not on this machine" in said[1].text
    assert isinstance(found[sound.id], Render)


def test_text_alone_and_pictures_are_made_one_after_another_as_in_fresh_processes(folders, photos) -> None:
    text = ask(folders["sd15"], num_inference_steps=3, height=64, width=64)
    shots = [text, asked(folders, photos, "sd15"), Shot(text.engine, {**text.settings, "seed": 5})]
    for order in (shots, shots[::-1]):
        together = answers(order, batch=1)
        for shot in order:
            assert np.array_equal(pixels_of(together[shot.id]), pixels_of(made(shot, batch=1)))


def test_a_run_keeps_its_pictures_and_goes_on_from_its_folder_alone(photos, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    photo, file = tmp_path / "owl.png", tmp_path / "study.toml"
    photo.write_bytes((photos / "owl64.png").read_bytes())
    file.write_text(
        'name = "s"\nprompts = [{ text = "an owl", image = "owl.png" }]\nengine = { device = "cpu" }\n'
        "settings = { num_inference_steps = 3 }\naxes = { strength = [0.4, 1.0] }\n"
    )
    with teststrip.run(file, limit=1) as result:
        folder = result.folder
        assert len([row for row in result.rows() if row.image]) == 1
    photo.unlink()
    mailed = folder.rename(tmp_path / "mailed")
    with teststrip.run(mailed) as result:
        first = {row.planned.shot.id for row in result.rows() if row.image}
        assert len(first) == 2
    photo.write_bytes((photos / "cat64.png").read_bytes())
    with teststrip.run(file, mailed) as result:
        rows = [row for row in result.rows() if row.image]
        assert len(rows) == 2
        assert first.isdisjoint(row.planned.shot.id for row in rows), "another picture is another shot"
    assert len(list((mailed / "inputs").iterdir())) == 2


def test_one_text_with_two_pictures_is_no_twin(photos, tmp_path) -> None:
    for name in ("owl", "cat"):
        (tmp_path / f"{name}.png").write_bytes((photos / f"{name}64.png").read_bytes())
    (tmp_path / "study.toml").write_text(
        'name = "s"\nprompts = [{ text = "an owl", image = "owl.png" }, { text = "an owl", image = "cat.png" }]\n'
        'engine = { device = "cpu" }\nsettings = { num_inference_steps = 2 }\naxes = { strength = [0.5, 1.0] }\n'
    )
    with teststrip.run(tmp_path / "study.toml", tmp_path / "run") as result:
        rows = list(result.rows())
        assert all(row.image and row.image.facts["read"] for row in rows)
        assert heard.twins(rows) == {}
        first, second = ([row for row in rows if row.planned.prompt is prompt] for prompt in result.study.prompts)
        same = [
            replace(row, planned=replace(row.planned, prompt=replace(row.planned.prompt, pictures=()))) for row in rows
        ]
        assert heard.twins(same) == {second[0].planned.prompt.id: first[0].planned.prompt.id}
        read = readings.of(plan.of(result.study))
        assert readings.distinct(result.study, read) == result.study
