"""The store of a study folder: what `run` writes and everything else reads.

The picture is written first and its row second, so that a row means that its picture is whole on the disk. This class
is the way to `ledger`, `recovery` and `verify`. Views that show single files use `files` and `thumbs` as well; every
module that writes a part of the folder uses `inside`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self

from teststrip.errors import PictureError, StoreError
from teststrip.pictures.stamps import stamp, to_json
from teststrip.records import Failure, Fingerprint, Image, Look, Price, Render, Score, Shot
from teststrip.store import files, ledger, looks, recovery, requests, rows, scored, thumbs, verify
from teststrip.store.lock import FolderLock, refuse_network
from teststrip.store.rows import Incident, Remembered, Request
from teststrip.store.verify import Problem

_RECENT = 200  # images that `pace` looks at: enough for a steady median, few enough to follow a changed machine


class Store:
    """A study folder, open. A context manager; `close` it otherwise.

    Args:
        folder: of the study; made when writing.
        write: hold the folder as its one writer, and first make ledger and files agree (`recovery`). A reader works
            beside a writer. A writer belongs to its thread; a reader may be handed from one thread to another.

    Raises:
        FolderBusy: `write` is asked for, and another process writes already.
        StoreError: the folder is damaged, newer, on a network file system, or holds no study to read.
    """

    def __init__(self, folder: Path | str, *, write: bool = False) -> None:
        self.folder = Path(folder)
        self._lock: FolderLock | None = None
        if not write:
            self._ledger = ledger.open_to_read(self.folder)
            return
        self._lock = _lock(self.folder)
        try:
            self._ledger = ledger.open_to_write(self.folder)
            try:
                with ledger.speaking(self.folder):
                    recovery.recover(self._ledger)
            except BaseException:
                self._ledger.close()
                raise
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the ledger and give the lock back. A second call does nothing."""
        self._ledger.close()
        if self._lock:
            self._lock.release()
            self._lock = None

    def add(self, render: Render) -> Image:
        """Put a picture away for good, its record inside it, and clear its shot's failure.

        When this returns, picture and row survive a power cut. The thumbnail that came with the picture is kept as
        well, where there is room for it.

        Returns:
            the picture's row; the row of the older picture where the shot has one of the same fingerprint.

        Raises:
            PictureError: the bytes are cut off or damaged, or what the engine says of them is; nothing was stored.
            StoreError: the disk is full or fails; no part of the picture is left.
        """
        if kept := self._ledger.image(render.shot.id, render.fingerprint.id):
            return kept
        data = stamp(render)
        image = described(render, data)
        try:
            rows.row_of(image)
        except ValueError as error:
            raise PictureError(f"the engine's answer cannot be kept: {error}") from error
        self._keep(image, data)
        with self._ledger.transaction() as connection:
            ledger.insert(connection, render.shot, render.fingerprint, image)
        if render.small:
            thumbs.keep(self.folder, image.path, render.small)
        return image

    def fail(self, failure: Failure) -> None:
        """Write down why a shot has no picture: its last failure, and how often it has failed."""
        with self._ledger.transaction() as connection:
            ledger.insert_shot(connection, failure.shot)
            connection.execute(
                "INSERT INTO failures VALUES (?, ?, ?, ?, 1) ON CONFLICT (shot_id) DO UPDATE SET "
                "reason = excluded.reason, text = excluded.text, retryable = excluded.retryable, "
                "attempts = attempts + 1",
                (failure.shot.id, failure.reason, to_json(failure.text), failure.retryable),
            )

    def add_scores(self, scores: Iterable[Score], by: Iterable[Fingerprint] = ()) -> int:
        """Write down scores. A score of the same metric, fingerprint and images is replaced.

        A value that is infinite is kept as NaN is: the metric does not apply.

        Args:
            scores: each with the id of its metric's fingerprint.
            by: the metrics' fingerprints, so that the ledger keeps their facts.

        Returns:
            the number of scores written.
        """
        written = [
            (one.metric, one.fingerprint_id, " ".join(one.digests), one.value if math.isfinite(one.value) else None)
            for one in scores
        ]
        with self._ledger.transaction() as connection:
            for fingerprint in by:
                ledger.insert_fingerprint(connection, fingerprint)
            connection.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", written)
        return len(written)

    def remember(self, study_name: str, toml_text: str) -> None:
        """Write down the text of a study that is run here, unless the last text of that study is equal to it."""
        with self._ledger.transaction() as connection:
            last = connection.execute(
                "SELECT text FROM studies WHERE name = ? ORDER BY sequence DESC LIMIT 1", (study_name,)
            ).fetchone()
            text = to_json(toml_text)
            if last is None or last[0] != text:
                connection.execute(
                    "INSERT INTO studies (name, text, at) VALUES (?, ?, ?)", (study_name, text, ledger.now())
                )

    def add_look(self, look: Look) -> None:
        """Write down that conclusions were drawn."""
        with self._ledger.transaction() as connection:
            looks.insert(connection, look, ledger.now())

    def reserve(self, shot: Shot, price: Price | None) -> Request:
        """Write down a request to a paid service before it is sent (`requests.reserve`)."""
        return requests.reserve(self._ledger, shot, price)

    def settle(self, request: Request, state: str, paid: float | None) -> None:
        """Write down what became of a request (`requests.settle`)."""
        requests.settle(self._ledger, request, state, paid)

    def note(self, request: Request, ticket: str) -> None:
        """Write down how the service can be asked after a request (`requests.note`)."""
        requests.note(self._ledger, request, ticket)

    def requests(self) -> Iterator[Request]:
        """All requests to paid services, the newest last."""
        return requests.every(self._ledger)

    def repair(self, problems: Iterable[Problem]) -> int:
        """Move the damaged pictures that `verify` named into quarantine. Their shots are pending again.

        Returns:
            the number of pictures.
        """
        why = {problem.path: problem.kind for problem in problems if problem.path}
        images = [image for image in self._ledger.images() if image.path in why]
        with ledger.speaking(self.folder):
            return recovery.reject(self._ledger, images, why)

    def count(self) -> int:
        """The number of pictures, also of those whose rows cannot be believed."""
        return next(int(str(count)) for (count,) in self._ledger.find("SELECT count(*) FROM images"))

    def done(self, fingerprint_ids: Collection[str] | None = None) -> set[str]:
        """Ids of the shots that have a picture by one of these fingerprints; None = by any fingerprint."""
        answers = self._ledger.read(rows.ANSWERS)
        return {shot for shot, answer in answers if fingerprint_ids is None or answer in fingerprint_ids}

    def images(self) -> dict[str, list[Image]]:
        """Pictures by shot id, the newest last. A shot has several where several fingerprints answered it."""
        found: dict[str, list[Image]] = {}
        for image in self._ledger.images():
            found.setdefault(image.shot_id, []).append(image)
        return found

    def shot(self, shot_id: str) -> Shot | None:
        """The shot of an id, even if no study asks for it any more; None when the ledger has no such id."""
        return next((shot for _, shot in self._ledger.read(rows.SHOTS, "WHERE id = ?", (shot_id,))), None)

    def failures(self) -> dict[str, Failure]:
        """The last failure of each shot that has no picture, by shot id."""
        return dict(self._ledger.read(rows.FAILURES))

    def attempts(self) -> dict[str, int]:
        """How often each shot that has no picture has failed, by shot id."""
        return dict(self._ledger.read(rows.ATTEMPTS))

    def fingerprints(self) -> dict[str, Fingerprint]:
        """What has made or scored pictures in this folder, by fingerprint id."""
        return dict(self._ledger.read(rows.FINGERPRINTS))

    def scores(self) -> Iterator[Score]:
        """Every score, also those by older fingerprints of a metric."""
        return self._ledger.read(rows.SCORES)

    def scores_of(self, metric: str, version: str, items: Iterable[tuple[str, ...]]) -> Iterator[Score]:
        """The scores of a version of a metric about these items (`scored.of`)."""
        return scored.of(self._ledger, metric, version, items)

    def version_of(self, metric: str, present: str) -> str | None:
        """The version of a metric's scores that counts; None where there is no score (`scored.version`)."""
        return scored.version(self._ledger, metric, present)

    def scored(self) -> Iterator[str]:
        """The names of the metrics that have a score here, in alphabetical order."""
        return scored.metrics(self._ledger)

    def studies(self) -> list[Remembered]:
        """The study texts that were run here, the newest last."""
        return list(self._ledger.read(rows.STUDIES))

    def looks(self, study_name: str) -> list[Look]:
        """The looks at a study, the newest last. Raises StoreError where a row cannot be read."""
        found = self._ledger.read(rows.LOOKS, "WHERE study = ?", (to_json(study_name),))
        return [looks.numbered(look, number) for number, look in enumerate(found, 1)]

    def incidents(self) -> list[Incident]:
        """What the store found and mended, the newest last."""
        return list(self._ledger.read(rows.EVENTS))

    def pace(self, fingerprint_ids: Collection[str]) -> float | None:
        """Seconds a denoiser call, the median of the last images by these fingerprints.

        Returns:
            Seconds an image where the engine counts no calls; None without such images.
        """
        paces = (pace for answer, pace in self._ledger.read(rows.PACES) if answer in fingerprint_ids)
        recent = list(islice(paces, _RECENT))
        return median(recent) if recent else None

    def path(self, image: Image) -> Path:
        """Where the file of a picture lies. Raises StoreError when its path leads out of the folder."""
        return files.place(self.folder, image.path)

    def read(self, image: Image) -> bytes:
        """The bytes of a picture, hashed as they are read.

        Raises:
            StoreError: the file is gone, or its bytes are not those that were written.
        """
        return files.read_whole(self.folder, image.path)

    def shown(self, image: Image) -> bytes:
        """The bytes of a picture for a view, which goes on without the pictures that cannot be read.

        Returns:
            no bytes where `read` raises StoreError: nothing that decodes.
        """
        try:
            return self.read(image)
        except StoreError:
            return b""

    def thumbnail(self, image: Image) -> bytes:
        """A small copy of a picture for pages, as WebP; a picture of at most 256 pixels is its own.

        It is made where there is none yet, and kept in the folder when the folder is held for writing.

        Raises:
            StoreError: as `read`.
            PictureError: the picture cannot be decoded.
        """
        if not thumbs.wanted(image.width, image.height):
            return self.read(image)
        return (thumbs.renewed if self._lock else thumbs.of)(self.folder, image.path)

    def verify(self) -> list[Problem]:
        """Hash every picture again and compare it with its row and its record. The list is empty when all agree."""
        return verify.verify(self._ledger, alone=self._lock is not None)

    def _keep(self, image: Image, data: bytes) -> None:
        with ledger.speaking(self.folder):
            files.write(self.folder, image.path, data)


def described(render: Render, data: bytes) -> Image:
    """The row of a picture whose file holds these bytes."""
    digest = files.digest_of_bytes(data)
    return Image(
        shot_id=render.shot.id,
        digest=digest,
        path=files.address(digest, render.format),
        width=render.width,
        height=render.height,
        size=len(data),
        seconds=render.seconds,
        fingerprint_id=render.fingerprint.id,
        facts=render.facts,
    )


def rebuild(folder: Path | str) -> int:
    """Make a new ledger from the records inside the pictures; the old ledger is kept in quarantine.

    Returns:
        the number of pictures in the new ledger.

    Raises:
        FolderBusy: another process is writing there.
        StoreError: the disk is full or fails.
    """
    folder = Path(folder)
    lock = _lock(folder)
    try:
        with ledger.speaking(folder):
            return recovery.rebuild(folder)
    finally:
        lock.release()


def _lock(folder: Path) -> FolderLock:
    with ledger.speaking(folder):
        files.make_folder(folder)
        refuse_network(folder)
        return FolderLock(folder)
