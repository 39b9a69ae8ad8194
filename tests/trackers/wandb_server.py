"""A server on loopback that speaks as much of W&B's protocol as a run needs, and remembers what it was sent.

GraphQL for runs and artifacts, the file stream for history, PUT for files. `fault` makes it fail: "500" answers so,
"hang" answers nothing, "cut" closes the connection; to everything, or to paths that match `only`.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

KEY = "0" * 40


@dataclass
class Server:
    """What arrived.

    Attributes:
        fault: how the server fails; see above.
        only: a pattern of the paths that fail.
        runs: W&B run id to the last upsert.
        history: run id to rows by their step.
        summary: run id to the last one.
        artifacts: digest to type, name and whether it is committed; manifests name files by digest.
        blobs: path to everything that was uploaded.
        operations: the names of all GraphQL operations.
        bodies: all requests, as they came.
        address: of the server.
    """

    fault: str = ""
    only: str = ""
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    summary: dict[str, dict[str, Any]] = field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    operations: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    address: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)  # protects the history while a test reads it

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """What GraphQL says to an operation."""
        found = re.search(r"(?:query|mutation)\s+(\w+)", query)
        name = found[1] if found else ""
        self.operations.append(name)
        asked = variables.get("input", variables)
        return getattr(self, f"_{name}", self._nothing)(asked)

    def _nothing(self, _: dict[str, Any]) -> dict[str, Any]:
        return {}

    def _Viewer(self, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "viewer": {"id": "v", "entity": "someone", "username": "someone", "flags": "{}", "teams": {"edges": []}}
        }

    def _ServerFeaturesQuery(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"serverInfo": {"features": []}}

    def _RunResumeStatus(self, asked: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.get(asked["name"])
        if run is None:
            return {"model": {"id": "m", "name": "p", "entity": {"id": "e", "name": "someone"}, "bucket": None}}
        rows = self.history.get(asked["name"], {})
        bucket = {
            "id": "b",
            "name": asked["name"],
            "summaryMetrics": json.dumps({"_step": max(rows, default=-1), **self.summary.get(asked["name"], {})}),
            "displayName": run.get("displayName"),
            "logLineCount": 0,
            "historyLineCount": len(rows),
            "eventsLineCount": 0,
            "historyTail": json.dumps([json.dumps({"_step": max(rows, default=-1), "_runtime": 1})]),
            "eventsTail": json.dumps([]),
            "config": run.get("config") or "{}",
            "tags": [],
            "wandbConfig": json.dumps({"t": 1}),
        }
        return {"model": {"id": "m", "name": "p", "entity": {"id": "e", "name": "someone"}, "bucket": bucket}}

    def _UpsertBucket(self, asked: dict[str, Any]) -> dict[str, Any]:
        new = asked["name"] not in self.runs
        self.runs[asked["name"]] = {
            **self.runs.get(asked["name"], {}),
            **{k: v for k, v in asked.items() if v is not None},
        }
        bucket = {
            "id": "b",
            "name": asked["name"],
            "displayName": asked.get("displayName") or asked["name"],
            "config": asked.get("config") or "{}",
            "sweepName": None,
            "historyLineCount": 0,
            "project": {"id": "p", "name": asked.get("project") or "p", "entity": {"id": "e", "name": "someone"}},
        }
        return {"upsertBucket": {"bucket": bucket, "inserted": new}}

    def _ArtifactType(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"project": {"artifact": None, "artifactType": None}}

    def _CreateRunFiles(self, asked: dict[str, Any]) -> dict[str, Any]:
        files = [
            {"name": path, "uploadUrl": f"{self.address}/put/run/{path}", "uploadHeaders": []}
            for path in asked["files"]
        ]
        return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}

    def _CreateArtifact(self, asked: dict[str, Any]) -> dict[str, Any]:
        known = self.artifacts.setdefault(
            asked["digest"],
            {"type": asked.get("artifactTypeName"), "name": (asked.get("artifactCollectionNames") or [None])[0]},
        )
        name = asked.get("artifactCollectionName") or known["name"]
        known.update(name=name, times=known.get("times", 0) + 1)
        made = {"id": asked["digest"], "state": "PENDING", "artifactSequence": {"id": "s", "latestArtifact": None}}
        return {"createArtifact": {"artifact": made}}

    def _CreateArtifactManifest(self, asked: dict[str, Any]) -> dict[str, Any]:
        file = {"id": "f", "name": asked["name"], "displayName": asked["name"]}
        url = f"{self.address}/put/manifest/{asked['artifactID']}"
        manifest = {"id": asked["artifactID"], "file": {**file, "uploadUrl": url, "uploadHeaders": []}}
        return {"createArtifactManifest": {"artifactManifest": manifest}}

    def _UpdateArtifactManifest(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Of a table that grows: its manifest is made first, and filled later."""
        made = self._CreateArtifactManifest({"artifactID": asked["artifactManifestID"], "name": "manifest"})
        return {"updateArtifactManifest": made["createArtifactManifest"]}

    def _CreateArtifactFiles(self, asked: dict[str, Any]) -> dict[str, Any]:
        edges = [
            {
                "node": {
                    "id": spec["name"],
                    "name": spec["name"],
                    "displayName": spec["name"],
                    "uploadUrl": f"{self.address}/put/blob/{base64.urlsafe_b64encode(spec['md5'].encode()).decode()}",
                    "uploadHeaders": [],
                    "uploadMultipartUrls": None,
                    "storagePath": spec["name"],
                    "artifact": {"id": spec["artifactID"]},
                }
            }
            for spec in asked["artifactFiles"]
        ]
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def _CommitArtifact(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.artifacts[asked["artifactID"]]["committed"] = True
        return {"commitArtifact": {"artifact": {"id": asked["artifactID"], "digest": asked["artifactID"]}}}

    def _UseArtifact(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"useArtifact": {"artifact": None}}

    def take_stream(self, run: str, sent: dict[str, Any]) -> None:
        """Lines of a run's history; a line is known by its offset, so a repeated request changes nothing."""
        for name, part in (sent.get("files") or {}).items():
            if name == "wandb-history.jsonl":
                with self._lock:
                    rows = self.history.setdefault(run, {})
                    for line in part["content"]:
                        row = json.loads(line)
                        assert row["_step"] not in rows or rows[row["_step"]] == row, f"step {row['_step']} came twice"
                        rows[row["_step"]] = row
            elif name == "wandb-summary.json":
                self.summary[run] = json.loads(part["content"][-1])

    def steps(self) -> list[dict[str, Any]]:
        """What the history holds now, of all runs; more may be arriving."""
        with self._lock:
            return [row for rows in self.history.values() for row in rows.values()]

    def manifest(self, type_: str) -> list[tuple[str, dict[str, Any]]]:
        """(name, manifest) of each committed artifact of a type."""
        return [
            (known["name"], json.loads(self.blobs[f"/put/manifest/{digest}"]))
            for digest, known in self.artifacts.items()
            if known["type"] == type_ and known.get("committed")
        ]

    def content(self, entry: dict[str, Any]) -> bytes:
        """The bytes of an entry of a manifest."""
        return self.blobs["/put/blob/" + base64.urlsafe_b64encode(entry["digest"].encode()).decode()]


class Handler(BaseHTTPRequestHandler):
    """Takes requests for the server's `record`."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if not self._faulty():
            self._say({})

    def do_POST(self) -> None:
        data, record = self._take(), self.server.record
        if self._faulty():
            return
        if self.path.endswith("/graphql"):
            asked = json.loads(data)
            self._say({"data": record.answer(asked["query"], asked.get("variables") or {})})
        elif self.path.endswith("/file_stream"):
            record.take_stream(self.path.split("/")[-2], json.loads(data))
            self._say({"exitcode": None, "limits": {}})
        else:
            self._say({})

    def do_PUT(self) -> None:
        data = self._take()
        if not self._faulty():
            self.server.record.blobs[unquote(self.path)] = data
            self._say({})

    def _take(self) -> bytes:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.record.bodies.append(self.path.encode() + b"\n" + str(self.headers).encode() + data)
        return data

    def _say(self, value: object, code: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _faulty(self) -> bool:
        fault = self.server.record.fault if re.search(self.server.record.only, self.path) else ""
        if fault == "500":
            self._say({"error": "planted"}, 500)
        elif fault == "hang":
            time.sleep(3600)
        elif fault == "cut":
            self.close_connection = True
            self.connection.close()
        return bool(fault)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with the usual 5, connections are cut when all files come at once, and tried again
    record: Server

    def handle_error(self, *_: object) -> None:
        """A client that was killed, or a connection that was cut on purpose."""


@contextmanager
def serving(fault: str = "", only: str = "") -> Iterator[Server]:
    server = _Server(("127.0.0.1", 0), Handler)
    server.record = Server(fault, only, address=f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.record
    finally:
        server.shutdown()
        server.server_close()
