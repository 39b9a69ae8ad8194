"""Who gets a place on the live page, and what a request must look like: over real sockets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
from tests.views.live import Live, board_in, serving

from teststrip.views import server
from teststrip.views.connections import Room

STRANGERS, GUESTS = 8, 5


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server of few places, which waits for slow requests longer than any test."""
    patience = server.Patience(header_seconds=600, body_seconds=600)
    with serving(tmp_path_factory.mktemp("small"), patience=patience, room=Room(STRANGERS, GUESTS)) as small:
        yield small


def head(live: Live, path: str, *more: str, method: str = "GET") -> list[str]:
    return [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{live.port}", "Connection: close", *more]


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("slow", [b"", b"GET / HTTP/1.1\r\nHost: ", b"POST /session HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
@pytest.mark.parametrize("rounds", [1, 20])
def test_slow_strangers_never_shut_out_a_guest(small: Live, slow: bytes, rounds: int) -> None:
    with ExitStack() as open_ones:
        for _ in range(rounds * STRANGERS):
            stranger = open_ones.enter_context(small.connect())
            stranger.sendall(slow)
        for _ in range(3):
            begun = time.monotonic()
            assert status(small.raw(*head(small, "/data.js", small.cookie))) == 200
            assert time.monotonic() - begun < 30  # far less than the patience with a slow request
        newest = small.raw(*head(small, "/"))
        assert status(newest) == 401, "a newcomer without a session is answered, too"


def test_the_stranger_who_waits_longest_gives_its_place_up(small: Live) -> None:
    with small.connect() as first, ExitStack() as others:
        for _ in range(STRANGERS):
            others.enter_context(small.connect())
        first.settimeout(60)
        with suppress(ConnectionResetError):
            assert first.recv(1) == b""


def test_guests_who_stay_are_counted_apart_and_the_last_one_is_told_why(small: Live) -> None:
    with ExitStack() as guests:
        for _ in range(GUESTS - 1):  # the client of the test keeps a place of its own, or had one
            guest = guests.enter_context(small.connect())
            guest.sendall("\r\n".join([*head(small, "/events", small.cookie), "", ""]).encode())
            assert status(guest.recv(4096)) == 200
        told = [small.connect() for _ in range(2)]
        for guest in told:
            guests.enter_context(guest)
            guest.sendall("\r\n".join([*head(small, "/events", small.cookie), "", ""]).encode())
        said = told[1].recv(4096)
        assert status(said) == 503
        assert b"Close some." in said
        assert status(small.raw(*head(small, "/"))) == 401, "strangers have places of their own"
    deadline = time.monotonic() + 60
    while status(small.raw(*head(small, "/data.js", small.cookie))) != 200:
        assert time.monotonic() < deadline, "the places of guests who left are free again"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serving(tmp_path_factory.mktemp("live")) as live:
        yield live


@pytest.mark.parametrize("second", ["same", "http://attacker.test"])
def test_two_origins_are_refused(live: Live, second: str) -> None:
    own = f"http://127.0.0.1:{live.port}"
    origins = [f"Origin: {own}", f"Origin: {own if second == 'same' else second}"]
    for pair in (origins, origins[::-1]):
        said = live.raw(*head(live, "/data.js", live.cookie, *pair))
        assert status(said) == 400
        assert b"two headers origin" in said


@pytest.mark.parametrize("known", [True, False])
def test_a_request_of_two_lengths_is_refused_and_nothing_behind_it_is_heard(live: Live, known: bool) -> None:
    hidden = "\r\n".join(["GET /data.js HTTP/1.1", f"Host: 127.0.0.1:{live.port}", live.cookie, "", ""]).encode()
    chunk = b"0\r\n\r\n"
    lines = [
        "POST /session HTTP/1.1",
        f"Host: 127.0.0.1:{live.port}",
        f"Origin: http://127.0.0.1:{live.port}",
        "X-Teststrip: 1",
        "Content-Type: application/json",
        f"Content-Length: {len(chunk) + len(hidden)}",
        "Transfer-Encoding: chunked",
        *([live.cookie] if known else []),
    ]
    said = live.raw(*lines, body=chunk + hidden)  # returns only when the server closes
    assert status(said) == 400
    assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("code", ['"\\ud800"', '"\\udfff\\ud800x"', '"\u20ac"', '"\\u0000"', '"\\ud83d\\ude00"'])
def test_a_code_of_odd_characters_is_wrong_and_no_fault(live: Live, code: str) -> None:
    headers = {"Origin": live.base, "X-Teststrip": "1", "Content-Type": "application/json"}
    answer = live.client.post("/session", content=f'{{"code": {code}}}'.encode(), headers=headers)
    assert answer.status_code in (403, 429)


@pytest.mark.parametrize("host", ["127.0.0.2", "127.9.9.9", "::1", "localhost"])
def test_the_link_of_any_loopback_address_works(tmp_path: Path, host: str) -> None:
    if ":" in host:
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
                probe.bind((host, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
    with serving(tmp_path, host=host) as made:  # enters by the link
        assert made.client.get("/data.js").status_code == 200


def test_a_tunnel_from_another_port_works_and_rebinding_does_not(live: Live) -> None:
    tunnel = "127.0.0.1:9"  # what a browser writes that came through `ssh -L 9:127.0.0.1:PORT`
    headers = {"Host": tunnel, "Origin": f"http://{tunnel}", "X-Teststrip": "1", "Content-Type": "application/json"}
    while not live.links.empty():
        code = live.links.get().partition("#launch=")[2]
    entered = httpx.post(f"{live.base}/session", content=json.dumps({"code": code}), headers=headers)
    assert entered.status_code == 200
    cookie = entered.headers["set-cookie"].split(";")[0]
    assert httpx.get(f"{live.base}/data.js", headers={"Host": tunnel, "Cookie": cookie}).status_code == 200
    for name in ("attacker.test:9", f"attacker.test:{live.port}", "127.0.0.1.attacker.test", "0.0.0.0:9"):
        assert httpx.get(f"{live.base}/data.js", headers={"Host": name, "Cookie": cookie}).status_code == 421


def picture_of(live: Live) -> str:
    board = board_in(live.client.get("/data.js").text)
    return next(place["file"] for place in board["places"] if "file" in place)


def test_a_picture_has_a_type_of_our_table_and_no_origin_of_its_own(live: Live) -> None:
    answer = live.client.get("/" + picture_of(live))
    assert answer.headers["content-type"] == "image/png"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "cross-origin-opener-policy" not in answer.headers, "the HTML standard refuses a sandboxed page that has one"


@pytest.mark.parametrize("fault", ["gone", "damaged", "a link", "a folder"])
def test_a_picture_that_is_none_any_more_is_not_there(tmp_path: Path, fault: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("password")
    with serving(tmp_path) as made:
        address = picture_of(made)
        file = made.folder / address
        file.unlink()
        if fault == "damaged":
            file.write_text("<script>alert(1)</script>")
        if fault == "a link":
            file.symlink_to(secret)
        if fault == "a folder":
            file.mkdir()
        answer = made.client.get("/" + address)
        assert answer.status_code == 404
        assert "verify" in answer.text
