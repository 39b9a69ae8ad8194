"""A server of the voting that is killed at any moment: no confirmed vote is lost, and none is doubled."""

from __future__ import annotations

import random
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests import studies
from tests.command import COMMAND, environment

from teststrip.store.votes import VoteFile
from teststrip.verbs.run import drive

STUDY = {"replicates": 4, "axes": {"guidance_scale": [1, 3, 7, 9], "num_inference_steps": [4, 8]}}


def voting(folder: Path, confirmed: list[str], killed_after: float) -> None:
    """Vote over HTTP until the server is killed; ids go to `confirmed` once the server has said that they count."""
    words = [*COMMAND, "vote", str(folder), "--no-browser", "--raters", "ana"]
    with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            link = next(
                found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)) and "(ana)" in line
            )
            base, _, code = link.partition("/vote#launch=")
            timer = threading.Timer(killed_after, process.kill)
            with httpx.Client(base_url=base, timeout=60, headers={"Origin": base, "X-Teststrip": "1"}) as client:
                # A slow machine may take long to its first vote, so the time runs from there.
                vote_on(client, code, confirmed, timer.start)
            if timer.is_alive():
                timer.join()
        finally:
            process.kill()


def vote_on(client: httpx.Client, code: str, confirmed: list[str], begun: Callable[[], None]) -> None:
    """Vote until there is nothing left or no server; `begun` is called before the second vote."""
    first = len(confirmed)
    try:
        assert client.post("/session", json={"code": code}).status_code == 200
        state = client.get("/vote/pairs").json()
        while state["pairs"]:
            vote = {"id": state["pairs"][0]["id"], "choice": "left", "milliseconds": 1}
            state = client.post("/vote/answer", json=vote).json()
            confirmed.append(vote["id"])
            if len(confirmed) == first + 1:
                begun()
            for _ in range(3):  # what a page does that does not know whether its vote arrived
                assert client.post("/vote/answer", json=vote).json()["counted"] is False
    except httpx.TransportError:
        return


def survive(folder: Path, kills: int, seed: int) -> None:
    drive(studies.write(folder, **STUDY), folder / "little", trackers=[], views=False).result.close()
    chance, confirmed = random.Random(seed), []
    for n in range(1, kills + 1):
        voting(folder / "little", confirmed, chance.uniform(0.02, 0.8))
        there = [vote.id for vote in VoteFile(folder / "little").votes()]
        assert len(set(there)) == len(there)
        assert set(confirmed) <= set(there)
        assert len(there) <= len(confirmed) + n  # each kill leaves at most the vote in flight unconfirmed
    assert confirmed


def test_a_killed_server_loses_and_doubles_no_vote(tmp_path: Path) -> None:
    survive(tmp_path, kills=2, seed=3)


@pytest.mark.slow
def test_twenty_killed_servers_lose_and_double_no_vote(tmp_path: Path) -> None:
    survive(tmp_path, kills=20, seed=7)
