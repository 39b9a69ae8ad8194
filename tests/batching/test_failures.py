"""One call fails, the others go on; memory runs out, the run goes on narrower; nothing leaks into the caller."""

import itertools
from dataclasses import replace

import pytest
import torch
from tests.batching import oracle

from teststrip.batching import Batcher, Done, FailedCall


def at_step(number, act):
    """A pipeline's callback that does something to the latents after one step."""

    def callback(pipe, step, timestep, tensors):
        return {"latents": act(tensors["latents"])} if step == number else tensors

    return {"callback_on_step_end": callback}


def raising(latents):
    raise KeyError("a call's own mistake")


SIX = [oracle.call("sd15", 5.0, steps, 0, 100 + steps) for steps in (2, 3, 4, 5, 6, 7)]


@pytest.mark.parametrize(
    ("act", "reason"), [(raising, "error"), (lambda latents: latents * torch.nan, "nan")], ids=["raises", "turns NaN"]
)
def test_a_call_that_goes_wrong_in_the_middle_of_a_batch_fails_alone(act, reason):
    bad = oracle.call("sd15", 5.0, 5, 1, 99, "EulerDiscreteScheduler", **at_step(2, act))
    expected = oracle.made(Batcher(oracle.pipeline("sd15"), rows=8), SIX)
    answers = list(Batcher(oracle.pipeline("sd15"), rows=8).run([*SIX[:3], bad, *SIX[3:]]))
    (failed,) = [answer for answer in answers if isinstance(answer, FailedCall)]
    assert failed.call is bad
    assert failed.reason == reason
    done = {answer.call.key: answer.output for answer in answers if isinstance(answer, Done)}
    assert done.keys() == expected.keys()
    assert all(torch.equal(done[key], expected[key]) for key in expected)


class Narrow:
    """A denoiser with memory for so many rows."""

    def __init__(self, model, most):
        self.model, self.most, self.refused = model, most, 0

    def __call__(self, sample, *args, **kwargs):
        if len(sample) > self.most:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return self.model(sample, *args, **kwargs)


@pytest.mark.parametrize("most", [1, 3, 8])
def test_out_of_memory_halves_the_width_and_every_picture_has_one_width(most):
    pipe = oracle.pipeline("sd15")
    narrow = Narrow(pipe.unet, most)
    batcher = Batcher(pipe, rows=12, forwards={"unet": narrow})
    answers = list(batcher.run(SIX))
    width = batcher.counts.widths["unet 4x8x8"]
    assert width == {1: 1, 3: 3, 8: 6}[most]
    assert narrow.refused == len(batcher.counts.halved) == {1: 3, 3: 2, 8: 1}[most]
    assert all(isinstance(answer, Done) and answer.rows == width for answer in answers)
    # Those begun at the old width began again: the bytes are those of a run that had this width all along.
    expected = oracle.made(Batcher(pipe, rows=width), SIX)
    assert all(torch.equal(answer.output, expected[answer.call.key]) for answer in answers)


def test_memory_that_shrinks_in_the_middle_of_a_run_loses_nothing():
    pipe = oracle.pipeline("sd15")
    narrow = Narrow(pipe.unet, 12)
    batcher = Batcher(pipe, rows=12, decode_rows=1, forwards={"unet": narrow})
    answers = []
    for answer in batcher.run(SIX):
        answers.append(answer)
        narrow.most = 6
    assert {answer.call.key for answer in answers} == {call.key for call in SIX}
    for answer in answers:
        expected = oracle.made(Batcher(pipe, rows=answer.rows, decode_rows=1), [answer.call])
        assert torch.equal(answer.output, expected[answer.call.key])
    assert {answer.rows for answer in answers} == {12, 6}


def test_memory_for_nothing_at_all_fails_the_calls_and_ends():
    pipe = oracle.pipeline("sd15")
    unet = pipe.unet
    handle = unet.register_forward_pre_hook(lambda *_: Narrow(unet, 0)(torch.zeros(1)))
    try:
        answers = list(Batcher(pipe, rows=4).run(SIX[:2]))
    finally:
        handle.remove()
    assert [answer.reason for answer in answers] == ["oom", "oom"]


def test_the_width_is_found_within_the_memory_there_is():
    pipe = oracle.pipeline("sd15")
    batcher = Batcher(pipe, forwards={"unet": Narrow(pipe.unet, 7)})
    answers = list(batcher.run(replace(call, length=10_000) for call in SIX[:3]))
    assert 2 <= batcher.counts.widths["unet 4x8x8"] <= 6
    assert not batcher.counts.halved
    assert len(answers) == 3


def test_a_converted_model_that_breaks_leaves_each_call_to_the_plain_way():
    def broken(*_, **__):
        raise RuntimeError("no kernel for this shape")

    answers = list(Batcher(oracle.pipeline("sd15"), rows=4, forwards={"unet": broken}).run(SIX[:2]))
    assert all(answer.alone == "a shared forward raised RuntimeError" for answer in answers)
    for answer in answers:
        assert torch.equal(answer.output, oracle.plain(oracle.pipeline("sd15"), answer.call))


def test_the_caller_never_sees_inference_mode_even_when_it_stops_early():
    def asked():
        for call in SIX:
            assert torch.is_grad_enabled()
            assert not torch.is_inference_mode_enabled()
            yield call

    numbers = torch.get_rng_state()
    answers = Batcher(oracle.pipeline("sd15"), rows=4).run(asked())
    next(answers)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    answers.close()
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert torch.equal(torch.get_rng_state(), numbers), "the caller's random numbers were used"


def test_calls_are_pulled_lazily():
    pulled = itertools.count()

    def asked():
        for seed in itertools.count():
            next(pulled)
            yield oracle.call("sd15", 1.0, 2, 0, seed)

    answers = Batcher(oracle.pipeline("sd15"), rows=4, decode_rows=1, window=3).run(asked())
    for _ in range(5):
        next(answers)
    answers.close()
    assert next(pulled) <= 5 + 3 + 16


def test_stopping_finishes_what_is_under_way_and_starts_nothing_more():
    batcher = Batcher(oracle.pipeline("sd15"), rows=4, decode_rows=1)
    answers = batcher.run(SIX)
    first = next(answers)
    batcher.stop()
    rest = list(answers)
    assert all(isinstance(answer, Done) for answer in rest)
    assert 1 <= len([first, *rest]) < len(SIX)


def test_an_interrupt_ends_all_calls_and_the_pipeline_can_be_used_again():
    def interrupted(latents):
        raise KeyboardInterrupt

    bad = oracle.call("sd15", 5.0, 4, 0, 98, **at_step(1, interrupted))
    batcher = Batcher(oracle.pipeline("sd15"), rows=4)
    with pytest.raises(KeyboardInterrupt):
        list(batcher.run([*SIX, bad]))
    assert torch.is_grad_enabled()
    assert oracle.made(batcher, SIX[:2]).keys() == {call.key for call in SIX[:2]}


def test_a_prompt_is_encoded_once_and_both_ends_of_guidance_with_it():
    pipe = oracle.pipeline("sd15")
    passes = []
    handle = pipe.text_encoder.register_forward_hook(lambda *_: passes.append(1))
    try:
        calls = [oracle.call("sd15", guidance, 2, 0, seed) for guidance in (3.0, 7.0) for seed in range(4)]
        oracle.made(Batcher(pipe, rows=8), calls)
    finally:
        handle.remove()
    assert len(passes) == 2


def test_a_forward_has_at_least_one_row():
    with pytest.raises(ValueError, match="rows=0"):
        Batcher(oracle.pipeline("sd15"), rows=0)
