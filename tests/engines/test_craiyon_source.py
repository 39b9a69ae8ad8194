"""The networks against a second source: numbers that min-dalle 0.4.11 gave for the same weights.

They were measured on a CPU with torch 2.13.0 by `tests/second_min_dalle.py`, which says how to measure them again. The
likeliest tokens of three pictures were equal, 256 each, and at most one in ten thousand colours of these pictures was
another level, by 1 of 255.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests import tiny_dalle
from tests.second_min_dalle import PROMPT

from teststrip.dalle_mini.folder import find
from teststrip.dalle_mini.sampling import Draw, load
from teststrip.diffusion.safety import read_header

FIRST_TOKENS = {
    1: [14973, 15547, 15519, 1214, 15547, 3507, 12702, 12702, 12702, 12702, 12702, 12702],
    4: [12063, 2597, 14861, 12559, 11528, 14182, 2869, 12702, 8268, 14338, 11237, 2949],
    16: [10661, 3266, 10, 6193, 11528, 14182, 2869, 10, 6193, 9361, 909, 15791],
}
"""By supercondition_factor."""
ALL_TOKENS = {1: "e87490d20e5044b2", 4: "bc4870ede80e3994", 16: "18ea3924c822ed3e"}
"""The beginning of the SHA-256 of their JSON. The likeliest logit was ahead by 3e-4 or more, far above rounding."""
FIRST_LOGITS = [[-0.5254634, -0.8564290, 0.1661370], [-0.1639170, -0.4270149, 0.4935232]]
LAST_LOGITS = [[-0.6146687, -0.2136000, 0.4258837], [-0.1846606, 0.0586489, 0.3855216]]
"""Of the first three image tokens, for the empty text and the prompt, at the first and the last place of factor 16."""
MEAN_COLOURS = {
    1: [30.096359, 10.929169, 70.224640],
    4: [19.622833, 10.563354, 52.892112],
    16: [23.008759, 11.797165, 47.288454],
}
EVERY_85TH = [
    [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]],
    [[33, 0, 0], [0, 0, 90], [0, 0, 0], [0, 0, 0]],
    [[0, 0, 34], [11, 85, 32], [16, 0, 90], [0, 0, 0]],
    [[0, 0, 0], [0, 5, 0], [0, 0, 0], [0, 0, 0]],
]
"""Of the picture of factor 16, along both sides."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The model whose sizes are those that min-dalle fixes: 47 M numbers are in its detokenizer, 1 M in each other."""
    folder: Path = tiny_dalle.save(tmp_path_factory.mktemp("source") / "model", tiny_dalle.PUBLISHED_SHAPE)
    return load(find(str(folder), read_header), device="cpu", dtype="float32")


def tokens(model, factor: int) -> torch.Tensor:
    return model.tokens(model.folder.tokenizer.read(PROMPT).tokens, Draw(0, 1.0, 1, float(factor)))


@pytest.mark.parametrize("factor", FIRST_TOKENS)
def test_the_likeliest_tokens_are_those_of_min_dalle(model, factor):
    found = tokens(model, factor).tolist()
    assert found[:12] == FIRST_TOKENS[factor]
    assert hashlib.sha256(json.dumps(found).encode()).hexdigest().startswith(ALL_TOKENS[factor])


def test_the_logits_are_those_of_min_dalle(model):
    logits = []
    hook = model.decoder.register_forward_hook(lambda _, given, found: logits.append(found[:, :3].numpy()))
    tokens(model, 16)
    hook.remove()
    # 5e-6: twenty times what differed where this was measured, and far less than what another GELU changes.
    assert np.abs(logits[0] - FIRST_LOGITS).max() < 5e-6
    assert np.abs(logits[-1] - LAST_LOGITS).max() < 5e-6


@pytest.mark.parametrize(
    "factor", [pytest.param(1, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow), 16]
)
def test_their_colours_are_those_of_min_dalle(model, factor):
    levels = model.colours(tokens(model, factor)) * 255
    assert levels.mean((0, 1)) == pytest.approx(MEAN_COLOURS[factor], abs=0.001)
    if factor == 16:
        assert np.abs(levels[::85, ::85] - np.array(EVERY_85TH)).max() < 1.01
