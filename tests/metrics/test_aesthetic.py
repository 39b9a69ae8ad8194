"""A linear head on CLIP's picture embedding, one layer or several, and no number from half of one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.metrics.pictures import noise, single

from teststrip.errors import MissingWeights
from teststrip.metrics.aesthetic import Aesthetic
from teststrip.testing.metric_contract import MetricContract
from teststrip.weights.encoder import Chosen

WIDTH = 16  # of the tiny CLIP's embedding


def head(folder, layers, name="head.safetensors"):
    """A file with a chain of random layers of these widths; its path and its tensors."""
    random = np.random.default_rng(0)
    tensors = {}
    for number, (width, following) in enumerate(pairwise(layers)):
        # Numbered as LAION's are, dropout between; ten and more show that 10 comes after 2.
        tensors[f"layers.{number * 4}.weight"] = random.normal(size=(following, width)).astype(np.float32)
        tensors[f"layers.{number * 4}.bias"] = random.normal(size=following).astype(np.float32)
    save_file(tensors, folder / name)
    return str(folder / name), tensors


@pytest.fixture
def items():
    return [single(noise(n), replicate=n) for n in range(4)]


class TestAestheticKeepsTheContract(MetricContract):
    batch_tolerance = 1e-4

    @pytest.fixture
    def metric(self, models, tmp_path):
        return Aesthetic(head=head(tmp_path, [WIDTH, 1])[0], model=models("clip"), device="cpu")


@pytest.mark.parametrize("layers", [[WIDTH, 1], [WIDTH, 8, 1], [WIDTH, 32, 8, 4, 1]])
def test_a_chain_of_layers_is_applied_one_after_another(models, tmp_path, items, layers):
    path, tensors = head(tmp_path, layers)
    values = Chosen(models("clip"), device="cpu").encoder.pictures([item.pixels[0] for item in items])
    for number in range(len(layers) - 1):
        values = values @ tensors[f"layers.{number * 4}.weight"].T + tensors[f"layers.{number * 4}.bias"]
    found = Aesthetic(head=path, model=models("clip"), device="cpu").score(items)
    np.testing.assert_allclose(found, values[:, 0], rtol=1e-6)


def test_the_prompt_plays_no_part(models, tmp_path):
    metric = Aesthetic(head=head(tmp_path, [WIDTH, 1])[0], model=models("clip"), device="cpu")
    one, two = metric.score([single(noise(1), prompt="an owl"), single(noise(1), prompt="a rose")])
    assert one == two


def test_another_head_is_another_fingerprint(models, tmp_path):
    one = Aesthetic(head=head(tmp_path, [WIDTH, 1])[0], model=models("clip"))
    two = Aesthetic(head=head(tmp_path, [WIDTH, 4, 1], "other.safetensors")[0], model=models("clip"))
    assert one.fingerprint().id != two.fingerprint().id


@pytest.mark.parametrize("path", [None, "nowhere.safetensors"])
def test_without_a_head_there_is_no_rating(models, path):
    with pytest.raises(MissingWeights, match="Give `head` a"):
        Aesthetic(head=path, model=models("clip")).fingerprint()


def test_a_head_for_another_clip_is_refused(models, tmp_path, items):
    metric = Aesthetic(head=head(tmp_path, [768, 1])[0], model=models("clip"), device="cpu")
    with pytest.raises(MissingWeights, match="wants embeddings of 768 numbers, the CLIP gives 16"):
        metric.score(items)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"weight": np.ones((2, WIDTH))}, "ends in 2 numbers"),
        ({"0.weight": np.ones((4, WIDTH)), "1.weight": np.ones((1, 5))}, "do not follow"),
        ({"conv.weight": np.ones((1, 3, 3, 3))}, "no chain of linear layers: it holds conv.weight"),
        ({"weight": np.ones((1, WIDTH)), "norm.scale": np.ones(3)}, "it holds norm.scale"),
        ({"bias": np.ones(1)}, "no chain of linear layers"),
    ],
)
def test_what_is_no_linear_head_is_refused(models, tmp_path, items, tensors, said):
    save_file(tensors, tmp_path / "odd.safetensors")
    metric = Aesthetic(head=str(tmp_path / "odd.safetensors"), model=models("clip"), device="cpu")
    with pytest.raises(MissingWeights, match=said):
        metric.score(items)


def test_a_file_that_is_no_safetensors_is_refused(models, tmp_path, items):
    (tmp_path / "head.safetensors").write_bytes(b"not at all")
    with pytest.raises(MissingWeights, match="no readable"):
        Aesthetic(head=str(tmp_path / "head.safetensors"), model=models("clip"), device="cpu").score(items)
