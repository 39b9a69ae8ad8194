"""Models that take lists with one entry a row: whatever calls share a forward, each gets the answer of its own call."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teststrip.batching import Batcher, Call, CannotMerge, Done
from teststrip.batching.stacking import Reader


class Lists(torch.nn.Module):
    """A denoiser that pads the texts of a forward to the longest, as Z-Image does, and notes the widths it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, set[int]]] = []

    def forward(self, x, t, texts, notes=None):
        self.seen.append((len(x), {len(text) for text in texts}))
        padded = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
        return ([x[i] * 0.5 + t[i] + padded[i].sum() / padded.shape[1] for i in range(len(x))],)


class Listing:
    """A pipeline whose calls bring one row for each length."""

    def __init__(self) -> None:
        self.transformer = Lists()
        self.scheduler = None

    def __call__(self, *, lengths, steps, generator):
        picture = torch.randn(len(lengths), 4, 2, 2, generator=generator)
        texts = [torch.randn(length, 3, generator=generator) for length in lengths]
        for step in range(steps):
            times = torch.full((len(lengths),), step / 10)
            answer = self.transformer(list(picture.unbind()), times, texts, notes=[[None] for _ in lengths])[0]
            assert isinstance(answer, list)
            picture = torch.stack(answer)
        return (picture,)


calls_of = st.lists(
    st.tuples(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(1, 3)), min_size=1, max_size=5
)


@given(asked=calls_of, rows=st.integers(1, 6))
def test_each_call_gets_its_own_answer_and_no_forward_mixes_lengths(asked, rows):
    pipe = Listing()
    calls = [Call(key, {"lengths": lengths, "steps": steps}, key) for key, (lengths, steps) in enumerate(asked)]
    batcher = Batcher(pipe, rows=rows, recording=None)
    answers = list(batcher.run(calls))
    assert all(isinstance(answer, Done) and not answer.alone for answer in answers), answers
    assert all(width == rows and len(lengths) == 1 for width, lengths in pipe.transformer.seen)
    for answer in answers:
        kwargs = answer.call.kwargs
        assert torch.equal(answer.output, _row_by_row(kwargs, answer.call.seed))
        assert answer.denoiser_calls == len(kwargs["lengths"]) * kwargs["steps"]


def _row_by_row(kwargs, seed):
    """The same loop with each row in a forward of its own."""
    generator = torch.Generator().manual_seed(seed)
    picture = torch.randn(len(kwargs["lengths"]), 4, 2, 2, generator=generator)
    texts = [torch.randn(length, 3, generator=generator) for length in kwargs["lengths"]]
    for step in range(kwargs["steps"]):
        rows = [Lists()([x], torch.full((1,), step / 10), [text])[0][0] for x, text in zip(picture, texts, strict=True)]
        picture = torch.stack(rows)
    return picture


def test_what_has_no_form_in_a_list_cannot_be_merged():
    reader = Reader("transformer", Lists().forward)
    row = torch.zeros(4, 2, 2)
    with pytest.raises(CannotMerge, match="holds a object"):
        reader.read(([row], torch.zeros(1), [[object()]]), {})


def test_a_short_list_of_numbers_is_no_list_of_rows():
    reader = Reader("transformer", Lists().forward)
    row = torch.zeros(4, 2, 2)
    (request,) = reader.read(([row, row], torch.zeros(2), [row, row]), {"notes": [1, 2]})
    (other,) = reader.read(([row, row], torch.zeros(2), [row, row]), {"notes": [2, 1]})
    assert request.rows == other.rows == 2
    assert request.signature != other.signature
