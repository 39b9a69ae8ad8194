"""The one spelling of a value that hashes are taken of."""

from __future__ import annotations

import hashlib
import json

Value = str | int | float | bool | None
"""What a setting can be. Lists and tables are not settings."""


def canonical_json(value: object) -> str:
    """The one spelling of a value that hashes are taken of: sorted keys, no spaces, UTF-8.

    >>> canonical_json({"b": 7.0, "a": "owl"})
    '{"a":"owl","b":7.0}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: object) -> str:
    """SHA-256 of `canonical_json(value)`, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()
