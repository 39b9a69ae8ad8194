"""Whole runs with a hosted engine: limits of money, refusals, kills, no key anywhere."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.command import COMMAND, command, environment
from tests.hosted.google_service import KEY as GOOGLE_KEY
from tests.hosted.google_service import GoogleService
from tests.hosted.openai_service import BILL, KEY, TROUBLES, OpenAIService, body_of
from tests.hosted.service import Fault, Reply, Request, patiently

from teststrip import study as studies
from teststrip.errors import EngineError, StudyError
from teststrip.hosted import configuration
from teststrip.records import Study
from teststrip.store import Store
from teststrip.testing import canaries
from teststrip.verbs.account import spent
from teststrip.verbs.run import drive

pytest.importorskip("openai")
pytestmark = pytest.mark.process


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIService]:
    with OpenAIService() as found:
        file = tmp_path / "config.toml"
        file.write_text(f'[providers.here]\nbase_url = "{found.url}"\nkey = "env:HOSTED_KEY"\nprice = "{BILL:f} USD"\n')
        monkeypatch.setenv(configuration.VARIABLE, str(file))
        monkeypatch.setenv("HOSTED_KEY", KEY)
        yield found


def study(prompts: int, money: str | None = None, **engine: Any) -> Study:
    """So many prompts in two cells, which differ by quality."""
    keys: dict[str, Any] = {
        "name": "hosted",
        "prompts": [f"owl number {i}" for i in range(prompts)],
        "engine": {"name": "openai", "provider": "here", "model": "gpt-image-2", "first_wait": 0.0, "timeout": 1.0}
        | engine,
        "settings": {"size": "32x16"},
        "axes": {"quality": ["low", "high"]},
        "question": {"metrics": ["sharpness"]},
    }
    return studies.study(**keys, **({"budget": {"money": money}} if money else {}))


def test_a_limit_ends_the_run_before_it_is_exceeded_and_a_higher_one_goes_on(
    tmp_path: Path, service: OpenAIService
) -> None:
    outcome = drive(study(10, "0.02 USD"), tmp_path / "s", trackers=[], views=False)
    outcome.result.close()
    assert outcome.made == len(service.billed) == 6
    assert service.spent <= 0.02
    assert "is left. Raise [budget] money to go on" in outcome.broke
    assert outcome.left == 14
    outcome = drive(study(10, "1 USD"), tmp_path / "s", trackers=[], views=False)
    outcome.result.close()
    assert (outcome.made, outcome.left, outcome.broke) == (14, 0, "")
    assert len(service.billed) == 20


def test_a_limit_that_could_not_be_kept_is_an_error_of_the_study(tmp_path: Path, service: OpenAIService) -> None:
    with pytest.raises(StudyError, match=r"budget\.money: engine 'openai' is paid in USD. Write money in USD"):
        study(1, "5 EUR")
    file = Path(os.environ[configuration.VARIABLE])
    file.write_text(file.read_text().rpartition("price")[0])
    with pytest.raises(StudyError, match=r"budget\.money: engine 'openai' cannot say what an image costs"):
        study(1, "5 USD")


def test_refusals_are_missing_with_their_rate_in_each_cell_and_are_not_asked_again(
    tmp_path: Path, service: OpenAIService
) -> None:
    refuse = TROUBLES["moderation of the input"][0]
    service.instead = lambda request: refuse if request.body["quality"] == "high" else None
    outcome = drive(study(6), tmp_path / "s", trackers=[])
    outcome.result.close()
    assert (outcome.made, outcome.failed) == (6, 6)
    report = (tmp_path / "s" / "report-full.md").read_text(encoding="utf-8")
    assert "refused" in report
    before = len(service.requests)
    again = drive(study(6), tmp_path / "s", trackers=[], views=False)
    again.result.close()
    assert again.final == 6
    assert len(service.requests) == before


def test_a_run_killed_between_request_and_answer_leaves_unknown_images_that_only_the_user_pays_again(
    tmp_path: Path, service: OpenAIService
) -> None:
    file = tmp_path / "hosted.toml"
    file.write_text(studies.dump(study(2, "5 USD", timeout=60.0, threads=4)), encoding="utf-8")
    service.spoil = lambda _: Fault("stall", "read")
    child = subprocess.Popen([*COMMAND, "run", str(file), "--out", "s"], cwd=tmp_path, env=environment())
    patiently(lambda: len(service.billed) == 4, 60)
    child.send_signal(signal.SIGKILL)
    child.wait()
    service.spoil = lambda _: None

    told = command("run", file, "--out", "s", cwd=tmp_path, code=3)
    assert "4 images were sent for and no answer came: perhaps paid, so not asked again." in told.stderr
    assert "--pay-again asks again, for 0.0122 USD at most" in told.stderr
    assert len(service.requests) == 4
    told = command("run", file, "--out", "s", "--retry", cwd=tmp_path, code=3)
    assert len(service.requests) == 4
    planned = command("plan", file, "--out", "s", cwd=tmp_path)
    assert "spent so far: 0.0122 USD" in planned.stdout
    assert "limit of the folder: 5.00 USD" in planned.stdout

    done = command("run", file, "--out", "s", "--pay-again", cwd=tmp_path)
    assert "perhaps paid" not in done.stderr
    assert len(service.requests) == 8
    with Store(tmp_path / "s") as store:
        assert Counter(request.state for request in store.requests()) == {"unknown": 4, "settled": 4}
        assert spent(store)["USD"] == pytest.approx(8 * BILL)


def test_a_service_that_says_no_in_the_middle_leaves_a_finished_page_of_what_was_paid(
    tmp_path: Path, service: OpenAIService
) -> None:
    service.instead = lambda request: TROUBLES["no money"][0] if request.number >= 7 else None
    with pytest.raises(EngineError, match="says no"):
        drive(study(6, threads=1), tmp_path / "s", trackers=[])
    page = (tmp_path / "s" / "page" / "data.js").read_text(encoding="utf-8")
    assert "under way" not in page
    assert "7 of 12 images" in (tmp_path / "s" / "report.md").read_text(encoding="utf-8")
    service.instead = lambda request: None
    outcome = drive(study(6, threads=1), tmp_path / "s", trackers=[])
    outcome.result.close()
    assert outcome.made == 5


def test_no_key_is_in_any_byte_that_comes_out(tmp_path: Path, service: OpenAIService) -> None:
    file = tmp_path / "hosted.toml"
    file.write_text(studies.dump(study(3)), encoding="utf-8")
    turn = iter(["too fast", "a wrong value", "an older refusal"] * 9)
    service.instead = lambda request: None if request.number > 2 else TROUBLES[next(turn)][0]
    done = command("run", file, "--out", "s", cwd=tmp_path, code=3)
    service.instead = lambda request: TROUBLES["a wrong key"][0]
    stopped = command("run", file, "--out", "s", "--retry", cwd=tmp_path, code=2)
    assert "the service says no, and would to every request: the key is not valid" in stopped.stderr
    written = [("out", (done.stdout + done.stderr + stopped.stdout + stopped.stderr).encode())]
    files = [(name, data) for name, data in canaries.files_in(tmp_path) if name != "config.toml"]
    assert len(files) > 5
    for name, data in [*files, *written]:
        assert KEY.encode() not in data, name
        assert b"canary-7Q2" not in data, name


def test_a_local_engine_and_two_services_stand_on_one_page_and_no_seed_is_paired(
    tmp_path: Path, service: OpenAIService, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("google.genai")
    with GoogleService() as google:
        file = Path(os.environ[configuration.VARIABLE])
        more = f'[providers.there]\nbase_url = "{google.url}"\nkey = "env:GOOGLE_KEY"\nprice = "0.1 USD"\n'
        file.write_text(file.read_text() + more)
        monkeypatch.setenv("GOOGLE_KEY", GOOGLE_KEY)
        asked = studies.study(
            name="systems",
            prompts=[f"owl number {i}" for i in range(6)],
            replicates=2,
            engines={
                "waves": {"name": "pattern", "width": 32, "height": 16},
                "gpt-image": {"name": "openai", "provider": "here", "model": "gpt-image-2", "size": "32x16"},
                "gemini": {"name": "google", "provider": "there", "model": "gemini-3.1-flash-image"},
            },
            axes={"engine": ["waves", "gpt-image", "gemini"]},
            question={"metrics": ["sharpness"]},
            budget={"money": "5 USD"},
        )
        with drive(asked, tmp_path / "s", trackers=[]).result as result:
            assert result.made == 36
            assert not result.paired_seeds
            assert not any(finding.paired for finding in result.findings)
            assert any(finding.axis == "engine" for finding in result.findings)
    assert (tmp_path / "s" / "page" / "index.html").is_file()
    with Store(tmp_path / "s") as store:
        assert spent(store)["USD"] == pytest.approx(12 * BILL + 12 * 0.1)


@pytest.mark.parametrize("lies", [False, True], ids=["in what nobody asked", "in what was asked, too"])
def test_what_a_hostile_server_says_is_stored_read_and_verified(
    tmp_path: Path, service: OpenAIService, lies: bool
) -> None:
    odd = f"{KEY} \x1b[2J \u202e \ud800 \0 <script>" + "x" * 100_000

    def hostile(request: Request) -> Reply:
        body = body_of(request)
        body["data"][0]["revised_prompt"] = odd
        return Reply(200, body | {"background": odd} | ({"quality": odd} if lies else {}), billed=BILL)

    service.instead = hostile
    outcome = drive(study(1), tmp_path / "s", trackers=[])
    outcome.result.close()
    assert (outcome.made, outcome.failed) == ((0, 2) if lies else (2, 0)), (
        "another quality than was asked is no picture"
    )
    with Store(tmp_path / "s") as store:
        assert store.verify() == []
    for name, data in canaries.files_in(tmp_path / "s"):
        assert KEY.encode() not in data, name
        assert b"<script>xxx" not in data or not name.endswith(".html"), name
