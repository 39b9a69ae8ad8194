"""Which hosts may be asked: what keeps an address in a configuration from leading into the user's own network.

A name is resolved once, all its addresses are judged, and the connection goes to a judged address, so that a name
cannot answer differently between the check and the connection.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from teststrip.errors import EngineError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LOOPBACK = "localhost"


@dataclass(frozen=True, slots=True)
class Reach:
    """Where requests to one server may go.

    Attributes:
        host: the name or address as it stands in the URL.
        private: whether addresses of the user's own network may be asked.
    """

    host: str
    private: bool = False

    def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a host, all of which may be asked.

        Raises:
            EngineError: the host is another than that of the server, or one of its addresses may not be asked.
            OSError: the name cannot be resolved.
        """
        if host != self.host:
            raise EngineError(f"the server led to another host ({host}) than the one that was named ({self.host})")
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        for address in found:
            if why := objection(ipaddress.ip_address(address.partition("%")[0]), private=self.private):
                raise EngineError(f"{host} is at {address}, which is {why}")
        return list(dict.fromkeys(found))


def reach(url: str, *, http: bool = False, private: bool = False) -> Reach:
    """Where requests to a base URL may go.

    >>> reach("https://api.example.com/v1")
    Reach(host='api.example.com', private=False)

    Args:
        url: the base URL.
        http: whether the user allows a connection without TLS to a machine elsewhere.
        private: whether the user allows addresses of the own network.

    Raises:
        EngineError: the URL is none, or not allowed; the message says what allows it.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise EngineError(f"{_shown(url)} is no URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise EngineError(f"{_shown(url)} is no address of a web server. Write https://HOST/v1")
    if parts.username or parts.password:
        raise EngineError('the base_url holds a user name or password. Write key = "env:NAME" instead')
    if parts.query or parts.fragment:
        raise EngineError(f"{_shown(url)} has a query or a fragment. Write the address alone")
    literal = _literal(host)
    loopback = host == LOOPBACK or (literal is not None and literal.is_loopback)
    if parts.scheme == "http" and not (loopback or http):
        raise EngineError(
            f"{_shown(url)} would send the key and the prompts without encryption. Write https, or allow_http = true"
        )
    private = private or loopback  # the user wrote this machine's own address
    if literal is not None and (why := objection(literal, private=private)):
        raise EngineError(f"{_shown(url)} is {why}")
    return Reach(host, private)


def objection(address: Address, *, private: bool = False) -> str:
    """Why an address may not be asked; "" = it may.

    >>> objection(ipaddress.ip_address("8.8.8.8")), objection(ipaddress.ip_address("10.0.0.1"), private=True)
    ('', '')
    >>> objection(ipaddress.ip_address("::ffff:169.254.169.254"), private=True)
    'a link-local address, which is never asked'
    """
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
    if address.is_link_local:  # where clouds hand out credentials
        return "a link-local address, which is never asked"
    if address.is_multicast or address.is_unspecified:
        return "no address of one machine"
    if not address.is_global and not private:
        return "an address of your own network. If you mean that, write allow_private = true beside its base_url"
    return ""


def _literal(host: str) -> Address | None:
    """The address that a host spells; None for a name.

    Raises:
        EngineError: the host is a number in a form that some resolvers read as an address.
    """
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    last = host.rstrip(".").rpartition(".")[2]
    if re.fullmatch(r"0x[0-9a-f]*|[0-9]+", last, re.IGNORECASE):  # no top-level domain is a number
        raise EngineError(f"{_shown(host)} is an address in an unusual form. Write it in full, as 127.0.0.1") from None
    return None


def _shown(url: str) -> str:
    """A URL for a message, without what may be a secret in it."""
    return repr(re.sub(r"//[^/@]*@", "//", url)[:200])
