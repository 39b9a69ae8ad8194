"""A judge on a server, by the official client against a service on this machine: what it sees, votes and costs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.hosted.chat_service import PRICE, ChatService, completion, first, parts
from tests.hosted.openai_service import KEY, TROUBLES
from tests.hosted.service import Fault, Reply
from tests.judges.asking import INJECTED, ask, served

from teststrip.analysis.sentences import judges as words
from teststrip.errors import EngineError, UsageError
from teststrip.records.votes import Vote
from teststrip.results.result import Result, open_result
from teststrip.store.judged import JudgedFile
from teststrip.store.lock import FolderLock
from teststrip.store.votes import VoteFile
from teststrip.verbs import account

pytest.importorskip("openai")

PAIRS = 16  # of the study: eight prompts, two seeds, two settings


def votes(result: Result) -> tuple[Vote, ...]:
    return VoteFile(result.folder).votes()


def questions(folder: Path) -> tuple:
    file = JudgedFile(folder)
    file.close()
    return file.all()


def test_a_judge_that_sees_is_found_and_told_apart_from_persons(result: Result, service: ChatService) -> None:
    outcome = ask(result)
    cast = votes(result)
    asked = [one for one in cast if one.pair.kind == "asked"]
    assert outcome.exhausted
    assert len(asked) == PAIRS
    assert not outcome.failed
    assert outcome.turned == 0
    levels = {row.image.shot_id: float(row.planned.cell["guidance_scale"]) for row in result.rows() if row.image}
    won = {levels[(one.pair.left if one.choice == "left" else one.pair.right).shot] for one in asked}
    assert len(won) == 1  # the pattern has more contrast at one of the two settings
    with open_result(result.folder) as fresh:
        (polled,) = fresh.polled
    assert polled.kind == "judge"
    assert polled.rates[0].verdict == "different"
    (judge,) = polled.judges
    assert "No person has voted on this study" in words.witnessed(judge)
    assert judge.model == "sees"


def test_each_pair_is_asked_in_both_orders_and_a_catch_once(result: Result, service: ChatService) -> None:
    ask(result)
    cast = votes(result)
    asked = [one for one in cast if one.pair.kind == "asked"]
    assert len(service.requests) == 2 * len(asked) + (len(cast) - len(asked))
    assert all(one.judged and set(one.judged.answers) == {"A", "B"} for one in asked)
    assert {one.pair.kind for one in cast} <= {"asked", "catch"}
    assert len({frozenset((one.pair.left, one.pair.right)) for one in cast}) == len(cast)


def test_a_judge_that_always_says_the_first_picture_has_said_nothing(result: Result, service: ChatService) -> None:
    service.rule = first
    outcome = ask(result)
    asked = [one for one in votes(result) if one.pair.kind == "asked"]
    assert {one.choice for one in asked} == {"tie"}
    assert outcome.turned == len(asked)
    (judge,) = result.polled[0].judges
    assert judge.turned.rate == 1
    assert "(100 %); these count as ties" in words.turned(judge)


def test_a_judge_gets_the_blinded_pictures_the_prompt_as_data_and_nothing_else(
    result: Result, service: ChatService
) -> None:
    ask(result)
    stored = {path.stem for path in (result.folder / "images").rglob("*.png")}
    for request in service.requests:
        shown, urls, texts = parts(request)
        assert set(request.body) == {"model", "messages", "temperature", "max_tokens"}
        assert len(shown) == 2
        assert len({len(url) for url in urls}) == 1
        assert texts[:2] == ["Picture A:", "Picture B:"]
        data = texts[2].splitlines()[1]
        assert json.loads(data) in {row.planned.prompt.text for row in result.rows()}
        said = json.dumps(request.body)
        assert not any(name in said for name in stored)
        assert "guidance" not in said
    assert any(json.loads(parts(one)[2][2].splitlines()[1]) == INJECTED for one in service.requests)


def test_an_answered_pair_is_never_asked_again(result: Result, service: ChatService) -> None:
    ask(result, pairs=5)
    before = len(service.requests)
    ask(result)
    assert len(votes(result)) >= PAIRS
    seen = {tuple(parts(one)[1][k][:2000] for k in (0, 1)) for one in service.requests}
    assert len(service.requests) > before
    assert len(seen) == len(service.requests)
    assert ask(result).voted <= 1  # nothing but a catch is left


UNREADABLE = {
    "prose": completion("Picture A is better, because it is sharper."),
    "an order obeyed": completion("answer B"),
    "nothing": completion(""),
    "a list": [],
    "an answer that was cut": completion("<think>Let me", finish_reason="length"),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_letter_is_a_failure_that_is_told_and_never_a_guess(
    result: Result, service: ChatService, body: object
) -> None:
    service.instead = lambda request: Reply(200, body, billed=PRICE)
    with pytest.raises(EngineError, match="5 questions in a row have no answer that can be read"):
        ask(result)
    assert votes(result) == ()
    service.instead = lambda request: None
    ask(result)
    left = PAIRS - len([one for one in votes(result) if one.pair.kind == "asked"])
    assert left >= 1  # what cannot be read is not asked again by itself
    assert not any(one.state == "sent" for one in questions(result.folder))  # answers under way were taken
    ask(result, pay_again=True)
    assert len([one for one in votes(result) if one.pair.kind == "asked"]) == PAIRS


def test_json_that_is_cut_is_a_failure(result: Result, service: ChatService) -> None:
    whole = json.dumps(completion("A")).encode()
    service.instead = lambda request: Reply(200, whole[:80], billed=PRICE) if request.number == 0 else None
    outcome = ask(result)
    assert outcome.failed.total() >= 1
    assert outcome.voted >= PAIRS - 1


@pytest.mark.parametrize("reply", [completion(None, refusal="No."), completion("", finish_reason="content_filter")])
def test_a_refusal_is_kept_and_the_other_pairs_go_on(result: Result, service: ChatService, reply: object) -> None:
    service.instead = lambda request: Reply(200, reply) if INJECTED[:5] in parts(request)[2][2] else None
    outcome = ask(result)
    assert any(why.startswith("refused") for why in outcome.failed)
    asked = [one for one in votes(result) if one.pair.kind == "asked"]
    assert len(asked) == PAIRS - 2  # two seeds of the prompt


def test_a_busy_server_is_asked_again(result: Result, service: ChatService) -> None:
    service.instead = lambda request: TROUBLES["too fast"][0] if request.number < 3 else None
    assert not ask(result, pairs=4).failed
    assert len(votes(result)) == 4


def test_a_wrong_key_ends_it_and_is_nowhere_in_the_folder(
    result: Result, service: ChatService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTED_KEY", "sk-another-key-1234567890")
    with pytest.raises(EngineError, match="the key is not valid") as error:
        ask(result)
    written = (result.folder / "judged.jsonl").read_text()
    assert all(key not in written + str(error.value) for key in (KEY, "sk-another-key-1234567890"))


def test_a_lost_answer_is_perhaps_paid_and_not_asked_again(result: Result, service: ChatService) -> None:
    service.spoil = lambda number: Fault("close", "read") if number == 0 else None
    outcome = ask(result, pairs=3)
    assert any(why.startswith("unknown") for why in outcome.failed)
    before = len(service.requests)
    again = ask(result)
    lost = [one for one in questions(result.folder) if one.state == "unknown"]
    assert len(lost) == 1
    assert again.lost == 1
    assert len(service.requests) > before
    assert len([one for one in votes(result) if one.pair.kind == "asked"]) == PAIRS - 1
    assert ask(result, pay_again=True).lost == 0
    assert len([one for one in votes(result) if one.pair.kind == "asked"]) == PAIRS


def test_a_process_that_died_between_question_and_answer_leaves_it_unpaid_for_twice(
    result: Result, service: ChatService, declare: Callable[..., None]
) -> None:
    served(declare, service, threads=1)
    ask(result, pairs=2)
    path = result.folder / "judged.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    (result.folder / "votes.jsonl").unlink()
    last = max(n for n, line in enumerate(lines) if b'"sent"' in line)
    kept = [line for n, line in enumerate(lines) if n <= last]  # the answer to the last question never came
    path.write_bytes(b"".join(kept) + b'{"check": "half a li')
    before = len(service.requests)
    outcome = ask(result, pairs=1)
    assert outcome.lost == 1
    assert len(service.requests) - before <= 2
    assert account.spent(result.store)["USD"] == pytest.approx(PRICE * len(service.requests))


def test_an_answer_that_was_paid_is_used_when_its_pair_goes_on(result: Result, service: ChatService) -> None:
    ask(result, pairs=3)
    count = len(service.requests)
    (result.folder / "votes.jsonl").unlink()  # as if it had died before its votes were written
    ask(result, pairs=3)
    assert len(service.requests) == count
    assert len(votes(result)) == 3


def test_the_limit_of_money_holds_for_pictures_and_judges_together(
    folder: Path, service: ChatService, declare: Callable[..., None]
) -> None:
    file = folder / "study.toml"
    file.write_text(re.sub(r'"100\S* USD"', '"0.055 USD"', file.read_text()))
    with open_result(folder) as result:
        outcome = ask(result)
        assert "0.005 USD of 0.055 USD is left" in outcome.broke
        assert len(service.requests) == 5
        assert service.spent <= 0.055
        assert outcome.spent["USD"] == pytest.approx(0.05)
        assert account.spent(result.store)["USD"] == pytest.approx(0.05)
        assert "next question" in ask(result).broke
        assert len(service.requests) == 5


def test_a_judge_without_a_price_cannot_keep_a_limit(
    result: Result, service: ChatService, declare: Callable[..., None]
) -> None:
    declare(model="sees", base_url=service.url, key="env:HOSTED_KEY")
    with pytest.raises(EngineError, match=r'Write price = "0\.01 USD"'):
        ask(result)
    assert not service.requests


def test_a_paid_judge_and_a_run_never_spend_one_limit_at_once(result: Result, service: ChatService) -> None:
    lock = FolderLock(result.folder)
    try:
        with pytest.raises(Exception, match="is writing here"):
            ask(result)
    finally:
        lock.release()
    assert not service.requests
    assert ask(result, pairs=1).voted == 1


def test_one_name_is_one_rater(result: Result, service: ChatService, declare: Callable[..., None]) -> None:
    ask(result, pairs=1)
    for change in ({"model": "other"}, {"question": "Which is sharper?"}, {"send": {"temperature": 1}}):
        declare(**{"model": "sees", "base_url": service.url, "key": "env:HOSTED_KEY", "price": "0.01 USD", **change})
        with pytest.raises(UsageError, match="another name"):
            ask(result)
    file = VoteFile(result.folder)
    (own,) = file.votes()[:1]
    file.withdraw(own.id)
    file.add([Vote("p", own.pair, "left", "eye", "person", 900, "Which?", "2025-01-01T00:00:00Z")])
    served(declare, service)
    with pytest.raises(UsageError, match="a person voted here"):
        ask(result)


def test_pairs_that_persons_saw_come_first_and_agreement_is_told(result: Result, service: ChatService) -> None:
    ask(result)
    seen = [one for one in votes(result) if one.pair.kind == "asked"]
    (result.folder / "votes.jsonl").unlink()
    (result.folder / "judged.jsonl").unlink()
    persons = [
        Vote(f"p{n}", one.pair, one.choice, "ana", "person", 900, "Which?", "2025-01-01T00:00:00Z")
        for n, one in enumerate(seen[:10])
    ]
    VoteFile(result.folder).add(persons)
    ask(result, pairs=10)
    own = [one for one in votes(result) if one.rater_kind == "judge" and one.pair.kind == "asked"]
    assert {one.pair.left.shot for one in own} <= {s.shot for p in persons for s in (p.pair.left, p.pair.right)}
    with open_result(result.folder) as fresh:
        persons_said, judge_said = fresh.polled
    assert persons_said.kind == "person"
    assert persons_said.judges == ()
    assert persons_said.care[0].votes == 10
    (judge,) = judge_said.judges
    assert judge.persons == 1
    assert judge.same.share == 1
    assert judge.same.votes == len(own)
    assert "made 100 % of the choices that persons made" in words.witnessed(judge)


def test_an_unknown_judge_names_those_there_are(result: Result, service: ChatService) -> None:
    from teststrip.verbs import judging

    with pytest.raises(EngineError, match=r"Did you mean 'eye'\?"):
        judging.vote(result, "eyes", pairs=1)
