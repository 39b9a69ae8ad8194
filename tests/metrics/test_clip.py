"""Fit by CLIP: 100 × cosine, the scale × cosine of a preference model, and no number without weights."""

from __future__ import annotations

import numpy as np
import pytest
from tests.metrics.pictures import noise, single

from teststrip.errors import MissingWeights
from teststrip.metrics.clip import ClipScore, PickScore
from teststrip.testing.metric_contract import MetricContract
from teststrip.weights.loading import find

PROMPTS = ("an owl", "a blood-red rose", "a flying car against a futuristic city background")


@pytest.fixture
def items():
    return [single(noise(n, height=20 + n), prompt=PROMPTS[n % 3], replicate=n) for n in range(5)]


@pytest.mark.parametrize("kind", [ClipScore, PickScore])
class TestScoresByClipKeepTheContract(MetricContract):
    batch_tolerance = 1e-3  # of 100; one float32 matmul in another order

    @pytest.fixture
    def metric(self, kind, models):
        return kind(model=models("clip"), device="cpu")


def test_clip_score_is_100_times_the_cosine_and_pick_score_clips_own_logit(models, items):
    import torch
    from PIL import Image
    from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel

    folder = models("clip")
    model = CLIPModel.from_pretrained(folder).eval()
    pictures = [Image.fromarray(item.pixels[0]) for item in items]
    seen = CLIPImageProcessorPil.from_pretrained(folder)(pictures, return_tensors="pt")
    texts = [item.rows[0].planned.shot.prompt for item in items]
    words = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        answer = model(**words, **seen)
    logits = answer.logits_per_image.diagonal().numpy()
    cosines = (answer.image_embeds * answer.text_embeds).sum(dim=1).numpy()
    np.testing.assert_allclose(ClipScore(model=folder, device="cpu").score(items), 100 * cosines, atol=1e-4)
    np.testing.assert_allclose(PickScore(model=folder, device="cpu").score(items), logits, atol=1e-4)


def test_the_prompt_counts_not_only_the_picture(models):
    metric = ClipScore(model=models("clip"), device="cpu")
    owl, rose = metric.score([single(noise(1), prompt="an owl"), single(noise(1), prompt="a rose")])
    assert owl != rose


def test_other_weights_are_another_fingerprint_and_another_number(models, items):
    one, two = ClipScore(model=models("clip"), device="cpu"), ClipScore(model=models("clip", 1), device="cpu")
    assert one.fingerprint().id != two.fingerprint().id
    assert one.score(items) != two.score(items)


def test_device_and_batch_change_no_fingerprint(models):
    folder = models("clip")
    assert ClipScore(model=folder).fingerprint() == ClipScore(model=folder, device="cpu", batch=1).fingerprint()


def test_there_is_no_preference_without_a_preference_model():
    with pytest.raises(MissingWeights, match="no model is named"):
        PickScore().fingerprint()


def test_a_model_that_reads_no_text_scores_no_fit(models, items):
    with pytest.raises(MissingWeights, match="reads no text"):
        ClipScore(model=models("dinov2"), device="cpu").score(items)


def test_rising_with_guidance_is_on_the_card():
    assert ClipScore.card.rises_with == PickScore.card.rises_with == ("guidance_scale",)


def test_the_embedded_scorer_is_the_default_and_marked_as_such(models):
    assert find("emoji-scorer").embedded
    assert ClipScore().fingerprint().facts["embedded"] is True
    assert "embedded" in ClipScore().card.about
    assert "embedded" in ClipScore().card.failure
    assert "embedded" not in ClipScore(model=models("clip")).card.about
