"""Lumina 2 cuts each row to the length of its text: rows share a forward where their texts are equally long."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import tiny_pipelines
from tests.batching import oracle

from teststrip.batching import Batcher, Call, Done
from teststrip.batching.recording import Limits

AT_ONCE = Limits(forwards=2, short_seconds=600.0)
LONG = 9
"""Tokens of a text with its padding."""


@cache
def lumina() -> Any:
    return tiny_pipelines.build("lumina2")


class Texts:
    """A pipeline whose calls bring one row for each text; a text is as long as it says, and padded."""

    def __init__(self) -> None:
        self.transformer = lumina().transformer
        self.scheduler = None

    def __call__(self, *, lengths: list[int], generator: torch.Generator) -> tuple[torch.Tensor]:
        picture = torch.randn(len(lengths), 4, 4, 4, generator=generator)
        texts = torch.randn(len(lengths), LONG, 32, generator=generator)
        mask = torch.tensor([[1] * length + [0] * (LONG - length) for length in lengths])
        for moment in (0.1, 0.6, 0.9):
            times = torch.full((len(lengths),), moment)
            picture = self.transformer(picture, times, texts, mask, return_dict=False)[0]
        return (picture,)


def calls(asked: list[list[int]]) -> list[Call]:
    return [Call(key, {"lengths": lengths}, seed=key) for key, lengths in enumerate(asked)]


@given(st.lists(st.lists(st.integers(1, LONG), min_size=1, max_size=4), min_size=1, max_size=6))
@settings(max_examples=15, deadline=None)
def test_a_row_has_the_same_bytes_beside_texts_of_any_length(asked: list[list[int]]) -> None:
    together = Batcher(Texts(), rows=4, recording=AT_ONCE)
    pictures = oracle.made(together, calls(asked))
    assert not together.counts.alone
    for call in calls(asked):
        (alone,) = Batcher(Texts(), rows=4, recording=None).run([call])
        assert isinstance(alone, Done)
        assert torch.equal(pictures[call.key], alone.output)
        plain = Texts()(**call.kwargs, generator=torch.Generator().manual_seed(call.seed))[0]
        assert torch.allclose(alone.output, plain, atol=1e-4)


def asked(prompts: list[str]) -> list[Call]:
    side = {"height": 32, "width": 32, "num_inference_steps": 2, "guidance_scale": 5.0, "output_type": "pt"}
    return [Call(prompt, {"prompt": prompt, **side}, seed=7) for prompt in prompts]


def test_a_picture_of_lumina_has_the_same_bytes_beside_longer_prompts() -> None:
    owl, *others = asked(["an owl", "a flying car against a futuristic city", ""])
    alone = oracle.made(Batcher(lumina(), rows=6), [owl])
    beside = oracle.made(Batcher(lumina(), rows=6), [*others, owl])
    assert torch.equal(beside["an owl"], alone["an owl"])


@pytest.mark.filterwarnings("ignore:`upcast_vae` is deprecated:FutureWarning")  # by Diffusers, in its own pipeline
@pytest.mark.parametrize("first", ["merged", "alone"])
def test_a_pipeline_that_widens_its_decoder_decodes_each_picture_in_the_same_way(first: str) -> None:
    """AuraFlow in half precision leaves its decoder in single precision."""
    pipe = tiny_pipelines.build("auraflow").to(torch.float16)
    calls = asked(["an owl", "a dove"])
    if first == "alone":
        Batcher(pipe, rows=4).run_alone(calls[1])
    once, again = (list(Batcher(pipe, rows=4).run(calls[:number])) for number in (2, 1))
    assert pipe.vae.dtype == torch.float16
    (picture,) = [answer for answer in once if answer.call.key == "an owl"]
    assert picture.decode_rows is again[0].decode_rows is None
    assert torch.equal(picture.output, again[0].output)
