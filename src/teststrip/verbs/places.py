"""What a path on the command line means: a study file, the folder of its run, or a part of that folder.

Every verb takes either, and both lead to the same study. Reads names and the name in a study file; opens no folder.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from teststrip import study as studies
from teststrip.errors import StoreError, UsageError
from teststrip.folder import LEDGER_FILE, PARTS, STUDY_FILE
from teststrip.store import inside

RUNS = Path("runs")

RAYS_COPIES = ("runtime_resources", "working_dir_files")
"""The folders in which Ray keeps its copy of what `ray job submit --working-dir` names."""


def of_study(path: str | Path, out: str | Path | None = None) -> tuple[Path, Path | None]:
    """The study file that a path means, and the folder that the study is made in.

    Args:
        path: a study file, the folder of a run, or a part of that folder.
        out: the folder that was asked for.

    Returns:
        The folder is None where only the study's name decides on it.

    Raises:
        StoreError: the folder's study file is a link.
    """
    path, asked = Path(path), None if out is None else Path(out)
    if (home := _home(path)) is None:
        return path, asked
    file = home / STUDY_FILE
    if inside.is_link(file):
        raise StoreError(f"{home}: {STUDY_FILE} is a link. Put the file itself there, as `teststrip run` does")
    return file, asked or home


def of_run(path: str | Path) -> Path:
    """The folder of the run that a path means: of a study file, the one that `teststrip run` makes of it.

    Raises:
        StudyError: the study file says something wrong.
        StoreError: that study has not run here.
    """
    path = Path(path)
    if (home := _home(path)) is not None:
        return home
    if not path.is_file():
        return path
    folder = RUNS / studies.reopen(path).name
    if not folder.is_dir():
        raise StoreError(f"{path}: this study has not run, there is no {folder}. Run: teststrip run {path}")
    return folder


def check_lasting(folder: Path) -> None:
    """Check that a folder to write to is none that goes with a job of Ray.

    Raises:
        UsageError: it lies in Ray's copy of the folder that a job was submitted with. Ray makes another copy when a
            file in there has changed, so that the next job finds nothing to go on with, and removes copies unasked.
    """
    parts = folder.resolve().parts
    if RAYS_COPIES in pairwise(parts):
        raise UsageError(
            f"--out: {folder} would lie in the copy of your folder that Ray made for this job and removes afterwards."
            f" Name a folder that stays, on the head or on a shared disk: --out /shared/runs/{folder.name}"
        )


def _home(path: Path) -> Path | None:
    """The folder that a path is or is a part of; None where it is neither."""
    if path.is_dir():
        return path
    in_a_run = path.name in PARTS and (path.parent / LEDGER_FILE).is_file()
    return path.parent if in_a_run else None
