"""A client that knows of each request whether it was sent, whatever happens to the connection, and when."""

from __future__ import annotations

import socket
import time

import pytest
from tests.hosted.service import Fault, Reply, Request, Service

from teststrip.hosted.addresses import Reach, reach

httpx2 = pytest.importorskip("httpx2")
connections = pytest.importorskip("teststrip.hosted.connections")


class Echo(Service):
    def reply(self, request: Request) -> Reply:
        return Reply(body={"asked": request.body, "filling": "x" * 100_000}, billed=1.0)

    def prompt(self, request: Request) -> str:
        return str(request.body)


@pytest.fixture
def service():
    with Echo() as echo:
        yield echo


def ask(service: Service, seconds: float = 5.0):
    with connections.client(reach(service.url), seconds=seconds) as client:
        return client.post(service.url, json="an owl")


def test_a_whole_answer_is_an_answer(service: Service) -> None:
    assert ask(service).json()["asked"] == "an owl"


@pytest.mark.parametrize("way", ["close", "reset", "stall", "drip"])
@pytest.mark.parametrize("phase", ["read", "headers", "half"])
def test_what_was_read_and_not_answered_whole_is_lost(service: Service, way, phase) -> None:
    service.spoil = lambda _: Fault(way, phase)
    began = time.monotonic()
    with pytest.raises(connections.Lost):
        ask(service, seconds=0.3)
    assert time.monotonic() - began < 3.0
    assert len(service.billed) == 1


@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_connection_that_ends_after_the_answer_does_no_harm(service: Service, way) -> None:
    service.spoil = lambda _: Fault(way, "whole")
    assert ask(service).json()["asked"] == "an owl"


def test_a_server_that_is_not_there_was_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    with connections.client(reach(url), seconds=1) as client, pytest.raises(connections.NotSent):
        client.post(url, json="an owl")


def test_a_request_that_broke_in_its_middle_was_not_sent(service: Service) -> None:
    service.spoil = lambda _: Fault("reset", "accepted")
    with connections.client(reach(service.url), seconds=5) as client, pytest.raises(connections.NotSent):
        client.post(service.url, json="x" * 20_000_000)
    assert service.requests == []


def test_a_name_that_does_not_exist_was_sent_nothing() -> None:
    with connections.client(Reach("no-such-host.invalid"), seconds=1) as client, pytest.raises(connections.NotSent):
        client.post("https://no-such-host.invalid/", json="an owl")


def test_a_redirect_to_another_host_is_not_followed_and_no_other_host_can_be_asked(service: Service) -> None:
    service.instead = lambda _: Reply(302, headers={"location": "http://169.254.169.254/latest/meta-data"})
    assert ask(service).status_code == 302
    with connections.client(Reach("example.com"), seconds=1) as client, pytest.raises(connections.Forbidden):
        client.post(service.url, json="an owl")


def test_proxies_and_passwords_of_the_environment_are_not_heard(service: Service, monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9/")
    assert ask(service).status_code == 200


def test_an_answer_larger_than_any_picture_is_not_read_to_its_end(service: Service) -> None:
    service.instead = lambda _: Reply(body=b"x" * (connections.MOST_BYTES + 1_000_000))
    with pytest.raises(connections.Lost, match="larger than 96 MB"):
        ask(service, seconds=30)
