"""A page to vote on without a server: one HTML file with its pictures inside, and a key that stays with the study.

The page holds random names, prompts and blinded pictures. Which picture is which stands in the key alone, which lies in
`ballots/` of the study folder. `taken` reads what a rater downloaded from such a page, which is a stranger's file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from unicodedata import normalize
from uuid import UUID, uuid4

from teststrip.errors import StoreError, UsageError
from teststrip.folder import BALLOTS
from teststrip.records.votes import Vote
from teststrip.store import inside
from teststrip.store.votes import read
from teststrip.views import page
from teststrip.views.voting import Poll, Ticket, tickets

PAIRS = 60
MOST_BYTES = 2**23  # of a key or of a file of votes


def write(poll: Poll, folder: Path, target: Path, count: int = PAIRS) -> int:
    """Write a page to vote on, and its key.

    Args:
        poll: of the study.
        folder: of the study.
        target: the HTML file.
        count: of pairs; fewer where there are not so many.

    Returns:
        The number of pairs.

    Raises:
        UsageError: there is no pair.
    """
    issued = list(tickets(poll, count))
    if not issued:
        raise UsageError(
            f"{folder}: there are no two pictures of one prompt and one seed, so there is nothing to vote on"
        )
    identity = str(uuid4())
    key = {ticket.id: asdict(ticket.pair) for ticket in issued}
    # The key first: a page without a key would be answered in vain.
    text = json.dumps({"ballot": identity, "question": poll.question, "pairs": key})
    inside.write(folder, f"{BALLOTS}/{identity}.json", text, durable=True)
    inside.write(target.parent, target.name, html(identity, poll.question, issued))
    return len(issued)


def html(identity: str, question: str, issued: Sequence[Ticket]) -> str:
    """The page as one HTML document."""
    pairs = [ticket.shown() | _pictures(ticket) for ticket in issued]
    printed = json.dumps({"id": identity, "question": question, "pairs": pairs})
    # Within a script, HTML knows "</script" and "<!--", and nothing else.
    data = f"globalThis.teststripBallot = {printed.replace('<', chr(92) + 'u003c')};"
    style = page.asset(page.VOTE_STYLE).decode().replace(page.FONT, page.data_font())
    scripts = [data, page.asset(page.VOTE_SCRIPT).decode()]
    policy = (
        f"default-src 'none'; script-src {' '.join(map(page.source_of, scripts))}; "
        f"style-src {page.source_of(style)}; img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )
    return page.html(
        policy=policy,
        styles=f"<style>{style}</style>",
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def taken(folder: Path, file: Path) -> list[Vote]:
    """The votes of a file that a rater downloaded.

    Args:
        folder: of the study whose page it was.
        file: as the page wrote it.

    Raises:
        UsageError: it is no such file, or a vote in it is about no pair of its page.
        StoreError: the key of its page is gone or damaged.
    """
    try:
        data = inside.read(file.parent, file.name, MOST_BYTES)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}") from error
    table = _table(data, f"{file} is no file of votes")
    key = _key(folder, table.get("ballot"), file)
    rater, answers = _name(table.get("rater")), table.get("votes")
    if not isinstance(answers, list):
        raise UsageError(f"{file}: there are no votes in it")
    try:
        return [_vote(key, rater, answer) for answer in answers]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{file}: not as the page writes it ({error}). No vote of it was taken") from error


def _vote(key: Mapping[str, Any], rater: object, answer: Mapping[str, Any]) -> Vote:
    ticket = str(answer["id"])
    if ticket not in key["pairs"]:
        raise ValueError("a vote is about no pair of this page")
    datetime.fromisoformat(answer["at"])  # raises ValueError where it is no time
    return read(
        {
            # The rater is in the id, because several may vote on one page and each counts.
            "id": sha256(f"{key['ballot']} {ticket} {rater}".encode()).hexdigest()[:32],
            "pair": key["pairs"][ticket],
            "choice": answer["choice"],
            "rater": rater,
            "rater_kind": "person",
            "milliseconds": answer["milliseconds"],
            "question": key["question"],
            "at": answer["at"],
        }
    )


def _name(rater: object) -> object:
    """A rater's name in one spelling, so that a blank more or another code for a letter makes no second rater."""
    return " ".join(filter(None, normalize("NFC", rater).split(" "))) if isinstance(rater, str) else rater


def changed(cast: Sequence[Vote], known: Sequence[Vote]) -> int:
    """How many votes of a file answer otherwise than votes of the same id that count already.

    Args:
        cast: of the file, as `taken` gives them.
        known: of the study.
    """
    first = {vote.id: vote.choice for vote in known}
    return sum(first.get(vote.id, vote.choice) != vote.choice for vote in cast)


def _key(folder: Path, identity: object, file: Path) -> Mapping[str, Any]:
    try:
        name = str(UUID(identity if isinstance(identity, str) else ""))
    except ValueError as error:
        raise UsageError(f"{file}: it names no page to vote on") from error
    try:
        data = inside.read(folder, f"{BALLOTS}/{name}.json", MOST_BYTES)
    except FileNotFoundError as error:
        raise UsageError(f"{file}: it is of no page of {folder}. Name the study whose page was voted on") from error
    except OSError as error:
        raise StoreError(f"{folder}: {BALLOTS}/{name}.json cannot be read: {error.strerror or error}") from error
    key = _table(data, f"{folder}: {BALLOTS}/{name}.json is damaged")
    if not isinstance(key.get("pairs"), dict):
        raise StoreError(f"{folder}: {BALLOTS}/{name}.json is damaged")
    return key


def _table(data: bytes, otherwise: str) -> Mapping[str, Any]:
    try:
        table = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(otherwise) from error
    if not isinstance(table, dict):
        raise UsageError(otherwise)
    return table


def _pictures(ticket: Ticket) -> dict[str, str]:
    return {side: page.data_address(getattr(ticket.seen, side)) for side in ("left", "right")}
