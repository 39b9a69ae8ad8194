"""A Hugging Face Hub on this machine: the few routes that a download takes, and a branch that can move."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


class Hub(ThreadingHTTPServer):
    """Serves folders as repositories.

    Attributes:
        repos: (owner/name, commit) to folder. branches: (owner/name, branch) to commit.
        asked: every path that was asked for, in order.
    """

    repos: dict[tuple[str, str], Path]
    branches: dict[tuple[str, str], str]
    asked: list[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            repo, revision = "/".join(parts[2:4]), parts[5] if len(parts) > 5 else "main"
            commit = self.server.branches.get((repo, revision), revision)
            folder = self.server.repos.get((repo, commit))
            if folder is None:
                known = any(name == repo for name, _ in self.server.repos)
                self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound" if known else "RepoNotFound"})
                return
            if parts[4:5] == ["tree"]:
                self._send(200, json.dumps(tree(folder)).encode(), {"Content-Type": "application/json"})
                return
            names = [str(file.relative_to(folder)) for file in sorted(folder.rglob("*")) if file.is_file()]
            body = {"id": repo, "sha": commit, "siblings": [{"rfilename": name} for name in names], "tags": []}
            self._send(200, json.dumps(body).encode(), {"Content-Type": "application/json"})
        elif len(parts) > 4 and parts[2] == "resolve":
            repo, revision, name = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
            commit = self.server.branches.get((repo, revision), revision)
            file = self.server.repos.get((repo, commit), Path("/nowhere")) / name
            if not file.is_file():
                self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
                return
            data = file.read_bytes()
            etag = hashlib.sha256(data).hexdigest()
            self._send(200, data, {"ETag": f'"{etag}"', "X-Repo-Commit": commit})
        else:
            self._send(404, b"", {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def tree(folder: Path) -> list[dict[str, object]]:
    """The files of a repository as the hub lists them."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return [
        {
            "type": "file",
            "path": file.relative_to(folder).as_posix(),
            "size": file.stat().st_size,
            "oid": hashlib.sha1(file.read_bytes()).hexdigest(),
        }
        for file in files
    ]


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub without repositories, on a free port of the loopback interface."""
    hub = Hub(("127.0.0.1", 0), Answer)
    hub.repos, hub.branches, hub.asked = {}, {}, []
    thread = Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
