"""`[judges.NAME]` of the user's configuration: what is taken, and what is refused with its place and the remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teststrip.analysis.votes import orders
from teststrip.errors import EngineError
from teststrip.hosted.asking import Manners, OpenPurse
from teststrip.judges import declared, opening
from teststrip.judges.questions import words

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({}, "model is missing"),
    "a slip": ({"model": "m", "revison": "x"}, "Did you mean 'revision'"),
    "a price without a server": ({"model": "m", "price": "1 USD"}, "price is for a server"),
    "a revision of a server": ({"model": "m", "base_url": "https://h.example/v1", "revision": "x"}, "Leave one of"),
    "no encryption": ({"model": "m", "base_url": "http://h.example/v1"}, "allow_http = true"),
    "messages of one's own": (
        {"model": "m", "base_url": "https://h.example/v1", "send": {"messages": 1}},
        "'messages'",
    ),
    "half a thread": ({"model": "m", "base_url": "https://h.example/v1", "threads": 1.5}, "a whole number"),
    "a question on two lines": ({"model": "m", "question": "a\nb"}, "on one line"),
}


@pytest.mark.parametrize(("entry", "why"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_with_its_place(declare: Callable[..., None], entry: dict[str, Any], why: str) -> None:
    with pytest.raises(EngineError) as error:
        declared.declared("eye", entry)
    assert why in str(error.value)


def test_a_key_in_the_file_is_refused_before_anything_is_sent() -> None:
    pytest.importorskip("openai")
    found = declared.declared("eye", {"model": "m", "base_url": "https://h.example/v1", "key": "sk-1234"})
    judge = opening.opened(found)
    with pytest.raises(EngineError, match="a key must be a reference"):
        list(judge.answers([], OpenPurse()))


def test_a_server_is_asked_as_it_is_declared(declare: Callable[..., None]) -> None:
    declare(model="m", base_url="https://h.example/v1", threads=2, timeout=7, price="0.02 USD", question="Sharper?")
    found = declared.find("eye")
    assert found.manners == Manners(threads=2)
    assert found.timeout == 7
    assert found.question == "Sharper?"
    assert found.server
    assert found.server.price
    assert found.send == declared.SENT


@given(st.text(max_size=200))
def test_a_prompt_stays_one_quoted_line_of_the_question(prompt: str) -> None:
    lines = words(prompt, "Which?").split("\n")
    assert len(lines) == 7
    assert json.loads(lines[1]) == prompt.encode("utf-8", "replace").decode()
    assert lines[2] == "Which?"


@given(st.text(max_size=40))
def test_only_a_bare_letter_is_an_answer(text: str) -> None:
    read = orders.letter(text)
    assert read in (None, "A", "B", "C")
    assert (read is not None) == (text.strip().removesuffix(".").upper() in {"A", "B", "C"})


@given(st.sampled_from("ABC"), st.sampled_from("ABC"))
def test_two_orders_of_one_mind_are_a_choice_and_others_a_tie(one: str, other: str) -> None:
    mirrored = {"A": "B", "B": "A", "C": "C"}
    alike = mirrored[one] == other
    assert orders.turned([one, other]) == (not alike)
    expected = {"A": "left", "B": "right", "C": "tie"}[one] if alike else "tie"
    assert orders.together([one, other]) == expected
    # Which picture stands on the left of the record changes nothing.
    swapped = {"left": "right", "right": "left", "tie": "tie"}
    assert orders.together([other, one]) == swapped[expected]
