"""To which hosts the steps of a service may go: that of its base URL, and those that the user lists.

An answer names further addresses: where to poll, where the picture is. Such an address is judged as one of the user's
own configuration, and its host must be on the list besides. A connection goes to a judged address (`hosted.addresses`).
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from teststrip.declared.service import Service
from teststrip.errors import EngineError
from teststrip.hosted.addresses import LOOPBACK, Reach, reach

_PORTS = {"http": 80, "https": 443}


class Hosts:
    """The hosts of a service.

    Args:
        service: as it is declared.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._base = urlsplit(service.base_url)

    def judge(self, url: object) -> str:
        """An address that an answer names, where it may be asked.

        Raises:
            EngineError: it may not; the message says what allows it.
        """
        if not isinstance(url, str) or not re.fullmatch(r"[!-~]{1,8000}", url):
            raise EngineError("the service named an address that is none")
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            raise EngineError("the service named an address that is none") from None
        host = parts.hostname or ""
        if parts.username or parts.password or parts.scheme not in _PORTS or not host:
            raise EngineError("the service named an address that is none of a web server")
        if not self._allowed(host, port, parts):
            raise EngineError(
                f"the service named an address on {host}:{port}, which is not on its list. If it belongs to the"
                f" service, write it into hosts of [services.{self._service.name}]"
            )
        reach(f"{parts.scheme}://{parts.netloc}", http=self._service.http, private=self._service.private)
        return url

    def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a host, all of which may be asked (`connections.Resolves`).

        Raises:
            EngineError: the host is not on the list, or one of its addresses may not be asked.
            OSError: the name cannot be resolved.
        """
        if not any(self._matches(pattern, host) for pattern in (self._base.hostname or "", *self._service.hosts)):
            raise EngineError(f"{host} is not among the hosts of [services.{self._service.name}]")
        private = self._service.private or host in (LOOPBACK, "127.0.0.1", "::1")  # which the user wrote
        return Reach(host, private).resolve(host, port)

    def _allowed(self, host: str, port: int, parts: SplitResult) -> bool:
        base = self._base
        if (host, port) == (base.hostname, base.port or _PORTS[base.scheme]):
            return True
        for pattern in self._service.hosts:
            _, _, wanted = pattern.partition(":")
            if self._matches(pattern, host) and port == int(wanted or _PORTS[parts.scheme]):
                return True
        return False

    def _matches(self, pattern: str, host: str) -> bool:
        """Whether a host is the one of a pattern, or below it.

        "*.example.com" has cdn.example.com, and has neither example.com nor badexample.com.
        """
        name = pattern.partition(":")[0]
        return host.endswith(name[1:]) if name.startswith("*.") else host == name
