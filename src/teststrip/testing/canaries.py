"""Canaries: secrets that are laid wherever one might lie, so that a test can see whether any of them goes out."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from teststrip.pictures.containers import parse

SECRETS = {
    "environment": "canary-7Q2env",
    "command line": "canary-7Q2arg",
    "record in a picture": "canary-7Q2pic",
    "user": "canary-7Q2user",
    "home": "canary-7Q2home",
}
"""What leaked, by where it lay."""


def plant(study: Path) -> None:
    """Lay a secret into each picture of a study."""
    secret = SECRETS["record in a picture"]
    for path in (study / "images").rglob("*.png"):
        path.write_bytes(parse(path.read_bytes()).embed(secret.encode(), secret))


def command(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `teststrip WORDS` with secrets in environment and command line, for a user and a home that are secrets."""
    home = cwd / SECRETS["home"]
    home.mkdir(exist_ok=True)
    user = dict.fromkeys(("LOGNAME", "USER", "USERNAME"), SECRETS["user"])
    secrets = {"TESTSTRIP_TOKEN": SECRETS["environment"], "HOME": str(home), **user}
    called = [sys.executable, "-X", SECRETS["command line"], "-m", "teststrip", *words]
    surroundings = {**os.environ, **secrets, **environment}
    return subprocess.run(called, cwd=cwd, env=surroundings, timeout=300, check=True, capture_output=True, text=True)


def leaks(files: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    """The secrets in these files.

    Args:
        files: a name for each, and its bytes. The name is looked at, too.

    Returns:
        For each secret that went out, the file and where the secret lay.
    """
    host = socket.gethostname()
    secrets = {**SECRETS, **({"host": host} if len(host) > 5 else {})}  # shorter names occur by chance
    for name, data in files:
        yield from (f"{name}: {where}" for where, secret in secrets.items() if secret.encode() in data + name.encode())
        if host in re.split(r"[^\w-]", name):
            yield f"{name}: host"


def files_in(*folders: Path) -> Iterator[tuple[str, bytes]]:
    """All files of some folders, as `leaks` takes them."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                yield str(path.relative_to(folder)), path.read_bytes()
