"""Checks a study folder: every file against its hash, and on request a sample of pictures that are made again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from teststrip.analysis.sentences.phrases import count
from teststrip.errors import StoreError, UsageError, shortened
from teststrip.executors.local import LocalExecutor
from teststrip.protocols import Executor
from teststrip.records import Render, Row
from teststrip.results import Result
from teststrip.store import Problem, Store

CLOSE = 1  # levels of 255: what rounding in a batch of another shape changes (docs/performance.md)


@dataclass
class Verification:
    """What was checked and found.

    Attributes:
        files: images re-hashed.
        problems: what, where and remedy, one line each.
        same: pictures made again with equal pixels.
        close: pictures made again whose pixels differ by at most one level of 255.
        different: pictures made again whose pixels differ by more, and shots that fail now.
        skipped: pictures of the sample that were not made again, because their fingerprint is not today's.
    """

    files: int = 0
    problems: list[str] = field(default_factory=list)
    same: int = 0
    close: int = 0
    different: int = 0
    skipped: int = 0

    @property
    def good(self) -> bool:
        """Whether no file is damaged and no picture comes out differently."""
        return not self.problems and not self.different

    def lines(self) -> Iterator[str]:
        """The findings in lines for people."""
        yield f"{count(self.files, 'image')} re-hashed: {'all as recorded' if not self.problems else ''}".rstrip(": ")
        yield from self.problems
        if remade := self.same + self.close + self.different:
            yield (
                f"{remade} made again: {self.same} equal to the pixel, {self.close} within {CLOSE} level of 255, "
                f"{self.different} different"
            )
        if self.skipped:
            yield f"{self.skipped} not made again: other weights, versions or device would answer them today"

    def as_json(self) -> dict[str, Any]:
        """The findings as plain values, for programs."""
        return {**asdict(self), "good": self.good}


def verify(result: Result, sample: str = "0", *, executor: Executor | None = None) -> Verification:
    """Re-hash every image of the folder, and make a sample again to compare. Damaged images go to quarantine.

    Args:
        result: an opened study.
        sample: how many pictures to make again: a number, or a share such as "2%".
        executor: where the sample is made, by default this process; `verify` closes the executor.

    Raises:
        UsageError: the sample is neither a number nor a share.
    """
    found = Verification()
    problems = result.store.verify()
    found.problems += map(str, problems)
    found.files = result.store.count()
    if any(problem.kind == "ledger" for problem in problems):
        return found  # rows that cannot be believed say neither what to make again nor what to move
    harmed = {problem.path for problem in problems}
    rows = [row for row in result.rows() if row.image is not None and row.image.path not in harmed]
    count = sample_size(sample, len(rows))
    if count:
        executor = executor or LocalExecutor()
        try:
            chosen = _spread(rows, count)
            executor.open(row.planned.shot.engine for row in chosen)
            _make_again(chosen, result, found, executor)
        finally:
            executor.close()
    if any(harmed):
        _put_back(result.folder, problems)
    return found


def sample_size(text: str, total: int) -> int:
    """The number of pictures that a sample of `total` means.

    >>> sample_size("2%", 480), sample_size("3", 480), sample_size("0", 480)
    (10, 3, 0)
    """
    shown = shortened(text, 60)
    try:
        if text.strip().endswith("%"):
            share = float(text.strip()[:-1]) / 100
            count = -(-int(share * total * 1000) // 1000)  # rounded up: a share of some pictures is at least one
        else:
            count = int(text)
    except (ValueError, OverflowError):
        raise UsageError(f"--sample {shown}: neither a number nor a share. Write for example 10 or 2%") from None
    if count < 0:
        raise UsageError(f"--sample {shown}: is below 0")
    return min(count, total)


def _put_back(folder: Path, problems: Sequence[Problem]) -> None:
    """Let the next run make the damaged pictures again. Changes nothing while another run writes to the folder."""
    with suppress(StoreError), Store(folder, write=True) as store:
        store.repair(problems)


def _spread(rows: list[Row], count: int) -> list[Row]:
    """The rows of the lowest ids. Ids are hashes, so the sample spreads over the design and is equal every time."""
    return sorted(rows, key=lambda row: row.planned.shot.id)[:count]


def _make_again(rows: list[Row], result: Result, found: Verification, executor: Executor) -> None:
    comparable: dict[str, list[Row]] = {}
    for row in rows:
        if row.image and row.image.fingerprint_id == executor.fingerprint(row.planned.shot).id:
            comparable.setdefault(row.planned.shot.engine.key, []).append(row)
        else:
            found.skipped += 1
    for group in comparable.values():
        by_shot = {row.planned.shot.id: row for row in group}
        for answer in executor.run(group[0].planned.shot.engine, [row.planned.shot for row in group]):
            row = by_shot[answer.shot.id]
            if isinstance(answer, Render):
                _compare(row, answer, result, found)
            else:
                found.different += 1
                found.problems.append(f"{row.planned.shot.id[:12]}: made an image then, fails now: {answer.text}")


def _compare(row: Row, answer: Render, result: Result, found: Verification) -> None:
    import numpy as np

    from teststrip.pictures import decode

    assert row.image is not None
    before = decode(result.store.read(row.image)).astype(np.int16)
    now = decode(answer.data).astype(np.int16)
    off = int(np.abs(before - now).max()) if before.shape == now.shape else 255
    if off == 0:
        found.same += 1
    elif off <= CLOSE:
        found.close += 1
    else:
        found.different += 1
        found.problems.append(
            f"{row.image.path}: made again it differs by up to {off} levels of 255 "
            f"({row.planned.prompt.id}, {row.planned.cell}, replicate {row.planned.replicate})"
        )
