"""The process of a worker: `python -m teststrip.executors.worker`. It opens engines, makes pieces, and writes nothing.

Pieces come in on standard input and answers go out on standard output, as pickles between a parent and the child that
it started. Where standard input ends, the parent is gone, and so is this process at once. What libraries print goes to
standard error.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
from typing import Any, BinaryIO

from teststrip.executors.making import Maker, crossing_error
from teststrip.records import EngineRef, Shot


def main() -> None:
    """Make pieces until standard input ends."""
    if cores := sys.argv[1:]:
        os.sched_setaffinity(0, map(int, cores))
    # Ctrl-C is the parent's to hear: it lets its workers finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    tasks: queue.SimpleQueue[tuple[int, EngineRef, list[Shot]]] = queue.SimpleQueue()
    with Maker() as maker:
        threading.Thread(target=listen, args=(sys.stdin.buffer, tasks, maker), daemon=True).start()
        while True:
            number, ref, shots = tasks.get()
            try:
                for answer in maker.answers(number, ref, shots):
                    send(answers, ("answer", number, answer))
                send(answers, ("done", number))
            except Exception as error:  # the parent raises it, as an engine of its own would
                send(answers, ("raised", number, crossing_error(error)))


def listen(requests: BinaryIO, tasks: queue.SimpleQueue[Any], maker: Maker) -> None:
    """Read what the parent asks; end this process where the parent ended."""
    while True:
        try:
            kind, *rest = pickle.load(requests)  # noqa: S301 - written by the parent that started this process
        except (EOFError, OSError, pickle.UnpicklingError):
            os._exit(0)
        if kind == "finish":
            maker.finish(rest[0])
        else:
            tasks.put(tuple(rest))


def send(stream: BinaryIO, message: tuple[Any, ...]) -> None:
    """Write a message. A parent that is gone ends this process."""
    try:
        pickle.dump(message, stream, protocol=pickle.HIGHEST_PROTOCOL)
        stream.flush()
    except OSError:
        os._exit(0)


if __name__ == "__main__":
    main()
