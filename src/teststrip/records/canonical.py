"""The one spelling of a value that hashes are taken of."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping

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


def plain(value: object) -> object:
    """A value as plain JSON, so that any configuration of a library can be hashed, stored and read back unchanged.

    JSON has no infinite number and no NaN, so each becomes the word that Python's and JavaScript's JSON use for it. A
    tuple becomes a list, a set a sorted list, a number of NumPy a number, a key its text, and any other object the text
    that it prints. What is plain JSON already comes back equal, so digests that were taken before stay the same.

    >>> plain({"lambda_min_clipped": -math.inf, "sizes": (1, 2.5)})
    {'lambda_min_clipped': '-Infinity', 'sizes': [1, 2.5]}
    """
    match value:
        case None | bool() | str():
            return value
        case int():
            return value
        case float():
            return value if math.isfinite(value) else json.dumps(float(value))
        case Mapping():
            return {str(key): plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case set() | frozenset():
            return sorted((plain(inner) for inner in value), key=canonical_json)
    as_list = getattr(value, "tolist", None)  # of arrays and scalars of NumPy and PyTorch
    return plain(as_list()) if as_list is not None else str(value)
