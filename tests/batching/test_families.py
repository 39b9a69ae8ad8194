"""Further families, merged as their authors wrote them; and those that cannot be, made alone with a reason."""

from functools import cache

import diffusers
import pytest
import torch
from tests import tiny_pipelines
from tests.batching import further, oracle

from teststrip.batching import Batcher, Done

built = cache(further.build)


@pytest.mark.parametrize("family", further.MERGED)
def test_a_further_family_makes_the_pictures_of_plain_calls(family):
    calls = [
        further.call(family, guidance, steps, text, seed)
        for seed, (guidance, steps, text) in enumerate([(4.0, 3, 0), (1.0, 4, 1), (7.0, 2, 1), (4.0, 5, 0)])
    ]
    batcher = Batcher(built(family), rows=5, decode_rows=2)
    pictures = oracle.made(batcher, calls)
    assert not batcher.counts.alone
    assert batcher.counts.fill > 0.3
    for call in calls:
        assert oracle.levels(pictures[call.key], oracle.plain(built(family), call)) <= 1, call.key
    again = oracle.made(Batcher(built(family), rows=5, decode_rows=2), [calls[3], calls[0]])
    assert all(torch.equal(picture, pictures[key]) for key, picture in again.items())


@pytest.mark.parametrize(("family", "reason"), [("pag", "it changes attention processors")])
def test_what_cannot_be_merged_is_made_alone_and_says_why(family, reason):
    calls = [further.call(family, 4.0, steps, text, 3) for steps, text in [(3, 0), (2, 1)]]
    batcher = Batcher(built(family), rows=4)
    answers = list(batcher.run(calls))
    assert all(
        isinstance(answer, Done) and answer.alone.startswith(reason) and answer.rows is None for answer in answers
    )
    assert sum(batcher.counts.alone.values()) == 2
    for answer in answers:
        assert torch.equal(answer.output, oracle.plain(built(family), answer.call))


def test_a_call_that_changes_the_denoiser_leaves_its_neighbours_merged():
    pipe = built("pag")
    plain = [further.call("pag", 4.0, steps, 0, 3) for steps in (3, 4)]
    for call in plain:
        call.kwargs["pag_scale"] = 0.0
    changing = further.call("pag", 5.0, 3, 1, 3)
    answers = {answer.call.key: answer for answer in Batcher(pipe, rows=4).run([plain[0], changing, plain[1]])}
    assert answers[changing.key].alone
    for call in plain:
        assert not answers[call.key].alone
        assert oracle.levels(answers[call.key].output, oracle.plain(pipe, call)) <= 1


def test_a_model_that_keeps_state_from_step_to_step_is_refused():
    pipe = tiny_pipelines.build("flux")
    pipe.transformer.enable_cache(diffusers.FirstBlockCacheConfig(threshold=0.1))
    batcher = Batcher(pipe, rows=4)
    assert "carries state" in batcher.refusal
    (answer,) = batcher.run([oracle.call("flux", 3.5, 2, 0, 0)])
    assert answer.alone == batcher.refusal


class Gossip(diffusers.UNet2DConditionModel):
    """A denoiser whose rows hear of each other."""

    def forward(self, sample, *args, **kwargs):
        return (super().forward(sample, *args, **kwargs)[0] + 100 * sample.mean(),)


def test_a_model_whose_rows_change_each_other_is_found_out_at_the_first_forward():
    pipe = oracle.pipeline("sd15")
    unet = Gossip.from_config(pipe.unet.config)
    unet.load_state_dict(pipe.unet.state_dict())
    gossiping = type(pipe)(**{**pipe.components, "unet": unet.eval()}, requires_safety_checker=False)
    calls = [oracle.call("sd15", 5.0, 3, 0, seed) for seed in (1, 2)]
    batcher = Batcher(gossiping, rows=4)
    answers = list(batcher.run(calls))
    assert batcher.refusal == "the rows of its unet's batches change each other"
    assert all(isinstance(answer, Done) and answer.alone for answer in answers)
    for answer in answers:
        assert torch.equal(answer.output, oracle.plain(gossiping, answer.call))
