"""Quantized weights, other components, attention backends and caches: pictures are those of Diffusers called by hand.

A quantization that cannot run on this machine is asserted to be refused, with its remedy.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import diffusers
import gguf
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
from diffusers.models.attention_dispatch import _AttentionBackendRegistry
from safetensors.torch import load_file, save_file
from tests import tiny_pipelines as tiny
from tests.engines.test_diffusers_files import random_lora
from tests.shots import answers, ask
from torchao.quantization import Float8WeightOnlyConfig, Int8WeightOnlyConfig

from teststrip.diffusion import precision
from teststrip.engines.diffusers import DiffusersEngine
from teststrip.errors import EngineError, StudyError
from teststrip.records import Failure, Render, Shot
from teststrip.testing.engine_contract import pixels_of

pytestmark = pytest.mark.filterwarnings("ignore")  # Diffusers and the packages of quantizations warn of their age

OWN = {"seed", "model", "lora", "lora_scale"}
"""Settings of a shot that a pipeline's call does not take."""

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

KINDS = gguf.GGMLQuantizationType
STEPS = 8
"""Of pictures with a cache: enough for each cache to leave something out."""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folders by family, and a second one of Flux and SD 1.5 with other weights."""
    root = tmp_path_factory.mktemp("models")
    for family in ("flux", "sd15", "chroma", "sd3"):
        tiny.save(family, root / family)
    for family in ("flux", "sd15"):
        tiny.save(family, root / f"{family}-2", seed=1)
    return root


def asked(shelf: Path, family: str, **settings: Any) -> Shot:
    side = tiny.SIDE.get(family, 32)
    return ask(shelf / family, height=side, width=side, **settings)


def by_hand(
    shot: Shot, dtype: torch.dtype = torch.float32, cache: Callable[[Any], Any] | None = None, **parts: Any
) -> Any:
    """The picture as a person makes it with Diffusers, with these components in the place of the model's own."""
    pipe = DiffusionPipeline.from_pretrained(
        str(shot.settings["model"]), torch_dtype=dtype, local_files_only=True, use_safetensors=True, **parts
    ).to("cpu")
    pipe.set_progress_bar_config(disable=True)
    if cache:
        pipe.transformer.enable_cache(cache(pipe))
    given = {name: value for name, value in shot.settings.items() if name not in OWN}
    return np.asarray(pipe(**given, generator=torch.Generator("cpu").manual_seed(shot.seed)).images[0])


def picture(shot: Shot, **options: Any) -> Render:
    (answer,) = answers([shot], **{"batch": 1, **options}).values()
    assert isinstance(answer, Render), answer
    return answer


def refusal(shot: Shot, **options: Any) -> str:
    """What `plan` says before anything is loaded."""
    engine = DiffusersEngine(device="cpu", **options)
    with pytest.raises((StudyError, EngineError)) as said:
        engine.check(shot.settings)
    return str(said.value)


@pytest.mark.parametrize("name", precision.NAMES)
def test_a_quantized_picture_is_the_one_of_diffusers_or_one_sentence_says_what_is_missing(shelf, name) -> None:
    shot, one = asked(shelf, "flux"), precision.QUANTIZATIONS[name]
    package = importlib.util.find_spec(one.package.replace("-", "."))
    if package is None or one.gpu:
        said = refusal(shot, quantization=name)
        missing = f"Run: pip install {one.package}"
        assert said.endswith(missing) if package is None else "needs an NVIDIA GPU, and device is 'cpu'" in said
        with pytest.raises((RuntimeError, ImportError), match=r"No GPU found|install"):
            diffusers.FluxTransformer2DModel.from_pretrained(
                shelf / "flux", subfolder="transformer", quantization_config=CONFIGS[name]()
            )
        return
    answer = picture(shot, quantization=name)
    dtype = getattr(torch, one.dtypes[0])
    config = {"quantization_config": CONFIGS[name](), "torch_dtype": dtype}
    own = diffusers.FluxTransformer2DModel.from_pretrained(shelf / "flux", subfolder="transformer", **config)
    assert np.array_equal(pixels_of(answer), by_hand(shot, dtype, transformer=own))
    assert not np.array_equal(pixels_of(answer), pixels_of(picture(shot, dtype=one.dtypes[0])))
    assert (answer.facts["quantization"], answer.facts["dtype"]) == (name, one.dtypes[0])
    assert one.package in answer.fingerprint.facts["quantization"]["package"]


@pytest.mark.parametrize("name", ["quanto-int8", "torchao-fp8"])
def test_quantized_pictures_share_forwards_and_stay_within_a_level(shelf, name) -> None:
    shots = [asked(shelf, "flux", prompt=prompt) for prompt in ("an owl", "a red rose", "rain")]
    together = answers(shots, quantization=name, batch=4)
    for shot in shots:
        answer = together[shot.id]
        assert isinstance(answer, Render), answer
        assert answer.facts.get("alone") is None
        difference = pixels_of(answer).astype(int) - pixels_of(picture(shot, quantization=name)).astype(int)
        assert np.abs(difference).max() <= 1


def test_a_lora_is_put_on_quantized_weights_and_taken_off_again(shelf, tmp_path) -> None:
    lora = str(random_lora(tmp_path, 5))
    plain, scaled = asked(shelf, "sd15"), asked(shelf, "sd15", lora=lora)
    for name in ("torchao-fp8", "quanto-fp8"):
        both = answers([scaled, plain], quantization=name, batch=1)
        assert both[plain.id].facts["pixels"] == picture(plain, quantization=name).facts["pixels"]
        config = {"quantization_config": CONFIGS[name](), "torch_dtype": torch.float32}
        own = diffusers.UNet2DConditionModel.from_pretrained(shelf / "sd15", subfolder="unet", **config)
        pipe = DiffusionPipeline.from_pretrained(shelf / "sd15", unet=own)
        pipe.load_lora_weights(tmp_path, weight_name=Path(lora).name)
        given = {name: value for name, value in plain.settings.items() if name not in OWN}
        image = pipe(**given, generator=torch.Generator("cpu").manual_seed(plain.seed)).images[0]
        assert np.array_equal(pixels_of(both[scaled.id]), np.asarray(image))


def test_another_component_is_taken_from_a_folder_or_a_file(shelf, tmp_path) -> None:
    shot = asked(shelf, "flux")
    other = shelf / "flux-2"
    file = next((other / "transformer").glob("*.safetensors"))
    encoder = next((other / "text_encoder").glob("*.safetensors"))
    cases: list[tuple[dict[str, str], dict[str, Any]]] = [
        ({"vae": str(other / "vae")}, {"vae": (diffusers.AutoencoderKL, "vae")}),
        ({"transformer": str(file)}, {"transformer": (diffusers.FluxTransformer2DModel, "transformer")}),
        ({"transformer": str(other)}, {"transformer": (diffusers.FluxTransformer2DModel, "transformer")}),
        ({"text_encoder": str(encoder)}, {"text_encoder": (type(tiny.clip_encoder()), "text_encoder")}),
        (
            {"text_encoder_2": str(other / "text_encoder_2")},
            {"text_encoder_2": (type(tiny.t5_encoder(32)), "text_encoder_2")},
        ),
    ]
    seen = {picture(shot).facts["pixels"]}
    for options, parts in cases:
        answer = picture(shot, **options)
        loaded = {name: kind.from_pretrained(other, subfolder=place) for name, (kind, place) in parts.items()}
        assert np.array_equal(pixels_of(answer), by_hand(shot, **loaded)), options
        assert answer.facts["parts"] == options
        seen.add(answer.facts["pixels"])
    assert len(seen) == 5, "the transformer is the same from a file and from a folder, and all others differ"
    prints = [DiffusersEngine(device="cpu", **options).fingerprint(shot).facts["parts"] for options, _ in cases]
    assert len({str(one) for one in prints}) == 5


def test_both_ways_of_naming_weights_give_their_content_to_the_fingerprint_and_not_their_place(shelf, tmp_path) -> None:
    shot, file = asked(shelf, "flux"), next((shelf / "flux-2/transformer").glob("*.safetensors"))
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(file.read_bytes())
    facts = [DiffusersEngine(device="cpu", transformer=str(one)).fingerprint(shot).facts for one in (file, copy)]
    assert facts[0] == facts[1]
    tensors = load_file(copy)
    next(iter(tensors.values())).add_(1)
    save_file(tensors, copy)
    assert DiffusersEngine(device="cpu", transformer=str(copy)).fingerprint(shot).facts != facts[0]
    assert "parts" not in DiffusersEngine(device="cpu").fingerprint(shot).facts


def write_gguf(file: Path, tensors: Mapping[str, torch.Tensor], kind: gguf.GGMLQuantizationType) -> Path:
    """Matrices in this kind, everything else in float32, as people publish transformers."""
    writer = gguf.GGUFWriter(str(file), "flux")
    for name, tensor in tensors.items():
        values = tensor.float().numpy()
        if values.ndim > 1 and kind == KINDS.F16:
            writer.add_tensor(name, values.astype(np.float16))
        elif values.ndim > 1 and values.shape[-1] % 32 == 0:  # numbers in a block
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@pytest.fixture(scope="module")
def packed(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The other Flux transformer as GGUF, by kind."""
    tensors = load_file(next((shelf / "flux-2/transformer").glob("*.safetensors")))
    place = tmp_path_factory.mktemp("gguf")
    return {
        kind.name: write_gguf(place / f"{kind.name}.gguf", tensors, kind)
        for kind in (KINDS.Q8_0, KINDS.Q4_0, KINDS.F16)
    }


def test_a_gguf_file_gives_the_picture_that_diffusers_makes_with_it(shelf, packed) -> None:
    shot, seen = asked(shelf, "flux"), set()
    for name, file in packed.items():
        answer = picture(shot, transformer=str(file))
        own = diffusers.FluxTransformer2DModel.from_single_file(
            str(file),
            config=str(shelf / "flux"),
            subfolder="transformer",
            quantization_config=diffusers.GGUFQuantizationConfig(compute_dtype=torch.float32),
            torch_dtype=torch.float32,
        )
        assert np.array_equal(pixels_of(answer), by_hand(shot, transformer=own)), name
        seen.add(answer.facts["pixels"])
    assert len(seen) == 3
    together = answers([shot, asked(shelf, "flux", seed=3)], transformer=str(packed["Q4_0"]), batch=2)
    difference = pixels_of(together[shot.id]).astype(int) - pixels_of(picture(shot, transformer=str(packed["Q4_0"])))
    assert np.abs(difference).max() <= 1


def test_every_thing_that_cannot_stand_in_is_one_sentence_that_names_the_option(shelf, packed, tmp_path) -> None:
    flux, sd15 = asked(shelf, "flux"), asked(shelf, "sd15")
    cut, fake, pickle = tmp_path / "cut.gguf", tmp_path / "fake.gguf", tmp_path / "weights.ckpt"
    cut.write_bytes(packed["Q8_0"].read_bytes()[:-200])
    fake.write_bytes(b"PK" * 100)
    pickle.write_bytes(b"\x80\x02")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(next((shelf / "flux/vae").glob("*.safetensors")).read_bytes()[:-200])
    cases = [
        (flux, {"transformer": str(cut)}, "transformer: .*its end is missing"),
        (flux, {"transformer": str(fake)}, "transformer: .*no GGUF file"),
        (flux, {"vae": str(pickle)}, "vae: .*is a pickle"),
        (flux, {"vae": str(broken)}, "vae: .*its end is missing"),
        (flux, {"vae": str(shelf / "nowhere")}, "vae: .*is no folder, no file and no hub name"),
        (flux, {"unet": str(shelf / "sd15")}, "unet: FluxPipeline has no such part. It has: transformer, vae, text"),
        (flux, {"transformer": str(shelf / "sd3")}, "transformer: .*holds a SD3Transformer2DModel, and FluxPipeline"),
        (flux, {"vae": str(shelf / "sd15")}, "vae: .*does not fit .*its block_out_channels is 4 entries, not 2"),
        (sd15, {"vae": str(packed["Q8_0"])}, "vae: Diffusers reads .gguf files of denoisers alone"),
        (sd15, {"text_encoder": str(shelf / "sd3/text_encoder_3")}, "text_encoder: .*its model_type is t5, not clip"),
        (
            flux,
            {"transformer": str(packed["Q8_0"]), "quantization": "quanto-int8"},
            "quantization: the transformer is q",
        ),
        (flux, {"transformer": str(packed["Q8_0"]), "backend": "compile"}, "backend: 'compile' computes with plain"),
        (flux, {"quantization": "quanto-int3"}, "quantization: .*Did you mean 'quanto-int"),
        (flux, {"quantization": "torchao-int8", "dtype": "float16"}, "quantization: .*takes dtype = 'bfloat16', not"),
        (flux, {"quantization": "quanto-int8", "offload": "sequential"}, "quantization: offload = 'sequential'"),
        (flux, {"quantization": "quanto-int8", "backend": "openvino"}, "backend: 'openvino' computes with plain"),
        (flux, {"attention": "flexx"}, "attention: there is no 'flexx'. Did you mean 'flex'"),
        (flux, {"attention": "flash_hub"}, "attention: 'flash_hub' fetches code from the Hub, which is never run"),
        (flux, {"attention": "sage"}, "attention: 'sage' needs sageattention. Run: pip install sageattention"),
        (flux, {"attention": "_native_cudnn"}, "attention: '_native_cudnn' needs an NVIDIA GPU"),
        (sd15, {"attention": "flex"}, "attention: UNet2DConditionModel computes its attention in a way of its own"),
        (flux, {"cache": "first"}, "cache: there is no 'first'"),
        (flux, {"cache": "first_block 99"}, "cache: threshold of 'first_block' is a number from 0 to 10, not 99"),
        (flux, {"cache": "pab x"}, "cache: 'x' is no number"),
        (flux, {"cache": "first_block 0.1 2"}, "cache: 'first_block' takes at most 1 number"),
        (sd15, {"cache": "first_block"}, "cache: .*its denoiser UNet2DConditionModel takes no cache"),
        (asked(shelf, "chroma"), {"cache": "first_block"}, "cache: .*does not know the blocks of ChromaTransformer"),
        (asked(shelf, "chroma"), {"cache": "taylorseer"}, "cache: .*does not say which row it computes"),
        (asked(shelf, "chroma"), {"cache": "pab"}, "cache: .*guidance calls the denoiser twice a step"),
        (asked(shelf, "chroma"), {"cache": "magcache"}, "cache: .*Diffusers has those of FluxTransformer2DModel"),
        (flux, {"cache": "pab", "backend": "compile"}, "backend: 'compile' works on batches, and cache = 'pab'"),
    ]
    for shot, options, sentence in cases:
        said = refusal(shot, **options)
        assert re.match(sentence, said), (options, said)
        assert "\n" not in said


def test_a_file_of_another_family_is_found_out_without_reading_its_weights(shelf, packed) -> None:
    other = str(next((shelf / "sd3/transformer").glob("*.safetensors")))
    vae = str(next((shelf / "sd15/vae").glob("*.safetensors")))
    shot = asked(shelf, "flux")
    for options in ({"transformer": other}, {"vae": vae}):
        ((option, written),) = options.items()
        engine = DiffusersEngine(device="cpu", **options)
        engine.check(shot.settings)
        assert engine.rehearse(shot.settings).startswith(f"{option}: {written!r} does not fit: ")
        (failure,) = answers([shot], batch=1, **options).values()
        assert isinstance(failure, Failure), "the sentence is right: the file cannot be used"
    for options in (
        {"transformer": str(packed["Q4_0"])},
        {"vae": str(next((shelf / "flux-2/vae").glob("*.safetensors")))},
    ):
        assert DiffusersEngine(device="cpu", **options).rehearse(shot.settings) == ""


def test_an_attention_backend_is_put_on_one_model_and_no_other(shelf) -> None:
    shot = asked(shelf, "flux")
    before = _AttentionBackendRegistry.get_active_backend()[0]
    plain = picture(shot)
    for name in ("_native_math", "flex"):
        answer = picture(shot, attention=name)
        assert _AttentionBackendRegistry.get_active_backend()[0] == before
        own = diffusers.FluxTransformer2DModel.from_pretrained(shelf / "flux", subfolder="transformer")
        own.set_attention_backend(name)
        try:
            assert np.array_equal(pixels_of(answer), by_hand(shot, transformer=own))
        finally:
            _AttentionBackendRegistry.set_active_backend(before)
        assert answer.facts["attention"] == answer.fingerprint.facts["attention"] == name
        assert "said" not in answer.facts
    assert picture(shot).facts["pixels"] == plain.facts["pixels"]


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
    shots = [asked(shelf, "flux", num_inference_steps=STEPS, seed=seed) for seed in (1, 2, 3)]
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
    assert answer.fingerprint.facts["cache"]["name"] == cache.split()[0]
    assert answer.fingerprint.facts["batching"] == "one call a picture"
    assert np.array_equal(pixels_of(answer), by_hand(shots[-1], cache=CACHES[cache]))
    assert answer.facts["pixels"] != picture(shots[-1]).facts["pixels"], "a cache that changes nothing shows nothing"


def test_options_that_are_left_out_are_in_no_fingerprint_and_no_picture(shelf) -> None:
    answer = picture(asked(shelf, "flux"))
    changed = {"quantization", "attention", "cache", "parts"}
    assert not changed & (set(answer.facts) | set(answer.fingerprint.facts))
