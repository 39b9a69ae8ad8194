"""Scans "Key: value, Key: value" as A1111 and its kin write it, in one pass over the text.

A value is a quoted string with backslash escapes, a bracketed table or list, or everything up to the next comma. The
reference reader of A1111 knows neither quotes nor brackets inside of a value, so it makes keys of what stands in JSON.
A quote or a bracket that is never closed is a plain character; that it is not closed is found out once.
"""

from __future__ import annotations

import json
import re

MOST_PAIRS = 1000
LONGEST_KEY = 100
DEEPEST = 200
_GAP = re.compile(r"[\s,]*")
_KEY = re.compile(r"[^:,\n\"{}\[\]]*")
_PLAIN = re.compile(r"[^,\n]*")
_QUOTED = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_BRACKET = re.compile(r'[{}\[\]"]')
_PAIRS = {"{": "}", "[": "]"}

Pair = tuple[str, str]


def pairs(text: str) -> list[Pair]:
    """The keys and values of a line of settings, in order; a quoted value without its quotes.

    >>> pairs('Steps: 20, Model: "a: b, c", Hashes: {"vae": "x, y"}, Size: 512x512')
    [('Steps', '20'), ('Model', 'a: b, c'), ('Hashes', '{"vae": "x, y"}'), ('Size', '512x512')]
    >>> pairs('Steps:30,Sampler:DPM++2MKarras,,,Odd: "never closed')
    [('Steps', '30'), ('Sampler', 'DPM++2MKarras'), ('Odd', '"never closed')]
    """
    return _Scanner(text).run()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.found: list[Pair] = []
        self.quotes_close = True
        self.patience = 4 * len(text)  # characters that brackets may be sought in which are never closed

    def run(self) -> list[Pair]:
        while len(self.found) < MOST_PAIRS:
            self.place = self._after(_GAP)
            if self.place >= len(self.text):
                break
            start, self.place = self.place, self._after(_KEY)
            key = self.text[start : self.place].strip()
            if self.text[self.place : self.place + 1] == ":" and 0 < len(key) <= LONGEST_KEY:
                self.place += 1
                self.found.append((key, self._value()))
            else:
                self._stray(start)
        return self.found

    def _stray(self, start: int) -> None:
        """A piece without a key belongs to the value before it: "Lora: a, b"."""
        self.place = max(self._after(_PLAIN), start + 1)
        piece = self.text[start : self.place].strip()
        if self.found and piece.strip("})]>"):
            key, value = self.found[-1]
            if len(value) < LONGEST_KEY:  # bounded, because a value that grows with each piece costs the square
                self.found[-1] = (key, f"{value}, {piece}")

    def _value(self) -> str:
        while self.text[self.place : self.place + 1] in (" ", "\t"):
            self.place += 1
        first = self.text[self.place : self.place + 1]
        if first == '"' and self.quotes_close:
            return self._quoted()
        if first in _PAIRS and self.patience > 0:
            return self._bracketed()
        return self._plain()

    def _plain(self) -> str:
        start, self.place = self.place, self._after(_PLAIN)
        return self.text[start : self.place].strip()

    def _quoted(self) -> str:
        start = self.place
        stop = self._closing(start)
        if stop < 0:
            self.quotes_close = False
            return self._plain()
        self.place = stop + 1
        body = self.text[start : self.place]
        rest = self._plain()
        if rest:  # 'a "b" c' is no quoted value
            return f"{body} {rest}"
        try:
            value = json.loads(body, strict=False)
        except ValueError:
            return body[1:-1]
        return value if isinstance(value, str) else body[1:-1]

    def _bracketed(self) -> str:
        """A table or a list up to the bracket that closes it; what follows up to the comma is garbage."""
        start, open_ones, at = self.place, [], self.place
        for match in _BRACKET.finditer(self.text, start):
            mark = match[0]
            if match.start() < at:
                continue  # inside of a string that was stepped over
            at = match.start() + 1
            if mark == '"':
                at = self._closing(match.start()) + 1
                if not at:
                    break
            elif mark in _PAIRS:
                open_ones.append(_PAIRS[mark])
                if len(open_ones) > DEEPEST:
                    break
            elif open_ones.pop() != mark:
                break
            elif not open_ones:
                self.place = at
                self._plain()
                return self.text[start:at]
        self.patience -= max(at, start + 1) - start if at else len(self.text)
        return self._plain()

    def _closing(self, quote: int) -> int:
        """Where the quote that opens here is closed; -1 = nowhere."""
        match = _QUOTED.match(self.text, quote + 1)
        stop = match.end() if match else len(self.text)
        return stop if self.text[stop : stop + 1] == '"' else -1

    def _after(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self.text, self.place)
        return match.end() if match else self.place
