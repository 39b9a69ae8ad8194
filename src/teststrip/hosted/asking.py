"""Asks a service for pictures: a few requests at a time, repeats by kind of trouble, money reserved before each.

A worker thread makes one request and nothing else. The thread that reads `render` does the rest: it takes shots, asks
the purse, begins requests and repeats, and hands over answers. Money and folder are therefore touched by one thread,
and a slow reader slows the requests down.

Where a service names a request, the worker thread notes that name as a *ticket*, and the purse keeps it. A shot whose
answer was lost is asked after by its ticket before anything is sent anew: that reserves nothing.
"""

from __future__ import annotations

import heapq
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from teststrip.errors import EngineError, first_line
from teststrip.hosted.checked import Answer
from teststrip.hosted.trouble import LATER, REASONS, Trouble
from teststrip.protocols import AsksAfter, Purse
from teststrip.records import Failure, Fingerprint, Price, Render, Shot

LOOKS = 0.5
"""Seconds between two looks whether the run was stopped, while the service lets wait."""


class OpenPurse:
    """A purse without a bottom and without a book: for engines that are asked outside of a run."""

    def reserve(self, shot: Shot, price: Price | None) -> str:
        """Allow it."""
        return ""

    def ended(self) -> bool:
        """Never."""
        return False

    def settle(self, shot: Shot, paid: float | None) -> None:
        """Note nothing."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How a service is asked.

    Attributes:
        threads: the most requests at a time.
        attempts: the most requests for one shot, where each before was surely not answered with a picture; two, where
            the service may have charged for them.
        first_wait: seconds before the first repeat, at most; twice as long before each further one.
        longest_wait: seconds before a repeat, at most, unless the service asks for more.
        patience: the most seconds that the service may ask to wait; beyond, the run stops.
        idempotent: the service charges once for two requests of one shot, so that a lost one may be sent again.
        give_up: so many shots in a row without success, each after all its attempts, stop the run.
    """

    threads: int = 4
    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    patience: float = 300.0
    give_up: int = 5
    idempotent: bool = False


@dataclass(order=True)
class _Try:
    """A shot and its requests so far.

    Attributes:
        due: when it is asked, by the monotonic clock.
        number: a count, so that tries of one instant keep their order.
        shot: what is asked.
        asked: requests so far.
        last: the trouble of the last request.
        ticket: how the service is asked after the last request; "" = it cannot be.
        charged: requests so far that the service may have charged without a picture.
        taken_up: whether the last request is one of an earlier run.
    """

    due: float
    number: int
    shot: Shot = field(compare=False)
    asked: int = field(default=0, compare=False)
    charged: int = field(default=0, compare=False)
    last: Trouble | None = field(default=None, compare=False)
    ticket: str = field(default="", compare=False)
    taken_up: bool = field(default=False, compare=False)


class Asking:
    """Requests to one service.

    Args:
        ask: makes one request, in a thread of its own, and returns the picture. Raises Trouble.
        price: the most that a shot can cost; None = unknown.
        fingerprint: what answers a shot.
        manners: how the service is asked.
        purse: is asked before each request.
        after: asks after a request by its ticket, in a thread of its own, and returns the picture. Raises Trouble.
    """

    def __init__(
        self,
        ask: Callable[[Shot], Answer],
        *,
        price: Callable[[Shot], Price | None],
        fingerprint: Callable[[Shot], Fingerprint],
        manners: Manners,
        purse: Purse,
        after: Callable[[Shot, str], Answer] | None = None,
    ) -> None:
        self._ask = ask
        self._after = after
        self._price = price
        self._fingerprint = fingerprint
        self._manners = manners
        self._purse = purse
        self._answers: queue.SimpleQueue[tuple[_Try, Answer | Trouble | str, float]] = queue.SimpleQueue()
        self._here = threading.local()
        self._waiting: list[_Try] = []
        self._running = 0
        self._count = 0
        self._quiet_until = 0.0
        self._lost_in_a_row = 0
        self._ending = False
        self._stop = ""
        self._random = random.SystemRandom()

    def note(self, ticket: str) -> None:
        """Keep how the service can be asked after the request that this thread makes; called by `ask`."""
        self._answers.put((self._here.one, ticket, 0.0))

    def finish(self) -> None:
        """Begin no further shot and no repeat; `render` answers what is under way and ends."""
        self._ending = True

    def render(self, shots: Iterable[Shot]) -> Iterator[Render | Failure]:
        """One answer for each shot that was asked for, in any order.

        Shots that were taken and never asked for have no answer where the purse or `finish` ends the requests.

        Raises:
            EngineError: no request can succeed; raised after the answers under way.
        """
        source = iter(shots)
        while True:
            source = self._fill(source)
            self._begin_due()
            self._ending = self._ending or self._purse.ended()
            if self._ending:
                yield from self._let_go()
            if not self._running and not self._waiting:
                break
            if (done := self._next()) is not None:
                yield from self._judged(*done)
        if self._stop:
            raise EngineError(self._stop)

    def _fill(self, source: Iterator[Shot]) -> Iterator[Shot]:
        """Take as many shots as there are free threads; an iterator that has ended becomes an empty one."""
        while not self._ending and self._running + len(self._waiting) < self._manners.threads:
            shot = next(source, None)
            if shot is None:
                return iter(())
            self._wait(_Try(0.0, 0, shot), until=self._quiet_until)
        return source

    def _begin_due(self) -> None:
        now = time.monotonic()
        while not self._ending and self._waiting and self._waiting[0].due <= now:
            one = heapq.heappop(self._waiting)
            one.ticket = self._lost(one)
            one.taken_up = bool(one.ticket)
            if not one.ticket and self._purse.reserve(one.shot, self._price(one.shot)):
                heapq.heappush(self._waiting, one)
                self._ending = True
                return
            one.asked += 1
            self._running += 1
            # A daemon, because a request may take minutes and an interrupted program should not wait for it.
            threading.Thread(target=self._work, args=(one,), daemon=True).start()

    def _lost(self, one: _Try) -> str:
        """The ticket of a request of an earlier run whose answer was lost; "" = there is none."""
        if self._after is None or one.asked or not isinstance(self._purse, AsksAfter):
            return ""
        return self._purse.resume(one.shot)

    def _work(self, one: _Try) -> None:
        """Make one request, or ask after one. Runs in a thread of its own."""
        self._here.one = one
        began = time.perf_counter()
        answer: Answer | Trouble = Trouble("unknown", "The thread of this request ended before its answer.", paid=None)
        try:
            answer = self._after(one.shot, one.ticket) if self._after and one.ticket else self._ask(one.shot)
        except Trouble as trouble:
            answer = trouble
        except Exception as error:  # a fault of a client must not leave its shot without an answer
            answer = Trouble("invalid", f"{type(error).__name__}: {first_line(error)}"[:300], paid=None)
        finally:  # `render` waits for an answer of each thread, whatever ended it
            self._answers.put((one, answer, time.perf_counter() - began))

    def _next(self) -> tuple[_Try, Answer | Trouble, float] | None:
        """The next answer; None where a repeat is due before one comes, or it is time to look at the purse."""
        rest = max(0.0, self._waiting[0].due - time.monotonic()) if self._waiting else LOOKS
        rest = min(rest, LOOKS)
        if not self._running:
            time.sleep(rest)
            return None
        try:
            one, answer, seconds = self._answers.get(timeout=rest)
        except queue.Empty:
            return None
        if isinstance(answer, str):
            self._keep(one, answer)
            return None
        self._running -= 1
        return one, answer, seconds

    def _keep(self, one: _Try, ticket: str) -> None:
        """Write the ticket of the request under way down."""
        one.ticket = ticket
        if isinstance(self._purse, AsksAfter):
            self._purse.note(one.shot, ticket)

    def _judged(self, one: _Try, answer: Answer | Trouble, seconds: float) -> Iterator[Render | Failure]:
        if isinstance(answer, Answer):
            self._lost_in_a_row = 0
            yield self._render(one.shot, answer, seconds)
            return
        if one.ticket and answer.kind in ("again", "stop"):  # it was sent, so nothing is sent again
            answer = Trouble("unknown", answer.text, paid=None, ends=answer.ends)
        if answer.kind == "unknown" and one.taken_up and self._given_up(one):
            one.last = answer
            self._wait(one, until=self._quiet_until)
            return
        if answer.kind == "again" and self._repeats(one, answer):
            if (answer.wait or 0.0) <= self._manners.patience:
                self._purse.settle(one.shot, answer.paid)
                one.last = answer
                self._wait(one, until=self._later(one.asked, answer.wait))
                return
            answer = Trouble("stop", f"{answer.text} The service asks to wait {answer.wait:.0f} s: run again then")
        yield self._failure(one, answer)

    def _repeats(self, one: _Try, trouble: Trouble) -> bool:
        """Whether a shot is asked again: once at most where the service may have charged, and would charge again."""
        price = self._price(one.shot)
        costs = price is None or price.amount > 0
        one.charged += costs and trouble.paid is None and not self._manners.idempotent
        return one.charged <= 1 and one.asked < self._manners.attempts and not self._ending

    def _given_up(self, one: _Try) -> bool:
        """Whether a request of an earlier run stays lost and the user allows to pay for another."""
        return not self._ending and isinstance(self._purse, AsksAfter) and self._purse.anew(one.shot)

    def _later(self, asked: int, wait: float | None) -> float:
        """When to ask again: full jitter on a doubling wait, and not before the service wants it."""
        most = min(self._manners.longest_wait, self._manners.first_wait * 2.0 ** (asked - 1))
        due = time.monotonic() + (wait or 0.0) + self._random.uniform(0.0, most)
        if wait:  # a limit is about all requests, not about this shot
            self._quiet_until = max(self._quiet_until, time.monotonic() + wait)
        return due

    def _wait(self, one: _Try, *, until: float) -> None:
        self._count += 1
        one.due, one.number = until, self._count
        heapq.heappush(self._waiting, one)

    def _let_go(self) -> Iterator[Failure]:
        """Answer what waits for a repeat. Its last request is settled already."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if one.last is not None:
                yield Failure(one.shot, "error", f"{one.last.text} It was not asked again, because the run ended")

    def _failure(self, one: _Try, trouble: Trouble) -> Failure:
        if trouble.ends:
            self._stop, self._ending = self._stop or trouble.text, True
        elif trouble.kind == "again" and not self._ending:
            self._lost_in_a_row += 1
            if self._lost_in_a_row >= self._manners.give_up:
                self._ending = True
                self._stop = f"{trouble.text} So it went with {self._lost_in_a_row} images in a row: run again later"
        elif trouble.kind in ("refused", "invalid", "blank", "oom", "nan", "error"):
            self._lost_in_a_row = 0  # the service answers
        times = f" ({one.asked} times)" if one.asked > 1 else ""
        # Services forget the names of requests, so a later run must not send a perhaps paid one again by itself.
        lost = trouble.kind == "again" and trouble.paid is None and self._manners.idempotent
        kind = "unknown" if lost else trouble.kind
        return Failure(one.shot, REASONS[kind], f"{trouble.text}{times}", kind in LATER, trouble.paid)

    def _render(self, shot: Shot, answer: Answer, seconds: float) -> Render:
        price = {} if answer.paid is None else {"price": answer.paid}
        return Render(
            shot=shot,
            data=answer.data,
            format=answer.format,
            width=answer.width,
            height=answer.height,
            seconds=seconds,
            fingerprint=self._fingerprint(shot),
            facts={**answer.facts, **price, "pixels": answer.pixels},
            small=answer.small,
        )
