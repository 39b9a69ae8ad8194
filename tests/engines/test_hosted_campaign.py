"""Runs through faults over each protocol: all images have an end, no money twice or above the limit, no wrong picture.

The official clients ask local servers. A server counts for itself what it charges and for which image.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.command import COMMAND, command, environment
from tests.hosted.protocols import PROTOCOLS, Chaos, Key, Protocol
from tests.hosted.service import Fault, Request, Service, patiently

from teststrip import study as studies
from teststrip.hosted import configuration
from teststrip.pictures import pixel_digest
from teststrip.records import Study
from teststrip.store import Store
from teststrip.testing import canaries
from teststrip.verbs.account import spent
from teststrip.verbs.run import drive

pytest.importorskip("openai")
pytest.importorskip("google.genai")
pytestmark = pytest.mark.process

Start = Callable[[Protocol], Service]
ENOUGH = 1000.0


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    started: list[Service] = []

    def begin(protocol: Protocol) -> Service:
        started.append(service := protocol.service())
        file = tmp_path / "config.toml"
        price = f'price = "{protocol.bill:.6f} USD"'
        file.write_text(f'[providers.here]\nbase_url = "{service.url}"\nkey = "env:HOSTED_KEY"\n{price}\n')
        monkeypatch.setenv(configuration.VARIABLE, str(file))
        monkeypatch.setenv("HOSTED_KEY", protocol.key)
        return service

    yield begin
    for service in started:
        service.close()


def study(protocol: Protocol, prompts: int, money: float, **engine: Any) -> Study:
    """So many prompts in two cells, each with the protocol's replicates."""
    name, levels = protocol.axis
    return studies.study(
        name="hosted",
        prompts=[f"owl number {i}" for i in range(prompts)],
        replicates=protocol.replicates,
        engine={**protocol.engine, **engine},
        settings=dict(protocol.settings),
        axes={name: levels},
        question={"metrics": ["sharpness"]},
        budget={"money": f"{money:.6f} USD"},
    )


def campaign(folder: Path, protocol: Protocol, service: Service, prompts: int, seed: int) -> dict[str, Any]:
    """Run a study through faults to its end, again and again, and check money and pictures.

    Returns:
        Figures of the campaign, by name.
    """
    chaos, shots = Chaos(protocol, service, seed), 2 * prompts * protocol.replicates
    little = 0.4 * shots * protocol.bill
    for number, money in enumerate([little, *[ENOUGH] * 6]):
        outcome = drive(study(protocol, prompts, money), folder, trackers=[], views=False)
        outcome.result.close()
        with Store(folder) as store:
            counted = spent(store)["USD"]
        assert service.spent - 1e-9 <= counted <= money + 1e-9, "more than the limit was spent, or less was counted"
        assert bool(outcome.broke) == (number == 0)
        assert max(chaos.charged.values(), default=0) <= 1, "an image was paid for twice in one run"
        chaos.charged.clear()
        if number and (outcome.left == 0 or not outcome.failed):
            break
    assert max(chaos.ended.values()) == 1, "an image that had its end was paid for again"
    return figures(folder, protocol, service, shots) | {"faults": chaos.faults, "runs": number + 1}


def figures(folder: Path, protocol: Protocol, service: Service, shots: int) -> dict[str, Any]:
    """Check that each shot has its end and each picture its cell, and count them."""
    with Store(folder) as store:
        failures, images, requests = store.failures(), store.images(), list(store.requests())
        assert not [request for request in requests if request.state == "reserved"], "a request has no end"
        assert len(images) + len(failures) == shots, "an image has no end"
        pictures = {image.shot_id: store.read(image) for found in images.values() for image in found}
        meant = {shot_id: shot for shot_id in pictures if (shot := store.shot(shot_id)) is not None}
        counted = spent(store)["USD"]
    asked: dict[Key, list[Request]] = {}
    for request in service.requests:
        asked.setdefault(protocol.asked(request), []).append(request)
    for shot_id, data in pictures.items():
        drawn = (protocol.drawn(service, request) for request in asked[protocol.meant(meant[shot_id])])
        assert any(pixel_digest(data) == pixel_digest(one) for one in drawn), "a picture of another cell"
    unknown = sum(one.reason == "unknown" for one in failures.values())
    assert unknown
    assert len({one.reason for one in failures.values()}) >= 3
    for name, data in canaries.files_in(folder):
        assert protocol.key.encode() not in data, name
    return {
        "requests": len(service.requests),
        "pictures": len(pictures),
        "missing": len(failures),
        "unknown": unknown,
        "charged": round(service.spent, 2),
        "counted": round(counted, 2),
    }


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_run_through_faults_ends_pays_nothing_twice_and_puts_every_picture_into_its_cell(
    tmp_path: Path, start: Start, name: str
) -> None:
    protocol = PROTOCOLS[name]
    service = start(protocol)
    campaign(tmp_path / "s", protocol, service, prompts=50 // protocol.replicates, seed=1)
    assert len(service.requests) <= 200


@pytest.mark.slow
@pytest.mark.parametrize("name", PROTOCOLS)
def test_ten_thousand_requests_with_three_faults_in_ten_do_the_same(tmp_path: Path, start: Start, name: str) -> None:
    protocol = PROTOCOLS[name]
    service = start(protocol)
    found = campaign(tmp_path / "s", protocol, service, prompts=5000 // protocol.replicates, seed=2)
    print(f"{name}: {found}")
    assert found["requests"] > 10_000
    assert found["faults"] > 0.25 * found["requests"]


@pytest.mark.parametrize("name", ["Gemini", pytest.param("predict", marks=pytest.mark.slow)])
def test_a_run_killed_between_request_and_answer_is_told_by_the_next_run_and_asks_nothing_again(
    tmp_path: Path, start: Start, name: str
) -> None:
    protocol = PROTOCOLS[name]
    service = start(protocol)
    asked = study(protocol, 1, 5.0, timeout=60.0)
    file = tmp_path / "hosted.toml"
    file.write_text(studies.dump(asked), encoding="utf-8")
    service.spoil = lambda _: Fault("stall", "read")
    child = subprocess.Popen([*COMMAND, "run", str(file), "--out", "s"], cwd=tmp_path, env=environment())
    patiently(lambda: len(service.billed) == 4, 120)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    service.spoil = lambda _: None
    told = command("run", file, "--out", "s", cwd=tmp_path, code=3)
    assert "4 images were sent for and no answer came: perhaps paid, so not asked again." in told.stderr
    assert len(service.requests) == 4
    again = drive(asked, tmp_path / "s", trackers=[], views=False, retry=True)
    again.result.close()
    assert (again.made, again.unknown, len(service.requests)) == (0, 4, 4)
    with Store(tmp_path / "s") as store:
        assert {request.state for request in store.requests()} == {"unknown"}
        assert spent(store)["USD"] == pytest.approx(4 * protocol.bill)
