"""What reaches the edge of a command, in one line: what the operating system refuses, and faults of ours.

Knows errors; prints nothing.

The store turns what happens to a folder during a run into its own errors. What reaches the edge of a command is a
target that cannot be written, a disk that is full, an output that is closed.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path

from teststrip import __version__
from teststrip.characters import printable
from teststrip.errors import shortened

SPACE = "Free some space and try again; what is done is kept."
LIMIT = "Raise the limit on the size of files (ulimit -f) and try again; what is done is kept."
WRITABLE = "Make it writable for you, or name another place with --out."
INSTEAD = "Move away what is there, or name another place with --out."
REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: SPACE,
    getattr(errno, "EDQUOT", errno.ENOSPC): SPACE,
    errno.EFBIG: LIMIT,
    errno.EACCES: WRITABLE,
    errno.EPERM: WRITABLE,
    errno.EROFS: WRITABLE,
    errno.EISDIR: INSTEAD,
    errno.ENOTDIR: INSTEAD,
    errno.EEXIST: INSTEAD,
    errno.ELOOP: INSTEAD,
    errno.ENOENT: "Look whether it was moved or removed meanwhile, and try again.",
    errno.ENAMETOOLONG: "Choose a shorter name with --out.",
    errno.EMFILE: "Close other programs or raise the limit on open files (ulimit -n), and try again.",
    errno.ENFILE: "Close other programs and try again.",
    errno.EIO: "The device reports a fault: copy the folder to another one and run `teststrip verify` there.",
}


def refused(error: OSError) -> str:
    """The line about an error of the operating system.

    >>> refused(OSError(errno.ENOSPC, "No space left on device", "report.md"))
    'report.md: No space left on device. Free some space and try again; what is done is kept.'
    """
    what = error.strerror or str(error).strip() or type(error).__name__
    remedy = REMEDIES.get(error.errno or 0, "What is done is kept; try again.")
    return f"{_where(error)}: {what}. {remedy}"


def fault(error: Exception) -> str:
    """The line about an error that was not foreseen. Its traceback goes into a file that only its owner can read."""
    what = " ".join(str(error).split())
    said = f"{type(error).__name__}: {shortened(what)}" if what else type(error).__name__
    try:
        file, name = tempfile.mkstemp(prefix="teststrip-fault-", suffix=".txt")
        with os.fdopen(file, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"teststrip {__version__}, Python {sys.version}\n{printable(' '.join(sys.argv))}\n\n")
            stream.writelines(traceback.format_exception(error))
    except OSError:
        name = ""
    details = f"Please report it with the file {name}" if name else "Please report it with what you typed"
    return f"a fault of Teststrip or of a library under it ({said}). What is done is kept. {details}"


def _where(error: OSError) -> str:
    """The file; of a draft its folder, because the draft's name means nothing to a reader."""
    # Where a draft could not take its place, the second file is that place.
    file = error.filename if error.filename2 is None else error.filename2
    if file is None:
        return "the system"
    name = os.fsdecode(file) if isinstance(file, str | bytes) else str(file)
    path = Path(name)
    draft = path.name.startswith(".") and path.name.endswith(".tmp")
    return str(path.parent) if draft else name
