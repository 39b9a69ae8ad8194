"""Whole runs with declared services: pictures in their cells, lost answers found again, no money twice, no key."""

from __future__ import annotations

import random
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.command import COMMAND, command, environment
from tests.declared.services import KEY, SERVICES, Fal, Flux, Ideogram, Local, Replicate, Stability, config
from tests.hosted.service import Fault, Reply, Request, patiently

from teststrip import study as studies
from teststrip.engines.http import HttpEngine
from teststrip.errors import EngineError, StudyError
from teststrip.hosted import configuration
from teststrip.pictures import pixel_digest
from teststrip.records import Study
from teststrip.store import Store
from teststrip.testing import canaries
from teststrip.verbs.account import spent
from teststrip.verbs.run import drive

pytest.importorskip("httpx2")

Start = Callable[[type[Local]], Local]
AXES: dict[str, dict[str, list[Any]]] = {
    "replicate": {"guidance": [2.0, 3.5]},
    "fal": {"num_inference_steps": [10, 20]},
    "flux": {"guidance": [2.0, 4.5]},
    "stability": {"cfg_scale": [2.0, 4.5]},
    "ideogram": {"quality": ["low", "high"]},
    "sketch": {},
}


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    running: list[Local] = []

    def started(kind: type[Local]) -> Local:
        service = kind()
        running.append(service)
        (tmp_path / "config.toml").write_text(config(service), encoding="utf-8")
        monkeypatch.setenv(configuration.VARIABLE, str(tmp_path / "config.toml"))
        if service.variable:
            monkeypatch.setenv(service.variable, KEY)
        return service

    yield started
    for service in running:
        service.close()
        assert service.bad == []


def study(service: Local, prompts: int, money: str = "5 USD", **engine: Any) -> Study:
    """So many prompts in the cells of an axis of the service."""
    axes = AXES[service.name]
    return studies.study(
        name="declared",
        prompts=[f"owl number {i}" for i in range(prompts)],
        replicates=2,
        engine={"name": "http", "service": service.name, "first_wait": 0.0, "timeout": 1.0} | engine,
        settings={name: value for name, value in service.settings.items() if name not in axes},
        axes=axes,
        question={"metrics": ["sharpness"]},
        budget={"money": money},
    )


def run(asked: Study, folder: Path, **more: Any) -> Any:
    outcome = drive(asked, folder, trackers=[], views=False, **more)
    outcome.result.close()
    return outcome


def check_cells(service: Local, folder: Path) -> int:
    """Each picture is the one of its own prompt, settings and seed; how many there are."""
    seeds = HttpEngine(service=service.name).declared.seed
    with Store(folder) as store:
        images = {shot: store.read(image) for shot, found in store.images().items() for image in found}
        shots = {shot: store.shot(shot) for shot in images}
    for shot_id, data in images.items():
        shot = shots[shot_id]
        assert shot is not None
        wanted = {"prompt": shot.prompt, "seed": seeds.of(shot.seed)} | {
            name: shot.settings[name] for name in AXES[service.name]
        }
        drawn = []
        for request in service.requests:
            if service.step(request) == "submit":
                asked = service.flat(request)
                number = {} if service.variable else {"number": request.number}
                if all(str(asked[name]) == str(value) for name, value in wanted.items() if name in asked):
                    drawn.append(pixel_digest(service.drawn(asked | number)))
        assert pixel_digest(data) in drawn, "a picture of another cell"
    return len(images)


@pytest.mark.parametrize("kind", SERVICES)
def test_a_study_runs_from_end_to_end_on_each_documented_service(
    tmp_path: Path, start: Start, kind: type[Local]
) -> None:
    service = start(kind)
    cells = 2 if AXES[kind.name] else 1
    outcome = run(study(service, 2), tmp_path / "s")
    assert (outcome.made, outcome.failed, outcome.left) == (4 * cells, 0, 0)
    assert check_cells(service, tmp_path / "s") == 4 * cells
    with Store(tmp_path / "s") as store:
        assert spent(store).get("USD", 0.0) == pytest.approx(service.spent)
        assert store.verify() == []
    for name, data in canaries.files_in(tmp_path / "s"):
        assert KEY.encode() not in data, name


@pytest.mark.parametrize("kind", [Replicate, Fal, Flux, Ideogram])
def test_lost_answers_are_asked_after_by_the_next_run_and_nothing_is_paid_twice(
    tmp_path: Path, start: Start, kind: type[Local]
) -> None:
    service, folder = start(kind), tmp_path / "s"
    service.never = True
    first = run(study(service, 1, timeout=1.0, threads=4), folder)
    assert (first.made, first.failed, first.unknown) == (0, 4, 4)
    service.never = False
    with Store(folder) as store:
        before = spent(store)["USD"]
    again = run(study(service, 1), folder)
    assert (again.made, again.unknown, len(service.billed)) == (4, 0, 4)
    assert check_cells(service, folder) == 4
    with Store(folder) as store:
        assert Counter(request.state for request in store.requests()) == {"settled": 4}
        assert service.spent <= spent(store)["USD"] + 1e-9 <= before + 2e-9


def test_a_service_that_echoes_the_key_into_an_address_puts_it_into_no_file(tmp_path: Path, start: Start) -> None:
    service, folder = start(Flux), tmp_path / "s"

    def echo(request: Request) -> Reply | None:
        if service.step(request) != "submit":
            return None
        reply = service.reply(request)
        address = f"http://{service.elsewhere}/v1/get_result?key={KEY}&id={reply.body['id']}"
        return Reply(200, reply.body | {"polling_url": address, "cost": KEY}, billed=service.bill)

    service.instead = echo
    assert run(study(service, 1), folder).made == 4
    service.never = True
    assert run(study(service, 2), folder).failed == 4
    with Store(folder) as store:
        assert not any(request.ticket for request in store.requests())
    for name, data in canaries.files_in(folder):
        assert KEY.encode() not in data, name


def test_a_limit_counts_what_is_lost_and_asking_after_it_needs_no_money(tmp_path: Path, start: Start) -> None:
    service, folder = start(Flux), tmp_path / "s"
    service.never = True
    first = run(study(service, 1, "0.40 USD", timeout=1.0), folder)
    assert (first.failed, len(service.billed)) == (4, 4)
    service.never = False
    again = run(study(service, 1, "0.40 USD"), folder)
    assert (again.made, again.broke) == (4, "")


def test_what_the_service_forgot_is_paid_again_by_the_users_word_alone(tmp_path: Path, start: Start) -> None:
    service, folder = start(Flux), tmp_path / "s"
    forgets = True
    service.instead = lambda one: (
        Reply(404, {"detail": "Not found"}) if forgets and service.step(one) == "poll" else None
    )
    run(study(service, 1), folder)
    again = run(study(service, 1), folder)
    assert (again.made, again.unknown, len(service.billed)) == (0, 4, 4)
    first = dict.fromkeys(service.jobs)
    service.instead = lambda one: (
        Reply(404, {"detail": "Not found"})
        if service.step(one) == "poll" and one.path.rpartition("=")[2] in first
        else None
    )
    paid = run(study(service, 1), folder, pay_again=True)
    assert (paid.made, len(service.billed)) == (4, 8)
    assert check_cells(service, folder) == 4
    with Store(folder) as store:
        assert Counter(request.state for request in store.requests()) == {"unknown": 4, "settled": 4}
        assert service.spent <= spent(store)["USD"]


@pytest.mark.process
def test_a_run_that_was_killed_while_it_waited_gets_its_pictures_without_paying(tmp_path: Path, start: Start) -> None:
    service, folder = start(Replicate), tmp_path / "s"
    service.never = True
    file = tmp_path / "declared.toml"
    file.write_text(studies.dump(study(service, 1, timeout=60.0)), encoding="utf-8")
    child = subprocess.Popen([*COMMAND, "run", str(file), "--out", "s"], cwd=tmp_path, env=environment())

    def kept() -> bool:
        with Store(folder) as store:
            return sum(bool(request.ticket) for request in store.requests()) == 4

    patiently(lambda: len(service.polled) == 4, 60)
    patiently(kept, 60)
    child.send_signal(signal.SIGKILL)
    child.wait()
    service.never = False
    done = command("run", file, "--out", "s", cwd=tmp_path)
    assert "perhaps paid" not in done.stderr
    assert len(service.billed) == 4
    assert check_cells(service, folder) == 4
    for name, data in canaries.files_in(tmp_path):
        assert KEY.encode() not in data, name
    assert KEY not in done.stdout + done.stderr


class Chaos:
    """Spoils three of ten connections, each in another way, whatever step they serve."""

    def __init__(self, service: Local, seed: int) -> None:
        self.random = random.Random(seed)
        self.service = service
        service.spoil = self.spoil
        service.instead = self.instead

    def spoil(self, number: int) -> Fault | None:
        if self.random.random() > 0.1:
            return None
        return Fault(
            self.random.choice(("close", "reset")), self.random.choice(("accepted", "read", "headers", "half"))
        )  # type: ignore[arg-type]

    def instead(self, request: Request) -> Reply | None:
        if self.random.random() > 0.2:
            return None
        busy = Reply(self.random.choice((429, 503)), {"detail": f"busy {KEY}"}, {"retry-after": "0"})
        if self.service.step(request) == "submit":
            return busy
        return self.random.choice((busy, Reply(500, b"<html>"), Reply(502, b"")))


@dataclass(frozen=True)
class Tally:
    """What a campaign came to.

    Attributes:
        service: its name.
        requests: all that the service got.
        images: pictures that stand in their cells.
        failures: shots without a picture at the end.
        billed: USD that the service charged.
        counted: USD that the ledger counts as spent.
        cap: USD that the study may spend.
    """

    service: str
    requests: int
    images: int
    failures: int
    billed: float
    counted: float
    cap: float


def campaign(folder: Path, service: Local, prompts: int, seed: int, cap: float = 1000.0) -> Tally:
    """Run a study through faults, again and again, and check pictures and money."""
    Chaos(service, seed)
    asked = study(service, prompts, f"{cap:.2f} USD", attempts=20)
    shots = (4 if AXES[service.name] else 2) * prompts
    broke = False
    for _ in range(8):
        outcome = run(asked, folder)
        broke = bool(outcome.broke)
        if outcome.left == 0 or not outcome.failed:
            break
    with Store(folder) as store:
        requests, failures, counted = list(store.requests()), store.failures(), spent(store).get("USD", 0.0)
        assert not {request.state for request in requests} & {"reserved"}
        assert service.spent <= counted + 1e-9 <= cap + 2e-9
        tickets = {request.shot_id for request in requests if request.ticket and request.state == "unknown"}
        assert all(one.reason == "unknown" for one in failures.values()) or broke
        assert not tickets & failures.keys() or broke, "an answer that could be asked after stays lost"
    billed = Counter(prompt for prompt, _ in service.billed)
    assert max(billed.values()) <= shots // prompts or not service.bill, "a picture was paid for twice"
    images = check_cells(service, folder)
    assert images + len(failures) <= shots if broke else images + len(failures) == shots
    for name, data in canaries.files_in(folder):
        assert KEY.encode() not in data, name
    return Tally(service.name, len(service.requests), images, len(failures), service.spent, counted, cap)


@pytest.mark.parametrize("kind", [Flux, Stability])
def test_a_run_through_faults_ends_and_pays_nothing_twice(tmp_path: Path, start: Start, kind: type[Local]) -> None:
    campaign(tmp_path / "s", start(kind), prompts=10, seed=1)


MANY = {"replicate": 110, "fal": 90, "flux": 110, "stability": 330, "ideogram": 90, "sketch": 660}
"""Prompts of each service, so that each gets about a sixth of ten thousand requests."""


@pytest.mark.slow
def test_ten_thousand_requests_with_three_faults_in_ten_put_no_picture_into_a_wrong_cell(
    tmp_path: Path, start: Start, record_property: Callable[[str, object], None]
) -> None:
    tallies = [campaign(tmp_path / kind.name, start(kind), MANY[kind.name], seed=2) for kind in SERVICES]
    for tally in tallies:
        record_property(tally.service, tally)
        assert tally.requests > 1200, tally
    assert sum(tally.requests for tally in tallies) > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", SERVICES[:5])
def test_a_limit_that_a_study_reaches_holds_through_the_faults(
    tmp_path: Path, start: Start, kind: type[Local], record_property: Callable[[str, object], None]
) -> None:
    tally = campaign(tmp_path / "s", start(kind), 20, seed=3, cap=max(0.01, 40 * kind.bill))
    record_property(tally.service, tally)
    assert tally.images < 80


def test_a_study_that_names_what_is_not_declared_is_an_error_before_anything_is_sent(
    tmp_path: Path, start: Start
) -> None:
    service = start(Flux)
    with pytest.raises((StudyError, EngineError), match="guidance"):
        studies.study(
            name="x", prompts=["owl"], engine={"name": "http", "service": "flux"}, settings={"guidance": 99.0}
        )
    with pytest.raises((StudyError, EngineError), match="'sketchy' is unknown"):
        studies.study(name="x", prompts=["owl"], engine={"name": "http", "service": "sketchy"})
    assert service.requests == []
