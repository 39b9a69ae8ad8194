"""The Hugging Face Hub, as everything that loads models sees it: what may be fetched, and what can go wrong.

Offline has one meaning here: the hub cannot be reached, HF_HUB_OFFLINE is set, or the code runs inside
`nothing_fetched`. Only what lies in the hub's own cache on this disk counts then. Knows no kind of model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from teststrip.errors import MissingExtra

COMMIT: Final = re.compile(r"[0-9a-f]{40}")

_answered: dict[tuple[str, str], str | None] = {}
_may_fetch: ContextVar[bool] = ContextVar("may_fetch", default=True)


@contextmanager
def nothing_fetched() -> Iterator[None]:
    """Inside, a hub model is found only if it is on this disk: reading results must not download gigabytes."""
    token = _may_fetch.set(False)
    try:
        yield
    finally:
        _may_fetch.reset(token)


def may_fetch() -> bool:
    """Whether the hub may be asked here."""
    return _may_fetch.get()


def troubles() -> tuple[type[Exception], ...]:
    """What huggingface_hub raises when it gives no model: no network, no such model, no right to it, an odd name.

    Raises:
        MissingExtra: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ModuleNotFoundError as error:
        raise MissingExtra("huggingface_hub is not installed. Run: pip install 'teststrip[diffusers]'") from error
    # The bases of its own error are those of the HTTP library below it (requests, httpx, httpx2, by version), which
    # raises their relatives where there is no connection.
    return (OSError, ValueError, RuntimeError, HFValidationError, *HfHubHTTPError.__bases__)


def ask(repo: str, revision: str) -> str | None:
    """The commit of a revision, as the hub says.

    One request without retries. Downloads retry for half a minute where there is no network, so this comes before them.

    Raises:
        one of `troubles()`: the hub cannot be asked, or there is no such model.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    if not may_fetch():
        raise OfflineModeIsEnabled("nothing is fetched here")
    if (repo, revision) not in _answered:
        found = HfApi().model_info(repo, revision=revision, timeout=20).sha
        if not COMMIT.fullmatch(revision):
            return found
        _answered[repo, revision] = found  # what a commit is does not change, and each of its files is asked for
    return _answered[repo, revision]


def commit_here(repo: str, revision: str) -> str | None:
    """The commit that a branch or tag had when it was last fetched to this disk; None when it never was."""
    kept = _kept(repo) / "refs" / revision
    return kept.read_text("utf-8").strip() if kept.is_file() else None


def snapshot(repo: str, commit: str) -> Path:
    """The folder in which the hub's cache keeps the files of a commit; it may be missing, or hold some of them only."""
    return _kept(repo) / "snapshots" / commit


def _kept(repo: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"


def remedy(repo: str, revision: str = "") -> str:
    """What a user does about a model that is not on this disk.

    >>> remedy("owner/name")
    'Go online once and run: hf download owner/name; or name a model folder'
    """
    at = f" --revision {revision}" if revision else ""
    return f"Go online once and run: hf download {repo}{at}; or name a model folder"
