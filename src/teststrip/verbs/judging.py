"""`teststrip vote --judge`: a model votes. Asks each pair in both orders, and writes a vote when both are answered.

Each question and each answer is written down (`store.judged`) before the next step, so a process that dies loses at
most the answers under way. An answer that was paid for is kept, and the pair goes on with the order that is missing.
What was refused, cannot be read or was perhaps paid is not asked again by itself.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace

from teststrip.analysis.votes.orders import letter, together, turned
from teststrip.errors import EngineError, UsageError, shortened
from teststrip.judges import declared as declarations
from teststrip.judges import opening
from teststrip.judges.declared import Declared
from teststrip.judges.questions import Judge, Question, Said
from teststrip.records import EngineRef, Row, Shot, digest_of
from teststrip.records.votes import Judgement, Pair, Vote
from teststrip.results import polling
from teststrip.results.judging import ForJudge, sides
from teststrip.results.result import Result
from teststrip.rows.pairs import NextPair
from teststrip.store.judged import Asked, State
from teststrip.store.votes import MOST_MILLISECONDS
from teststrip.verbs.judging_purse import JudgePurse
from teststrip.verbs.signals import stopping
from teststrip.views.voting import Poll, Ticket, moment

GIVE_UP = 5
"""So many questions in a row without an answer that can be read stop the judge, because more of them cost money."""
_LASTING: frozenset[State] = frozenset({"refused", "invalid", "unknown", "sent"})


@dataclass
class Outcome:
    """What a judge did.

    Attributes:
        voted: pairs that it voted on.
        turned: of those, the pairs where the order changed its answer.
        failed: questions without an answer, by why.
        lost: questions of earlier runs that were perhaps paid and are not asked again.
        spent: what this run cost at most, by currency.
        broke: why nothing more was asked for want of money; "" = there was enough.
        interrupted: the user stopped it.
        exhausted: there is no further pair to ask.
    """

    voted: int = 0
    turned: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    spent: Mapping[str, float] = field(default_factory=dict)
    broke: str = ""
    interrupted: bool = False
    exhausted: bool = False


def vote(
    result: Result,
    name: str,
    *,
    pairs: int,
    pay_again: bool = False,
    told: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Let a judge vote.

    Args:
        result: of the study.
        name: of the judge in the user's configuration.
        pairs: the most pairs to begin now.
        pay_again: whether questions that were refused, lost or not to be read are asked once more.
        told: hears of each answer.

    Raises:
        EngineError: the judge is unknown, cannot be asked, or does not answer.
        MissingWeights: its model is not there.
        UsageError: votes by this name are another rater's.
        FolderBusy: another process asks judges here, or a run holds the folder whose money is limited.
    """
    declared = declarations.find(name)
    judge = opening.opened(declared)
    stopped = threading.Event()
    with ExitStack() as stack:
        stack.callback(judge.close)
        purse = stack.enter_context(JudgePurse.open(result, judge, stopped))
        bench = _Bench(result, declared, judge, purse, pairs, pay_again=pay_again)
        stack.enter_context(stopping(stopped))
        bench.run(told)
        bench.outcome.interrupted = stopped.is_set()
    return bench.outcome


@dataclass
class _Pair:
    """A pair whose answers are awaited.

    Attributes:
        ticket: what is shown.
        turns: how many answers it takes.
        answers: by turn.
        seconds: of all answers.
        failed: whether one of its questions has no answer.
    """

    ticket: Ticket
    turns: int
    answers: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0
    failed: bool = False


class _Bench:
    """One judge at work on one study."""

    def __init__(
        self, result: Result, declared: Declared, judge: Judge, purse: JudgePurse, most: int, *, pay_again: bool
    ) -> None:
        self.outcome = Outcome()
        self._declared, self._judge, self._purse, self._most = declared, judge, purse, most
        self._record = judge.record()
        self._poll = Poll(result.folder, result.rows, chooser=self._chooser(result), question=declared.question)
        self._refuse_others(self._poll.file.votes())
        self._again = pay_again
        self._waiting: list[Pair] = []  # pairs that are under way, or not asked again
        self._begun: list[Pair] = []
        self._look_back()
        self._pairs: dict[str, _Pair] = {}
        self._in_a_row = 0

    def run(self, told: Callable[[Outcome], None]) -> None:
        """Ask until there are enough pairs, and write a vote for each that is answered.

        Raises:
            EngineError: the judge does not answer.
        """
        try:
            for said in self._judge.answers(self._questions(), self._purse):
                self._take(said)
                told(self.outcome)
        finally:
            self.outcome.spent, self.outcome.broke = self._purse.spent(), self._purse.broke
        if self._purse.gave_up:
            raise EngineError(self._purse.gave_up)

    def _chooser(self, result: Result) -> Callable[[Sequence[Row]], NextPair]:
        choose = polling.chooser(result.study)
        return lambda rows: ForJudge(rows, choose(rows), self._begun)

    def _refuse_others(self, votes: Sequence[Vote]) -> None:
        """Refuse to mix two raters under one name.

        Raises:
            UsageError: a person has this name, or this judge was another model or was asked another question.
        """
        name = self._declared.name
        for one in votes:
            if one.rater != name:
                continue
            if one.rater_kind == "person":
                raise UsageError(f"a person voted here as {name!r}. Give the judge another name")
            if one.judged is None or replace(one.judged, answers=()) != self._record:
                before = f"{one.judged.model} {one.judged.revision}".strip() if one.judged else "a script"
                raise UsageError(
                    f"{name!r} voted here before as {before}, or with other options. Give this judge another name"
                )
            if one.question != self._declared.question:
                raise UsageError(f"{name!r} was asked here {one.question!r} before. Give this judge another name")

    def _look_back(self) -> None:
        """Sort the pairs of earlier runs that have no vote: those to go on with, and those that are let be."""
        known = {sides(one.pair) for one in self._poll.file.votes() if one.rater == self._declared.name}
        found: dict[Pair, bool] = {}
        for asked in self._purse.file.all():
            own = asked.judge == self._declared.name and asked.question == self._shot(asked.pair, asked.turn).id
            if not own or sides(asked.pair) in known:
                continue
            lasting = asked.state in _LASTING and not (asked.state in ("sent", "unknown") and asked.free)
            self.outcome.lost += lasting and asked.state in ("sent", "unknown") and not self._again
            found[asked.pair] = found.get(asked.pair, False) or (lasting and not self._again)
        self._waiting += [pair for pair, let_be in found.items() if let_be]
        self._begun += [pair for pair, let_be in found.items() if not let_be]

    def _questions(self) -> Iterator[Question]:
        for _ in range(self._most):
            ticket = self._poll.ticket(self._declared.name, self._waiting, light=self._judge.light)
            if ticket is None:
                self.outcome.exhausted = True
                return
            self._waiting.append(ticket.pair)
            yield from self._orders(_Pair(ticket, 1 if ticket.pair.kind == "catch" else 2))

    def _orders(self, pair: _Pair) -> Iterator[Question]:
        """The questions of a pair that have no answer yet."""
        ticket = pair.ticket
        for turn in range(pair.turns):
            shot = self._shot(ticket.pair, turn)
            last = self._purse.file.last(shot.id)
            if last is not None and last.state == "answered":
                self._answered(pair, turn, last.said, last.seconds)
                continue
            if pair.failed:
                return
            self._pairs[shot.id] = pair
            self._purse.begun[shot.id] = Asked(self._declared.name, shot.id, ticket.pair, turn, "sent")
            seen = (ticket.seen.left, ticket.seen.right)
            first, second = seen if turn == 0 else seen[::-1]
            yield Question(shot, ticket.text, first, second, ticket.seen.kind)  # type: ignore[arg-type]

    def _shot(self, pair: Pair, turn: int) -> Shot:
        """What is asked, so that it has an id which says all that may change its answer."""
        first, second = (pair.left, pair.right) if turn == 0 else (pair.right, pair.left)
        model = {name: value for name, value in asdict(self._record).items() if name != "answers"}
        asked = {"judge": self._declared.name, "question": self._declared.question, **model}
        shown = {"first": f"{first.shot} {first.digest}", "second": f"{second.shot} {second.digest}"}
        return Shot(EngineRef("judge", {}), {**asked, **shown})

    def _take(self, said: Said) -> None:
        """Write an answer down, and the vote where it was the last one of its pair."""
        pair, begun = self._pairs.pop(said.question), self._purse.begun.pop(said.question)
        sent = self._purse.file.last(said.question)
        if sent is not None and sent.state == "sent":
            begun = sent
        state, text = _state(said)
        kept = "".join(one if one.isprintable() else " " for one in text)[:300]
        self._purse.file.add(replace(begun, state=state, said=kept, seconds=said.seconds, paid=said.paid))
        if state == "answered":
            self._in_a_row = 0
            self._answered(pair, begun.turn, kept, said.seconds)
            return
        pair.failed = True
        self.outcome.failed[f"{state}: {kept}"] += 1
        self._in_a_row += state != "refused"
        if self._in_a_row >= GIVE_UP:
            self._purse.gave_up = (
                f"{self._declared.name}: {GIVE_UP} questions in a row have no answer that can be read, so it was not "
                f"asked further. The last: {kept}"
            )

    def _answered(self, pair: _Pair, turn: int, text: str, seconds: float) -> None:
        pair.answers[turn] = text
        pair.seconds += seconds
        if len(pair.answers) < pair.turns:
            return
        answers = tuple(pair.answers[one] for one in range(pair.turns))
        judged: Judgement = replace(self._record, answers=answers)
        shown = pair.ticket.pair
        self._poll.file.add(
            [
                Vote(
                    # The same pair of the same judge is one vote, however often its answers are put together.
                    id=digest_of({"judge": self._declared.name, "pair": asdict(shown)})[:32],
                    pair=shown,
                    choice=together(answers),
                    rater=self._declared.name,
                    rater_kind="judge",
                    milliseconds=min(int(1000 * pair.seconds), MOST_MILLISECONDS),
                    question=self._declared.question,
                    at=moment(),
                    judged=judged,
                )
            ]
        )
        self.outcome.voted += 1
        self.outcome.turned += turned(answers)


def _state(said: Said) -> tuple[State, str]:
    """What became of a question, and what was said."""
    if said.reason is None:
        text = said.text.strip()
        if letter(text) is not None:
            return "answered", text
        return "invalid", f"{shortened(text, 80)!r} is none of A, B and C"
    if said.later:
        return "failed", said.text
    return {"refused": "refused", "unknown": "unknown"}.get(said.reason, "invalid"), said.text  # type: ignore[return-value]
