"""Quantized weights and caches: pictures are those that Diffusers makes with the same configuration, or are refused.

A quantization that cannot run on this machine is asserted to be refused, with its remedy.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from diffusers.hooks import (
    FasterCacheConfig,
    FirstBlockCacheConfig,
    MagCacheConfig,
    PyramidAttentionBroadcastConfig,
    TaylorSeerCacheConfig,
)
from diffusers.hooks.mag_cache import FLUX_MAG_RATIOS
from tests import tiny_pipelines as tiny
from tests.by_hand import OWN, asked, by_hand, picture, refusal
from tests.engines.test_diffusers_files import random_lora
from tests.shots import answers
from torchao.quantization import Float8WeightOnlyConfig, Int8WeightOnlyConfig

from teststrip.diffusion import precision
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.records import Render
from teststrip.testing.engine_contract import pixels_of

pytestmark = pytest.mark.filterwarnings("ignore")  # Diffusers and the packages of quantizations warn of their age

CONFIGS: dict[str, Callable[[], Any]] = {
    "torchao-int8": lambda: diffusers.TorchAoConfig(Int8WeightOnlyConfig()),
    "torchao-fp8": lambda: diffusers.TorchAoConfig(Float8WeightOnlyConfig()),
    "quanto-int8": lambda: diffusers.QuantoConfig(weights_dtype="int8"),
    "quanto-int4": lambda: diffusers.QuantoConfig(weights_dtype="int4"),
    "quanto-fp8": lambda: diffusers.QuantoConfig(weights_dtype="float8"),
    "bnb-int8": lambda: diffusers.BitsAndBytesConfig(load_in_8bit=True),
    "bnb-nf4": lambda: diffusers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4"),
    "bnb-fp4": lambda: diffusers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="fp4"),
}
"""What a person writes for each quantization."""

STEPS = 8
"""Of pictures with a cache: enough for each cache to leave something out."""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folders by family."""
    root = tmp_path_factory.mktemp("models")
    for family in ("flux", "sd15"):
        tiny.save(family, root / family)
    return root


@pytest.mark.parametrize("name", precision.NAMES)
def test_a_quantized_picture_is_the_one_of_diffusers_or_one_sentence_says_what_is_missing(shelf, name) -> None:
    shot, one = asked(shelf, "flux"), precision.QUANTIZATIONS[name]
    package = importlib.util.find_spec(one.package.replace("-", "."))
    if package is None or one.gpu:
        said = refusal(shot, quantization=name)
        missing = f"Run: pip install {one.package}"
        assert said.endswith(missing) if package is None else "needs an NVIDIA GPU, and device is 'cpu'" in said
        with pytest.raises((RuntimeError, ImportError), match=r"No GPU found|install|No package metadata"):
            diffusers.FluxTransformer2DModel.from_pretrained(
                shelf / "flux", subfolder="transformer", quantization_config=CONFIGS[name]()
            )
        return
    answer = picture(shot, quantization=name)
    assert "said" not in answer.facts
    dtype = getattr(torch, one.dtypes[0])
    config = {"quantization_config": CONFIGS[name](), "torch_dtype": dtype}
    own = diffusers.FluxTransformer2DModel.from_pretrained(shelf / "flux", subfolder="transformer", **config)
    assert np.array_equal(pixels_of(answer), by_hand(shot, dtype, transformer=own))
    assert not np.array_equal(pixels_of(answer), pixels_of(picture(shot, dtype=one.dtypes[0])))
    assert (answer.facts["quantization"], answer.facts["dtype"]) == (name, one.dtypes[0])
    assert one.package in answer.fingerprint.facts["quantization"]["package"]


def test_quantized_pictures_share_forwards_and_stay_within_a_level(shelf) -> None:
    name = "quanto-int8"
    shots = [asked(shelf, "flux", prompt=prompt) for prompt in ("an owl", "a red rose", "rain")]
    together = answers(shots, quantization=name, batch=4)
    for shot in shots:
        answer = together[shot.id]
        assert isinstance(answer, Render), answer
        assert answer.facts.get("alone") is None
        difference = pixels_of(answer).astype(int) - pixels_of(picture(shot, quantization=name)).astype(int)
        assert np.abs(difference).max() <= 1


def test_pictures_that_a_quantization_cannot_make_in_batches_are_made_alone_and_plan_says_so(shelf) -> None:
    shots = [asked(shelf, "flux", seed=seed) for seed in (1, 2)]
    for answer in answers(shots, quantization="quanto-int4", batch=2).values():
        assert isinstance(answer, Render), answer
        assert answer.facts["pixels"] == picture(answer.shot, quantization="quanto-int4").facts["pixels"]
    alone = {
        name
        for name in precision.NAMES
        if DiffusersEngine(device="cpu", quantization=name)
        .remark(shots[0].settings)
        .startswith("made one after another")
    }
    assert alone == {name for name, one in precision.QUANTIZATIONS.items() if one.alone} == {"bnb-int8", "quanto-int4"}


def test_a_lora_is_put_on_quantized_weights_and_taken_off_again(shelf, tmp_path) -> None:
    lora = str(random_lora(tmp_path, 5))
    plain, scaled = asked(shelf, "sd15"), asked(shelf, "sd15", lora=lora)
    both = answers([scaled, plain], quantization="torchao-fp8", batch=1)
    assert both[plain.id].facts["pixels"] == picture(plain, quantization="torchao-fp8").facts["pixels"]
    config = {"quantization_config": CONFIGS["torchao-fp8"](), "torch_dtype": torch.float32}
    own = diffusers.UNet2DConditionModel.from_pretrained(shelf / "sd15", subfolder="unet", **config)
    pipe = DiffusionPipeline.from_pretrained(shelf / "sd15", unet=own)
    pipe.load_lora_weights(tmp_path, weight_name=Path(lora).name)
    given = {name: value for name, value in plain.settings.items() if name not in OWN}
    image = pipe(**given, generator=torch.Generator("cpu").manual_seed(plain.seed)).images[0]
    assert np.array_equal(pixels_of(both[scaled.id]), np.asarray(image))


CACHES: dict[str, Callable[[Any], Any]] = {
    "first_block 0.5": lambda _: FirstBlockCacheConfig(threshold=0.5),
    "pab 3": lambda pipe: PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=3, current_timestep_callback=lambda: pipe.current_timestep
    ),
    "faster_cache 2 -1 900": lambda pipe: FasterCacheConfig(
        spatial_attention_block_skip_range=2,
        spatial_attention_timestep_skip_range=(-1, 900),
        is_guidance_distilled=True,
        tensor_format="BCHW",
        current_timestep_callback=lambda: pipe.current_timestep,
    ),
    "taylorseer 3 2": lambda _: TaylorSeerCacheConfig(cache_interval=3, disable_cache_before_step=2),
    "magcache": lambda _: MagCacheConfig(num_inference_steps=STEPS, mag_ratios=FLUX_MAG_RATIOS),
}
"""What a person writes for each cache."""


@pytest.mark.parametrize("cache", CACHES)
def test_a_cached_picture_is_the_one_of_diffusers_whatever_was_made_before_it(shelf, cache) -> None:
    shots = [asked(shelf, "flux", num_inference_steps=STEPS, seed=seed) for seed in (1, 2)]
    engine = DiffusersEngine(device="cpu", cache=cache)
    engine.check(shots[0].settings)
    assert engine.remark(shots[0].settings).startswith("made one after another, not in batches: cache = ")
    forward = answers(shots, cache=cache)
    backward = answers(reversed(shots), cache=cache)
    for shot in shots:
        answer = forward[shot.id]
        assert isinstance(answer, Render), answer
        assert answer.facts["pixels"] == backward[shot.id].facts["pixels"]
        assert answer.facts["cache"] == cache
        assert "said" not in answer.facts
    assert answer.fingerprint.facts["cache"]["name"] == cache.split()[0]
    assert answer.fingerprint.facts["batching"] == "one call a picture"
    assert np.array_equal(pixels_of(answer), by_hand(shots[-1], cache=CACHES[cache]))
    assert answer.facts["pixels"] != picture(shots[-1]).facts["pixels"], "a cache that changes nothing shows nothing"
