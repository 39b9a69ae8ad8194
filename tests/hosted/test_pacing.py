"""How long services ask to wait: by headers, by words and by Google's details, and never by nonsense."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hosted import google_service, openai_service
from tests.hosted.google_service import GoogleService, quota
from tests.hosted.openai_service import OpenAIService, error
from tests.hosted.service import Reply, Service

from teststrip.engines.google import GoogleEngine
from teststrip.engines.openai import OpenAIEngine
from teststrip.errors import EngineError
from teststrip.hosted import configuration
from teststrip.hosted.asking import Manners
from teststrip.hosted.engine import HostedEngine
from teststrip.hosted.trouble import LONGEST_RESET, LONGEST_WAIT, Trouble, asked_to_wait, until_reset
from teststrip.records import EngineRef, Shot

NONSENSE = ["-1", "-0.5", "nan", "NaN", "inf", "-inf", "1e300", "9" * 400, "soon", "", " ", "1;2", "0x10", "١٢s", "-3s"]
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("name", ["retry-after", "retry-after-ms"])
def test_nonsense_in_a_header_is_no_wish_and_the_words_count(name: str, value: str) -> None:
    assert asked_to_wait({name: value}) is None
    assert asked_to_wait({name: value}, "Please try again in 250ms.") == 0.25


@pytest.mark.parametrize("value", [*NONSENSE, "6m0", "m", "s", "1s1", "1e3s", "1d", "5 s", "1" * 41 + "s", "1ms" * 30])
@pytest.mark.parametrize("limit", ["requests", "tokens"])
def test_nonsense_in_a_reset_is_no_wish(limit: str, value: str) -> None:
    assert until_reset({f"x-ratelimit-reset-{limit}": value}) is None


@given(st.text(max_size=50), st.text(max_size=50))
def test_whatever_headers_say_a_wait_is_bounded(one: str, other: str) -> None:
    said = asked_to_wait({"retry-after": one, "retry-after-ms": other}, one)
    assert said is None or 0 <= said <= 60 * 10**6
    reset = until_reset({"x-ratelimit-reset-requests": one, "x-ratelimit-reset-tokens": other})
    assert reset is None or 0 <= reset <= LONGEST_RESET


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_a_duration_is_the_sum_of_its_parts(hours: int, minutes: int, seconds: int, thousandths: int) -> None:
    parts = [(hours, "h"), (minutes, "m"), (seconds, "s"), (thousandths, "ms")]
    text = "".join(f"{number}{unit}" for number, unit in parts if number)
    whole = timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=thousandths).total_seconds()
    found = until_reset({"x-ratelimit-reset-tokens": text})
    assert found == (pytest.approx(min(LONGEST_RESET, whole)) if text else None)


@pytest.mark.parametrize("seconds", [0, 1, 3600, LONGEST_WAIT, LONGEST_WAIT + 1, 10**10])
def test_a_date_is_believed_for_a_month(seconds: float) -> None:
    due = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert asked_to_wait({"retry-after": due}, now=NOW) == (seconds if seconds <= LONGEST_WAIT else None)
    past = format_datetime(NOW - timedelta(seconds=seconds), usegmt=True)
    assert asked_to_wait({"retry-after": past}, now=NOW) == 0


def test_the_limit_that_was_met_is_waited_for() -> None:
    both = {"x-ratelimit-reset-requests": "9s", "x-ratelimit-reset-tokens": "2s"}
    assert until_reset(both) == 9
    assert until_reset(both | {"x-ratelimit-remaining-requests": "0"}) == 9
    assert until_reset(both | {"x-ratelimit-remaining-requests": "58"}) == 2
    assert until_reset({"x-ratelimit-reset-requests": "9s", "x-ratelimit-remaining-requests": "58"}) is None


@pytest.fixture(params=["openai", "google"])
def asked(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Service, HostedEngine[object]]]:
    openai = request.param == "openai"
    pytest.importorskip("openai" if openai else "google.genai")
    with OpenAIService() if openai else GoogleService() as service:
        file = tmp_path / "config.toml"
        file.write_text(f'[providers.here]\nbase_url = "{service.url}"\nkey = "env:HOSTED_KEY"\nprice = "0.01 USD"\n')
        monkeypatch.setenv(configuration.VARIABLE, str(file))
        monkeypatch.setenv("HOSTED_KEY", openai_service.KEY if openai else google_service.KEY)
        engine = (OpenAIEngine if openai else GoogleEngine)(provider="here", first_wait=0.0)
        yield service, engine  # type: ignore[misc]
        engine.close()


def wish(asked: tuple[Service, HostedEngine[object]], reply: Reply) -> float | None:
    """The seconds that an engine reads from an answer, which it gets by the official client."""
    service, engine = asked
    service.instead = lambda _: reply
    with pytest.raises(Trouble) as caught:
        engine.ask(shot(engine))
    assert caught.value.kind == "again"
    return caught.value.wait


def shot(engine: HostedEngine[object]) -> Shot:
    return Shot(EngineRef(engine.service), {"prompt": "an owl", "seed": 1, "model": "m"})


@pytest.mark.parametrize("asked", ["openai"], indirect=True)
@pytest.mark.parametrize(
    ("status", "headers", "words", "seconds"),
    [
        (429, {"retry-after": "7", "x-ratelimit-reset-requests": "1s"}, "Slow.", 7),
        (429, {"retry-after-ms": "120", "retry-after": "1"}, "Slow.", 0.12),
        (429, {"retry-after-ms": "-5", "retry-after": "1"}, "Slow.", 1),
        (429, {"x-ratelimit-reset-requests": "1s"}, "Please try again in 12s.", 12),
        (429, {"x-ratelimit-reset-requests": "17ms"}, "Slow.", 0.017),
        (429, {"x-ratelimit-reset-tokens": "6m0s"}, "Slow.", 60),
        (429, {"x-ratelimit-reset-tokens": "-6m0s", "retry-after": "nan"}, "Slow.", None),
        (503, {"x-ratelimit-reset-requests": "30s"}, "Busy.", None),
        (503, {"retry-after": "2"}, "Busy.", 2),
    ],
)
def test_openais_headers_set_the_pace(
    asked: tuple[Service, HostedEngine[object]], status: int, headers: dict[str, str], words: str, seconds: float | None
) -> None:
    assert wish(asked, error(status, words, "rate_limit_exceeded", headers=headers)) == pytest.approx(seconds)


@pytest.mark.parametrize("asked", ["google"], indirect=True)
@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("34s", 34), ("0.5s", 0.5), ("34.074824224s", 34.074824224), *[(value, None) for value in (*NONSENSE, "1e5s")]],
)
def test_googles_retry_info_sets_the_pace(
    asked: tuple[Service, HostedEngine[object]], delay: str, seconds: float | None
) -> None:
    assert wish(asked, quota("GenerateRequestsPerMinutePerProjectPerModel", delay)) == pytest.approx(seconds)


@pytest.mark.parametrize("asked", ["google"], indirect=True)
def test_googles_words_set_the_pace_where_nothing_else_does(asked: tuple[Service, HostedEngine[object]]) -> None:
    said = "You exceeded your current quota. Please retry in 34.5s."
    assert wish(asked, google_service.error(429, "RESOURCE_EXHAUSTED", said)) == 34.5
    quoted = 'It said "retryDelay": "99s" in words.'
    assert wish(asked, google_service.error(429, "RESOURCE_EXHAUSTED", quoted)) is None


@pytest.mark.parametrize("asked", ["openai"], indirect=True)
def test_a_wish_to_wait_for_hours_ends_the_run(asked: tuple[Service, HostedEngine[object]]) -> None:
    service, engine = asked
    service.instead = lambda _: error(429, "Slow.", headers={"retry-after": "9000"})
    with pytest.raises(EngineError, match="asks to wait 9000 s: run again then"):
        list(engine.render([shot(engine)]))


def test_a_limit_that_is_whole_again_in_hours_ends_no_run() -> None:
    assert until_reset({"x-ratelimit-reset-tokens": "9h"}) == LONGEST_RESET <= Manners().patience
