"""Asking a vision-language model: the probability of yes, whoever else is asked, or no number at all."""

from __future__ import annotations

import numpy as np
import pytest
from tests.metrics.pictures import noise, single

from teststrip.errors import MissingWeights
from teststrip.metrics.vqa import VqaScore
from teststrip.testing.metric_contract import MetricContract

KINDS = {"a decoder with a chat template": ("llava", {}), "without": ("llava", {"chat": False}), "T5": ("blip2", {})}


@pytest.fixture
def items():
    prompts = ("an owl", "a rose", "an owl")
    return [single(noise(n, height=20 + n % 2), prompt=prompts[n % 3], replicate=n) for n in range(6)]


@pytest.mark.parametrize("kind", KINDS)
class TestVqaScoreKeepsTheContract(MetricContract):
    batch_tolerance = 1e-5

    @pytest.fixture
    def metric(self, kind, models):
        name, options = KINDS[kind]
        return VqaScore(model=models(name, **options), device="cpu", batch=2)


def test_the_value_is_the_share_of_yes_in_the_models_own_next_word(models):
    import torch
    from PIL import Image
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    folder = models("llava")
    model, processor = (
        LlavaForConditionalGeneration.from_pretrained(folder).eval(),
        AutoProcessor.from_pretrained(folder),
    )
    asked = 'USER: <image> Does this figure show "an owl"? Please answer yes or no. ASSISTANT:'
    inputs = processor(images=Image.fromarray(noise(1)), text=asked, return_tensors="pt")
    with torch.inference_mode():
        shares = model(**inputs).logits[0, -1].double().softmax(dim=0)
    words = processor.tokenizer.convert_tokens_to_ids(["yes", "Yes"])
    [found] = VqaScore(model=folder, device="cpu").score([single(noise(1), prompt="an owl")])
    assert found == pytest.approx(float(shares[words].sum()), rel=1e-5)


def test_prompt_and_question_both_count(models):
    folder = models("llava")
    plain = VqaScore(model=folder, device="cpu")
    other = VqaScore(model=folder, device="cpu", question="Is there {prompt}? yes or no")
    owl, rose = single(noise(1), prompt="an owl"), single(noise(1), prompt="a rose")
    assert len({*plain.score([owl, rose]), *other.score([owl])}) == 3
    assert plain.fingerprint().id != other.fingerprint().id


def test_half_precision_is_another_fingerprint_and_about_the_same_number(models):
    folder, owl = models("llava"), single(noise(1), prompt="an owl")
    full, half = (VqaScore(model=folder, device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16"))
    np.testing.assert_allclose(full.score([owl]), half.score([owl]), rtol=0.2)
    assert full.fingerprint().id != half.fingerprint().id


def test_a_clip_cannot_be_asked(models, items):
    with pytest.raises(MissingWeights, match="cannot be loaded"):
        VqaScore(model=models("clip"), device="cpu").score(items)


def test_without_a_model_nobody_is_asked():
    with pytest.raises(MissingWeights, match="no model is named"):
        VqaScore().fingerprint()


@pytest.mark.parametrize("prompt", ["an <image> of an owl", "", "\ud83d", "owl " * 100])
@pytest.mark.parametrize("chat", [True, False])
def test_strange_prompts_are_asked_about_too(models, prompt, chat):
    [value] = VqaScore(model=models("llava", chat=chat), device="cpu").score([single(noise(1), prompt=prompt)])
    assert 0 < value < 1
