"""Requests to a service: bounded, repeated by kind of trouble, paid for only with money that was reserved before."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hosted.service import png_of

from teststrip.errors import EngineError
from teststrip.hosted.asking import Asking, Manners, OpenPurse
from teststrip.hosted.checked import Answer, picture
from teststrip.hosted.trouble import REASONS, Kind, Trouble
from teststrip.records import EngineRef, Failure, Fingerprint, Price, Render, Shot

QUICK = Manners(first_wait=0.001, longest_wait=0.005)
FACTS = {"model version": "1"}


def shots(count: int) -> list[Shot]:
    return [Shot(EngineRef("hosted"), {"prompt": f"prompt {i}", "seed": i}) for i in range(count)]


def drawn(shot: Shot) -> Answer:
    return picture(png_of(shot.prompt), facts=FACTS, paid=0.01)


def asking(ask: Callable[[Shot], Answer], manners: Manners = QUICK, purse: object = None) -> Asking:
    return Asking(
        ask,
        price=lambda shot: Price(0.02, "USD"),
        fingerprint=lambda shot: Fingerprint({"engine": "hosted"}),
        manners=manners,
        purse=purse or OpenPurse(),
    )


class Book:
    """A purse with a bottom, in cents, that remembers everything."""

    def __init__(self, cents: int = 10**9) -> None:
        self.left = cents
        self.log: list[tuple[str, str, object]] = []
        self.thread = threading.get_ident()
        self.stopped = False

    def reserve(self, shot: Shot, price: Price | None) -> str:
        assert threading.get_ident() == self.thread
        if self.left < 2:
            return "the money is spent"
        self.left -= 2
        self.log.append(("reserve", shot.id, price))
        return ""

    def ended(self) -> bool:
        return self.stopped

    def settle(self, shot: Shot, paid: float | None) -> None:
        assert threading.get_ident() == self.thread
        self.log.append(("settle", shot.id, paid))


class Once:
    """Answers with these troubles first, one a request of a shot, and then with a picture."""

    def __init__(self, *troubles: Trouble) -> None:
        self.troubles = troubles
        self.asked: Counter[str] = Counter()

    def __call__(self, shot: Shot) -> Answer:
        self.asked[shot.id] += 1
        if self.asked[shot.id] <= len(self.troubles):
            raise self.troubles[self.asked[shot.id] - 1]
        return drawn(shot)


def test_each_shot_has_its_own_picture() -> None:
    answers = list(asking(drawn).render(asked := shots(40)))
    assert {answer.shot.id for answer in answers} == {shot.id for shot in asked}
    for answer in answers:
        assert isinstance(answer, Render)
        assert answer.data == png_of(answer.shot.prompt)
        assert (answer.facts["price"], answer.facts["model version"]) == (0.01, "1")


def test_no_more_requests_than_threads_and_no_shot_before_its_time() -> None:
    now, most = Counter(), []
    pulled = []

    def source() -> Iterator[Shot]:
        for shot in shots(60):
            pulled.append(shot)
            yield shot

    def slow(shot: Shot) -> Answer:
        now["running"] += 1
        most.append(now["running"])
        time.sleep(0.002)
        now["running"] -= 1
        return drawn(shot)

    for i, _ in enumerate(asking(slow, Manners(threads=3)).render(source()), 1):
        assert len(pulled) <= i + 3
    assert max(most) <= 3


@pytest.mark.parametrize("kind", sorted(set(REASONS) - {"again", "stop"}))
def test_only_what_the_service_did_not_take_is_asked_again(kind) -> None:
    ask = Once(Trouble(kind, "no", paid=None if kind == "unknown" else 0.0))
    (answer,) = asking(ask).render(shots(1))
    assert isinstance(answer, Failure)
    assert answer.reason == REASONS[kind]
    assert answer.retryable == (kind in ("error", "oom", "timeout"))
    assert sum(ask.asked.values()) == 1


def test_a_busy_service_is_asked_again_and_each_request_is_reserved_before_and_settled_after() -> None:
    ask, book = Once(Trouble("again", "busy"), Trouble("again", "busy", paid=None)), Book()
    (answer,) = asking(ask, purse=book).render(shots(1))
    assert isinstance(answer, Render)
    assert [(what, value) for what, _, value in book.log] == [
        ("reserve", Price(0.02, "USD")),
        ("settle", 0.0),
        ("reserve", Price(0.02, "USD")),
        ("settle", None),
        ("reserve", Price(0.02, "USD")),
    ]


def test_repeats_have_an_end_and_the_last_trouble_is_told() -> None:
    ask = Once(*[Trouble("again", "the service is busy.")] * 99)
    (answer,) = asking(ask, Manners(attempts=4, first_wait=0.001)).render(shots(1))
    assert isinstance(answer, Failure)
    assert (answer.reason, answer.retryable, answer.text) == ("error", True, "the service is busy. (4 times)")
    assert sum(ask.asked.values()) == 4


@pytest.mark.parametrize(("price", "most"), [(Price(0.02, "USD"), 2), (None, 2), (Price(0.0, "USD"), 5)])
def test_what_the_service_may_have_charged_is_asked_again_once(price: Price | None, most: int) -> None:
    def requests(*troubles: Trouble) -> int:
        ask = Once(*troubles)
        list(
            Asking(
                ask,
                price=lambda shot: price,
                fingerprint=lambda shot: Fingerprint({"engine": "hosted"}),
                manners=Manners(attempts=5, first_wait=0.001),
                purse=OpenPurse(),
            ).render(shots(1))
        )
        return sum(ask.asked.values())

    failed, busy = Trouble("again", "failed", paid=None), Trouble("again", "busy")
    assert requests(*[failed] * 9) == most
    assert requests(*[busy] * 9) == 5
    assert requests(failed, busy, busy) == 4, "what is surely free is asked again as before"


def test_the_service_s_own_waiting_time_is_kept_by_all_shots() -> None:
    times = []

    def ask(shot: Shot) -> Answer:
        times.append(time.monotonic())
        if len(times) == 1:
            raise Trouble("again", "busy", wait=0.2)
        return drawn(shot)

    assert len(list(asking(ask, Manners(threads=1, first_wait=0.001)).render(shots(3)))) == 3
    assert min(times[1:]) - times[0] >= 0.2


def test_a_service_that_wants_to_wait_for_hours_stops_the_run() -> None:
    with pytest.raises(EngineError, match="asks to wait 7200 s"):
        list(asking(Once(Trouble("again", "the quota of today is used up.", wait=7200))).render(shots(3)))


def test_what_no_request_can_mend_stops_the_run_after_the_answers_under_way() -> None:
    under_way = threading.Barrier(3)

    def ask(shot: Shot) -> Answer:
        under_way.wait()
        if shot.seed == 0:
            raise Trouble("stop", "the key is not valid")
        time.sleep(0.05)
        return drawn(shot)

    requests = asking(ask, Manners(threads=3)).render(shots(50))
    answers = [next(requests) for _ in range(3)]
    with pytest.raises(EngineError, match="the key is not valid"):
        next(requests)
    assert sorted(isinstance(one, Render) for one in answers) == [False, True, True]


def test_a_service_that_is_down_stops_the_run_and_one_that_is_moody_does_not() -> None:
    always = Once(*[Trouble("again", "down.")] * 99)
    with pytest.raises(EngineError, match="5 images in a row"):
        list(asking(always, Manners(threads=1, attempts=2, first_wait=0.001)).render(shots(50)))
    assert len(always.asked) == 5

    def moody(shot: Shot) -> Answer:
        if shot.seed % 4:
            raise Trouble("again", "down.")
        return drawn(shot)

    assert len(list(asking(moody, Manners(threads=1, attempts=1)).render(shots(50)))) == 50


def test_an_empty_purse_ends_the_requests_and_nothing_more_is_sent() -> None:
    book = Book(cents=11)
    answers = list(asking(drawn, purse=book).render(shots(50)))
    assert len(answers) == 5
    assert book.left == 1


def test_finish_answers_what_is_under_way_and_begins_nothing_more() -> None:
    requests = asking(lambda shot: time.sleep(0.01) or drawn(shot), Manners(threads=4))
    answers = []
    for answer in requests.render(shots(100)):
        answers.append(answer)
        requests.finish()
    assert len(answers) == 4


def test_finish_does_not_wait_for_repeats() -> None:
    def ask(shot: Shot) -> Answer:
        if shot.seed:
            raise Trouble("again", "busy.", wait=100)
        time.sleep(0.05)
        return drawn(shot)

    requests, answers = asking(ask, Manners(threads=2)), []
    began = time.monotonic()
    for answer in requests.render(shots(2)):
        answers.append(answer)
        requests.finish()
    assert time.monotonic() - began < 5
    assert {type(one) for one in answers} == {Render, Failure}
    assert "not asked again, because the run ended" in next(one.text for one in answers if isinstance(one, Failure))


def test_a_run_that_is_stopped_does_not_wait_for_a_service_that_lets_wait() -> None:
    book = Book()

    def ask(shot: Shot) -> Answer:
        book.stopped = True
        raise Trouble("again", "busy.", wait=100)

    began = time.monotonic()
    (answer,) = asking(ask, Manners(threads=1), purse=book).render(shots(9))
    assert isinstance(answer, Failure)
    assert answer.retryable
    assert time.monotonic() - began < 5


def test_a_fault_of_a_client_fails_its_shot_alone_and_is_not_paid_again() -> None:
    def ask(shot: Shot) -> Answer:
        if shot.seed == 1:
            raise AttributeError("'str' object has no attribute 'data'")
        return drawn(shot)

    answers = {answer.shot.seed: answer for answer in asking(ask).render(shots(3))}
    assert isinstance(answers[0], Render)
    assert isinstance(answers[1], Failure)
    assert (answers[1].reason, answers[1].paid) == ("invalid", None)


class _SaysNothing(Exception):
    def __str__(self) -> str:
        raise ValueError("not even a text")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("end", [GeneratorExit, KeyboardInterrupt, _SaysNothing])
def test_a_thread_that_ends_without_an_answer_leaves_its_shot_unknown_and_nobody_waiting(
    end: type[BaseException],
) -> None:
    def ask(shot: Shot) -> Answer:
        if shot.seed == 1:
            raise end
        return drawn(shot)

    before = set(threading.enumerate())
    answers = {answer.shot.seed: answer for answer in asking(ask).render(shots(3))}
    for thread in set(threading.enumerate()) - before:  # a thread that dies later is reported in another test
        thread.join(10)
    assert isinstance(answers[2], Render)
    assert isinstance(answers[1], Failure)
    assert (answers[1].reason, answers[1].paid) == ("unknown", None)


TROUBLES = st.lists(
    st.sampled_from(["again", "refused", "invalid", "blank", "error", "unknown", "picture"]), min_size=1, max_size=30
)


@given(kinds=TROUBLES, threads=st.integers(1, 5))
def test_whatever_happens_each_shot_ends_once_and_every_request_has_a_reservation(kinds, threads) -> None:
    sent: Counter[str] = Counter()

    def ask(shot: Shot) -> Answer:
        sent[shot.id] += 1
        kind = kinds[shot.seed]
        if kind == "picture" or (kind == "again" and sent[shot.id] > 2):
            return drawn(shot)
        raise Trouble(kind, "no", paid=None if kind == "unknown" else 0.0)

    book = Book()
    answers = list(asking(ask, Manners(threads=threads, first_wait=0), purse=book).render(asked := shots(len(kinds))))
    assert Counter(answer.shot.id for answer in answers) == Counter(shot.id for shot in asked)
    assert Counter(shot for what, shot, _ in book.log if what == "reserve") == sent
    for answer in answers:
        kind = kinds[answer.shot.seed]
        assert isinstance(answer, Render) == (kind in ("picture", "again"))
        assert sent[answer.shot.id] == (3 if kind == "again" else 1)


class Named(Book):
    """A purse that keeps tickets."""

    def __init__(self, lost: dict[str, str] | None = None, *, pay_again: bool = False) -> None:
        super().__init__()
        self.lost = lost or {}
        self.pay_again = pay_again

    def note(self, shot: Shot, ticket: str) -> None:
        assert threading.get_ident() == self.thread
        self.log.append(("note", shot.id, ticket))

    def resume(self, shot: Shot) -> str:
        assert threading.get_ident() == self.thread
        return self.lost.pop(shot.id, "")

    def anew(self, shot: Shot) -> bool:
        self.log.append(("anew", shot.id, None))
        return self.pay_again


def named(ask: Callable[[Shot], Answer], after: Callable[[Shot, str], Answer], purse: Named) -> Asking:
    fingerprint = Fingerprint({"engine": "hosted"})
    price = Price(0.02, "USD")
    return Asking(
        ask, price=lambda _: price, fingerprint=lambda _: fingerprint, manners=QUICK, purse=purse, after=after
    )


@pytest.mark.parametrize("kind", ["again", "stop", "unknown"])
def test_a_request_that_has_a_name_is_never_sent_again_whatever_goes_wrong(kind: Kind) -> None:
    (one,) = shots(1)
    purse = Named()
    asked: list[str] = []

    def ask(shot: Shot) -> Answer:
        asked.append(shot.id)
        running.note("job 7")
        raise Trouble(kind, "the connection is gone")

    running = named(ask, lambda shot, ticket: drawn(shot), purse)
    answers: list[Render | Failure] = []
    with contextlib.suppress(EngineError):
        answers.extend(running.render([one]))
    assert asked == [one.id]
    assert [entry[0] for entry in purse.log] == ["reserve", "note"]
    if kind != "stop":
        (answer,) = answers
        assert isinstance(answer, Failure)
        assert (answer.reason, answer.retryable) == ("unknown", False)


def test_a_lost_request_is_asked_after_by_its_name_and_reserves_nothing() -> None:
    first, second = shots(2)
    purse = Named({first.id: "job 7"})
    tickets: list[str] = []

    def after(shot: Shot, ticket: str) -> Answer:
        tickets.append(ticket)
        return drawn(shot)

    answers = list(named(drawn, after, purse).render([first, second]))
    assert all(isinstance(answer, Render) for answer in answers)
    assert tickets == ["job 7"]
    assert [entry[:2] for entry in purse.log] == [("reserve", second.id)]


@pytest.mark.parametrize("pay_again", [True, False])
def test_what_stays_lost_is_bought_anew_by_the_users_word_alone(pay_again: bool) -> None:
    (one,) = shots(1)
    purse = Named({one.id: "job 7"}, pay_again=pay_again)

    def gone(shot: Shot, ticket: str) -> Answer:
        raise Trouble("unknown", "forgotten", paid=None)

    (answer,) = named(drawn, gone, purse).render([one])
    assert isinstance(answer, Render if pay_again else Failure)
    assert [entry[0] for entry in purse.log] == ["anew", *["reserve"] * pay_again]
