"""What the operating system refuses, in one line: where, what, and the remedy. Knows errors; prints nothing.

The store turns what happens to a folder during a run into its own errors. What reaches the edge of a command is a
target that cannot be written, a disk that is full, an output that is closed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

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
