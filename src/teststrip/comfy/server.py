"""One server of ComfyUI: a graph is sent under an id of ours, waited for by that id, and its picture fetched.

Because the id and the file's name are ours, a lost answer does no harm: the server is asked whether it has the graph,
and where it has not, a new request under a new id cannot be mixed up with it.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote

from teststrip.comfy import echo
from teststrip.comfy.nodes import Known, known
from teststrip.comfy.wire import Lost, Wire, faults, table
from teststrip.hosted.configuration import Provider
from teststrip.hosted.trouble import Trouble

FIRST_LOOK: Final = 0.02
LONGEST_LOOK: Final = 1.0
"""Seconds between two looks whether a picture is there: the first, doubled up to the longest."""

SILENCE: Final = 15.0
"""Seconds in which a server that had our graph may be out of reach before the graph counts as lost."""

FOLDERS: Final[Mapping[str, str]] = {
    "ckpt_name": "checkpoints",
    "unet_name": "diffusion_models",
    "vae_name": "vae",
    "clip_name": "text_encoders",
    "clip_name1": "text_encoders",
    "clip_name2": "text_encoders",
    "clip_name3": "text_encoders",
    "lora_name": "loras",
    "control_net_name": "controlnet",
}
"""The folder of a server in which the file lies that an input names."""

HASH: Final = "modelspec.hash_sha256"
"""What a model's file may say of its own digest."""

Where = Literal["running", "pending", "absent"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a server gave.

    Attributes:
        data: of its file.
        seconds: in which the server ran the graph; None = it does not say.
    """

    data: bytes
    seconds: float | None


class Server:
    """One server.

    Args:
        provider: where it is.
        secret: a key for a proxy before it; "" = none.
        seconds: until a picture that is being made counts as lost.

    Attributes:
        name: for messages.
    """

    def __init__(self, provider: Provider, secret: str, seconds: float) -> None:
        self.name = provider.name or provider.base_url
        self._seconds = seconds
        self._client = uuid.uuid4().hex
        self._wire = Wire(provider, secret, seconds)
        self._known: dict[str, Known | None] = {}
        self._mine: set[str] = set()
        self._closing = threading.Event()

    @property
    def doubtful(self) -> bool:
        """Whether the server was out of reach or forgot a graph, so that it may be another one now."""
        return self._wire.doubtful

    def close(self) -> None:
        """Cancel what the server still has of ours, and close the connections."""
        self._closing.set()
        for ident in list(self._mine):
            self._cancel(ident)
        self._wire.close()

    def forget(self) -> None:
        """Ask anew what the server knows of nodes."""
        self._known.clear()

    def stats(self) -> dict[str, Any]:
        """What the server says of itself, without its paths: version, PyTorch, and the device.

        Raises:
            Trouble: the server was not reached, or is no ComfyUI.
        """
        found = table(self._wire.json("GET", "/system_stats"))
        system, devices = table(found.get("system")), found.get("devices")
        device = table(devices[0]) if isinstance(devices, list) and devices else {}
        if not system:
            raise Trouble("stop", f"{self.name} is no server of ComfyUI: it says nothing of its system")
        self._wire.doubtful = False
        return {
            "comfyui": str(system.get("comfyui_version")),
            "pytorch": str(system.get("pytorch_version")),
            "device": str(device.get("type")),
            "device name": str(device.get("name")),
        }

    def node(self, kind: str) -> Known | None:
        """What the server knows of a class of nodes; None where it has no such class.

        Raises:
            Trouble: the server was not reached.
        """
        if kind not in self._known:
            found = table(self._wire.json("GET", f"/object_info/{quote(kind, safe='')}"))
            if kind not in found and "/" in kind:  # the server reads a slash in a name as a part of the path
                found = table(self._wire.json("GET", "/object_info"))
            info = found.get(kind)
            self._known[kind] = known(kind, info) if isinstance(info, Mapping) else None
        return self._known[kind]

    def file(self, key: str, name: str) -> dict[str, object]:
        """What the server says of a model's file: its size, and its hash where the file holds one.

        Args:
            key: the input that names it.
            name: of the file.
        """
        folder = FOLDERS[key]
        found: dict[str, object] = {"name": name}
        try:
            files = self._wire.json("GET", f"/experiment/models/{folder}")
            rows = [one for one in files if isinstance(one, Mapping)] if isinstance(files, list) else []
            sizes = [one.get("size") for one in rows if one.get("name") == name]
            found |= {"size": sizes[0]} if sizes and isinstance(sizes[0], int) else {}
            notes = table(self._wire.json("GET", f"/view_metadata/{folder}", filename=name))
            found |= {"sha256": str(notes[HASH])[:80]} if HASH in notes else {}
        except Trouble as trouble:
            if trouble.kind in ("again", "stop"):
                raise
        return found

    def make(self, graph: Mapping[str, Mapping[str, Any]], saver: str, ident: str) -> Picture:
        """The picture of a graph.

        Args:
            graph: with a file prefix of its own.
            saver: the node that saves the picture.
            ident: under which the server shall have it, a UUID.

        Raises:
            Trouble: there is no picture, or it is one of another graph.
        """
        self._mine.add(ident)
        try:
            entry = self._ended(self._sent(graph, ident))
        finally:
            if not self._closing.is_set():
                self._mine.discard(ident)
        data = self._bytes(self._file(entry, saver))
        if why := echo.difference(data, graph):
            raise Trouble("invalid", self._wire.told(why))
        return Picture(data, _seconds(entry))

    def _sent(self, graph: Mapping[str, Mapping[str, Any]], ident: str) -> str:
        """Send the graph. Returns: the id under which the server has it."""
        body = {"prompt": graph, "client_id": self._client, "prompt_id": ident}
        try:
            answer = table(self._wire.json("POST", "/prompt", body))
        except Lost:
            if self._where(ident) != "absent" or self._history(ident):
                return ident
            raise Trouble("again", f"{self.name} gave no answer, and does not have the graph.") from None
        if why := faults(answer.get("node_errors")):
            self._cancel(ident)
            raise Trouble("invalid", f"the server took the graph without its faulty parts: {self._wire.told(why)}")
        given = answer.get("prompt_id")
        if not isinstance(given, str) or not given:
            raise Trouble("invalid", "the server took the graph and gave no id")
        return given  # a version that knows no ids of ours gives its own

    def _ended(self, ident: str) -> Mapping[str, Any]:
        """What the history says of the graph when it was run."""
        until, pause, reached = time.monotonic() + self._seconds, FIRST_LOOK, time.monotonic()
        line: tuple[str, ...] | None = None
        while True:
            try:
                # The queue first, because a graph that leaves the queue between the two looks is in the history.
                ahead = self._ahead(ident)
                entry = self._history(ident)
            except Trouble as trouble:
                if trouble.kind != "again" or time.monotonic() - reached > SILENCE:
                    raise
            else:
                reached = time.monotonic()
                if entry:
                    return entry
                if ahead is None:
                    self._wire.doubtful = True
                    raise Trouble("again", f"{self.name} no longer knows the graph: it was restarted, or emptied.")
                if ahead != line:  # others are served first, and the server goes on with them
                    line, until = ahead, time.monotonic() + self._seconds
            if time.monotonic() > until:
                self._cancel(ident)
                still = " while its queue stood still. Restart it if it draws nothing" if line else ""
                raise Trouble("timeout", f"no picture came in {self._seconds:g} s{still}; the request was cancelled")
            if self._closing.wait(pause):
                raise Trouble("error", "the run ended before the picture was made")
            pause = min(2 * pause, LONGEST_LOOK)

    def _file(self, entry: Mapping[str, Any], saver: str) -> Mapping[str, Any]:
        """The picture that a finished graph left, as the server names it."""
        status = table(entry.get("status"))
        messages = status.get("messages")
        for message in messages if isinstance(messages, list) else []:
            name, facts = message if isinstance(message, list) and len(message) == 2 else ("", {})
            if name == "execution_interrupted":
                raise Trouble("error", "the request was interrupted on the server")
            if name == "execution_error":
                said = self._wire.told(_failed(table(facts)))
                raise Trouble("oom" if "OutOfMemory" in str(table(facts).get("exception_type")) else "error", said)
        if status.get("status_str") == "error":
            raise Trouble("error", "the server says that the graph failed, and not why")
        images = table(table(entry.get("outputs")).get(saver)).get("images")
        found = [one for one in images if isinstance(one, Mapping)] if isinstance(images, list) else []
        if not found:
            raise Trouble(
                "again", f"{self.name} ran the graph and shows no picture, as where it takes it from a cache."
            )
        if len(found) > 1:
            raise Trouble("invalid", f"the graph made {len(found)} pictures, and a cell holds one")
        return found[0]

    def _bytes(self, image: Mapping[str, Any]) -> bytes:
        asked = {key: str(image.get(key, "")) for key in ("filename", "subfolder", "type")}
        answer = self._wire.answer("GET", "/view", **asked)
        if answer.status_code == 200:
            return bytes(answer.content)
        raise Trouble("error", f"the server does not hand out its picture ({answer.status_code})")

    def _where(self, ident: str) -> Where:
        """Where a graph stands in the queue."""
        ahead = self._ahead(ident)
        return "absent" if ahead is None else "pending" if ahead else "running"

    def _ahead(self, ident: str) -> tuple[str, ...] | None:
        """The graphs up to this one in the queue; none where it runs, None where the server does not have it."""
        queue = table(self._wire.json("GET", "/queue"))
        running, pending = _ids(queue.get("queue_running")), _ids(queue.get("queue_pending"))
        if ident in running:
            return ()
        return (*running, *pending[: pending.index(ident)], ident) if ident in pending else None

    def _history(self, ident: str) -> Mapping[str, Any]:
        return table(table(self._wire.json("GET", f"/history/{quote(ident, safe='')}")).get(ident))

    def _cancel(self, ident: str) -> None:
        """Take a graph of ours out of the queue, or end it; never another's."""
        try:
            where = self._where(ident)
            if where == "pending":
                self._wire.answer("POST", "/queue", {"delete": [ident]})
            elif where == "running":  # older versions end whatever runs, which is ours
                self._wire.answer("POST", "/interrupt", {"prompt_id": ident})
        except (Trouble, Lost):
            pass


def _ids(rows: object) -> list[str]:
    """The names of graphs in a part of the queue."""
    found = rows if isinstance(rows, list) else []
    return [str(row[1]) for row in found if isinstance(row, list) and len(row) > 1]


def _failed(facts: Mapping[str, Any]) -> str:
    kind, message = facts.get("exception_type", "an error"), facts.get("exception_message", "")
    return f"{facts.get('node_type', 'a node')} failed on the server: {kind}: {message}"


def _seconds(entry: Mapping[str, Any]) -> float | None:
    """The seconds between the start and the end of a graph, by the server's clock."""
    status = entry.get("status")
    messages = status.get("messages") if isinstance(status, Mapping) else None
    at: dict[str, float] = {}
    for message in messages if isinstance(messages, list) else []:
        if isinstance(message, list) and len(message) == 2 and isinstance(message[1], Mapping):
            stamp = message[1].get("timestamp")
            if isinstance(stamp, int | float):
                at[str(message[0])] = stamp / 1000
    took = at.get("execution_success", 0.0) - at.get("execution_start", float("inf"))
    return took if 0 <= took < 86_400 else None
