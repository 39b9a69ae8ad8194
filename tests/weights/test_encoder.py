"""Pictures and texts become the vectors that the model itself would give, each computed once."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from tests import tiny_vision
from tests.metrics.pictures import noise

from teststrip.errors import MissingWeights
from teststrip.weights.encoder import Chosen, Encoder
from teststrip.weights.loading import find


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return str(tiny_vision.clip(tmp_path_factory.mktemp("clip")))


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory):
    return str(tiny_vision.dinov2(tmp_path_factory.mktemp("dinov2")))


class _Counting(Encoder):
    """Counts what the model is asked for."""

    asked = 0

    def _encode_pictures(self, pictures):
        self.asked += len(pictures)
        return super()._encode_pictures(pictures)


def unit(tensor):
    return torch.nn.functional.normalize(tensor.double(), dim=1).numpy()


def test_clip_vectors_are_those_of_clips_own_forward(clip):
    from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel

    model = CLIPModel.from_pretrained(clip).eval()
    texts, pictures = ["an owl", "a blood-red rose"], [noise(1, 40, 64), noise(2, 64, 40)]
    words = AutoTokenizer.from_pretrained(clip)(texts, padding=True, return_tensors="pt")
    seen = CLIPImageProcessorPil.from_pretrained(clip)([Image.fromarray(p) for p in pictures], return_tensors="pt")
    with torch.inference_mode():
        answer = model(**words, **seen)
    encoder = Chosen(clip, device="cpu").encoder
    np.testing.assert_allclose(encoder.pictures(pictures), answer.image_embeds.double().numpy(), atol=1e-6)
    np.testing.assert_allclose(encoder.texts(texts), answer.text_embeds.double().numpy(), atol=1e-6)
    logits = encoder.scale * encoder.pictures(pictures) @ encoder.texts(texts).T
    np.testing.assert_allclose(logits, answer.logits_per_image.numpy(), atol=1e-4)


def test_dinov2_vectors_are_its_pooled_output(dinov2):
    from transformers import AutoImageProcessor, Dinov2Model

    model = Dinov2Model.from_pretrained(dinov2).eval()
    seen = AutoImageProcessor.from_pretrained(dinov2, backend="pil")([Image.fromarray(noise(1))], return_tensors="pt")
    with torch.inference_mode():
        expected = unit(model(**seen).pooler_output)
    np.testing.assert_allclose(Chosen(dinov2, device="cpu").encoder.pictures([noise(1)]), expected, atol=1e-6)


def test_a_model_of_pictures_alone_reads_no_text(dinov2):
    with pytest.raises(MissingWeights, match="reads no text"):
        Chosen(dinov2, device="cpu").encoder.texts(["an owl"])


def test_a_picture_is_encoded_once_however_often_it_is_asked_for(clip):
    encoder = _Counting(find(clip), "cpu", batch=2)
    first = encoder.pictures([noise(1), noise(2), noise(1), noise(3)])
    assert encoder.asked == 3
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_array_equal(encoder.pictures([noise(3), noise(2)]), first[[3, 1]])
    assert encoder.asked == 3


def test_the_same_bytes_in_another_shape_are_another_picture(clip):
    encoder = _Counting(find(clip), "cpu", batch=2)
    encoder.pictures([noise(1, 24, 32), noise(1, 24, 32).reshape(32, 24, 3)])
    assert encoder.asked == 2


def test_what_is_remembered_is_bounded(clip):
    encoder = _Counting(find(clip), "cpu", batch=8, remembered=3)
    encoder.pictures([noise(n) for n in range(5)])
    encoder.pictures([noise(4)])
    assert encoder.asked == 5
    encoder.pictures([noise(0)])
    assert encoder.asked == 6


def test_metrics_that_name_the_same_weights_share_one_model(clip):
    one, two = Chosen(clip, device="cpu"), Chosen(clip, device="cpu")
    assert one.encoder is two.encoder


@pytest.mark.parametrize("text", ["", "\ud83d", "owl " * 500, "🦉"])
def test_strange_texts_are_read_too(clip, text):
    vectors = Chosen(clip, device="cpu").encoder.texts([text])
    assert np.isfinite(vectors).all()


def test_a_model_without_its_tokenizer_is_refused(clip, tmp_path):
    folder = shutil.copytree(clip, tmp_path / "clip")
    for path in folder.glob("token*"):
        path.unlink()
    with pytest.raises(MissingWeights, match="holds none of tokenizer"):
        Chosen(str(folder), device="cpu").encoder.texts(["an owl"])


def test_no_pictures_give_no_vectors(clip):
    assert len(Chosen(clip, device="cpu").encoder.pictures([])) == 0
