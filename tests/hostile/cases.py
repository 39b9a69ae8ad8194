"""What a stranger can put into a study's folder: values into every column of the ledger, things under every name.

To add a value: a line in VALUES; to add a thing: a function of its place and of the folder outside, and its line in
THINGS. A case is a pair of a name and a function that harms the folder; it returns False where it does not apply.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SECRET = "the-secret-of-another-folder"
GIGABYTES = 6 * 10**9

Harm = Callable[[Path], bool]


@dataclass(frozen=True)
class Case:
    """A harm, with the verbs' name for it."""

    name: str
    harm: Harm


VALUES: Mapping[str, object] = {
    "word": "abc",
    "empty": "",
    "bytes": b"\xff\x00\xfe",
    "negative": -1,
    "huge": 10**18,
    "large": 1e308,
    "infinite": float("inf"),
    "nothing": None,
    "up": "../../outside/secret.png",
    "deep up": "images/../../outside/secret.png",
    "digest up": "../outside/pwned",
    "control": "\x1b]0;title\x07\x9b31m\u202e",
    "nul": "a\0b",
    "nan": '{"denoiser_calls": NaN, "price": Infinity}',
    "digits": '{"denoiser_calls": ' + "9" * 400 + "}",
    "words for numbers": '{"denoiser_calls": "abc", "price": [1], "pixels": {}, "scheduler": []}',
    "no table": "[]",
    "no asked": "{}",
    "deep": '{"a":' * 900 + "1" + "}" * 900,
    "deeper": "[" * 100_000 + "]" * 100_000,
    "no json": '{"a"',
    "long": "a" * 1_000_000,
}


def make_outside(outside: Path) -> None:
    """The sentinels: a secret, a folder with a picture, and a folder that is precious."""
    shutil.rmtree(outside, ignore_errors=True)
    (outside / "precious" / "ab").mkdir(parents=True)
    (outside / "precious" / "ab" / ".left.tmp").write_text(SECRET)
    for name in ("secret.png", "secret", "precious/report.md", "precious/index.html", f"precious/ab/{'ab' * 32}.png"):
        (outside / name).write_text(SECRET)


def columns(folder: Path) -> list[tuple[str, str]]:
    """Each table of the ledger with each of its columns."""
    with sqlite3.connect(folder / "study.sqlite") as ledger:
        tables = [name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = [(table, row[1]) for table in tables for row in ledger.execute(f"PRAGMA table_info({table})")]
    ledger.close()
    return found


def of_rows(folder: Path) -> Iterator[Case]:
    """Each hostile value in each column, in one row and in all rows."""
    for table, column in columns(folder):
        for name, value in VALUES.items():
            for every in (False, True):
                rows = "all" if every else "one"
                yield Case(f"{table}.{column}: {name} in {rows}", _update(table, column, value, every=every))
    for table, column in (("images", "digest"), ("images", "path")):
        yield Case(f"{table}: {column} leads out with the other", _both())


def _update(table: str, column: str, value: object, *, every: bool) -> Harm:
    def harm(folder: Path) -> bool:
        ledger = sqlite3.connect(folder / "study.sqlite")
        try:
            where = "" if every else f"WHERE {column} = (SELECT {column} FROM {table} LIMIT 1)"
            with ledger:
                return ledger.execute(f"UPDATE {table} SET {column} = ? {where}", (value,)).rowcount > 0
        except sqlite3.Error:  # the column is an id that no two rows may share, or takes no such value
            return False
        finally:
            ledger.close()

    return harm


def _both() -> Harm:
    def harm(folder: Path) -> bool:
        ledger = sqlite3.connect(folder / "study.sqlite")
        with ledger:
            ledger.execute("UPDATE images SET path = '../outside/secret.png', digest = 'secret'")
        ledger.close()
        return True

    return harm


def _link(place: Path, outside: Path) -> None:
    place.symlink_to(outside / "precious" if place.name in FOLDERS or "." not in place.name else outside / "secret.png")


def _link_relative(place: Path, outside: Path) -> None:
    place.symlink_to(os.path.relpath(outside / "precious", place.parent))


def _dangling(place: Path, outside: Path) -> None:
    place.symlink_to(outside / "made-by-following")


def _fifo(place: Path, _: Path) -> None:
    os.mkfifo(place)


def _folder(place: Path, _: Path) -> None:
    place.mkdir()
    (place / "inside").write_text("in the way")


def _sparse(place: Path, _: Path) -> None:
    with place.open("wb") as file:
        file.truncate(GIGABYTES)


THINGS: Mapping[str, Callable[[Path, Path], None]] = {
    "a link": _link,
    "a relative link to a folder": _link_relative,
    "a link to nothing": _dangling,
    "a FIFO": _fifo,
    "a folder": _folder,
    "a file of 6 GB": _sparse,
}

FOLDERS = {"images", "thumbs", "page", "assets", "vendor", "pixels", "charts", "trackers", "quarantine", "tensorboard"}
# Names that are not there in peace, but that something writes or reads.
FURTHER = (
    ".study.toml.tmp",
    ".report.md.tmp",
    ".study.sqlite.tmp",
    "study.sqlite-wal",
    "study.sqlite-shm",
    "study.sqlite-journal",
    "little.csv",
    "little.png",
    "page/thumbs",
    "trackers/wandb",
    "trackers/mlflow",
    "trackers/tensorboard/little/.writing",
)


def names(folder: Path) -> list[str]:
    """Every name in the folder, of equal ones (assets, pictures) the first three; then FURTHER."""
    found: list[str] = []
    like: dict[str, int] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        kind = f"{name.split('/')[0]}/{len(name.split('/'))}{path.suffix}"
        like[kind] = like.get(kind, 0) + 1
        if like[kind] <= 3:
            found.append(name)
    return [*found, *(name for name in FURTHER if name not in found)]


def of_names(folder: Path) -> Iterator[Case]:
    """Each thing under each name."""
    for name in names(folder):
        for thing, make in THINGS.items():
            yield Case(f"{name}: {thing}", _replaced(name, make))


def _replaced(name: str, make: Callable[[Path, Path], None]) -> Harm:
    def harm(folder: Path) -> bool:
        place = folder / name
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        make(place, folder.parent / "outside")
        if name.startswith("images/") and make is _sparse:  # the row says the same of its size
            return _update("images", "size", GIGABYTES, every=True)(folder)
        return True

    return harm


def of_peace(_: Path) -> Iterator[Case]:
    """A folder that nothing happened to: what the verbs must all be able to do."""
    yield Case("nothing", lambda _: True)


CASES: Mapping[str, Callable[[Path], Iterator[Case]]] = {"peace": of_peace, "rows": of_rows, "names": of_names}
