"""Keys of services: from an environment variable or the keyring, never from a study or a configuration file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from teststrip.errors import EngineError, MissingExtra

# How services echo a key in a message, whole or with stars in its middle: "sk-proj-****abcd", "AIza...".
_ECHOED = re.compile(
    r"\b(?:sk|pk|rk)-[\w*.-]{4,}|\bAIza[\w*.-]{4,}|\bBearer\s+[\w*.~+/-]{4,}=*"
    # Base64 has a digit, a capital letter or a sign behind its first letter; "basic authentication" has none.
    r"|\bBasic\s+(?-i:(?=[\w*+/-]+[0-9A-Z*+/=_]))[\w*+/-]{4,}=*",
    re.IGNORECASE,
)


def key(reference: str, *, environment: Mapping[str, str] = os.environ) -> str:
    """The key that a reference names.

    >>> key("env:MY_KEY", environment={"MY_KEY": "s3cret"})
    's3cret'

    Args:
        reference: "env:NAME", "keyring:SERVICE/USER", or "" for a server that asks for no key.
        environment: the variables to look into.

    Raises:
        EngineError: the reference names nothing, or holds the key itself.
        MissingExtra: the keyring is asked, and its package is not installed.
    """
    if not reference:
        return ""
    where, _, name = reference.partition(":")
    if where == "env" and name:
        if found := environment.get(name, "").strip():
            return _sound(found, f"the environment variable {name}")
        raise EngineError(f"there is no key: the environment variable {name} is not set. Run: export {name}=...")
    if where == "keyring" and "/" in name:
        service, _, user = name.partition("/")
        if found := _of_keyring(service, user).strip():
            return _sound(found, "the keyring")
        raise EngineError(f"there is no key: the keyring holds none. Run: keyring set {service} {user}")
    raise EngineError('a key must be a reference: "env:NAME" or "keyring:SERVICE/USER". The key itself stands nowhere')


def redacted(text: str, secret: str) -> str:
    """A text without a key, also where a service echoes it with stars in its middle.

    >>> redacted("Incorrect API key provided: sk-proj-****abcd. my-key", "my-key")
    'Incorrect API key provided: [key]. [key]'
    """
    if secret:
        text = text.replace(secret, "[key]")
    return _ECHOED.sub(lambda found: "[key]" + "." * found[0].endswith("."), text)


def _sound(secret: str, where: str) -> str:
    """A key that fits into a header; another would be repeated by whatever complains of it."""
    if not re.fullmatch(r"[!-~]+", secret):
        raise EngineError(f"{where} holds no key: there are spaces or characters in it that no key has")
    return secret


def _of_keyring(service: str, user: str) -> str:
    try:
        import keyring  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError:
        raise MissingExtra("keyring is not installed. Run: pip install keyring") from None
    return str(keyring.get_password(service, user) or "")
