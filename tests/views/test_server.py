"""The live page over a real socket: who gets in, what is served, what is new."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import httpx
import pytest
from tests.hostile.cases import SECRET, THINGS, make_outside
from tests.views.live import Live, board_in, serving

from teststrip.errors import UsageError
from teststrip.results.result import open_result
from teststrip.verbs.run import drive
from teststrip.views import server
from teststrip.views.feed import Rest


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serving(tmp_path_factory.mktemp("live")) as live:
        yield live


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that waits for half a second where the others wait for ten, and never rests between two looks."""
    patience = server.Patience(header_seconds=0.5, body_seconds=0.5)
    with serving(tmp_path_factory.mktemp("hasty"), patience=patience, rest=Rest(idle_seconds=0)) as hasty:
        yield hasty


def test_the_door_is_shown_to_strangers_and_the_page_to_guests(live: Live) -> None:
    stranger = httpx.get(live.base + "/")
    assert stranger.status_code == 401
    assert "little" not in stranger.text
    assert live.client.get("/").status_code == 200


def test_a_link_that_is_opened_at_once_is_not_refused(live: Live) -> None:
    def visit(link: str) -> None:
        socket.create_connection(("127.0.0.1", urlparse(link).port), timeout=60).close()

    with open_result(live.folder) as result:
        server.serve(result, announce=visit, started=server.Server.stop)


def test_a_used_link_is_replaced_by_a_new_one(live: Live) -> None:
    code = live.links.get(timeout=60).partition("#launch=")[2]
    with httpx.Client(base_url=live.base) as other:
        headers = {"Origin": live.base, "X-Teststrip": "1", "Content-Type": "application/json"}
        body = json.dumps({"code": code})
        answer = other.post("/session", content=body, headers=headers)
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert other.post("/session", content=body, headers=headers).status_code == 403
    assert code not in live.links.get(timeout=60)


@pytest.mark.parametrize("path", ["/", "/data.js", "/nothing", "/assets/teststrip.css", "/session"])
def test_every_answer_carries_the_protecting_headers_and_no_cors(live: Live, path: str) -> None:
    headers = live.client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert not [name for name in headers if name.startswith("access-control")]
    assert "server" not in headers


def board_of(live: Live) -> dict:
    return board_in(live.client.get("/data.js").text)


def test_pictures_of_the_board_are_served_and_no_other_file(live: Live) -> None:
    board = board_of(live)
    place = next(place for place in board["places"] if "file" in place)
    picture = live.client.get("/" + place["file"])
    assert picture.status_code == 200
    assert picture.content == (live.folder / place["file"]).read_bytes()
    assert picture.headers["content-type"] == "image/png"
    thumb = live.client.get("/" + place["thumb"])
    assert thumb.headers["content-type"] == "image/webp"
    assert thumb.content == (live.folder / place["thumb"]).read_bytes()
    for path in ("/study.sqlite", "/study.toml", "/images/../study.toml", "/images/%2e%2e/study.toml", "/images/ab/",
                 f"/images/zz/{place['digest']}.png", f"/{place['digest']}.png", "/thumbs/../study.webp",
                 f"/thumbs/zz/{place['digest']}.webp",
                 "/assets/../server.py", "/assets/%2e%2e/server.py", "/assets/launch.html"):  # fmt: skip
        assert live.client.get(path).status_code in (400, 404), path


@pytest.fixture
def placed(live: Live) -> Iterator[dict]:
    """A place with a large picture and its thumbnail; both are put back afterwards, whatever stands there then."""
    place = next(place for place in board_of(live)["places"] if "file" in place)
    kept = {live.folder / place[name]: (live.folder / place[name]).read_bytes() for name in ("file", "thumb")}
    yield place
    for path, data in kept.items():
        removed(path)
        path.write_bytes(data)


def removed(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@pytest.mark.skipif(os.name != "posix", reason="links and FIFOs are POSIX")
@pytest.mark.parametrize("thing", THINGS)
def test_what_stands_in_the_place_of_a_picture_is_not_there(
    live: Live, placed: dict, thing: str, tmp_path: Path
) -> None:
    make_outside(tmp_path)
    picture, thumb = live.folder / placed["file"], live.folder / placed["thumb"]
    removed(thumb)
    THINGS[thing](thumb, tmp_path)
    small = live.client.get("/" + placed["thumb"], timeout=10)  # made anew from the picture
    assert (small.status_code, small.headers["content-type"]) == (200, "image/webp")
    removed(picture)
    THINGS[thing](picture, tmp_path)
    for path in (placed["file"], placed["thumb"]):
        answer = live.client.get("/" + path, timeout=10)
        assert answer.status_code == 404
        assert SECRET not in answer.text
    assert not (tmp_path / "made-by-following").exists()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"code": 1}', b'{"code": "x"', b"\xff", b"[" * 900, b"x" * 5000])
def test_nonsense_for_a_code_is_refused_in_words(live: Live, body: bytes) -> None:
    headers = {"Origin": live.base, "X-Teststrip": "1", "Content-Type": "application/json"}
    answer = live.client.post("/session", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.text.startswith("The code")


def news(live: Live, since: int, **headers: str) -> Iterator[dict]:
    with live.client.stream("GET", f"/events?since={since}", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line[6:])


def test_new_pictures_are_sent_and_a_reader_who_was_away_gets_what_it_missed(live: Live) -> None:
    before = board_of(live)
    assert before["progress"]["made"] == 4
    stream = news(live, before["version"])
    drive(live.folder.with_suffix(".toml"), live.folder, trackers=[], views=False, limit=2).result.close()
    sent: dict[int, str] = {}
    for message in stream:
        sent.update({place["i"]: place["digest"] for place in message["places"] if "file" in place})
        if message["progress"]["made"] == 6 and not message["progress"]["running"]:
            break
    after = board_of(live)
    assert after["progress"]["made"] == 6
    fresh = {p["i"]: p["digest"] for p in after["places"] if "file" in p and "file" not in before["places"][p["i"]]}
    assert fresh.items() <= sent.items()
    missed = next(news(live, 0, **{"Last-Event-ID": str(before["version"])}))
    assert fresh.items() <= {place["i"]: place.get("digest") for place in missed["places"]}.items()


def test_a_reader_of_another_server_reads_the_page_again(live: Live) -> None:
    assert next(news(live, 99_999))["reload"] is True


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "my-machine"])
def test_an_address_that_others_reach_needs_a_token(live: Live, host: str) -> None:
    with open_result(live.folder) as result, pytest.raises(UsageError, match="token of at least 32 characters"):
        server.serve(result, host=host)


def test_a_port_in_use_is_said_so(live: Live) -> None:
    port = int(live.base.rsplit(":", 1)[1])
    with open_result(live.folder) as result, pytest.raises(UsageError, match="cannot listen there"):
        server.serve(result, port=port)


def test_a_request_that_never_ends_is_cut_off(hasty: Live) -> None:
    host, port = re.fullmatch(r"http://(.+):(\d+)", hasty.base).groups()  # type: ignore[union-attr]
    with socket.create_connection((host, int(port)), timeout=60) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert slow.recv(100) == b""


def test_a_body_that_never_ends_is_cut_off(hasty: Live) -> None:
    address = hasty.base.removeprefix("http://")
    host, _, port = address.rpartition(":")
    head = (
        f"POST /session HTTP/1.1\r\nHost: {address}\r\nOrigin: {hasty.base}\r\nX-Teststrip: 1\r\n"
        "Content-Type: application/json\r\nContent-Length: 60\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=30) as slow:
        slow.sendall(head.encode() + b'{"code": ')
        said = b""
        while part := slow.recv(4096):
            said += part
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"The code took too long to arrive." in said


def test_news_go_on_after_the_ledger_was_away(hasty: Live) -> None:
    ledger, away = hasty.folder / "study.sqlite", hasty.folder / "study.away"
    stream = news(hasty, board_of(hasty)["version"])
    one_more(hasty)
    ended = next(message for message in stream if not message["progress"]["running"])
    ledger.rename(away)
    time.sleep(2.5 * server.LOOK_SECONDS)  # the feed does not say when it has looked
    away.rename(ledger)
    one_more(hasty)
    assert next(message for message in stream if message["progress"]["made"] > ended["progress"]["made"])


def one_more(live: Live) -> None:
    drive(live.folder.with_suffix(".toml"), live.folder, trackers=[], views=False, limit=1).result.close()
