"""Files at a place that is named by a URL: s3://, gs://, az://, memory:// and whatever else fsspec knows.

The study's folder stays on this machine; only copies go elsewhere. Accounts and servers are found by the client of each
protocol, in the environment or its own files, so a URL that holds a key is refused. Knows names and bytes; nothing of
studies.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from teststrip.errors import MissingExtra, StoreError, UsageError, first_line

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_HERE = ("file", "local", "reference", "dir", "zip", "tar", "libarchive")
"""Protocols of this machine's own files: these have paths, and a stranger's study file must not choose one."""

_WITH_FOLDERS = ("sftp", "ssh", "ftp", "smb", "hdfs", "webhdfs", "webdav", "memory")
"""Protocols where a folder must be made before its files. Elsewhere that would make a bucket of a mistyped name."""


def is_url(text: str) -> bool:
    """Whether a text names a place by a URL.

    >>> is_url("s3://pictures/little"), is_url("runs/little"), is_url("C:/runs")
    (True, False, False)
    """
    return bool(_URL.match(text))


class Elsewhere:
    """A folder at a URL. Cheap to make: nothing is asked before a file is written or looked for.

    Args:
        url: of the folder, or of a file where only `put` is used with an empty name.

    Raises:
        UsageError: the URL names no place that can be written to, or holds a password.
        MissingExtra: a package that the protocol needs is not installed.
        StoreError: the protocol's client cannot begin.
    """

    def __init__(self, url: str) -> None:
        self._protocol = _checked(url)
        try:
            import fsspec
        except ModuleNotFoundError as error:
            raise MissingExtra("fsspec is not installed. Run: pip install 'teststrip[s3]'") from error
        self.url = url.rstrip("/")
        try:
            self._files: Any
            self._files, self._path = fsspec.core.url_to_fs(self.url)
        except ImportError as error:
            raise MissingExtra(f"{self._protocol}:// needs a package. {first_line(error)}") from error
        except ValueError as error:
            raise UsageError(f"{url}: {first_line(error)}. Write s3://bucket/folder, for example") from error
        except Exception as error:  # each protocol's client has errors of its own
            raise self._failed("be reached", error) from error

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write files, several at a time where the protocol can; one of the same name is replaced.

        Args:
            files: name below the URL -> content. The name "" is the URL itself.

        Raises:
            StoreError: a file could not be written; others may have been.
        """
        by_path = {self._at(name): data for name, data in files.items()}
        try:
            for folder in {path.rpartition("/")[0] for path in by_path} - {""}:
                if self._protocol in _WITH_FOLDERS:
                    self._files.makedirs(folder, exist_ok=True)
            self._files.pipe(by_path)
        except Exception as error:  # each protocol's client has errors of its own
            raise self._failed("be written to", error) from error

    def read(self, name: str) -> bytes:
        """The content of a file by its name below the URL.

        Raises:
            StoreError: the file is not there or cannot be read.
        """
        try:
            return bytes(self._files.cat_file(self._at(name)))
        except Exception as error:  # each protocol's client has errors of its own
            raise self._failed("be read", error) from error

    def remove(self, names: Collection[str]) -> None:
        """Remove files by their names below the URL.

        Raises:
            StoreError: a file could not be removed; others may have been.
        """
        try:
            for name in names:
                self._files.rm_file(self._at(name))
        except Exception as error:  # each protocol's client has errors of its own
            raise self._failed("be cleared of old files", error) from error

    def sizes(self) -> dict[str, int]:
        """Bytes of each file below the URL, by its name there; empty where there is nothing.

        Raises:
            StoreError: the place cannot be read.
        """
        try:
            self._files.invalidate_cache()
            found = self._files.find(self._path, detail=True)
        except FileNotFoundError:
            return {}
        except Exception as error:  # each protocol's client has errors of its own
            raise self._failed("be read", error) from error
        start = len(self._path.rstrip("/")) + 1
        return {path[start:]: int(about.get("size") or 0) for path, about in found.items()}

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}" if name else self._path

    def _failed(self, what: str, error: Exception) -> StoreError:
        said = first_line(error)[:300].rstrip(".")
        return StoreError(f"{self.url} cannot {what}: {type(error).__name__}: {said}. The study itself is not touched")


def _checked(url: str) -> str:
    """The protocol of a URL that may be written to."""
    if not is_url(url):
        raise UsageError(f"{url!r} is no URL. Write s3://bucket/folder, for example")
    parts = urlsplit(url)
    if "::" in url or parts.scheme.lower() in _HERE:
        raise UsageError(f"{parts.scheme}: URLs name places on other machines. For this one write a path")
    if parts.password is not None or parts.query:
        raise UsageError("a URL must hold no password and no question: keys belong into the environment")
    return parts.scheme.lower()
