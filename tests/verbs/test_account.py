"""Money is written down before it is spent, is never spent beyond the limit, and what a dead run lost is unknown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.studies import little, png

import teststrip
from teststrip import study as studies
from teststrip.errors import StudyError
from teststrip.records import EngineRef, Failure, Fingerprint, Price, Render, Shot
from teststrip.store import Store
from teststrip.verbs import account
from teststrip.verbs.account import Account

DOLLAR = Price(1.0, "USD")


def shot(number: int) -> Shot:
    return Shot(EngineRef("paid"), {"prompt": "an owl", "seed": number})


def render(number: int, **facts: object) -> Render:
    picture = png((number % 256, number // 256 % 256, 7))
    return Render(shot(number), picture, "png", 8, 8, 0.1, Fingerprint({"engine": "paid"}), facts)


def test_a_reservation_is_on_the_disk_before_it_returns(tmp_path: Path) -> None:
    with Store(tmp_path / "s", write=True) as store:
        assert Account(store, None).reserve(shot(1), Price(0.25, "USD")) == ""
        with Store(tmp_path / "s") as reader:
            (request,) = reader.requests()
    assert (request.shot_id, request.state, request.currency, request.reserved) == (shot(1).id, "reserved", "USD", 0.25)


def test_an_answer_settles_what_was_reserved(tmp_path: Path) -> None:
    with Store(tmp_path / "s", write=True) as store:
        purse = Account(store, DOLLAR)
        purse.reserve(shot(1), Price(0.25, "USD"))
        store.add(answer := render(1, price=0.2))
        purse.close(answer)
        purse.reserve(shot(2), Price(0.25, "USD"))
        purse.settle(shot(2), 0.0)
        purse.reserve(shot(2), Price(0.25, "USD"))
        purse.close(Failure(shot(2), "refused", "no", retryable=False, paid=0.1))
        purse.reserve(shot(3), Price(0.25, "USD"))
        purse.close(Failure(shot(3), "unknown", "no answer", retryable=False, paid=None))
        assert [request.state for request in store.requests()] == ["settled", "failed", "failed", "unknown"]
        assert account.spent(store) == {"USD": pytest.approx(0.2 + 0 + 0.1 + 0.25)}


def test_a_lost_request_with_a_ticket_is_taken_up_on_its_own_reservation_until_it_is_answered(tmp_path: Path) -> None:
    with Store(tmp_path / "s", write=True) as store:
        purse = Account(store, DOLLAR)
        for number in (1, 2):
            purse.reserve(shot(number), Price(0.25, "USD"))
        purse.note(shot(1), "job 7")  # and then the run dies
    for _ in range(2):  # the run that takes the request up dies, too
        with Store(tmp_path / "s", write=True) as store:
            purse = Account(store, DOLLAR)
            assert purse.after == {shot(1).id}
            assert (purse.resume(shot(2)), purse.resume(shot(1)), purse.resume(shot(1))) == ("", "job 7", "")
            assert account.spent(store) == {"USD": pytest.approx(0.5)}
    with Store(tmp_path / "s", write=True) as store:
        purse = Account(store, DOLLAR)
        assert purse.resume(shot(1)) == "job 7"
        assert not purse.anew(shot(1))
        store.add(answer := render(1, price=0.1))
        purse.close(answer)
        assert [request.state for request in store.requests()] == ["settled", "unknown"]
        assert account.spent(store) == {"USD": pytest.approx(0.35)}
        assert purse.reserve(shot(3), Price(0.66, "USD")) != ""
        assert purse.reserve(shot(3), Price(0.65, "USD")) == ""  # as much is left as was not spent
        assert store.verify() == []


def test_a_ticket_that_leads_nowhere_is_given_up_by_the_users_word_alone(tmp_path: Path) -> None:
    with Store(tmp_path / "s", write=True) as store:
        purse = Account(store, DOLLAR)
        purse.reserve(shot(1), Price(0.25, "USD"))
        purse.note(shot(1), "job 7")
    with Store(tmp_path / "s", write=True) as store:
        purse = Account(store, DOLLAR)
        purse.pay_again = True
        purse.resume(shot(1))
        assert purse.anew(shot(1))
        assert purse.reserve(shot(1), Price(0.25, "USD")) == ""
        assert account.spent(store) == {"USD": pytest.approx(0.5)}


def test_what_a_dead_run_left_open_is_unknown_stays_spent_and_is_told(tmp_path: Path) -> None:
    with Store(tmp_path / "s", write=True) as store:
        purse = Account(store, DOLLAR)
        purse.reserve(shot(1), Price(0.25, "USD"))
        purse.reserve(shot(2), Price(0.25, "USD"))
        store.add(render(2, price=0.2))  # and then the run dies
    with Store(tmp_path / "s", write=True) as store:
        Account(store, DOLLAR)
        assert [request.state for request in store.requests()] == ["unknown", "settled"]
        (lost,) = store.failures().values()
        assert (lost.shot.id, lost.reason, lost.retryable) == (shot(1).id, "unknown", False)
        assert account.spent(store) == {"USD": pytest.approx(0.45)}
        again = account.to_pay_again(store, {shot(1).id})
        assert account.told(1, again) == (
            "1 image was sent for and no answer came: perhaps paid, so not asked again."
            " --pay-again asks again, for 0.25 USD at most"
        )
        assert store.verify() == []


def test_a_second_look_changes_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "s", write=True) as store:
        Account(store, None).reserve(shot(1), None)
        Account(store, None)
        Account(store, None)
        assert store.attempts() == {shot(1).id: 1}


@pytest.mark.parametrize("price", [None, Price(0.1, "EUR")])
def test_a_limit_lets_nothing_through_that_it_cannot_count(tmp_path: Path, price: Price | None) -> None:
    with Store(tmp_path / "s", write=True) as store:
        assert "cannot say what an image costs" in Account(store, DOLLAR).reserve(shot(1), price)
        assert list(store.requests()) == []


def test_a_ledger_made_anew_from_its_pictures_still_knows_what_they_cost(tmp_path: Path) -> None:
    with Store(tmp_path / "s", write=True) as store:
        for number in range(3):
            store.add(render(number, price=0.3))
        assert "0.10 USD of 1.00 USD is left" in Account(store, DOLLAR).reserve(shot(9), Price(0.2, "USD"))


@given(
    steps=st.lists(
        st.tuples(st.integers(1, 400), st.sampled_from(["paid", "less", "free", "perhaps", "unknown", "dies"])),
        max_size=12,
    )
)
def test_whatever_becomes_of_requests_no_limit_is_exceeded(tmp_path_factory, steps) -> None:
    folder = tmp_path_factory.mktemp("money") / "s"
    surely = 0.0
    with Store(folder, write=True) as store:
        purse = Account(store, DOLLAR)
        for number, (mills, fate) in enumerate(steps):
            if purse.reserve(shot(number), Price(mills / 1000, "USD")):
                continue
            surely += mills / 1000 if fate in ("paid", "unknown", "dies", "perhaps") else 0.0
            if fate == "dies":
                purse = Account(store, DOLLAR)
            elif fate == "perhaps":
                purse.settle(shot(number), None)
            elif fate == "unknown":
                purse.close(Failure(shot(number), "unknown", "no answer", retryable=False, paid=None))
            elif fate == "free":
                purse.settle(shot(number), 0.0)
            else:
                surely += mills / 2000 if fate == "less" else 0.0
                paid = mills / (2000 if fate == "less" else 1000)
                purse.close(render(number, price=paid))
            assert surely <= 1.0 + 1e-9
            assert account.spent(store).get("USD", 0.0) == pytest.approx(surely)


def test_a_study_names_its_limit_and_keeps_it_in_its_copy() -> None:
    study = little(budget={"money": "5.00 USD"})
    assert study.money == Price(5.0, "USD")
    assert teststrip.Study(name="x", prompts=["an owl"], engine={"name": "pattern"}).money is None

    assert 'money = "5.0 USD"' in studies.dump(study)


@given(amount=st.floats(0, 1e9, allow_nan=False))
def test_a_limit_of_any_size_is_written_as_it_is_read(amount: float) -> None:
    study = replace(little(), money=Price(amount, "USD"))
    line = next(line for line in studies.dump(study).splitlines() if line.startswith("money"))
    assert little(budget={"money": line.split('"')[1]}).money == study.money


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({}, "money is missing"),
        ({"money": "5 calls"}, "is no amount of money"),
        ({"money": "4s"}, "is no amount of money"),
        ({"money": 5}, "is no amount of money"),
        ({"mony": "5 USD"}, "Did you mean 'money'"),
        ("5 USD", "must be a table"),
    ],
)
def test_a_wrong_limit_is_an_error_with_its_place(budget: object, said: str) -> None:
    with pytest.raises(StudyError, match="budget") as refused:
        little(budget=budget)
    assert said in str(refused.value)
