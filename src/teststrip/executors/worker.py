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
from collections.abc import Iterator
from typing import Any, BinaryIO

from teststrip.errors import EngineError, TeststripError, first_line
from teststrip.executors.local import LocalExecutor
from teststrip.records import EngineRef, Shot


class Finish:
    """The number of the last piece that is to be ended early; the listener's thread writes, the other one reads."""

    number = 0


def main() -> None:
    """Make pieces until standard input ends."""
    if cores := sys.argv[1:]:
        os.sched_setaffinity(0, map(int, cores))
    # Ctrl-C is the parent's to hear: it lets its workers finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    finish = Finish()
    tasks: queue.SimpleQueue[tuple[int, EngineRef, list[Shot]]] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(sys.stdin.buffer, tasks, finish), daemon=True).start()
    with LocalExecutor() as executor:
        while True:
            number, ref, shots = tasks.get()
            try:
                make(executor, number, ref, shots, finish, answers)
                send(answers, ("done", number))
            except Exception as error:  # the parent raises it, as an engine of its own would
                send(answers, ("raised", number, portable(error)))


def make(
    executor: LocalExecutor, number: int, ref: EngineRef, shots: list[Shot], finish: Finish, answers: BinaryIO
) -> None:
    """Answer the shots of a piece, those that were not begun left out once it is to finish."""

    def asked() -> Iterator[Shot]:
        for shot in shots:
            if finish.number >= number:
                return
            yield shot

    told = False
    for answer in executor.run(ref, asked()):
        send(answers, ("answer", number, answer))
        if finish.number >= number and not told:
            executor.finish()
            told = True


def listen(requests: BinaryIO, tasks: queue.SimpleQueue[Any], finish: Finish) -> None:
    """Read what the parent asks; end this process where the parent ended."""
    while True:
        try:
            kind, *rest = pickle.load(requests)  # noqa: S301 - written by the parent that started this process
        except (EOFError, OSError, pickle.UnpicklingError):
            os._exit(0)
        if kind == "finish":
            finish.number = rest[0]
        else:
            tasks.put(tuple(rest))


def send(stream: BinaryIO, message: tuple[Any, ...]) -> None:
    """Write a message. A parent that is gone ends this process."""
    try:
        pickle.dump(message, stream, protocol=pickle.HIGHEST_PROTOCOL)
        stream.flush()
    except OSError:
        os._exit(0)


def portable(error: Exception) -> Exception:
    """The error as it can cross to the parent: an error of Teststrip as it is, another one as its line."""
    if isinstance(error, TeststripError) and type(error)(str(error)).args == error.args:
        return type(error)(str(error))
    return EngineError(f"{type(error).__name__}: {first_line(error)}")


if __name__ == "__main__":
    main()
