"""The shipped model files keep what their card promises. Quality at length is measured by training/evaluate.py."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from transformers import CLIPModel, CLIPTokenizer

MODELS = Path(__file__).parents[2] / "src" / "teststrip" / "models"
MODEL = MODELS / "emoji"
SCORER = MODELS / "emoji-scorer"

KNOWN = (
    "an owl", "a rose", "a pizza", "a penguin", "a red heart", "a snowman", "a sunflower", "a rocket",
    "a watermelon", "a frog", "a castle", "a banana",
)  # fmt: skip


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    result = StableDiffusionPipeline.from_pretrained(MODEL)
    result.set_progress_bar_config(disable=True)
    return result


def draw(
    pipeline: StableDiffusionPipeline, prompts: list[str], *, guidance: float, steps: int, seed: int = 0
) -> np.ndarray:
    noise = [torch.Generator().manual_seed(seed + i) for i in range(len(prompts))]
    made = pipeline(prompts, guidance_scale=guidance, num_inference_steps=steps, generator=noise, output_type="np")
    return made.images


def test_the_files_together_are_at_most_30_megabytes() -> None:
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) <= 30_000_000


def test_weights_are_fp16_safetensors() -> None:
    weights = [path for path in MODELS.rglob("*") if path.suffix in {".safetensors", ".bin", ".pt", ".ckpt"}]
    assert {path.suffix for path in weights} == {".safetensors"}
    for path in weights:
        length = int.from_bytes(path.read_bytes()[:8], "little")
        header = json.loads(path.read_bytes()[8 : 8 + length])
        kinds = {tensor["dtype"] for name, tensor in header.items() if name != "__metadata__"}
        assert kinds <= {"F16", "I64"}, path


def test_no_file_names_a_place_on_the_machine_that_made_it() -> None:
    for path in MODELS.rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert "_name_or_path" not in text
        assert not re.search(r'"/(work|home|root|tmp)/', text), path


@pytest.mark.parametrize("name", ["fluent-emoji-MIT.txt", "noto-emoji-OFL.txt", "unicode.txt"])
def test_the_licences_of_the_data_are_in_place(name: str) -> None:
    assert len((MODELS / "licenses" / name).read_text(encoding="utf-8")) > 1000


def test_the_card_shows_sheets_that_exist() -> None:
    card = (MODELS / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"\]\((card/[^)]+)\)", card)
    assert shown
    for name in shown:
        with Image.open(MODELS / name) as sheet:
            assert sheet.width > 0


def test_every_part_is_of_a_class_of_diffusers_or_transformers() -> None:
    index = json.loads((MODEL / "model_index.json").read_text(encoding="utf-8"))
    parts = [part for name, part in index.items() if not name.startswith("_") and isinstance(part, list)]
    assert len(parts) >= 5
    assert {library for library, _ in parts} <= {"diffusers", "transformers", None}
    for path in MODELS.rglob("*.json"):
        assert "teststrip" not in path.read_text(encoding="utf-8"), path


@pytest.mark.slow  # the fixture `pipeline` loads the model with warnings as errors
def test_it_loads_without_a_warning_and_without_teststrip() -> None:
    program = f"""
import sys
sys.modules["teststrip"] = None  # importing it would fail
import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPModel
print("imported", file=sys.stderr, flush=True)  # what the libraries say of themselves is not about this model
import warnings
warnings.simplefilter("error")
pipeline = StableDiffusionPipeline.from_pretrained({str(MODEL)!r})
pipeline.set_progress_bar_config(disable=True)
image = pipeline("an owl", num_inference_steps=2, generator=torch.Generator().manual_seed(0)).images[0]
CLIPModel.from_pretrained({str(SCORER)!r})
print(type(pipeline).__name__, image.size)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True,
        env={"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "PATH": "", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert run.stdout.startswith("StableDiffusionPipeline")
    told = [
        line
        for line in run.stderr.split("imported\n", 1)[1].splitlines()
        if not re.match(r"\s*$|Loading |\rLoading ", line)
    ]
    assert told == []


def test_a_seed_gives_the_same_picture_again_and_another_seed_another(pipeline: StableDiffusionPipeline) -> None:
    first, again = (draw(pipeline, ["a cat"], guidance=5, steps=6, seed=7) for _ in range(2))
    other = draw(pipeline, ["a cat"], guidance=5, steps=6, seed=8)
    assert np.array_equal(first, again)
    assert np.abs(first - other).mean() > 0.02


@pytest.mark.parametrize(
    "prompt",
    ["zyxwv qwrtpl ünknöwn", "", "猫头鹰和玫瑰", "an owl and " * 1000, "🦉🌹", "\x00\n\t", "a" * 10_000],
    ids=["unknown words", "empty", "Chinese", "10,000 characters", "emoji", "control characters", "one long word"],
)
def test_an_odd_prompt_gives_a_picture(pipeline: StableDiffusionPipeline, prompt: str) -> None:
    picture = draw(pipeline, [prompt], guidance=5, steps=3)[0]
    assert np.isfinite(picture).all()
    assert picture.std() > 0


def features(model: CLIPModel, pictures: np.ndarray) -> torch.Tensor:
    small = torch.nn.functional.interpolate(
        torch.from_numpy(pictures).permute(0, 3, 1, 2), size=model.config.vision_config.image_size, mode="area"
    )
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
    deviation = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)
    with torch.no_grad():
        found = model.visual_projection(model.vision_model((small - mean) / deviation).pooler_output)
    return found / found.norm(dim=-1, keepdim=True)


@pytest.fixture(scope="module")
def text_features() -> tuple[CLIPModel, torch.Tensor]:
    model = CLIPModel.from_pretrained(SCORER, dtype=torch.float32).eval()
    tokens = CLIPTokenizer.from_pretrained(SCORER)(list(KNOWN), padding="max_length", return_tensors="pt")
    with torch.no_grad():
        found = model.text_projection(model.text_model(tokens.input_ids).pooler_output)
    return model, found / found.norm(dim=-1, keepdim=True)


def judged(scorer: tuple[CLIPModel, torch.Tensor], pictures: np.ndarray) -> tuple[float, float]:
    """Share of pictures nearest to their own prompt of all, and mean similarity to it."""
    model, texts = scorer
    similarity = features(model, pictures) @ texts.T
    nearest = similarity.argmax(1) == torch.arange(len(texts))
    return nearest.float().mean().item(), similarity.diagonal().mean().item()


def test_pictures_show_their_prompts_and_guidance_and_steps_matter(
    pipeline: StableDiffusionPipeline, text_features: tuple[CLIPModel, torch.Tensor]
) -> None:
    matched, near = judged(text_features, draw(pipeline, list(KNOWN), guidance=5, steps=15))
    _, near_unguided = judged(text_features, draw(pipeline, list(KNOWN), guidance=1, steps=15))
    _, near_in_two_steps = judged(text_features, draw(pipeline, list(KNOWN), guidance=5, steps=2))
    assert matched >= 0.75
    assert near_unguided < near
    assert near_in_two_steps < near


def test_the_scorer_shares_no_weights_with_the_denoiser(pipeline: StableDiffusionPipeline) -> None:
    own = CLIPModel.from_pretrained(SCORER, dtype=torch.float32).text_model.state_dict()
    for name, value in pipeline.text_encoder.state_dict().items():
        other = own[name.removeprefix("text_model.")]
        if value.ndim == 2:  # biases may start at zero and stay near it
            correlation = np.corrcoef(value.flatten().numpy(), other.flatten().numpy())[0, 1]
            assert abs(correlation) < 0.3, name
