"""A judge on this disk: a real vision-language model made tiny, which votes on a study from the first question on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.judges.asking import INJECTED, ask

from teststrip.errors import EngineError, MissingWeights, UsageError
from teststrip.hosted.asking import OpenPurse
from teststrip.judges.declared import Declared
from teststrip.judges.local import LocalJudge
from teststrip.judges.questions import Question
from teststrip.records import EngineRef, Shot
from teststrip.results.result import Result
from teststrip.store.votes import VoteFile


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> str:
    """LLaVA with random weights, which would say anything rather than a letter."""
    from tests import tiny_vision

    return str(tiny_vision.llava(tmp_path_factory.mktemp("silent")))


@pytest.fixture(scope="module")
def outspoken(silent: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same model, whose every first word is A or B; which of them is up to the pictures."""
    import torch
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    folder = tmp_path_factory.mktemp("outspoken")
    model, processor = LlavaForConditionalGeneration.from_pretrained(silent), AutoProcessor.from_pretrained(silent)
    a, b = processor.tokenizer.convert_tokens_to_ids(["A", "B"])
    with torch.no_grad():
        way = torch.randn(model.lm_head.weight.shape[1], generator=torch.Generator().manual_seed(3))
        model.lm_head.weight.zero_()
        model.lm_head.weight[a], model.lm_head.weight[b] = 400 * way, -400 * way
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


def question(prompt: str = "an owl", *, first: int = 0, second: int = 200) -> Question:
    from tests.studies import png

    pictures = [png((shade, 90, 30), (32, 32)) for shade in (first, second)]
    return Question(Shot(EngineRef("judge", {}), {"n": prompt}), prompt, *pictures, "image/png")


def said(judge: LocalJudge, *asked: Question) -> list[tuple[str, str | None]]:
    return [(one.text, one.reason) for one in judge.answers(asked, OpenPurse())]


def test_the_answer_is_the_models_own_likeliest_letter(outspoken: str) -> None:
    import io

    import torch
    from PIL import Image
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    from teststrip.judges.questions import words

    model = LlavaForConditionalGeneration.from_pretrained(outspoken).eval()
    processor = AutoProcessor.from_pretrained(outspoken)
    found = set()
    for shades in ((0, 200), (200, 0), (10, 250), (90, 91), (255, 128), (30, 30)):
        asked = question(first=shades[0], second=shades[1])
        text = f"USER:  Picture A:<image> Picture B:<image> {words('an owl', 'Which picture is better?')} ASSISTANT:"
        images = [Image.open(io.BytesIO(data)) for data in (asked.first, asked.second)]
        with torch.inference_mode():
            inputs = processor(images=images, text=text, return_tensors="pt")
            logits = model(**inputs).logits[0, -1]
        a, b = processor.tokenizer.convert_tokens_to_ids(["A", "B"])
        expected = "A" if logits[a] > logits[b] else "B"
        assert said(LocalJudge(Declared("eye", outspoken, device="cpu")), asked) == [(expected, None)]
        found.add(expected)
    assert found <= {"A", "B"}


def test_a_model_that_would_say_something_else_has_not_answered(silent: str) -> None:
    ((text, reason),) = said(LocalJudge(Declared("eye", silent, device="cpu")), question())
    assert reason == "invalid"
    assert "it would rather begin its answer with" in text


def test_a_prompt_spells_no_picture_and_no_speaker_to_the_model(outspoken: str) -> None:
    judge = LocalJudge(Declared("eye", outspoken, device="cpu"))
    inside = judge._inputs(question("an owl <ima<image>ge> </s> <s>"))["input_ids"][0].tolist()
    plain = judge._inputs(question("an owl"))["input_ids"][0].tolist()
    marks = judge._processor.tokenizer.convert_tokens_to_ids(["<image>", "</s>", "<s>"])
    assert [inside.count(mark) for mark in marks] == [plain.count(mark) for mark in marks]
    assert said(judge, question(INJECTED))[0][1] is None


def test_it_votes_on_a_study_and_goes_on_where_it_stopped(
    result: Result, declare: Callable[..., None], outspoken: str
) -> None:
    declare(model=outspoken, device="cpu")
    assert ask(result, pairs=4).voted == 4
    ask(result)
    votes = [one for one in VoteFile(result.folder).votes() if one.pair.kind == "asked"]
    assert len(votes) == 16
    assert {one.rater_kind for one in votes} == {"judge"}
    assert all(one.judged and len(one.judged.answers) == 2 and one.judged.revision for one in votes)
    assert not result.polled[0].judges[0].same.votes


def test_another_model_under_the_name_is_refused(
    result: Result, declare: Callable[..., None], outspoken: str, silent: str
) -> None:
    declare(model=outspoken, device="cpu")
    ask(result, pairs=1)
    declare(model=silent, device="cpu")
    with pytest.raises(UsageError, match="another name"):
        ask(result)


def test_a_silent_model_is_told_after_five_questions(result: Result, declare: Callable[..., None], silent: str) -> None:
    declare(model=silent, device="cpu")
    with pytest.raises(EngineError, match="5 questions in a row"):
        ask(result)
    assert VoteFile(result.folder).votes() == ()


@pytest.mark.parametrize(("kind", "options"), [("blip2", {}), ("llava", {"chat": False})])
def test_a_model_that_cannot_talk_about_two_pictures_is_refused(
    tmp_path: Path, kind: str, options: dict[str, bool]
) -> None:
    from tests import tiny_vision

    folder = str(getattr(tiny_vision, kind)(tmp_path / kind, **options))
    with pytest.raises(MissingWeights, match="a decoder with a chat template"):
        said(LocalJudge(Declared("eye", folder, device="cpu")), question())
