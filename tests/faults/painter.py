"""A stand-in for a run, to be killed: a real process that adds to a folder the pictures it does not have yet,
and then one look.

    python painter.py FOLDER COUNT [FAULT]
    python painter.py --forks [WORDS]       one such process, forked, for each JSON list of further words that is a line

FAULT plants a fault that the harness must find, or dies at an exact place:

    row-first       the row is committed before the file is there
    in-place        the file is written under its final name, while it is encoded
    no-recovery     nothing is mended when the folder is opened
    no-fsync        nothing waits for the disk (no kill can show this: the order of system calls does)
    statement:N     dies at the N-th statement that reaches SQLite

The first three have a slow disk, so that a kill meets the moment in which they go wrong on any machine.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import struct
import sys
import time
import zlib
from pathlib import Path

from teststrip.errors import TeststripError
from teststrip.pictures.stamps import stamp
from teststrip.records import EngineRef, Fingerprint, Image, Look, Question, Render, Shot
from teststrip.store import Store, files, ledger, recovery
from teststrip.store.store import described

FINGERPRINT = Fingerprint({"weights": "none", "version": 1})
LOOK = Look("painted", Question(("sharpness",)), "all", 1, 6, {})


def png(width: int, height: int, seed: int) -> bytes:
    """Noise, encoded without numpy, so that the process is quick to start."""
    noise = random.Random(seed)
    rows = b"".join(b"\0" + noise.randbytes(3 * width) for _ in range(height))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows, 1))]
    parts = [
        struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in [*chunks, (b"IEND", b"")]
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def shot(seed: int) -> Shot:
    return Shot(EngineRef("painter"), {"prompt": "an owl", "seed": seed, "num_inference_steps": 4})


def render(seed: int, side: int = 48) -> Render:
    facts = {"denoiser_calls": 4}
    return Render(shot(seed), png(side, side, seed), "png", side, side, 0.5, FINGERPRINT, facts)


class RowFirst(Store):
    def add(self, render: Render) -> Image:
        data = stamp(render)
        image = described(render, data)
        with self._ledger.transaction() as connection:
            ledger.insert(connection, render.shot, render.fingerprint, image)
        self._keep(image, data)
        return image


class InPlace(Store):
    def _keep(self, image: Image, data: bytes) -> None:
        target = self.path(image)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb", buffering=0) as file:
            file.write(data[: len(data) // 2])
            time.sleep(0.02)  # what a 512 x 512 PNG takes to encode
            file.write(data[len(data) // 2 :])
            os.fsync(file.fileno())


def slow_disk() -> None:
    """Make every wait for the disk last as long as on a worn one."""
    sync = files.sync

    def slow(file: object) -> None:
        time.sleep(0.02)
        sync(file)

    files.sync = slow


def die_at(number: int) -> None:
    """Make every connection count its statements, and the process kill itself when the count is full."""
    connect, left = sqlite3.connect, [number]

    def count(_: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def connect_and_count(*args: object, **words: object) -> sqlite3.Connection:
        connection = connect(*args, **words)
        connection.set_trace_callback(count)
        return connection

    sqlite3.connect = connect_and_count


def main(folder: str, count: str, fault: str = "") -> int:
    kind = {"row-first": RowFirst, "in-place": InPlace}.get(fault, Store)
    if fault in {"row-first", "in-place", "no-recovery"}:
        slow_disk()
    if fault == "no-recovery":
        recovery.recover = lambda _: None
    elif fault == "no-fsync":
        files.sync = files.sync_folder = lambda _: None
    elif fault.startswith("statement:"):
        die_at(int(fault.removeprefix("statement:")))
    try:
        with kind(Path(folder), write=True) as store:
            done = store.done()
            for seed in range(int(count)):
                if shot(seed).id not in done:
                    store.add(render(seed))
            # With rows first, a look would be the row that the last picture lacks.
            if fault != "row-first" and not store.looks(LOOK.study):
                store.add_look(LOOK)
    except TeststripError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def serve(words: list[str]) -> int:
    """For each line: fork a painter, say its process id, and when it has ended its exit code."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = main(*words, *json.loads(line))
            finally:
                os._exit(code)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(serve(sys.argv[2:]) if sys.argv[1] == "--forks" else main(*sys.argv[1:]))
