"""Why a request gave no picture, by what may be done about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from teststrip.records import Reason

Kind = Literal["refused", "invalid", "blank", "oom", "nan", "timeout", "error", "again", "unknown", "stop"]
"""What follows from a trouble.

    refused   the content policy says no: kept, never asked again, never a score
    invalid   a wrong request, or an answer that holds no picture: not asked again unless the user says `--retry`
    blank     a picture of one colour: as invalid
    oom       the server has too little memory: a later run asks again
    nan       the server computed values that are not finite: as invalid
    timeout   no answer came in time from a server that costs nothing: a later run asks again
    error     answered without a picture, by chance perhaps: a later run asks again
    again     the service is busy or was not reached: asked again in this run, later and later
    unknown   sent, and no whole answer: perhaps paid, asked again only by the user's word
    stop      no request can succeed: key, quota, account, retired model
"""

REASONS: dict[Kind, Reason] = {
    "refused": "refused",
    "invalid": "invalid",
    "blank": "blank",
    "oom": "oom",
    "nan": "nan",
    "timeout": "timeout",
    "error": "error",
    "again": "error",
    "unknown": "unknown",
    "stop": "error",
}
LATER: frozenset[Kind] = frozenset({"error", "again", "oom", "stop", "timeout"})
"""The kinds after which a later run tries a shot again of its own accord."""


LONGEST_WAIT = 30 * 24 * 3600.0
"""Seconds beyond which a wish to wait is nonsense: no service has a limit for longer than a month."""

LONGEST_RESET = 60.0
"""Seconds that are waited at most until a limit is whole again; limits are by the minute, or filled up all the time."""

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class Trouble(Exception):
    """A request gave no picture.

    Attributes:
        kind: what follows.
        text: one line for people, without secrets.
        paid: what the service surely charged; None = perhaps all that was reserved.
        wait: seconds that the service asks to wait, where it says so.
        ends: whether no further request should be begun, whatever becomes of this one; so with "stop".
    """

    def __init__(
        self, kind: Kind, text: str, *, paid: float | None = 0.0, wait: float | None = None, ends: bool = False
    ) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = " ".join(text.split())
        self.paid = paid
        self.wait = wait
        self.ends = ends or kind == "stop"


def asked_to_wait(headers: Mapping[str, str], text: str = "", *, now: datetime | None = None) -> float | None:
    """The seconds that a service asks to wait, by its headers or else by its words; None where it does not say.

    >>> asked_to_wait({"retry-after": "3"}), asked_to_wait({}, "Please try again in 12s."), asked_to_wait({})
    (3.0, 12.0, None)

    Args:
        headers: of the answer.
        text: of the error.
        now: the time by which a date is judged.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if 0 <= seconds <= LONGEST_WAIT:  # not so of NaN
            return seconds
    try:
        due = parsedate_to_datetime(headers.get("retry-after", ""))
        seconds = max(0.0, (due - (now or datetime.now(UTC))).total_seconds())
        if seconds <= LONGEST_WAIT:
            return seconds
    except (TypeError, ValueError, OverflowError):
        pass
    found = re.search(r"(?:try again|retry) in ([0-9]{1,6}(?:\.[0-9]{1,9})?) ?(ms|s|m)?", text)
    return float(found[1]) * {"ms": 0.001, "m": 60.0}.get(found[2] or "s", 1.0) if found else None


def until_reset(headers: Mapping[str, str]) -> float | None:
    """The seconds until limits of requests and tokens are whole again, at most LONGEST_RESET; None = unknown.

    Room for one request is there earlier, so a long time neither stops a run nor is waited for. Where a request is
    left, the limit of requests was not the one that was met; of tokens, one request takes many.

    >>> until_reset({"x-ratelimit-reset-requests": "17ms", "x-ratelimit-reset-tokens": "6m0s"})
    60.0
    >>> until_reset({"x-ratelimit-reset-tokens": "1.5s"}), until_reset({"x-ratelimit-reset-tokens": "soon"})
    (1.5, None)
    """
    met = ["tokens"] if headers.get("x-ratelimit-remaining-requests", "0") != "0" else ["tokens", "requests"]
    found = (_duration(headers.get(f"x-ratelimit-reset-{limit}", "")) for limit in met)
    return min(LONGEST_RESET, max(times)) if (times := [one for one in found if one is not None]) else None


def _duration(text: str) -> float | None:
    """The seconds of "6m0s", "1s" or "17ms"; None where a text is no such duration.

    >>> _duration("1h0m2.5s"), _duration("17ms"), _duration("-1s"), _duration("1e3s"), _duration("")
    (3602.5, 0.017, None, None, None)
    """
    part = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|h|m|s)"
    if len(text) > 40 or not re.fullmatch(f"(?:{part})+", text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(part, text))
