"""From the answer that holds a picture to the picture's bytes: base64, a data URL, an address, or the body itself."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import httpx2

from teststrip.declared.paths import read
from teststrip.declared.requests import Client, Said, message
from teststrip.declared.service import Service
from teststrip.errors import EngineError
from teststrip.hosted import connections
from teststrip.hosted.trouble import Trouble

_DATA = re.compile(r"data:image/[a-z+.-]{1,20};base64,")
TRIES = 3
"""Requests for a picture at an address, which cost nothing."""


def picture(
    service: Service,
    client: Client,
    said: Said,
    *,
    until: float,
    paid: float | None,
    told: Callable[[object], str],
) -> bytes | str:
    """The bytes of the picture, or their base64.

    Args:
        service: as it is declared.
        client: fetches an address.
        said: the answer that holds the picture.
        until: when the picture counts as lost, by the monotonic clock.
        paid: what it cost.
        told: makes a line for people of a text of the service.

    Raises:
        Trouble: there is none.
    """
    reading = service.reading
    if reading.form == "bytes" and said.is_picture:
        return said.body
    found = read(said.data, reading.picture) if reading.picture else None
    if not isinstance(found, str) or not found:
        why = message(service, said, told) or "nothing stands where the picture should be"
        raise Trouble("invalid", f"the service answered {said.status} without a picture: {why}", paid=paid)
    if reading.form == "data url":
        start = _DATA.match(found)
        if start is None:
            raise Trouble("invalid", "the answer holds no data URL of a picture", paid=paid)
        return found[start.end() :]
    if reading.form != "url":
        return found
    start = _DATA.match(found)  # some services answer so where they are asked to be quick
    return found[start.end() :] if start else _fetched(client, found, until, told)


def _fetched(client: Client, url: str, until: float, told: Callable[[object], str]) -> bytes:
    """What stands at an address. Asked for without the key, again where it is lost, through one redirect at most."""
    why = ""
    for number in range(TRIES):
        if number:
            time.sleep(max(0.0, min(0.2 * 2**number, until - time.monotonic())))
        try:
            said = client.get(client.hosts.judge(url))
            if 300 <= said.status < 400:
                said = client.get(client.hosts.judge(said.headers.get("location")))
        except EngineError as error:
            raise _kept(told(error), ends=True) from None
        except httpx2.HTTPError as error:
            trouble = connections.trouble(error)
            if trouble.kind == "stop":
                raise _kept(told(trouble.text), ends=True) from None
            why = "its bytes did not come whole"
            continue
        if said.status == 200:
            return said.body
        why = f"its address answers {said.status}"
        if said.status != 429 and said.status < 500:
            break
    raise _kept(why)


def _kept(why: str, *, ends: bool = False) -> Trouble:
    """The picture is made, and perhaps it can still be had."""
    return Trouble(
        "unknown", f"the picture was made, but {why}: perhaps paid; the next run asks for it", paid=None, ends=ends
    )
