"""Registers the question of a study in its folder, before there is data to bend it."""

from __future__ import annotations

from pathlib import Path

from teststrip.records import Study
from teststrip.records.looked import Registration
from teststrip.results import registered
from teststrip.store import Store
from teststrip.store.ledger import now


def register(study: Study, folder: Path) -> Registration:
    """Write the question down, with the time and the number of images; returns what is registered.

    Raises:
        UsageError: another question was registered, and there are images.
        FolderBusy: a run holds the folder.
    """
    with Store(folder, write=True) as store:
        return registered.write(folder, study, at=now(), images=store.count())
