"""The order in which a run asks the system to write: what no kill can show, a power cut would.

Runs a command under strace and reads its log. For each picture the promise is: a new temporary file, its bytes, fsync,
rename, fsync of the folder, and only then the row: bytes in the ledger's log, fsync of the log.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

CALLS = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,mkdir"
_LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)")
_FILE = re.compile(r"^(?:AT_FDCWD<[^>]*>|\d+<([^>]*)>)")
_NAMES = re.compile(r'"([^"]*)"')


@dataclass(frozen=True)
class Call:
    """Attributes: name; path: the file it is about; target: where rename puts it; flags: the rest of the text."""

    name: str
    path: str
    target: str
    text: str


@cache
def strace_works() -> bool:
    """strace is here, and this process may trace its children."""
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


def record(command: Sequence[str], log: Path) -> list[Call]:
    """What a command asked of the system, in order; only calls that succeeded."""
    strace = ["strace", "-f", "-y", "-s", "0", "-e", f"trace={CALLS}", "-o", str(log)]
    subprocess.run([*strace, *command], check=True, capture_output=True)
    calls = []
    for line in log.read_text().splitlines():
        match = _LINE.match(line)
        if match is None or int(match[3]) < 0:
            continue
        name, text = match[1], match[2]
        names = _NAMES.findall(text)
        file = _FILE.match(text)
        if name.startswith("rename"):
            calls.append(Call("rename", names[0], names[-1], text))
        elif name in ("openat", "mkdir", "unlink"):
            calls.append(Call(name, names[0], "", text))
        elif file and file[1]:
            calls.append(Call(name, file[1], "", text))
    return calls


def inject(command: Sequence[str], call: str, number: int, what: str) -> int:
    """Run a command in which the n-th call of a kind goes wrong: "signal=KILL" or "error=ENOSPC". Its exit code."""
    strace = ["strace", "-f", "-e", f"trace={call}", "-e", f"inject={call}:{what}:when={number}", "-o", "/dev/null"]
    return subprocess.run([*strace, *command], capture_output=True, check=False).returncode


def broken_promises(calls: Sequence[Call], folder: Path) -> list[str]:
    """What a power cut could show, for every picture that was written."""
    log = str(folder / "study.sqlite-wal")
    faults = []
    finals = [call for call in calls if call.name == "rename" and "/images/" in call.target]
    written = {call.path for call in calls if call.name == "write" and "/images/" in call.path}
    faults += [f"{Path(path).name} was written under its final name" for path in written if not path.endswith(".tmp")]
    for place, call in enumerate(calls):
        parent = str(Path(call.path).parent)
        if call.name == "mkdir" and not any(one.name == "fsync" and one.path == parent for one in calls[place:]):
            faults.append("a folder was made and the disk does not have its name")
    places = [calls.index(call) for call in finals]
    for start, end in pairwise([*places, len(calls)]):
        rename = calls[start]
        before = [call for call in calls[:start] if call.path == rename.path]
        steps = [call.name for call in before]
        if steps[:1] != ["openat"] or "O_EXCL" not in before[0].text:
            faults.append("the temporary file was not made anew")
        if steps[-1:] != ["fsync"] or "write" not in steps:
            faults.append("the file had its name before the disk had its bytes")
        after = [(call.name, call.path) for call in calls[start + 1 : end]]
        named = ("fsync", str(Path(rename.target).parent))
        row = ("pwrite64", log)
        if row not in after:
            faults.append("the row was not written after the file")
        elif named not in after or after.index(named) > after.index(row):
            faults.append("the row was written before the disk had the file's name")
        elif not {("fdatasync", log), ("fsync", log)} & set(after[after.index(row) :]):
            faults.append("the row was not on the disk when the next picture began")
    if not finals:
        faults.append("no picture was written")
    return sorted(set(faults))
