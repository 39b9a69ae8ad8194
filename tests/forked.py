"""The command as a forked process: the verbs are imported once for all commands of the tests.

To import the verbs takes more processor time than most commands need for their work. So the tests start a server, a
process that imports the verbs and then forks itself for each command. The child gets words, environment, working
folder and open files, and runs `python -m teststrip` as its own main program. The child ends as any interpreter ends:
by an exit code, by a signal, or by an error of the last flush. `tests/test_forked.py` compares forked commands with
new processes.

    server = Server("PIL.Image", env=environment())
    process = server.start(words, cwd=..., env=..., stdout=...)    as `subprocess.Popen`
    done = server.run(words, cwd=..., env=...)                     as `subprocess.run`

The server never imports `teststrip.cli`, because the consoles there read the environment when they are made.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import resource
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TextIO

TESTSTRIP = ("-m", "teststrip")
ROOMS = (
    "teststrip.analysis",
    "teststrip.engines",
    "teststrip.imports",
    "teststrip.metrics",
    "teststrip.verbs",
    "teststrip.views",
)
"""The rooms of which the server imports each module."""
LAZY = (
    "pandas",
    "scipy.special",
    "scipy.stats",
    "PIL.PngImagePlugin",
    "PIL.ImageDraw",
    "pydantic.functional_validators",
    "rich.progress",
    "rich.table",
    "typer.rich_utils",
)
"""What verbs import only when they need it."""
TABLES = (("teststrip.diffusion.offered", "every"), ("teststrip.diffusion.schedulers", "known"))
"""Functions that read what the installed Diffusers says, and remember it for as long as the process lives."""
AT_THE_START = ("PYTHON", "LANG", "LC_", "TZ", "LD_", "OMP_", "MALLOC_")
"""How the names of variables begin that Python and C libraries read when a process starts."""
THREADLESS = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Keeps the allocator of pyarrow, which pandas imports, from starting a thread."""
LENGTH = struct.Struct("!Q")


class Process:
    """A forked command, with the part of `subprocess.Popen` that tests use.

    Args:
        args: the words of the command.
        answer: the server's lines: the number of the process, and later its exit code.
    """

    def __init__(self, args: Sequence[str], answer: socket.socket) -> None:
        self.args = list(args)
        self.returncode: int | None = None
        self._answer = answer
        self._lines = answer.makefile("r")
        self.pid = int(self._lines.readline())

    def poll(self) -> int | None:
        """The exit code; None while the process lives."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process.

        Returns:
            The exit code; after a signal its number, negated.

        Raises:
            subprocess.TimeoutExpired: the process lives on.
        """
        if self.returncode is None:
            if not select.select([self._answer], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._lines.readline())
            self._lines.close()
            self._answer.close()
        return self.returncode

    def kill(self) -> None:
        """End the process at once."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


class Server:
    """The tests' side of the server.

    Args:
        extra: modules that the server imports beside its own.
        env: the environment in which the server starts.
    """

    def __init__(self, *extra: str, env: Mapping[str, str]) -> None:
        self._env = dict(env)
        self._door, theirs = socket.socketpair()
        self._lock = threading.Lock()  # protects the door: a request is written whole
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), *extra],
                env={**self._env, **THREADLESS},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the tests, whose end is the server's
            )
        atexit.register(self.close)

    def close(self) -> None:
        """Hang up and wait for the end of the server."""
        self._door.close()
        self._process.wait()

    def fits(self, env: Mapping[str, str]) -> bool:
        """Whether the server started with all that a command of this environment reads at its start."""
        return _at_the_start(env) == _at_the_start(self._env)

    def start(
        self,
        words: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: int | None = None,
        stderr: int | None = None,
        start_new_session: bool = False,
        largest_file: int | None = None,
        program: Sequence[str] = TESTSTRIP,
    ) -> Process:
        """Fork `teststrip WORDS`, or another program of Python.

        Args:
            words: those after the program.
            cwd: the working folder.
            env: the whole environment.
            stdout: an open file; None leads nowhere.
            stderr: an open file; None leads nowhere.
            start_new_session: whether the process leads a group of processes of its own.
            largest_file: the size at which the system cuts every file, in bytes; None is no limit.
            program: "-m" and a module, or "-c" and code.
        """
        assert self.fits(env)
        asked = {"words": words, "cwd": str(cwd), "env": dict(env), "program": program}
        asked |= {"session": start_new_session, "largest_file": largest_file}
        message = json.dumps(asked).encode()
        answer, theirs = socket.socketpair()
        with theirs, Path(os.devnull).open("r+b", buffering=0) as nowhere, self._lock:
            files = [nowhere.fileno() if file is None else file for file in (None, stdout, stderr)]
            socket.send_fds(self._door, [LENGTH.pack(len(message))], [*files, theirs.fileno()])
            self._door.sendall(message)
        return Process(words, answer)

    def run(self, words: Sequence[str], *, timeout: float = 300, **more: Any) -> subprocess.CompletedProcess[str]:
        """Fork `teststrip WORDS`, wait for its end, and return what it wrote to streams that `more` leads nowhere else.

        Raises:
            subprocess.TimeoutExpired: the process took too long, and was ended.
        """
        pipes = {name: os.pipe() for name in ("stdout", "stderr") if name not in more}
        try:
            process = self.start(words, **more, **{name: writer for name, (_, writer) in pipes.items()})
        finally:
            for _, writer in pipes.values():
                os.close(writer)
        with ThreadPoolExecutor(len(pipes)) as readers:
            said = {name: readers.submit(_all_of, reader) for name, (reader, _) in pipes.items()}
            try:
                process.wait(timeout)
            finally:
                process.kill()
        texts = {name: text.result() for name, text in said.items()}
        return subprocess.CompletedProcess(process.args, process.wait(), **texts)


def _all_of(file: int) -> str:
    with os.fdopen(file) as stream:
        return stream.read()


def _at_the_start(env: Mapping[str, str]) -> dict[str, str]:
    """PYTHONPATH is left out, because a forked process reads it again."""
    return {name: value for name, value in env.items() if name.startswith(AT_THE_START) and name != "PYTHONPATH"}


# What follows runs in the server and in its children.


def imported(extra: Sequence[str]) -> None:
    """Import what commands need, and start no thread: a fork has only the thread that forks."""
    for room in ROOMS:
        for module in pkgutil.walk_packages(importlib.import_module(room).__path__, f"{room}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in (*LAZY, *extra):
        importlib.import_module(name)
    for module, function in TABLES:
        getattr(sys.modules[module], function)()
    assert not any(name.startswith("teststrip.cli") for name in sys.modules)
    threads = Path("/proc/self/task")
    assert not threads.is_dir() or len(list(threads.iterdir())) == 1, "an import started a thread"
    gc.collect()
    gc.freeze()  # a collection in a child would copy the pages of all that it shares with the server


def serve(door: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork a process for each request until the tests hang up.

    Returns:
        In each forked process alone: what is asked, and its standard streams.
    """
    answers: dict[int, socket.socket] = {}

    def reap(*_: object) -> None:
        while answers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            with answers.pop(pid) as answer, contextlib.suppress(OSError):  # the tests may not wait for it
                answer.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))

    while True:
        signal.signal(signal.SIGCHLD, reap)
        length, files, *_ = socket.recv_fds(door, LENGTH.size, 4)
        if not length:
            door.close()
            sys.exit()
        message = door.recv(LENGTH.unpack(length)[0], socket.MSG_WAITALL)
        answer = socket.socket(fileno=files.pop())
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])  # no child is reaped before its number is known
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
            for one in (door, answer, *answers.values()):
                one.close()
            return json.loads(message), files
        answers[pid] = answer
        answer.sendall(b"%d\n" % pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        for file in files:
            os.close(file)


def become(asked: Mapping[str, Any], streams: Sequence[int]) -> Sequence[str]:
    """Make this process what a new one is for `python PROGRAM WORDS`, and return the program."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout = sys.__stdout__ = _opened(1, sys.stdout)
    sys.stderr = sys.__stderr__ = _opened(2, sys.stderr)
    os.chdir(asked["cwd"])
    if asked["session"]:
        os.setsid()
    if asked["largest_file"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["largest_file"],) * 2)
    others = [place for place in sys.path if place not in _python_path()]
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.path[:] = dict.fromkeys([str(Path.cwd()), *_python_path(), *others])
    importlib.invalidate_caches()
    sys.argv = [asked["program"][0], *asked["words"]]
    sys.orig_argv = [sys.executable, *asked["program"], *asked["words"]]
    return asked["program"]


def _opened(number: int, before: TextIO) -> TextIO:
    """A standard stream as Python opens it at its start, because a stream knows what kind of file it was opened for."""
    buffered = open(number, "wb", closefd=False)  # noqa: SIM115  # a number is no path, and the end closes it
    return io.TextIOWrapper(
        buffered,
        encoding=before.encoding,
        errors=before.errors,
        newline="\n",
        line_buffering=number == 2 or os.isatty(number),
    )


def _python_path() -> list[str]:
    return [os.path.abspath(place) for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]  # noqa: PTH100


if __name__ == "__main__":
    del sys.path[0]  # the folder of this file
    imported(sys.argv[2:])
    option, program = become(*serve(socket.socket(fileno=int(sys.argv[1]))))
    if option == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        exec(program, {"__name__": "__main__"})
