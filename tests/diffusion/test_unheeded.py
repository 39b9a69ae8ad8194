"""What plan calls unheeded changes no pixel, and what it does not call so does: by real pipelines made tiny."""

from __future__ import annotations

import pytest
import torch
from tests import tiny_pipelines as tiny
from tests.shots import ask

from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import Render


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("unheeded")
    found = {family: str(tiny.save(family, root / family)) for family in ("sd15", "sdxl", "sd3", "flux")}
    schnell = tiny.build("flux")
    schnell.transformer.register_to_config(guidance_embeds=False)
    schnell.transformer.time_text_embed = _without_guidance(schnell.transformer)
    schnell.save_pretrained(root / "schnell")
    return found | {"schnell": str(root / "schnell")}


def _without_guidance(transformer):
    from diffusers.models.embeddings import CombinedTimestepTextProjEmbeddings

    with torch.random.fork_rng():
        torch.manual_seed(1)
        width = transformer.config.num_attention_heads * transformer.config.attention_head_dim
        return CombinedTimestepTextProjEmbeddings(width, transformer.config.pooled_projection_dim)


@pytest.fixture(scope="module")
def engine():
    made = DiffusersEngine(device="cpu", batch=1)
    yield made
    made.close()


CASES = [
    (family, name, value, {"guidance_scale": guidance})
    for family in ("sd15", "sdxl", "sd3")
    for name, value in (("negative_prompt", "an ugly car"),)
    for guidance in (1.0, 5.0)
]
CASES += [
    ("sd15", "eta", 1.0, {}),
    ("sd15", "eta", 1.0, {"scheduler": "EulerDiscreteScheduler"}),
    ("sd15", "width", 32, {}),
    ("sd15", "width", 32, {"height": 64}),
    ("sdxl", "width", 64, {}),
    ("flux", "guidance_scale", 9.0, {}),
    ("schnell", "guidance_scale", 9.0, {}),
    ("flux", "negative_prompt", "an ugly car", {}),
    ("flux", "negative_prompt", "an ugly car", {"true_cfg_scale": 4.0}),
    ("flux", "true_cfg_scale", 4.0, {}),
    ("flux", "true_cfg_scale", 4.0, {"negative_prompt": "an ugly car"}),
]


@pytest.mark.parametrize(("family", "name", "value", "others"), CASES)
def test_what_plan_calls_unheeded_changes_no_pixel_and_nothing_else_is_called_so(
    engine, folders, family, name, value, others
) -> None:
    few = {"num_inference_steps": 2, **others}
    with_it, without = ask(folders[family], **few, **{name: value}), ask(folders[family], **few)
    one, other = engine.render([with_it, without])
    assert isinstance(one, Render)
    assert isinstance(other, Render)
    said = f"do not heed {name}" in engine.remark(with_it.settings).replace("heed the ", "heed ")
    assert said == (one.facts["pixels"] == other.facts["pixels"])
    assert name in without.settings or f"heed {name}" not in engine.remark(without.settings).replace("the ", "")
