"""The process of a worker: `python -m teststrip.executors.worker`. It opens engines, makes pieces, and writes nothing.

Pieces come in on standard input and answers go out on standard output, as pickles between a parent and the child that
it started. Where standard input ends, the parent is done or gone: this process begins no further shot, closes its
engines and ends, within `FAREWELL`. What libraries print goes to standard error.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import sys
import threading
from typing import Any, BinaryIO, Final

from teststrip.executors.making import Maker, crossing_error
from teststrip.executors.pieces import Whole
from teststrip.records import EngineRef, Shot

FAREWELL: Final = 5.0
"""Seconds that a worker gets to close its engines and to end by itself."""

Task = tuple[int, EngineRef, list[Shot], Whole]


class ParentGone(BaseException):
    """No answer reaches the parent any more. No `Exception`, because it is no error that the parent could raise."""


def main() -> None:
    """Make pieces until standard input ends, then close the engines."""
    if cores := sys.argv[1:]:
        os.sched_setaffinity(0, map(int, cores))
    # Ctrl-C is the parent's to hear: it lets its workers finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
    with contextlib.suppress(ParentGone), Maker() as maker:
        threading.Thread(target=listen, args=(sys.stdin.buffer, tasks, maker), daemon=True).start()
        while (task := tasks.get()) is not None:
            number, ref, shots, whole = task
            try:
                for answer in maker.answers(number, ref, shots, whole):
                    send(answers, ("answer", number, answer))
                send(answers, ("done", number))
            except Exception as error:  # the parent raises it, as an engine of its own would
                send(answers, ("raised", number, crossing_error(error)))


def listen(requests: BinaryIO, tasks: queue.SimpleQueue[Task | None], maker: Maker) -> None:
    """Read what the parent asks. Where that ends, let this process end."""
    while True:
        try:
            kind, *rest = pickle.load(requests)  # noqa: S301 - written by the parent that started this process
        except (EOFError, OSError, pickle.UnpicklingError):
            end_soon()
            maker.finish(sys.maxsize)
            tasks.put(None)
            return
        if kind == "finish":
            maker.finish(rest[0])
        else:
            tasks.put((rest[0], rest[1], rest[2], rest[3]))


def send(stream: BinaryIO, message: tuple[Any, ...]) -> None:
    """Write a message.

    Raises:
        ParentGone: no parent reads it.
    """
    try:
        pickle.dump(message, stream, protocol=pickle.HIGHEST_PROTOCOL)
        stream.flush()
    except OSError:
        end_soon()
        raise ParentGone from None


def end_soon() -> None:
    """End this process after `FAREWELL`, whatever it is at then."""
    timer = threading.Timer(FAREWELL, os._exit, (0,))
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    main()
    os._exit(0)  # a thread of a library may never end
