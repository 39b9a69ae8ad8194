"""The options of a server that go with pictures: what it had before the first one, what was sent, what to set back.

A server should put the options back that come with a picture, and most do. Where one keeps them, its owner would find
another model, VAE or source of noise there after a run. Nothing is set back that the run did not change: an option
counts as changed by the run only where the server has what the run sent, and not what it had before.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Final

from teststrip.characters import printable
from teststrip.hosted.trouble import Trouble
from teststrip.webui.lists import API, same_file
from teststrip.webui.tasks import Talks

_LOG: Final = logging.getLogger("teststrip.webui")


class Options:
    """What a run did to the options of one server.

    Args:
        before: the options before the first picture; empty = the server does not tell them.
    """

    def __init__(self, before: Mapping[str, object]) -> None:
        self._before = dict(before)
        self._foreseen: set[str] = set()
        self._sent: dict[str, list[object]] = {}
        self._lock = threading.Lock()  # protects the set and the table, which the threads of requests share

    @property
    def foreseen(self) -> frozenset[str]:
        """The names of all options that go with some picture of the run, as far as its pictures were looked at."""
        with self._lock:
            return frozenset(self._foreseen)

    def foresee(self, options: Mapping[str, object]) -> None:
        """Note options of a picture that is only looked at."""
        with self._lock:
            self._foreseen.update(options)

    def send(self, options: Mapping[str, object]) -> None:
        """Note options that go with a picture."""
        with self._lock:
            for name, value in options.items():
                known = self._sent.setdefault(name, [])
                if value not in known:
                    known.append(value)

    def changed(self, now: object) -> dict[str, object]:
        """The options that the run changed, each with the value that it had before.

        Args:
            now: what the server says that its options are.

        >>> options = Options({"sd_vae": "Automatic", "randn_source": "GPU", "eta": 1})
        >>> options.send({"sd_vae": "soft.pt", "randn_source": "CPU", "eta": 0})
        >>> options.changed({"sd_vae": "soft.pt", "randn_source": "GPU", "eta": 2})
        {'sd_vae': 'Automatic'}
        """
        if not isinstance(now, Mapping):
            return {}
        with self._lock:
            return {
                name: self._before[name]
                for name, values in self._sent.items()
                if name in self._before
                and name in now
                and now[name] != self._before[name]
                and any(_alike(now[name], value) for value in values)
            }

    def set_back(self, web: Talks, place: str) -> None:
        """Set back what the run changed, and log one line where that cannot be done.

        Args:
            web: the server.
            place: its address, for the line.
        """
        with self._lock:
            left = sorted(self._sent.keys() & self._before.keys())
        if not left:
            return
        try:
            if changed := self.changed(web.get(f"{API}/options")):
                left = sorted(changed)
                web.post(f"{API}/options", changed)
        except Trouble as trouble:
            text = f"{place} may have kept options of the last picture ({', '.join(left)}): {trouble.text}"
            _LOG.warning("%s", printable(text))


def _alike(now: object, sent: object) -> bool:
    """Whether a server may call so what was sent: it writes paths and hashes for the names of files."""
    if isinstance(now, list) and isinstance(sent, list):
        return len(now) == len(sent) and all(map(_alike, now, sent))
    return now == sent or (isinstance(now, str) and isinstance(sent, str) and same_file(now, sent))
