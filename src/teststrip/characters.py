r"""Characters that command a terminal or turn a line around, and how text that may hold them is shown.

Any text of a study, a ledger or a file name may be a stranger's, so everything that is printed or written for people
goes through `printable`. Knows text; nothing of consoles and files.

The set: C0 controls but tab and line end, DEL, C1 controls, bidi controls, the separators of lines and paragraphs, and
lone surrogates, which no encoding can write. Joiners and wide spaces are text of many languages and stay.
"""

from __future__ import annotations

import re

CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
BIDI = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"
HOSTILE = re.compile(rf"[{CONTROLS}{BIDI}\u2028\u2029\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Text in which hostile characters are escapes, as JSON, TOML and Python spell them.

    JSON and TOML that go through here keep their meaning, because such characters stand only inside of their strings.

    >>> printable("a\x1b[31mred\u202e\n")
    'a\\u001b[31mred\\u202e\n'
    """
    return HOSTILE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a text begins with that a spreadsheet runs."""


def harmless(value: object) -> object:
    """The value; of text, what neither a spreadsheet runs nor a terminal obeys.

    >>> harmless("=2+5"), harmless(-2)
    ("'=2+5", -2)
    """
    if not isinstance(value, str):
        return value
    return printable("'" + value if value.startswith(FORMULA) else value)
