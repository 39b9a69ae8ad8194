"""The question that was registered in a study's folder: its text, its digest, and how today's question differs.

A registered question is one file. Its first line holds the time and the number of images, so that the digest covers
them. Knows the file and the text of studies; words are made in `sentences`.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import replace
from pathlib import Path

from teststrip import study as studies
from teststrip.errors import StoreError, UsageError
from teststrip.folder import REGISTERED_FILE
from teststrip.records import Study
from teststrip.records.looked import Registration
from teststrip.store import inside

_HEAD = re.compile(r"# Registered (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) after (\d{1,12}) images\.")
_MOST_BYTES = 2**24
_PARTS = ("prompts", "replicates", "seeds", "engine", "engines", "settings", "axes", "exclude", "metrics")
_QUESTION = ("metrics", "margin", "scope", "budget", "price_an_hour", "known_bad", "reference")


def text(study: Study, *, at: str, images: int) -> str:
    """The file that registers a study."""
    return f"# Registered {at} after {images} images.\n{_question(study)}"


def read(folder: Path, study: Study) -> Registration | None:
    """What was registered in a folder, compared with a study; None where nothing was."""
    try:
        data = inside.read(folder, REGISTERED_FILE, _MOST_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, StoreError):
        return Registration("")
    digest = hashlib.sha256(data).hexdigest()
    try:
        whole = data.decode()
        head = _HEAD.fullmatch(whole.partition("\n")[0])
        changed = _changed(whole, _question(study))
    except (ValueError, RecursionError):
        return Registration(digest)
    return Registration(digest, head[1], int(head[2]), changed) if head else Registration(digest)


def write(folder: Path, study: Study, *, at: str, images: int) -> Registration:
    """Register a study's question, unless this very question is registered already.

    Args:
        folder: of the study, held for writing.
        study: what is asked.
        at: the time in UTC.
        images: how many images the folder has.

    Raises:
        UsageError: another question was registered, and there are images.
    """
    known = read(folder, study)
    if known and known.at and not known.changed:
        return known
    if known and images:
        raise UsageError(
            f"{folder}: another question is registered here, and there are images already, so it stays. "
            "Name another folder with --out"
        )
    inside.write(folder, REGISTERED_FILE, text(study, at=at, images=images), durable=True)
    made = read(folder, study)
    assert made is not None
    return made


def _question(study: Study) -> str:
    """The text of a study without what changes neither a picture nor a verdict: trackers, and how engines run."""
    engines = {alias: replace(ref, operation={}) for alias, ref in study.engines.items()}
    return studies.dump(replace(study, engines=engines, trackers={}))


def _changed(before: str, after: str) -> tuple[str, ...]:
    """The parts of the study file that differ, each by a name from here, never by one from the file."""
    old, new = tomllib.loads(before), tomllib.loads(after)
    asked, asks = (one.get("question", {}) for one in (old, new))
    if not isinstance(asked, dict):
        return ("question",)
    parts = [part for part in _PARTS if old.get(part) != new.get(part)]
    return (
        *("options of metrics" if part == "metrics" else part for part in parts),
        *(part for part in _QUESTION if asked.get(part) != asks.get(part)),
    )
