"""Finds keys, tokens and addresses that must not stand in a study file, because a study is zipped and mailed.

A message names the place and never repeats the secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from teststrip.study.place import Place, shown

# How well-known services spell their keys: OpenAI and Anthropic, Hugging Face, Replicate, AWS, Google, GitHub, Slack.
LITERAL = re.compile(
    r"(?<![\w/.-])(?:"
    r"(?:sk|pk|rk)-(?=[\w-]*\d)[\w-]{12,}|(?:hf|r8)_(?=\w*\d)\w{12,}|(?:AKIA|ASIA)[0-9A-Z]{12,}|AIza[\w-]{30,}"
    r"|gh[pousr]_\w{20,}|github_pat_\w{20,}|xox[abpr]-[\w-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY"
    r")"
)
SECRET_NAME = re.compile(
    r"(?:^|[_-])(?:api_?key|apikey|access_?key|secret(?:_?key)?|token|auth_?token|password|passwd|authorization"
    r"|credentials?)$",
    re.IGNORECASE,
)
ADDRESS_NAME = re.compile(
    r"^(?:url|uri|base_url|api_base|endpoint|endpoint_url|host|port|server|tracking_uri)$", re.IGNORECASE
)
ADDRESS = re.compile(r"^\s*[a-z][a-z0-9+.-]+://", re.IGNORECASE)
HANDED_ON = ("engine", "engines", "trackers", "settings")  # tables whose values leave this machine with a request
DEEPEST = 8
LONGEST_KEY = 200  # characters; the longest name of an axis has 64


def refuse(data: object, place: Place) -> None:
    """Check every key and value of a study, however deep.

    Raises:
        StudyError: there is a secret, an address in `[engine]` or `[trackers]`, a table nested beyond sense, or a key
            longer than any name.
    """
    _walk(data, place, handed_on=False)


def _walk(value: object, place: Place, *, handed_on: bool) -> None:
    if len(place.keys) > DEEPEST:
        raise Place(place.file, place.keys[:2], place.overridden).error(f"is nested deeper than {DEEPEST} levels")
    if isinstance(value, Mapping):
        for name, inner in value.items():
            key = name if isinstance(name, str) else shown(name)
            _check_text(key, place)
            here = place / key
            if len(key) > LONGEST_KEY:
                raise here.error(f"is a key of {len(key):,} characters; the most is {LONGEST_KEY}")
            inside = handed_on or (not place.keys and key in HANDED_ON)
            if inside and not isinstance(inner, Mapping):
                _check_name(key, here)
            _walk(inner, here, handed_on=inside)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            _walk(inner, place / i, handed_on=handed_on)
    elif isinstance(value, str):
        _check_text(value, place)
        if handed_on and ADDRESS.search(value):
            raise place.error(
                "is an address. Addresses belong in your own configuration, not in a study that is shared"
            )


def _check_text(text: str, place: Place) -> None:
    if LITERAL.search(text):
        raise place.error(
            "holds what looks like a secret key. Remove it here and revoke it if the file was shared;"
            " keys belong in the environment or in your own configuration as env:NAME"
        )


def _check_name(key: str, place: Place) -> None:
    if SECRET_NAME.search(key):
        raise place.error(
            "secrets never stand in a study file. Set the provider's environment variable,"
            " or write env:NAME in your own configuration"
        )
    if place.keys[0] != "settings" and ADDRESS_NAME.search(key):
        raise place.error("addresses never stand in a study file. Write it in your own configuration")
