"""Reads what the table `[executor]` of the user's configuration says: numbers, texts, amounts by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from teststrip.errors import UsageError, among

TABLE = "[executor] of your configuration"


def check_options(name: str, options: Mapping[str, object], known: Sequence[str]) -> None:
    """Check that an executor knows all keys of its table.

    Raises:
        UsageError: it does not know one.
    """
    for key in options:
        if key not in known:
            nearest = among(key, known, "Known") if known else f". The executor {name} takes none"
            raise UsageError(f"{TABLE}: unknown key {key!r}{nearest}")


def whole(options: Mapping[str, object], key: str, *, most: int) -> int | None:
    """A whole number of at least 1; None where the table has none.

    Raises:
        UsageError: the value is no such number.
    """
    value = options.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most):
        raise UsageError(f"{TABLE}: {key} must be a whole number from 1 to {most}")
    assert value is None or isinstance(value, int)
    return value


def amount(options: Mapping[str, object], key: str) -> float | None:
    """A number of at least 0; None where the table has none.

    Raises:
        UsageError: the value is no such number.
    """
    value = options.get(key)
    return None if value is None else _amount(value, key)


def text(options: Mapping[str, object], key: str) -> str:
    """A text; "" where the table has none.

    Raises:
        UsageError: the value is no text.
    """
    value = options.get(key, "")
    if not isinstance(value, str):
        raise UsageError(f"{TABLE}: {key} must be text in quotes")
    return value


def amounts(options: Mapping[str, object], key: str) -> dict[str, float]:
    """Amounts by name; none where the table has none.

    Raises:
        UsageError: the value is no table of numbers.
    """
    value = options.get(key, {})
    if not isinstance(value, Mapping):
        raise UsageError(f"{TABLE}: {key} must be a table of numbers. Write {key} = {{ NAME = 1 }}")
    return {str(name): _amount(inner, f"{key}.{name}") for name, inner in value.items()}


def _amount(value: object, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise UsageError(f"{TABLE}: {key} must be a number of at least 0")
    return float(value)
