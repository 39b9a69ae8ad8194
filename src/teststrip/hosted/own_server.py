"""A server of the user's own that speaks JSON and costs nothing: what `webui` and `comfyui` ask in the same way.

Knows connections, secrets and repeats; not what a path or a status means, which each protocol says for itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from teststrip.errors import shortened
from teststrip.hosted.configuration import Provider
from teststrip.hosted.keys import redacted
from teststrip.hosted.trouble import Trouble

if TYPE_CHECKING:
    import httpx2

TRIES: Final = 4
PAUSE: Final = 0.05
"""How often a question is put to a server that is not reached, and the seconds before the second time."""


class OwnServer:
    """The connections to one server; thread-safe. Importing the HTTP client waits until there is one.

    Args:
        provider: where the server is.
        seconds: until an answer counts as lost.
        secrets: that no message may hold.

    Attributes:
        base: the address below which its paths are.

    Raises:
        ModuleNotFoundError: the HTTP client is not installed.
    """

    def __init__(self, provider: Provider, seconds: float, *secrets: str) -> None:
        from teststrip.hosted import connections

        self.base = provider.base_url.rstrip("/")
        self._secrets = tuple(filter(None, secrets))
        encrypted = not self.base.startswith("http://")
        self._client: httpx2.Client = connections.client(provider.reach, seconds=seconds, encrypted=encrypted)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def told(self, text: object) -> str:
        """A text of the server for people: one line, without secrets, not too long."""
        line = "a page of HTML" if str(text).lstrip().startswith("<") else " ".join(str(text).split())
        for secret in self._secrets:
            line = redacted(line, secret)
        return shortened(line, 300)


def patiently(question: Callable[[], httpx2.Response]) -> httpx2.Response:
    """The answer to a question that may be asked twice, because it changes nothing.

    Raises:
        Trouble: the last one, or the first that another try does not mend.
    """
    for number in range(1, TRIES):
        try:
            return question()
        except Trouble as trouble:
            if trouble.kind != "again":
                raise
        time.sleep(PAUSE * number)
    return question()


def parsed(text: str | bytes) -> Any:
    """The JSON value, which may hold NaN as these servers write it; None also where the text is no JSON.

    >>> parsed('[NaN]'), parsed("<html>")
    ([nan], None)
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
