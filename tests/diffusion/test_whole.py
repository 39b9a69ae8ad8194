"""What is called whole loads and answers as before; what is said to be lacking is lacking."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline
from tests import tiny_pipelines as tiny

from teststrip.diffusion.whole import lacking, only_variant

LAYOUTS = {
    "plain": {},
    "fp16": {"variant": "fp16"},
    "shards": {"max_shard_size": "60KB"},
    "fp16 shards": {"variant": "fp16", "max_shard_size": "60KB"},
}


@pytest.fixture(scope="module", params=LAYOUTS, ids=lambda name: name.replace(" ", "-"))
def layout(request, tmp_path_factory):
    """A whole folder of one layout, and the variant under which it is whole."""
    folder = tmp_path_factory.mktemp("layout")
    tiny.build("sd15").save_pretrained(folder, **LAYOUTS[request.param])
    return folder, LAYOUTS[request.param].get("variant")


def index(folder: Path) -> dict[str, object]:
    return json.loads((folder / "model_index.json").read_text())


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def answer(folder: Path, variant: str | None) -> torch.Tensor:
    """What text encoder, denoiser and decoder of a folder say."""
    pipe = DiffusionPipeline.from_pretrained(folder, variant=variant, local_files_only=True, use_safetensors=True)
    pipe.set_progress_bar_config(disable=True)
    noise = torch.Generator().manual_seed(1)
    made = pipe("an owl, howling", num_inference_steps=1, width=16, height=16, generator=noise, output_type="pt").images
    return torch.cat([made.flatten(), torch.tensor(pipe.scheduler.alphas_cumprod)])


def test_a_folder_as_diffusers_writes_it_is_whole(layout) -> None:
    folder, variant = layout
    assert lacking(folder, index(folder), variant) == ""


def without(folder: Path, name: str, variant: str | None, place: Path) -> None:
    """Assert that a folder without one of its files is said to lack something, or answers as the whole one."""
    part = place / "part"
    shutil.copytree(folder, part)
    (part / name).unlink()
    said = lacking(part, index(folder), variant)
    try:
        answered = answer(part, variant)
    except Exception:  # whatever Diffusers raises: the folder cannot be used
        assert said, f"{name} is missing, and nothing is said"
    else:
        same = torch.equal(answered, answer(folder, variant))
        assert same or said, f"without {name} there is another picture, and nothing is said"
        # A tokenizer that was not saved by name of its class still reads its words, so little more is asked for.
        assert not said or not same or name.endswith("tokenizer_config.json"), f"{name} is not needed: {said}"
    shutil.rmtree(part)


ONE_OF_EACH = (
    "unet/config.json",
    "tokenizer/tokenizer.json",
    "scheduler/scheduler_config.json",
    "safetensors",
    "index",
)


def test_without_one_file_of_each_kind_the_folder_lacks_it(layout, tmp_path) -> None:
    folder, variant = layout
    if variant:
        pytest.skip("as the plain ones; `make campaign` tries each file of each layout")
    for kind in ONE_OF_EACH:
        for name in [name for name in files(folder) if kind in name and name.startswith(("unet", "tok", "sch"))][-1:]:
            without(folder, name, variant, tmp_path)


@pytest.mark.slow
def test_without_any_one_file_the_folder_lacks_it_or_answers_the_same(layout, tmp_path) -> None:
    folder, variant = layout
    for name in files(folder):
        if name != "model_index.json":
            without(folder, name, variant, tmp_path)


def test_a_variant_that_is_not_there_is_lacking_and_plain_files_stand_in_for_it(layout) -> None:
    folder, variant = layout
    assert only_variant(folder, index(folder)) == variant
    assert not lacking(folder, index(folder), None), "the only variant stands in for plain files"
    assert bool(lacking(folder, index(folder), "bf16")) == bool(variant)
