"""The bill of `plan`: what it calls the most is what a run through the worst failures really pays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.hosted.openai_service import KEY, OpenAIService, error

from teststrip import study as studies
from teststrip.hosted import configuration
from teststrip.store import Store
from teststrip.verbs import forecast
from teststrip.verbs.account import spent
from teststrip.verbs.run import drive

TWICE = "where a service charges for requests that fail, because an image is then asked for once more"
DECLARED = """
base_url = "http://127.0.0.1:1"
price = "0.03 USD"
submit = { method = "POST", path = "/draw", json = { prompt = "{prompt}" } }
answer = { picture = "image" }
"""


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIService]:
    with OpenAIService() as service:
        here = f'base_url = "{service.url}"\nkey = "env:HOSTED_KEY"\n'
        file = tmp_path / "config.toml"
        file.write_text(
            f'[providers.paid]\n{here}price = "0.03 USD"\n[providers.free]\n{here}price = "0 USD"\n'
            f"[services.plain]\n{DECLARED}[services.knows]\n{DECLARED}"
            'idempotency = "Idempotency-Key"\n'
        )
        monkeypatch.setenv(configuration.VARIABLE, str(file))
        monkeypatch.setenv("HOSTED_KEY", KEY)
        yield service


def said(tmp_path: Path, engines: dict[str, dict[str, Any]], **more: Any) -> str:
    names = {"axes": {"engine": [*engines]}} if len(engines) > 1 else {}
    asked = studies.study(name="bill", prompts=["owl", "cat"], replicates=3, engines=engines, **names, **more)
    file = tmp_path / "bill.toml"
    file.write_text(studies.dump(asked), encoding="utf-8")
    return "\n".join(forecast.lines(forecast.of(file, tmp_path / "s")))


PAID = {"name": "openai", "model": "any", "provider": "paid"}
FREE = PAID | {"provider": "free"}


@pytest.mark.parametrize(
    ("engines", "most", "worst"),
    [
        ({"a": PAID}, "0.18 USD", "0.36 USD"),
        ({"a": PAID, "b": FREE}, "0.18 USD", "0.36 USD"),
        ({"a": {"name": "http", "service": "plain"}}, "0.18 USD", "0.36 USD"),
        ({"a": PAID, "b": {"name": "http", "service": "knows"}}, "0.36 USD", "0.54 USD"),
        ({"a": {"name": "google", "model": "any", "provider": "paid"}, "b": PAID}, "0.36 USD", "0.72 USD"),
    ],
    ids=["paid", "paid and free", "declared", "one that charges once", "two"],
)
def test_plan_says_what_failures_that_are_charged_could_cost(
    tmp_path: Path, configured: OpenAIService, engines: dict[str, dict[str, Any]], most: str, worst: str
) -> None:
    told = said(tmp_path, engines)
    assert f"  at most {most}\n  up to {worst} {TWICE}. A limit holds also then: [budget] money\n" in told
    assert configured.requests == []


@pytest.mark.parametrize(
    ("engine", "more"),
    [
        (PAID, {"budget": {"money": "1 USD"}}),
        (PAID | {"attempts": 1}, {}),
        (FREE, {}),
        ({"name": "http", "service": "knows"}, {}),
        ({"name": "pattern"}, {}),
    ],
    ids=["a limit", "asked once", "free", "charged once", "no service"],
)
def test_plan_says_nothing_of_it_where_it_cannot_happen(
    tmp_path: Path, configured: OpenAIService, engine: dict[str, Any], more: dict[str, Any]
) -> None:
    assert TWICE not in said(tmp_path, {"a": engine}, **more)


@pytest.mark.parametrize("attempts", [1, 2, 6])
def test_a_run_that_fails_and_is_charged_costs_what_plan_named(
    tmp_path: Path, configured: OpenAIService, attempts: int
) -> None:
    pytest.importorskip("openai")
    configured.instead = lambda request: error(500, "The server had an error.")
    asked = studies.study(
        name="bill",
        prompts=["owl", "cat"],
        engine=PAID | {"attempts": attempts, "first_wait": 0.0, "threads": 1},
        question={"metrics": ["sharpness"]},
    )
    file = tmp_path / "bill.toml"
    file.write_text(studies.dump(asked), encoding="utf-8")
    summary = forecast.of(file, tmp_path / "s").summary
    drive(asked, tmp_path / "s", trackers=[], views=False).result.close()
    with Store(tmp_path / "s") as store:
        paid = spent(store)["USD"]
    assert paid == pytest.approx(sum(price.amount for price in (*summary.price_left, *summary.price_again)))
    assert len(configured.requests) == 2 * min(attempts, 2)
