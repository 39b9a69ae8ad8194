"""`teststrip vote --judge` as it is typed: what it prints, and how it ends."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.hosted.chat_service import ChatService, completion, first
from tests.hosted.service import Reply
from tests.judges.asking import INJECTED, served
from typer.testing import CliRunner

from teststrip.cli import app
from teststrip.results.result import open_result
from teststrip.store.votes import VoteFile
from teststrip.verbs import judging
from teststrip.verbs.judging import Outcome

pytest.importorskip("openai")


def typed(*words: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, list(words))
    return found.exit_code, " ".join(found.output.split())


def test_a_judge_votes_and_the_reports_say_what_it_is_worth(folder: Path, service: ChatService) -> None:
    service.rule = first
    code, said = typed("vote", str(folder), "--judge", "eye", "--pairs", "6")
    assert code == 0
    assert re.search(r"eye voted on 6 pairs, [56] of them ties because the order changed the answer at most 0\.1", said)
    service.rule = ChatService.rule
    for words in (("votes", "show"), ("report",), ("best",)):
        more = ("--by", "votes") if words == ("best",) else ()
        code, said = typed(*words, str(folder), *more)
        assert code == 0, said
        assert "No person has voted on this study, so whether eye sees what you see is unknown." in said
    assert "1 judge, blind" in typed("votes", "show", str(folder))[1]
    header = typed("export", str(folder), "--to", "csv", "-o", str(folder.parent / "out.csv"))
    assert header[0] == 0
    columns = (folder.parent / "out.csv").read_text().splitlines()[0]
    assert "judged_tied" in columns
    assert "votes_tied" not in columns


def test_what_has_no_answer_is_told_and_the_command_ends_with_3(folder: Path, service: ChatService) -> None:
    service.instead = lambda request: (
        Reply(200, completion("Both are owls.")) if INJECTED[:5] in str(request.body) else None
    )
    code, said = typed("vote", str(folder), "--judge", "eye")
    assert code == 3
    assert "'Both are owls.' is none of A, B and C" in said


class ChatServiceNowhere(ChatService):
    """A server that was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.close()


def test_a_server_that_is_away_costs_nothing_and_is_asked_again_later(
    folder: Path, service: ChatService, declare: Callable[..., None]
) -> None:
    served(declare, ChatServiceNowhere())
    assert typed("vote", str(folder), "--judge", "eye", "--pairs", "1")[0] != 0
    served(declare, service)
    assert typed("vote", str(folder), "--judge", "eye", "--pairs", "1")[0] == 0
    assert len(service.requests) <= 2


def test_ctrl_c_keeps_what_was_voted_and_the_next_command_goes_on(folder: Path, service: ChatService) -> None:
    pulled: list[int] = []

    def pull(outcome: Outcome) -> None:
        if outcome.voted == 3 and not pulled:
            pulled.append(1)
            signal.raise_signal(signal.SIGINT)

    with open_result(folder) as result:
        outcome = judging.vote(result, "eye", pairs=100, told=pull)
        assert outcome.interrupted
        assert 3 <= outcome.voted < 16
        count = len(service.requests)
        judging.vote(result, "eye", pairs=100)
    pairs = [one for one in VoteFile(folder).votes() if one.pair.kind == "asked"]
    catches = len(VoteFile(folder).votes()) - len(pairs)
    assert len(pairs) == 16
    assert len(service.requests) == 2 * 16 + catches > count
