"""Prompts with pictures: read, told apart by their bytes, written into the folder of a run and read there again."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import teststrip
from teststrip import plan
from teststrip import study as studies
from teststrip.errors import StudyError
from teststrip.pictures import encode_png
from teststrip.rows import grid
from teststrip.store import inputs
from teststrip.verbs import forecast

STUDY = """
name = "demo"
prompts = {prompts}
[settings]
num_inference_steps = 4
strength = 0.5
"""


def picture(folder: Path, name: str, shade: int = 40, *, width: int = 64, height: int = 64) -> str:
    array = np.full((height, width, 3), shade, np.uint8)
    array[: height // 2, :, 0] = 255 - shade
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(encode_png(array))
    return name


def read(folder: Path, prompts: str) -> teststrip.Study:
    (folder / "study.toml").write_text(STUDY.replace("{prompts}", prompts), encoding="utf-8")
    return teststrip.read(folder / "study.toml")


def ids(study: teststrip.Study) -> list[str]:
    return list(plan.of(study).ids())


def test_a_prompt_table_may_bring_pictures(tmp_path: Path) -> None:
    picture(tmp_path, "photos/owl.png", width=96)
    (prompt,) = read(tmp_path, '[{ text = "an owl", image = "photos/owl.png" }]').prompts
    (found,) = prompt.pictures
    digest = hashlib.sha256((tmp_path / "photos/owl.png").read_bytes()).hexdigest()
    assert (found.name, found.digest, found.path, found.form) == ("image", digest, "photos/owl.png", "png")
    assert (found.width, found.height) == (96, 64)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("p.csv", "Image,caption,mask\nowl.png,an owl,mask.png\n"),
        ("p.tsv", "prompt\timage\tmask_image\nan owl\towl.png\tmask.png\n"),
        ("p.jsonl", '{"text": "an owl", "image": "owl.png", "mask": "mask.png"}\n'),
        ("p.json", '[{"prompt": "an owl", "image": "owl.png", "mask_image": "mask.png"}]'),
    ],
)
def test_a_prompt_file_may_bring_pictures(tmp_path: Path, file: str, content: str) -> None:
    picture(tmp_path, "owl.png")
    picture(tmp_path, "mask.png", 200)
    (tmp_path / file).write_text(content, encoding="utf-8")
    study = read(tmp_path, f'{{ file = "{file}" }}')
    assert [one.name for one in study.prompts[0].pictures] == ["image", "mask_image"]
    assert study.prompt_file is not None
    assert len(study.prompt_file.pictures) == 2


def test_columns_of_pictures_can_be_left_unread(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("image,caption\n1000268201.jpg,an owl\n", encoding="utf-8")
    (tmp_path / "study.toml").write_text(
        'name = "demo"\nprompts = { file = "p.csv", pictures = false }\n', encoding="utf-8"
    )
    (prompt,) = teststrip.read(tmp_path / "study.toml").prompts
    assert (prompt.text, prompt.pictures) == ("an owl", ())


def test_the_bytes_of_a_picture_are_asked_for_and_not_its_name(tmp_path: Path) -> None:
    picture(tmp_path, "owl.png")
    before = ids(read(tmp_path, '[{ text = "an owl", image = "owl.png" }]'))
    (tmp_path / "owl.png").rename(tmp_path / "renamed.png")
    assert ids(read(tmp_path, '[{ text = "an owl", image = "renamed.png" }]')) == before
    picture(tmp_path, "renamed.png", 99)
    assert not set(before) & set(ids(read(tmp_path, '[{ text = "an owl", image = "renamed.png" }]')))


def test_every_id_is_that_of_its_shot_and_every_shot_knows_its_file(tmp_path: Path) -> None:
    picture(tmp_path, "owl.png")
    picture(tmp_path, "cat.png", 90)
    both = '[{ text = "an owl", image = "owl.png" }, { text = "an owl", image = "cat.png" }]'
    made = plan.of(read(tmp_path, both))
    shots = [one.shot for one in made]
    assert sorted(shot.id for shot in shots) == sorted(made.ids())
    assert [Path(shot.files["image"]).name for shot in shots] == ["owl.png", "cat.png"]
    assert list(made.without({shots[0].id})) == list(made)[1:]


def test_one_text_with_two_pictures_is_two_blocks_with_seeds_of_their_own(tmp_path: Path) -> None:
    picture(tmp_path, "owl.png")
    picture(tmp_path, "cat.png", 90)
    both = '[{ text = "an owl", image = "owl.png" }, { text = "an owl", image = "cat.png" }]'
    first, second = (one.shot for one in plan.of(read(tmp_path, both)))
    assert [prompt.id for prompt in read(tmp_path, both).prompts] == ["an-owl-owl", "an-owl-cat"]
    assert first.seed != second.seed
    text = plan.of(studies.study(name="demo", prompts=["an owl"]))
    assert next(iter(text)).shot.seed not in (first.seed, second.seed)


def test_an_engine_that_takes_no_pictures_is_not_given_any(tmp_path: Path) -> None:
    picture(tmp_path, "owl.png")
    text = 'name = "demo"\nprompts = [{ text = "an owl", image = "owl.png" }]\nengine = { name = "pattern" }\n'
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    with pytest.raises(StudyError) as raised:
        teststrip.read(tmp_path / "study.toml")
    assert str(raised.value) == (
        "study.toml: prompts: have image, and engine 'pattern' takes none. Remove it, or name another engine"
    )


def test_the_folder_of_a_run_stands_alone_and_opens_without_the_pictures(tmp_path: Path) -> None:
    picture(tmp_path, "owl.png")
    asked = read(tmp_path, '[{ text = "an owl", image = "owl.png", id = "owl" }]')
    folder = tmp_path / "run"
    folder.mkdir()
    inputs.keep(folder, asked.prompts)
    (folder / "study.toml").write_text(studies.dump(asked), encoding="utf-8")
    (tmp_path / "owl.png").unlink()
    again = teststrip.read(folder / "study.toml")
    assert again == asked
    assert ids(again) == ids(asked)
    (copy,) = (folder / "inputs").iterdir()
    copy.unlink()
    opened = studies.reopen(folder / "study.toml")
    assert ids(opened) == ids(asked)
    with pytest.raises(StudyError, match="is gone"):
        teststrip.read(folder / "study.toml")


def test_a_copy_that_holds_another_picture_is_refused(tmp_path: Path) -> None:
    picture(tmp_path, "owl.png")
    asked = read(tmp_path, '[{ text = "an owl", image = "owl.png" }]')
    inputs.keep(tmp_path, asked.prompts)
    (copy,) = (tmp_path / "inputs").iterdir()
    picture(tmp_path, f"inputs/{copy.name}", 99)
    (tmp_path / "study.toml").write_text(studies.dump(asked), encoding="utf-8")
    with pytest.raises(StudyError, match="holds another picture than its name says"):
        studies.reopen(tmp_path / "study.toml")


def test_a_photograph_is_measured_as_its_camera_was_held(tmp_path: Path) -> None:
    held = Image.Exif()
    held[0x0112] = 6
    file = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(file, "JPEG", exif=held)
    (tmp_path / "owl.jpg").write_bytes(file.getvalue())
    (prompt,) = read(tmp_path, '[{ text = "an owl", image = "owl.jpg" }]').prompts
    assert (prompt.pictures[0].width, prompt.pictures[0].height) == (40, 60)


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ('[{ text = "a", image = "none.png" }]', "prompts[0].image: 'none.png' is no file beside the study or below"),
        ('[{ text = "a", image = "../owl.png" }]', "prompts[0].image: '../owl.png' lies outside the study's folder"),
        ('[{ text = "a", image = "study.toml" }]', "prompts[0].image: 'study.toml' is no picture (not a PNG,"),
        ('[{ text = "a", image = 3 }]', "prompts[0].image: must be the path of a picture in quotes, not a number (3)"),
        (
            '[{ text = "a", image = "owl.png" }, "b"]',
            "prompts[1]: has no image, and other prompts have one. Give every prompt its image, or none",
        ),
        ('{ file = "p.csv" }', "p.csv line 3: has no image, and other prompts have one. Give every prompt its image"),
        (
            '[{ text = "a", image = "owl.png" }, { text = "a", image = "same.png" }]',
            "prompts[1]: has the same text and pictures as prompts[0]. For more images of it, raise replicates",
        ),
        (
            '[{ text = "a", mask = "owl.png", mask_image = "owl.png" }]',
            "prompts[0].mask_image: mask is there too. Keep one of them",
        ),
        (
            '[{ text = "a", mask = "owl.png" }]',
            "prompts: model: no pipeline of this Diffusers makes pictures from mask_image with",
        ),
        (
            '[{ text = "a", control_image = "owl.png" }]',
            'prompts: control_image: StableDiffusionPipeline follows none by itself. Write controlnet = "...", the',
        ),
        (
            '[{ text = "a", ip_adapter_image = "owl.png" }]',
            'prompts: ip_adapter_image: nothing looks at it. Write ip_adapter = "..."',
        ),
        (
            '[{ text = "a" }]\n[axes]\nimage = ["owl.png", "same.png"]',
            'axes.image[0]: pictures belong to prompts. Write prompts = [{ text = "...", image = "photo.png" }]',
        ),
        (
            '["a"]',
            "settings.strength: StableDiffusionPipeline has no such setting. It goes with prompts that have image = ",
        ),
    ],
)
def test_what_is_wrong_with_pictures_is_said_with_its_place(tmp_path: Path, prompts: str, message: str) -> None:
    picture(tmp_path, "owl.png")
    picture(tmp_path, "same.png")
    (tmp_path / "p.csv").write_text("text,image\na,owl.png\nb,\n", encoding="utf-8")
    with pytest.raises(StudyError) as raised:
        read(tmp_path, prompts)
    assert message in str(raised.value)


@pytest.mark.torch
def test_plan_says_which_pictures_are_given(tmp_path: Path) -> None:
    picture(tmp_path, "owl.png", width=96)
    picture(tmp_path, "cat.png")
    (tmp_path / "p.csv").write_text("text,image\nan owl,owl.png\na cat,cat.png\n", encoding="utf-8")
    read(tmp_path, '{ file = "p.csv" }')
    said = list(forecast.lines(forecast.of(tmp_path / "study.toml", tmp_path / "run")))
    assert "  prompts from column 'text' of p.csv, pictures from 'image'" in said
    assert "  pictures given: image 96 × 64, 64 × 64" in said
    assert any("are made in the size of each prompt's image" in line for line in said)


def test_prompts_that_share_a_text_have_labels_of_their_own(tmp_path: Path) -> None:
    picture(tmp_path, "owl.png")
    picture(tmp_path, "cat.png", 90)
    both = '[{ text = "a bird", image = "owl.png" }, { text = "a bird", image = "cat.png" }]'
    labels = [grid.label(one, grid.PROMPT) for one in plan.of(read(tmp_path, both))]
    assert labels == ["a bird (a-bird-owl)", "a bird (a-bird-cat)"]
